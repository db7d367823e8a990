"""`client: uplift`: the client speaks in the clear, the gate speaks TLS with the
server."""
import ssl
import subprocess
import threading

import pytest

from lab import (OTHER4, SERVER4, Gate, Stub, Talk, lines_of_mail, send,
                 wait_for)

UPLIFT = "    tls: {client: uplift}\n"
TRY = "    tls: {client: uplift, server: opportunistic}\n"
VERSIONS = ("TLSv1.2", "TLSv1.3")


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """What a server speaks TLS with."""
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
         "/CN=mx.test", "-days", "2", "-keyout", folder / "key.pem", "-out",
         folder / "chain.pem"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    return context


@pytest.fixture
def server(net, secured):
    stub = Stub(net, tls=secured)
    yield stub
    stub.stop()


@pytest.fixture
def make(net, folder):
    made = []

    def start(tls=UPLIFT, **more):
        made.append(Gate(net, folder, more=tls, **more))
        return made[0]
    yield start
    for gate in made:
        gate.stop()


@pytest.mark.parametrize("version", VERSIONS)
def test_large_mail_is_byte_exact(net, make, server, secured, version):
    """Nothing but EHLO and STARTTLS was said before."""
    secured.maximum_version = ssl.TLSVersion[version.replace(".", "_")]
    gate = make()
    body = b"Subject: large\r\n\r\n" + lines_of_mail(8 * 1024 * 1024)
    try:
        final = send(net, body=body.replace(b"\r\n.", b"\r\n.."), seconds=60)
    finally:
        secured.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    assert final.startswith("250")
    record = gate.wait_records(1)[0]
    assert record["tls"]["server"] == version
    assert server.messages == [body] and server.clean()
    assert bytes(server.raw[0][:server.secret[0]]) == \
        b"EHLO EXCH-01.corp.example.com\r\nSTARTTLS\r\n"


def test_many_at_once(net, make, server):
    gate = make()
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(send(net)))
               for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(replies) == 40
    assert all(reply.startswith("250") for reply in replies)
    assert {r["tls"]["server"] for r in gate.wait_records(40)} <= \
        set(VERSIONS)


def test_the_client_is_offered_none(net, make, server):
    make()
    talk = Talk(net.connect("client", SERVER4))
    talk.reply()
    offer = talk.say("EHLO client.example.com")
    assert "STARTTLS" not in offer and "PIPELINING" in offer
    assert talk.say("STARTTLS").startswith("502 5.5.1")
    assert talk.say("QUIT").startswith("221")


def test_a_server_without_tls(net, make, stub):
    gate = make()
    talk = Talk(net.connect("client", SERVER4))
    talk.reply()
    assert talk.say("EHLO client.example.com").startswith(
        "421 4.7.4 the server offers no TLS")
    assert gate.wait_records(1)[0]["close"]["reason"] == "no_tls"
    assert bytes(stub.raw[0]) == b"EHLO client.example.com\r\n"


def test_where_it_is_optional(net, make, stub, secured):
    """In the clear where there is none, encrypted where there is."""
    other = Stub(net, address=OTHER4, tls=secured)
    gate = make(TRY)
    try:
        assert send(net).startswith("250")
        assert send(net, OTHER4).startswith("250")
        records = {r["dest_ip"]: r for r in gate.wait_records(2)}
    finally:
        other.stop()
    assert records[SERVER4]["tls"]["server"] == "none"
    assert records[OTHER4]["tls"]["server"] in VERSIONS
    assert len(stub.messages) == len(other.messages) == 1


def until_starttls(ends):
    ends.connect()
    ends.client.send(b"EHLO client.example.com\r\n")
    assert ends.server.line() == b"EHLO client.example.com"
    ends.server.send(b"250-mx.test\r\n250 STARTTLS\r\n")
    assert ends.server.line() == b"STARTTLS"


@pytest.mark.parametrize("behind,said", [
    (b"220 go\r\n250 injected\r\n", b"421 4.5.0"),
    (b"220 go\r\n\x15\x03\x01\x00\x02\x02\x28", b"421 4.5.0"),
    (b"220 go\r\n", b"421 4.7.5"),
    (b"454 4.7.0 not now\r\n", b"421 4.7.4"),
    (b"220\n", b"421 4.5.0")],
    ids=["injected", "alert", "garbage", "refused", "no reply"])
def test_a2_20_what_is_said_in_place_of_tls(make, ends, behind, said):
    """Nothing that came in the clear is heard by the client."""
    gate = make()
    until_starttls(ends)
    ends.server.send(behind)
    if said == b"421 4.7.5":
        assert ends.server.sock.recv(1) == b"\x16"
        ends.server.send(b"250 a reply in place of a ServerHello\r\n")
    assert ends.client.line().startswith(said)
    ends.client.close()
    record = gate.wait_records(1)[0]
    assert record["tls"]["server"] == "none"
    assert record["mail"] == []


def test_a_handshake_that_does_not_come(make, ends):
    """THREATS A2-84, of the server: it is over at the deadline."""
    gate = make(settings="timeouts: {handshake: 2s}\n")
    until_starttls(ends)
    ends.server.send(b"220 go\r\n")
    assert ends.client.line().startswith(b"421 4.4.2")
    ends.client.close()
    assert gate.wait_records(1)[0]["close"]["code"][0] == "s"


def test_a_client_that_goes_in_its_text(net, make, server):
    """No end of data in TLS either."""
    gate = make()
    talk = Talk(net.connect("client", SERVER4))
    talk.reply()
    for line in ("EHLO client.example.com", "MAIL FROM:<a@client.example>",
                 "RCPT TO:<b@server.example>", "DATA"):
        assert talk.say(line)[0] in "23"
    talk.sock.sendall(b"Subject: s\r\n\r\nhalf\r\n")
    wait_for("the text", lambda: server.raw[0].endswith(b"half\r\n"))
    talk.close()
    record = gate.wait_records(1)[0]
    assert record["mail"][0]["reply"] is None
    assert server.messages == []
    assert not server.raw[0].endswith(b"\r\n.\r\n")


RULE = """policy: 1
helo:
  - name: old
    when: {helo.flaw: [underscore, single_label]}
    then: {repair: [underscore, {append_domain: corp.example.com}],
           starttls: uplift}
default: accept
"""


def test_one_rule(net, make, server):
    """The old server's mail is encrypted; the others speak TLS themselves."""
    gate = make(tls="", policy=RULE)
    assert send(net).startswith("250")
    record = gate.wait_records(1)[0]
    assert record["tls"]["server"] in VERSIONS
    assert record["inspected"] is True
    assert record["helo"][0]["forwarded"] == "EXCH-01.corp.example.com"
    assert server.clean()
    talk = Talk(net.connect("client", SERVER4))
    talk.reply()
    assert "STARTTLS" in talk.say("EHLO client.example.com")
    assert "STARTTLS" not in talk.say("EHLO EXCH_01")
    assert talk.say("QUIT").startswith("221")
    assert gate.wait_records(2)[1]["tls"]["server"] in VERSIONS


def test_one_rule_and_a_server_without_tls(net, make, stub):
    gate = make(tls="", policy=RULE)
    talk = Talk(net.connect("client", SERVER4))
    talk.reply()
    assert talk.say("EHLO EXCH_01").startswith("421 4.7.4")
    assert gate.wait_records(1)[0]["close"]["reason"] == "no_tls"
    assert stub.messages == []


def test_one_rule_where_it_is_optional(net, make, stub):
    gate = make(tls="    tls: {server: opportunistic}\n", policy=RULE)
    assert send(net).startswith("250")
    assert gate.wait_records(1)[0]["tls"]["server"] == "none"
    assert len(stub.messages) == 1
