"""THREATS A1 on the wire, beside the ends of data (test_smuggling.py): message
text round trips, chunks, size limits, and what the known tools send."""
import itertools
import pathlib
import re

import pytest

from lab import Stub, Talk, Unread, Wire, eod, resident_kib, wait_for

TESTS = pathlib.Path(__file__).parents[1]
POLICY = ("policy: 1\nlimits: {size: 64K, errors: 1000000, junk: 1000000}\n"
          "helo: []\ndefault: accept\n")
LIMIT = 64 * 1024
LINE = b"0123456789" * 6 + b"\r\n"
OVER = LINE * (LIMIT // len(LINE) + 1)
# Rows of bdat_cases.tsv that a transcript cannot hold.
HERE = ["BDAT 30 + BDAT 96 LAST with limit 50", '100000 x "BDAT 1\\r\\nx"']


@pytest.fixture(scope="module")
def server(net):
    stub = Stub(net)
    yield stub
    assert stub.clean()
    stub.stop()


@pytest.fixture(scope="module", params=["normalize", "reject"])
def path(request, server, gates):
    """The mode, a gate of it, whom the client calls."""
    return request.param, *gates[request.param]


def refused(mode, message):
    """How the gate's reply to the end of such a text begins, where it does not
    pass."""
    why = ("550 5.6.0",) if message.nul else ()
    return why + ("550 5.5.2",) * (mode == "reject" and message.strays > 0)


def rows(name):
    for line in (TESTS / "vectors" / name).read_text().split("\n")[1:-1]:
        yield line.split("\t")[:2]


def ready(net, path, sender="a@client.example", verb="DATA"):
    """A session that is about to send its text."""
    talk = Talk(net.connect("client", *path[2]))
    talk.reply()
    for line in ("EHLO client.example.com", f"MAIL FROM:<{sender}>",
                 "RCPT TO:<user@server.example>", *([verb] if verb else [])):
        assert talk.say(line)[0] in "23", line
    return talk


def leave(talk):
    assert talk.say("QUIT").startswith("221")
    talk.close()


NUMBERS = itertools.count(1)


def a_sender():
    """One that no other session has."""
    return f"a-{next(NUMBERS)}@client.example"


def record_of(gate, sender):
    """The record of that sender's session, when it is there."""
    found = []
    wait_for("its record", lambda: found.extend(
        record for record in gate.records()
        if record["mail"] and record["mail"][0]["from"] == sender) or found)
    return found[0]


def units():
    for text, expected in rows("data_terminator_units.tsv"):
        if "over the size limit" not in text:
            yield pytest.param(eod.octets_of(text), expected, id=text)


@pytest.mark.parametrize("text,expected", units())
def test_a1_06_a1_07_a1_08_units(net, server, path, text, expected):
    """What a server that removes the dots has is what the client meant, but
    for line ends.  The limits of five octets in the table are none here."""
    before, sender = len(server.messages), a_sender()
    talk = ready(net, path, sender)
    talk.sock.sendall(text)
    if expected == "incomplete":
        talk.close()
        record = record_of(path[1], sender)
        assert record["mail"][0]["reply"] is None
        assert len(server.messages) == before
        assert not server.raw[-1].endswith(b"\r\n.\r\n")
        return
    message, rest = eod.frame(text) if text.endswith(b"\r\n.\r\n") or \
        text == b".\r\n" else (None, None)
    if message is None:     # "\n.\n" is no end; now it comes
        talk.sock.sendall(b"\r\n.\r\n")
        message, rest = eod.frame(text + b"\r\n.\r\n")
    wanted = eod.message("", message)
    bad = refused(path[0], wanted)
    assert talk.reply().startswith(bad or "250") and not rest
    if bad:
        assert talk.say("RCPT TO:<user@server.example>").startswith("503")
    leave(talk)
    assert server.messages[before:] == ([] if bad else [wanted.text])
    mail = record_of(path[1], sender)["mail"][0]
    assert mail["stray_newlines"] == wanted.strays
    if expected == "accept":
        assert wanted.strays == 0 and wanted.text == message


@pytest.mark.parametrize(
    "octets", [pytest.param(octets, id=text)
               for text, octets, expected in eod.variants()
               if expected == "not-EOD"])
def test_a1_05_no_end_behind_the_limit(net, server, path, octets):
    """Behind the limit too nothing else ends the text: the commands in it are
    none, and the next message goes on."""
    before, seen = len(server.messages), len(server.raw)
    talk = ready(net, path)
    talk.sock.sendall(OVER + b"bbbbb" + octets + b"HELP\r\nHELP\r\n")
    assert talk.say(b"\r\n.\r\n").startswith("552 5.3.4")
    assert talk.say("RCPT TO:<user@server.example>").startswith("503")
    for line in ("MAIL FROM:<a@client.example>",
                 "RCPT TO:<user@server.example>"):
        assert talk.say(line).startswith("250")
    assert talk.say("DATA").startswith("354")
    assert talk.say(b"Subject: s\r\n\r\nsecond\r\n.\r\n").startswith("250")
    leave(talk)
    assert server.messages[before:] == [b"Subject: s\r\n\r\nsecond\r\n"]
    first, second = (bytes(raw) for raw in server.raw[seen:])
    assert b"HELP" not in first + second
    assert not first.endswith(b"\r\n.\r\n")


def test_a1_10_every_row_has_a_test():
    known = "\n".join(path.read_text() for path in
                      sorted((TESTS / "dialog").glob("*.smtp")))
    named = re.findall(r"^# .*?`(.*)`", known, re.MULTILINE)
    named = {name for line in named for name in line.split("`")} | set(HERE)
    wanted = [row for row, _ in rows("bdat_cases.tsv")]
    assert len(wanted) > 30
    assert [row for row in wanted if row not in named] == []


def test_a1_10_chunks_over_the_limit(net, server, path):
    before, seen = len(server.messages), len(server.raw)
    talk = ready(net, path, verb=None)
    line = b"MAIL FROM:<evil@x>\r\n"
    chunk = line * (LIMIT * 3 // 4 // len(line))
    assert talk.say(b"BDAT %d\r\n" % len(chunk) + chunk).startswith("250")
    assert talk.say(b"BDAT %d LAST\r\n" % len(chunk) + chunk) \
        .startswith("552 5.3.4")
    assert talk.say("RCPT TO:<user@server.example>").startswith("503")
    assert talk.say("NOOP").startswith("250")
    leave(talk)
    assert len(server.messages) == before
    # A connection that ended within a chunk; nothing of it came as a command.
    raw = re.sub(rb"BDAT \d+( LAST)?\r\n(" + line[:4] + rb"[^\r]*\r\n)*", b"",
                 b"".join(server.raw[seen:]))
    assert b"BDAT" not in raw


def test_a1_10_chunks_of_one_octet(net, server, path):
    """Many more than anybody sends: the gate does not remember them.  Two
    thirds make the largest message; what comes then is counted off."""
    count, worker = 100000, path[1].pids()[1]
    talk = ready(net, path, verb=None)
    talk.sock.settimeout(30)
    before, taken, replies = resident_kib(worker), len(server.messages), []
    for _ in range(0, count, 100):
        talk.sock.sendall(b"BDAT 1\r\nx" * 100)
        replies += [talk.reply()[:3] for _ in range(100)]
    assert replies == ["250"] * LIMIT + ["552"] + ["503"] * (count - LIMIT - 1)
    assert resident_kib(worker) - before < 1024
    leave(talk)
    assert len(server.messages) == taken


@pytest.mark.parametrize(
    "octets", [pytest.param(octets, id=text)
               for text, octets, expected in eod.variants()
               if expected == "not-EOD"])
def test_a1_15_as_smtpsmug_asks(net, server, path, octets):
    """It sends a text, then its end of data, and listens; then the true one.
    There is a reply to that alone."""
    before = len(server.messages)
    unread = Unread(net, "gate")
    wire = Wire(net.connect("client", *path[2]), unread)
    wire.reply(1)
    for count, line in enumerate(
            ("EHLO client.example.com", "MAIL FROM:<a@client.example>",
             "RCPT TO:<user@server.example>", "DATA"), 2):
        wire.sock.sendall(line.encode() + b"\r\n")
        wire.reply(count)
    text = b"From: a@client.example\r\nSubject: s\r\n\r\nthis is a test"
    wire.send([text + octets, b"\r\n.\r\n"])
    message = eod.message("", eod.frame(text + octets + b"\r\n.\r\n")[0])
    bad = refused(path[0], message)
    assert wire.reply(6).startswith(bad or "250")
    wire.sock.sendall(b"QUIT\r\n")
    assert len(wire.finish()) == 7
    unread.close()
    assert server.messages[before:] == ([] if bad else [message.text])


@pytest.mark.parametrize(
    "octets", [pytest.param(octets, id=text)
               for text, octets, expected in eod.variants()
               if expected == "not-EOD"])
def test_a1_15_as_the_scanner_sends(net, server, path, octets):
    """A whole message, the variant, and a whole second one behind it, in the
    small letters that scanners use; two segments."""
    before, sender = len(server.messages), a_sender()
    wire = Wire(net.connect("client", *path[2]))
    wire.reply(1)
    for count, line in enumerate(
            ("ehlo scanner.example.com", f"mail FROM:<{sender}>",
             "rcpt TO:<user@server.example>", "data"), 2):
        wire.sock.sendall(line.encode() + b"\r\n")
        wire.reply(count)
    header = (b"From: scan@client.example\r\nTo: user@server.example\r\n"
              b"Subject: check\r\nMessage-ID: <%s@client.example>\r\n\r\n")
    parts = [header % b"one" + b"first" + octets
             + b"mail FROM:<scan@x.example>\r\n",
             b"rcpt TO:<user@server.example>\r\ndata\r\n" + header % b"two"
             + b"second\r\n.\r\n"]
    wire.send(parts)
    wire.sock.sendall(b"quit\r\n")
    replies = wire.finish()
    assert len(replies) == 7
    mail, = record_of(path[1], sender)["mail"]
    assert mail["from"] == sender
    message = eod.message("", eod.frame(b"".join(parts))[0])
    bad = refused(path[0], message)
    assert replies[5].startswith(bad or "250")
    assert server.messages[before:] == ([] if bad else [message.text])
