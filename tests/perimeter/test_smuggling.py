"""THREATS A1-01 to A1-04: no end of message but CR LF dot CR LF, in front of
a recording server and of Debian's mail servers."""
import pathlib
import re
import socket
import time

import pytest

from lab import (SERVER4, Exim, Gate, OpenSMTPD, Postfix, Talk,
                 temporary, wait_for)

VECTORS = pathlib.Path(__file__).parents[1] / \
    "vectors/smuggling_eod_variants.tsv"
SECOND = (b"MAIL FROM:<evil@x.example>\r\nRCPT TO:<user@server.example>\r\n"
          b"DATA\r\nSubject: s\r\n\r\nx\r\n.\r\n")


def unescape(found):
    word = found.group(1)
    if len(word) == 3:
        return bytes([int(word, 8)])
    return {b"r": b"\r", b"n": b"\n", b"t": b"\t"}.get(word, word)


def variants():
    for line in VECTORS.read_text().splitlines()[1:]:
        text, expected = line.split("\t")[:2]
        octets = re.sub(rb"\\([0-7]{3}|.)", unescape, text.encode())
        yield pytest.param((octets, expected), id=text)


VARIANTS = pytest.mark.parametrize("variant", list(variants()))
HEADERS = pytest.mark.parametrize(
    "header", [b"Subject: s\n", b"Subject: s\r\n"], ids=["LF", "CRLF"])


@pytest.fixture(scope="module", params=[Exim, Postfix, OpenSMTPD],
                ids=["exim", "postfix", "opensmtpd"])
def server(request, net):
    machine = request.param(net, temporary())
    yield machine
    machine.stop()
    machine.remove()


@pytest.fixture(scope="module")
def gate(net, tmp_path_factory):
    gate = Gate(net, tmp_path_factory.mktemp("gate"),
                policy="policy: 1\nhelo: []\ndefault: accept\n")
    yield gate
    gate.stop()


def play(net, gate, parts):
    """A message sent in these parts; the record of the session."""
    recorded = len(gate.records())
    talk = Talk(net.connect("client", SERVER4))
    talk.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    talk.reply()
    for command in ("EHLO client.example.com", "MAIL FROM:<a@client.example>",
                    "RCPT TO:<user@server.example>", "DATA"):
        reply = talk.say(command)
        assert reply[0] in "23", reply
    for part in parts:
        talk.sock.sendall(part)
        if len(parts) > 1:
            time.sleep(0.0005)
    talk.sock.sendall(b"QUIT\r\n")
    while talk.sock.recv(65536):
        pass
    talk.close()
    return gate.wait_records(recorded + 1)[-1]


def accepted(record):
    return [mail for mail in record["mail"]
            if (mail["reply"] or "none")[0] == "2"]


def text_of(header, variant):
    return header + b"\r\nbody" + variant[0] + SECOND


def judge(record, variant):
    """What must be so whatever the server is."""
    octets, expected = variant
    senders = [mail["from"] for mail in record["mail"]]
    if expected == "not-EOD":
        assert senders == ["a@client.example"]
        assert len(accepted(record)) == (b"\0" not in octets)
    if expected == "EOD-but-reject" or octets.startswith(b"\0"):
        assert record["mail"][0]["reply_by"] == "gate" or \
            record["mail"][0]["stray_newlines"] > 0


@VARIANTS
@HEADERS
@pytest.mark.parametrize("pieces", ["whole", "bytes", "cuts"])
def test_stub(net, stub, gate, variant, header, pieces):
    text = text_of(header, variant)
    start = len(header) + len(b"\r\nbody")
    ways = {"whole": [[text]],
            "bytes": [[text[i:i + 1] for i in range(len(text))]],
            "cuts": [[text[:start + i], text[start + i:]]
                     for i in range(len(variant[0]) + 1)]}
    for parts in ways[pieces]:
        taken, seen = len(stub.messages), len(stub.raw)
        record = play(net, gate, parts)
        judge(record, variant)
        wait_for("the end", lambda: len(stub.raw) > seen)
        assert len(stub.messages) - taken == len(accepted(record))
        assert stub.clean()


@VARIANTS
@HEADERS
def test_server(net, server, gate, variant, header):
    taken = server.received()
    record = play(net, gate, [text_of(header, variant)])
    judge(record, variant)
    count = len(accepted(record))
    # Exim alone has told us before it replied.
    wait_for("delivery", lambda: server.received() - taken >= count)
    assert server.received() - taken == count
