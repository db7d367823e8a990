"""Much of everything that one client can send: long lines, many recipients,
many commands, and a server that takes its time (THREATS A5).  MUCH makes the
tests longer."""
import hashlib
import os
import threading
import time

import pytest

from lab import SERVER4, Gate, Talk, descriptors, resident_kib

MUCH = int(os.environ.get("MUCH", "20000"))
POLICY = "policy: 1\n{}helo: []\ndefault: accept\n"
NO_LIMITS = "limits: {junk: 1000000, errors: 1000000}\n"
GROUP = 50
COMMAND_MAX = 4096


@pytest.fixture
def make(net, folder):
    """A gate whose policy begins with these lines."""
    made = []

    def start(limits=NO_LIMITS, settings=""):
        made.append(Gate(net, folder, policy=POLICY.format(limits),
                         settings=settings))
        return made[0]
    yield start
    for gate in made:
        gate.stop()


class Grown:
    """What the worker has more than at the beginning."""

    def __init__(self, gate):
        self.worker = gate.workers()[0]
        self.begin = resident_kib(self.worker)

    def kib(self):
        return resident_kib(self.worker) - self.begin


def started(net):
    talk = Talk(net.connect("client", SERVER4))
    talk.reply()
    assert talk.say("EHLO client.example.com").startswith("250")
    return talk


# --- time ------------------------------------------------------------------------


def test_a5_03_the_last_reply_is_late(make, ends):
    """Later than any other deadline: the client hears it, and nothing else."""
    make(settings="timeouts: {command: 1s, data_block: 1s, data_end: 8s}\n")
    ends.data()
    ends.client.send(b"Subject: s\r\n\r\nx\r\n.\r\n")
    while ends.server.line() != b".":
        pass
    time.sleep(3)
    ends.server.send(b"250 at last\r\n")
    assert ends.client.line() == b"250 at last"
    ends.exchange(b"QUIT", b"221 bye")
    assert ends.client.rest() == (b"", False)


# --- lines -----------------------------------------------------------------------


def a_line(length):
    """A MAIL of so many octets with its CRLF."""
    start, end = b"MAIL FROM:<", b"@client.example>\r\n"
    return start + b"a" * (length - len(start) - len(end)) + end


@pytest.mark.parametrize("length,passes", [
    (510, True), (511, True), (512, True), (513, True), (1024, True),
    (COMMAND_MAX, True), (COMMAND_MAX + 1, False), (11 * 1024, False),
    (1024 * 1024, False)])
def test_a5_04_a_long_command(net, make, stub, length, passes):
    """Extensions make lines longer than the 512 octets of RFC 5321; the gate
    lets 4096 pass.  What is longer is refused once, whole."""
    gate = make()
    grown = Grown(gate)
    talk = started(net)
    line = a_line(length)
    assert len(line) == length
    reply = talk.say(line)
    assert reply.startswith("250" if passes else "500 5.5.2 line too long")
    assert talk.say("RSET").startswith("250")
    assert talk.say("QUIT").startswith("221")
    record, = gate.wait_records(1)
    assert (line in bytes(stub.raw[0])) == passes
    assert bytes(stub.raw[0]).endswith(b"\r\nRSET\r\nQUIT\r\n")
    assert [v["kind"] for v in record["violations"]] == \
        ([] if passes else ["command_too_long"])
    assert grown.kib() < 1024


def test_a5_04_a_command_without_an_end(make, ends):
    """It goes on for a hundred megabytes: no memory, one refusal, and the
    deadline of a command is over sooner than its sender."""
    gate = make(settings="timeouts: {command: 2s}\n")
    ends.greeted()
    grown, chunk = Grown(gate), b"x" * (1 << 20)
    ends.client.sock.settimeout(5)
    most = 0
    with pytest.raises((ConnectionError, TimeoutError)):
        for _ in range(100000):
            ends.client.send(chunk)
            most = max(most, grown.kib())
    assert most < 1024
    record, = gate.wait_records(1)
    assert record["violation_count"] == 1
    assert record["close"]["code"] == "cR"


@pytest.mark.parametrize("length", [998, 999, 1000, 1001, 2048, 65536,
                                    100 * 1000 * 1000])
def test_a5_04_a_long_line_of_text(make, ends, length):
    """It streams through, whatever its length; memory does not know it."""
    gate = make()
    ends.data()
    grown = Grown(gate)
    line, sent = b"x" * min(length, 1 << 20), hashlib.sha256()

    def send():
        left = length
        while left > 0:
            ends.client.send(line[:left])
            sent.update(line[:left])
            left -= min(left, len(line))
        ends.client.send(b"\r\n.\r\n")
        sent.update(b"\r\n.\r\n")
    ends.client.sock.settimeout(30)
    sender = threading.Thread(target=send)
    sender.start()
    got, received, most = 0, hashlib.sha256(), 0
    while got < length + 5:
        octets = ends.server.sock.recv(1 << 20)
        assert octets
        got += len(octets)
        received.update(octets)
        most = max(most, grown.kib())
    sender.join()
    ends.server.send(b"250 taken\r\n")
    assert ends.client.line() == b"250 taken"
    assert received.digest() == sent.digest() and most < 1024


# --- numbers ---------------------------------------------------------------------


def in_groups(talk, lines):
    """Says them, a group at a time; the replies' codes."""
    codes = []
    for at in range(0, len(lines), GROUP):
        group = lines[at:at + GROUP]
        talk.sock.sendall(b"".join(group))
        codes += [talk.reply()[:3] for _ in group]
    return codes


@pytest.mark.parametrize("count", [100, 101, 1000, 10001])
def test_a5_05_recipients(net, make, stub, count):
    """As many as the server takes: the record lists up to a thousand of them,
    as there is room, and counts all."""
    gate = make()
    talk = started(net)
    assert talk.say("MAIL FROM:<a@client.example>").startswith("250")
    grown = Grown(gate)
    assert in_groups(talk, [b"RCPT TO:<b%d@server.example>\r\n" % n
                            for n in range(count)]) == ["250"] * count
    assert talk.say("DATA").startswith("354")
    assert talk.say(b"x\r\n.\r\n").startswith("250")
    talk.say("QUIT")
    mail = gate.wait_records(1)[0]["mail"][0]
    assert mail["rcpt_count"] == count
    listed = len(mail["rcpt"])
    assert listed == count or 800 < listed <= 1000
    assert gate.records()[0]["truncated"] == (listed < count)
    assert len(stub.taken[0].recipients) == count
    assert grown.kib() < 2048


def test_a5_05_recipients_over_the_limit(net, make, stub):
    make("limits: {recipients: 100}\n")
    talk = started(net)
    assert talk.say("MAIL FROM:<a@client.example>").startswith("250")
    codes = in_groups(talk, [b"RCPT TO:<b%d@server.example>\r\n" % n
                             for n in range(103)])
    assert codes == ["250"] * 100 + ["452"] * 3
    talk.say("QUIT")


@pytest.mark.parametrize("line,code", [
    (b"NOOP\r\n", "250"), (b"RSET\r\n", "250"), (b"FOO bar\r\n", "500"),
    (b"EHLO a b\r\n", "250"), (b"VRFY root\r\n", "250")],
    ids=["NOOP", "RSET", "unknown", "EHLO", "VRFY"])
def test_a5_05_commands_without_end(net, make, stub, line, code):
    """With no limit to stop them: memory and the record stay as they are."""
    gate = make()
    talk = started(net)
    talk.sock.settimeout(60)
    in_groups(talk, [line] * 1000)
    grown = Grown(gate)
    assert in_groups(talk, [line] * MUCH) == [code] * MUCH
    assert grown.kib() < 256
    assert talk.say("QUIT").startswith("221")
    gate.wait_records(1, 30)
    assert gate.log.stat().st_size < 256 * 1024
    assert gate.said().count("\n") < 10


@pytest.mark.parametrize("line,limit,reason", [
    (b"NOOP\r\n", "", "too_much_junk"), (b"RSET\r\n", "", "too_much_junk"),
    (b"FOO bar\r\n", "limits: {errors: 20}\n", "too_many_errors"),
    (b"NOOP\r\n", "limits: {commands: 50}\n", "too_many_commands")])
def test_a5_05_counters_fire(net, make, stub, line, limit, reason):
    gate = make(limit)
    talk = started(net)
    said = [talk.say(line)]
    while not said[-1].startswith("421"):
        said.append(talk.say(line))
    talk.close()
    assert said[-1].startswith("421 4.7.0 "), said[-1]
    assert len(said) <= 102
    record, = gate.wait_records(1)
    assert record["close"]["reason"] == reason


def test_a5_06_commands_at_once_and_a_stalled_server(make, ends):
    """A hundred thousand in as few writes as can be, and no reply: so many go
    on as the gate can await, the others wait at the client."""
    gate = make()
    ends.greeted()
    grown, held = Grown(gate), descriptors(gate.workers()[0])
    ends.client.sock.settimeout(60)
    sender = threading.Thread(target=ends.client.send,
                              args=(b"RSET\r\n" * 100000,))
    sender.start()
    time.sleep(1.5)
    assert grown.kib() < 1024
    answered = 0
    ends.server.sock.settimeout(60)
    heard = bytearray()

    def listen():
        while heard.count(b"\n") < 100000:
            octets = ends.client.sock.recv(1 << 20)
            if not octets:
                return
            heard.extend(octets)
    listener = threading.Thread(target=listen)
    listener.start()
    while answered < 100000:
        lines = ends.server.sock.recv(1 << 20).count(b"\n")
        assert lines > 0
        ends.server.send(b"250 ok\r\n" * lines)
        answered += lines
    sender.join(60)
    listener.join(60)
    assert bytes(heard) == b"250 ok\r\n" * 100000
    assert grown.kib() < 1024
    assert descriptors(gate.workers()[0]) == held
