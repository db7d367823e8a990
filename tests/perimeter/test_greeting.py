"""`greeting: gate`, and the server's leg that is made late or anew, in front of
a recording server and of Debian's Exim."""
import pytest

from lab import SERVER4, SERVER6, Gate, Talk, send, wait_for

POLICY = """\
policy: 1
helo:
  - {name: no, when: {helo: bad.example.org}, then: reject}
default: accept
"""


@pytest.fixture(params=["tproxy", "redirect"])
def gate(net, folder, request):
    made = Gate(net, folder, mode=request.param, policy=POLICY,
                more="    greeting: gate\n")
    yield made
    made.stop()


def talk_to(net, address=SERVER4):
    talk = Talk(net.connect("client", address))
    assert talk.reply() == "220 gate ESMTP"
    return talk


def test_junk_never_connects(net, stub, gate):
    talk = talk_to(net)
    assert talk.say("MAIL FROM:<a@client.example>").startswith("503")
    assert talk.say("EHLO bad.example.org").startswith("550 5.7.1")
    assert talk.say("HELO bad.example.org").startswith("550 5.7.1")
    assert talk.say("NOOP").startswith("250")
    assert talk.say("QUIT").startswith("221")
    talk.close()
    record = gate.wait_records(1)[0]
    assert stub.peers == []
    assert record["greeting_by"] == "gate"
    assert record["upstream"] is None
    assert record["bytes"]["server_in"] == record["bytes"]["server_out"] == 0


@pytest.mark.parametrize("address", [SERVER4, SERVER6])
def test_no_server(net, gate, address):
    """Nothing listens: the reply to the name says so."""
    talk = talk_to(net, address)
    assert talk.say("EHLO client.example.com").startswith("421 4.4.1")
    with pytest.raises(EOFError):
        talk.reply()
    record = gate.wait_records(1)[0]
    assert record["close"]["code"] == "SQ"
    assert record["helo"][0]["reply_by"] == "gate"


def test_another_leg(net, stub, gate):
    """A message with a NUL costs the connection to the server, not the
    client's session."""
    talk = talk_to(net)
    for number in range(3):
        if number == 0:
            assert talk.say("EHLO client.example.com").startswith("250")
        assert talk.say("MAIL FROM:<a@client.example>").startswith("250")
        assert talk.say("RCPT TO:<user@server.example>").startswith("250")
        assert talk.say("DATA").startswith("354")
        bad = b"\0" if number < 2 else b""
        reply = talk.say(b"Subject: x\r\n\r\n%d%s\r\n.\r\n" % (number, bad))
        assert reply.startswith("550 5.6.0" if bad else "250")
        if bad:
            assert talk.say("RCPT TO:<b@server.example>").startswith("503")
    talk.say("QUIT")
    talk.close()
    record = gate.wait_records(1)[0]
    wait_for("three legs", lambda: len(stub.raw) == 3)
    assert stub.messages == [b"Subject: x\r\n\r\n2\r\n"]
    assert stub.clean()
    assert [mail["reply_by"] for mail in record["mail"]] == \
        ["gate", "gate", "server"]
    assert all(raw.startswith(b"EHLO client.example.com\r\nMAIL FROM:")
               for raw in map(bytes, stub.raw))


def test_leg_that_cannot_be_had(net, stub, gate):
    talk = talk_to(net)
    for command in ("EHLO client.example.com", "MAIL FROM:<a@client.example>",
                    "RCPT TO:<user@server.example>", "DATA"):
        assert talk.say(command)[0] in "23"
    stub.stop()
    assert talk.say(b"\0\r\n.\r\n").startswith("550 5.6.0")
    assert talk.say("MAIL FROM:<a@client.example>").startswith("421 4.4.1")
    record = gate.wait_records(1)[0]
    assert record["close"]["code"] == "SQ"
    assert stub.messages == []


# The last: Exim stays until the end of the file.
@pytest.mark.parametrize("gate", ["tproxy"], indirect=True)
def test_mail_through_exim(net, exim, gate):
    before = exim.received()
    assert send(net, helo="client.example.com").startswith("250")
    record = gate.wait_records(1)[0]
    assert exim.received() == before + 1
    assert record["greeting"] == "220 gate ESMTP"
    assert record["server_greeting"].startswith("220 ")
    assert record["upstream"]["local_ip"] == "10.77.1.2"
    assert record["mail"][0]["reply"].startswith("250")
    assert record["close"]["code"] == "--"
