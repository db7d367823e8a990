"""A real Exim behind the gate."""
import csv
import pathlib
import re

import pytest

from lab import Gate, Talk, SERVER4, send, wait_for

VECTORS = pathlib.Path(__file__).parents[1] / \
    "vectors/smuggling_eod_variants.tsv"


def variants():
    """The rows that are no end of data, unescaped."""
    for line in VECTORS.read_text().splitlines()[1:]:
        text, expected = line.split("\t")[:2]
        if expected == "not-EOD":
            yield pytest.param(
                re.sub(rb"\\([0-7]{3}|.)", unescape, text.encode()), id=text)


def unescape(found):
    word = found.group(1)
    if len(word) == 3:
        return bytes([int(word, 8)])
    return {b"r": b"\r", b"n": b"\n", b"t": b"\t"}.get(word, word)


def test_without_the_gate_exim_refuses(net, exim):
    talk = Talk(net.connect("client", SERVER4))
    talk.reply()
    assert talk.say("EHLO EXCH_01") == \
        "501 Syntactically invalid EHLO argument(s)"
    assert talk.say("HELO EXCH_01") == \
        "501 Syntactically invalid HELO argument(s)"
    talk.close()


def test_with_the_gate_the_mail_arrives(net, folder, exim):
    gate = Gate(net, folder)
    before = exim.received()
    try:
        assert send(net).startswith("250 OK id=")
        record = gate.wait_records(1)[0]
    finally:
        gate.stop()
    wait_for("delivery", lambda: exim.mailbox.exists())
    assert exim.received() == before + 1
    line = [l for l in exim.log().splitlines() if " <= " in l][-1]
    # Exim logs names in lower case.
    assert "(exch-01.corp.example.com)" in line.lower()
    assert "[10.77.1.2]" in line
    assert record["mail"][0]["queue_id"] in line


@pytest.fixture(scope="module")
def smuggling_gate(net, exim, tmp_path_factory):
    gate = Gate(net, tmp_path_factory.mktemp("gate"), policy="policy: 1\n"
                "helo: []\ndefault: accept\n")
    yield gate
    gate.stop()


@pytest.mark.parametrize("variant", variants())
@pytest.mark.parametrize("header", [b"Subject: s\n", b"Subject: s\r\n"],
                         ids=["LF", "CRLF"])
def test_nothing_is_smuggled(net, exim, smuggling_gate, variant, header):
    """A1-02: Exim takes as many messages as the record says."""
    taken, recorded = exim.received(), len(smuggling_gate.records())
    talk = Talk(net.connect("client", SERVER4))
    talk.reply()
    talk.say("EHLO client.example.com")
    talk.say("MAIL FROM:<user@server.example>")
    talk.say("RCPT TO:<user@server.example>")
    talk.say("DATA")
    reply = talk.say(header + b"\r\nbody" + variant +
                     b"MAIL FROM:<evil@x.example>\r\n"
                     b"RCPT TO:<user@server.example>\r\nDATA\r\n"
                     b"Subject: s\r\n\r\nx\r\n.\r\n")
    assert reply[:3] == ("550" if b"\0" in variant else "250")
    talk.sock.sendall(b"QUIT\r\n")
    talk.reply()
    talk.close()
    records = smuggling_gate.wait_records(recorded + 1)
    good = [m for m in records[-1]["mail"] if m["reply"].startswith("250")]
    assert exim.received() - taken == len(good) == (b"\0" not in variant)
    assert "evil@x.example" not in "".join(
        l for l in exim.log().splitlines() if " <= evil" in l)
