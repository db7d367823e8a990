"""`client: intercept`: the client's TLS is answered in the server's name."""
import pathlib
import ssl
import subprocess

import pytest

from lab import (GATE, SERVER4, Authority, Stub, Talk, anybody,
                 lines_of_mail)

VERSIONS = ("TLSv1.2", "TLSv1.3")


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """Whom clients trust because we told them to."""
    return Authority(tmp_path_factory.mktemp("ours"), "Interception")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Whom everybody trusts; also the gate."""
    return Authority(tmp_path_factory.mktemp("world"), "World")


@pytest.fixture
def make(tls_gate, ours, world):
    signs = (f"client: intercept, authority: {{chain: {ours.root}, key: "
             f"{ours.key}}}, roots: {world.root}")
    return lambda more="", **settings: tls_gate(signs + more, **settings)


@pytest.fixture
def server(net, world):
    stub = Stub(net, tls=world.server("mx.test", "*.corp.test"))
    yield stub
    stub.stop()


def secured(net, context, name="mx.test", helo="EXCH_01"):
    talk = Talk(net.connect("client", SERVER4))
    talk.reply()
    assert talk.say(f"EHLO {helo}").startswith("250")
    assert talk.say("STARTTLS").startswith("220")
    talk.sock = context.wrap_socket(talk.sock, server_hostname=name)
    assert talk.say(f"EHLO {helo}").startswith("250")
    return talk


@pytest.mark.parametrize("version", VERSIONS)
def test_intercept(net, make, server, ours, version):
    """The name inside is mended, the certificate the server's in all but key
    and issuer, the body exact."""
    gate = make()
    talk = secured(net, ours.client(version))
    body = b"Subject: s\r\n\r\n" + lines_of_mail(300000)
    assert talk.say("MAIL FROM:<a@client.example>").startswith("250")
    assert talk.say("RCPT TO:<b@server.example>").startswith("250")
    assert talk.say("DATA").startswith("354")
    assert talk.say(body.replace(b"\r\n.", b"\r\n..")
                    + b".\r\n").startswith("250")
    talk.say("QUIT")
    talk.close()
    assert server.messages == [body]
    record = gate.wait_records(1)[0]
    assert record["tls"]["client"] == version
    assert record["tls"]["server"] == "TLSv1.3"
    assert record["inspected"] is True
    assert b"EXCH_01" not in bytes(server.raw[0])
    for name in ("a.corp.test", "mx.test"):
        secured(net, ours.client(version), name).close()
    with pytest.raises(ssl.SSLCertVerificationError):
        secured(net, ours.client(version), "other.test")


def test_server_that_is_not_trusted(net, make, ours, tmp_path):
    """Who looks is as wary as without the gate; who does not goes on."""
    stub = Stub(net, tls=Authority(tmp_path / "a").server("mx.test"))
    make()
    with pytest.raises(ssl.SSLCertVerificationError):
        secured(net, ours.client())
    secured(net, anybody()).close()
    stub.stop()


def test_server_that_is_not_trusted_and_must_be(net, make, ours, tmp_path):
    stub = Stub(net, tls=Authority(tmp_path / "a").server("mx.test"))
    gate = make(", server: verify")
    talk = Talk(net.connect("client", SERVER4))
    talk.reply()
    assert talk.say("EHLO client.test").startswith("421 4.7.5")
    assert "certificate" in gate.wait_records(1)[0]["close"]["error"]
    stub.stop()


def test_bypass(net, make, server, world):
    """Servers that a client holds to their own key: nobody looks in."""
    policy = ("policy: 1\nhelo: []\ndefault: accept\n")
    gate = make(f", bypass: {SERVER4}", policy=policy)
    talk = secured(net, world.client(), helo="client.test")
    talk.say("QUIT")
    talk.close()
    record = gate.wait_records(1)[0]
    assert record["inspected"] is False
    assert record["tls"]["client"] == "passed"


def test_bypass_and_a_repair(folder):
    """What is said inside is not mended there: the policy must say what is to
    be."""
    folder = pathlib.Path(folder)
    (folder / "p.yaml").write_text(
        "policy: 1\nhelo:\n  - {name: m, when: {helo.valid: false}, "
        "then: {repair: all}}\ndefault: accept\n")
    (folder / "c.yaml").write_text(
        "version: 1\nlisteners:\n  l:\n    mode: tproxy\n    policy: p.yaml\n"
        "    tls: {client: intercept, authority: {chain: a, key: b}, "
        "bypass: 192.0.2.1}\nlog: {sinks: [stdout]}\n")
    run = subprocess.run([GATE, "check", "-c", folder / "c.yaml"],
                         capture_output=True, text=True, check=False)
    assert "error[P105]" in run.stdout


def test_server_without_tls(net, make, ours):
    stub = Stub(net)
    make()
    talk = Talk(net.connect("client", SERVER4))
    talk.reply()
    assert "STARTTLS" not in talk.say("EHLO client.test")
    talk.close()
    stub.stop()


@pytest.mark.parametrize("leg", ["opportunistic", "none"])
def test_name_without_an_original(net, make, ours, leg):
    """The server's leg is in the clear: the name is the one that the client
    asks for."""
    stub = Stub(net)
    make(f", server: {leg}")
    talk = secured(net, ours.client(), "asked.test")
    talk.close()
    stub.stop()
