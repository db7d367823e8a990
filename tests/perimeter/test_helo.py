"""THREATS A3 on the wire: every measured argument of HELO and EHLO through one
gate, against what `ehlogate helo` says of it alone."""
import json
import pathlib
import re
import subprocess

import pytest

from lab import GATE, SERVER4, Gate, Stub, Talk, eod, resident_kib, wait_for

VECTORS = pathlib.Path(__file__).parents[1] / "vectors/helo_receivers.tsv"
LIMITS = "limits: {errors: 1000000, junk: 1000000}\n"
REJECT = "policy: 1\n" + LIMITS + """\
protocol: {pipelining: hold}
helo: [{name: not-a-name, when: {helo.valid: false}, then: reject}]
default: accept
"""
MEND = "policy: 1\n" + LIMITS + """\
helo:
  - name: mend
    when: {client: 0.0.0.0/0}
    then: {repair: all, starttls: pass}
default: accept
"""
LISTENERS = f"""\
    bind: ["10.77.1.1:2525"]
    upstream: "{SERVER4}:25"
  mending:
    mode: explicit
    bind: ["10.77.1.1:2526"]
    upstream: "{SERVER4}:25"
    policy: mend.yaml
"""
ONE_LINE = re.compile(rb"(HELO|EHLO) ([!-~]+)")


def rows():
    """The arguments as the table has them and their octets.  What holds a CR
    LF is no argument on the wire, but lines."""
    for line in VECTORS.read_text().split("\n")[1:-1]:
        text = line.split("\t")[0]
        octets = eod.octets_of(text)
        if b"\n" not in octets:
            yield text, octets


def judge(arguments, *options):
    """What the program says of arguments alone; they are C-escaped."""
    said = subprocess.run(
        [GATE, "helo", "--json", *options, "-"], check=True,
        capture_output=True, input=("\n".join(arguments) + "\n").encode())
    return [json.loads(line) for line in said.stdout.splitlines()]


def escaped(octets):
    return "".join(chr(o) if 0x20 <= o < 0x7f and o != 0x5c else f"\\{o:03o}"
                   for o in octets)


@pytest.fixture(scope="module")
def server(net):
    stub = Stub(net)
    yield stub
    stub.stop()


@pytest.fixture(scope="module")
def gate(net, server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gate")
    (folder / "mend.yaml").write_text(MEND)
    gate = Gate(net, folder, "explicit", policy=REJECT, more=LISTENERS)
    yield gate
    gate.stop()


class Session:
    """One session; what the server gets of it."""

    def __init__(self, net, server, port=2525):
        before = len(server.raw)
        self.talk = Talk(net.connect("client", "10.77.1.1", port))
        self.talk.reply()
        self.raw = server.raw[before]

    def greet(self, verb, arguments, pipelined):
        """All replies."""
        lines = [verb + b" " + octets + b"\r\n" for octets in arguments]
        if pipelined:
            self.talk.sock.sendall(b"".join(lines))
            return [self.talk.reply() for _ in lines]
        return [self.talk.say(line) for line in lines]

    def leave(self):
        """The lines that the server got."""
        assert self.talk.say("QUIT").startswith("221")
        self.talk.close()
        assert self.raw.endswith(b"QUIT\r\n")
        return bytes(self.raw).split(b"\r\n")[:-2]


@pytest.mark.parametrize("pipelined", [False, True], ids=["waits", "pipelined"])
@pytest.mark.parametrize("verb", [b"EHLO", b"HELO", b"ehlo", b"HeLo"])
def test_a3_03_the_table_on_the_wire(net, server, gate, verb, pipelined):
    if pipelined and verb.upper() == b"HELO":
        return      # who says HELO has to wait
    every = list(rows())
    assert len(every) > 250
    verdicts = judge([text for text, _ in every])
    session = Session(net, server)
    replies = session.greet(verb, [octets for _, octets in every], pipelined)
    for (text, _), verdict, reply in zip(every, verdicts, replies):
        wanted = "250" if verdict["valid"] else "50[014]|55[03]"
        assert re.match(wanted, reply), (text, reply)
        if not verdict["valid"]:
            assert re.fullmatch(r".* \[ref [0-9A-Z]{16}\]", reply), reply
    # THREATS A3-04: one blank, the octets as they were, nothing behind them;
    # what differs in case alone goes on as it was said first.
    first = {}
    assert session.leave() == [
        verb.upper() + b" " + first.setdefault(octets.lower(), octets)
        for (_, octets), verdict in zip(every, verdicts) if verdict["valid"]]


def test_a3_04_a_mended_name_is_a_name(net, server, gate):
    """Exact bytes, and mending what was mended changes nothing."""
    every = list(rows())
    alone = judge([text for text, _ in every], "--client", "10.77.1.2",
                  "--repair", "all")
    session = Session(net, server, 2526)
    replies = session.greet(b"EHLO", [octets for _, octets in every], False)
    assert all(reply.startswith("250") for reply in replies)
    lines = session.leave()
    names = [ONE_LINE.fullmatch(line).group(2) for line in lines]
    assert len(names) == len(every)
    first = {}      # as above
    assert [name.decode() for name in names] == \
        [first.setdefault(octets.lower(), verdict["repaired"])
         for (_, octets), verdict in zip(every, alone)]
    again = judge([escaped(name) for name in names], "--client", "10.77.1.2",
                  "--repair", "all")
    assert all(verdict["valid"] for verdict in again)
    assert [verdict["repaired"] for verdict in again] == \
        [name.decode() for name in names]


HOSTILE = [b"a\x1b[31m", b"%s%n%x%999999d", b'a","level":"x', b"a\\", b'"',
           b"\xc0\xaf", b"\xe0\x80\x80", b"\xf4\x90\x80\x80", b"\xed\xa0\x80",
           b"\xff\xfe", "a\u2028b\u2029c\u0085d".encode(), b"a\x7f\x01",
           "\u202egnp.exe".encode(), b"${jndi:ldap://x}", b"a\rb", b"a\0b",
           b"x" * 2000]


def unescape(found):
    return b"\\" if found.group(1) == b"\\" else \
        bytes([int(found.group(1)[1:], 16)])


def test_a3_09_no_name_breaks_the_log(net, server, gate):
    """The line of the record is one line of UTF-8 and of JSON, and what was
    said can be had back from it."""
    session = Session(net, server)
    for octets in HOSTILE:
        session.talk.say(b"EHLO " + octets + b"\r\n")
    session.leave()
    wait_for("its record", lambda: b"jndi" in gate.log.read_bytes())
    line, = [line for line in gate.log.read_bytes().split(b"\n")
             if b"jndi" in line]
    assert re.search(rb"[\x00-\x1f\x7f]", line) is None
    text = line.decode("utf-8")
    # U+0085, U+2028 and U+2029 end lines to some readers.
    assert len(text.splitlines()) == 1
    record = json.loads(text)
    assert "level" not in record
    said = [re.sub(rb"\\(\\|x[0-9a-f]{2})", unescape,
                   greeting["received"].encode("utf-8"))
            for greeting in record["helo"]]
    for octets, received in zip(HOSTILE, said):
        assert received == octets or len(octets) == 2000 and \
            record["truncated"] and octets.startswith(received), octets
    assert len(said) == len(HOSTILE)


def label(size):
    return b"a" * size


def name(size):
    """A name of so many octets, of labels of 63 at most."""
    whole = b".".join([label(63)] * (size // 64 + 1))[:size]
    return whole[:-2] + b"a" + whole[-1:] if whole.endswith(b".") else whole


@pytest.mark.parametrize("argument,valid", [
    (label(63), True), (label(64), False), (name(253), True),
    (name(254), True), (name(255), True), (name(256), False),
    # Lines of 510 to 513 octets, of a KiB, and of 11.
    *((label(size - 7), False) for size in (510, 511, 512, 513, 1024, 11264)),
], ids=lambda value: str(len(value)) if isinstance(value, bytes) else "")
def test_a3_06_lengths(net, server, gate, argument, valid):
    for verb in (b"HELO", b"EHLO"):
        session = Session(net, server)
        reply, = session.greet(verb, [argument], False)
        assert (reply[:3] == "250") == valid, reply
        assert valid or re.match("50[01] 5.5.[24] ", reply), reply
        assert session.leave() == ([verb + b" " + argument] if valid else [])


def test_a3_06_a_line_without_end(net, server, gate):
    """A MiB each, and no LF: nothing of it is kept, and one reply comes when
    it has come."""
    worker = gate.pids()[1]
    sessions = [Session(net, server) for _ in range(16)]
    for session in sessions:
        assert session.talk.say("EHLO a.example").startswith("250")
    before = resident_kib(worker)
    for session in sessions:
        session.talk.sock.sendall(b"EHLO " + b"a" * (1 << 20))
    for session in sessions:
        assert session.talk.say(b"\r\n").startswith("500 5.5.2 line too long")
        # What is counted has been read by then.
    assert resident_kib(worker) - before < 4096
    for session in sessions:
        assert session.talk.say("NOOP").startswith("250")
        assert session.leave() == [b"EHLO a.example", b"NOOP"]
