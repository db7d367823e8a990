"""A real Exim behind the gate."""
import pathlib
import subprocess

import pytest

from lab import (GATE, SERVER4, Authority, Gate, Talk, anybody, send,
                 wait_for)


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


@pytest.mark.parametrize("how", ["terminate", "intercept"])
def test_the_story_within_tls(net, folder, exim, tmp_path, how):
    """An old server that takes STARTTLS, and says its name again inside."""
    authority = Authority(tmp_path / "a")
    chain, key = authority.issue("mx.test")
    tls = (f"client: terminate, certificates: [{{chain: {chain}, key: {key}}}]"
           if how == "terminate" else f"client: intercept, authority: "
           f"{{chain: {authority.root}, key: {authority.key}}}")
    gate = Gate(net, folder, more=f"    tls: {{{tls}}}\n")
    try:
        talk = Talk(net.connect("client", SERVER4))
        talk.reply()
        assert "STARTTLS" in talk.say("EHLO EXCH_01")
        assert talk.say("STARTTLS").startswith("220")
        talk.sock = anybody().wrap_socket(talk.sock, server_hostname="mx.test")
        for line in ("EHLO EXCH_01", "MAIL FROM:<user@server.example>",
                     "RCPT TO:<user@server.example>"):
            assert talk.say(line).startswith("250"), line
        assert talk.say("DATA").startswith("354")
        assert talk.say(b"Subject: x\r\n\r\nx\r\n.\r\n").startswith("250 OK id=")
        talk.say("QUIT")
        talk.close()
        record = gate.wait_records(1)[0]
    finally:
        gate.stop()
    assert record["tls"]["client"] == "TLSv1.3"
    assert record["tls"]["server"].startswith("TLSv1.")
    assert [h["forwarded"] for h in record["helo"]] == \
        ["EXCH-01.corp.example.com"] * 2
    arrived = [line for line in exim.log().splitlines() if " <= " in line][-1]
    assert "X=TLS" in arrived and "EXCH-01.corp.example.com" in arrived


def test_the_story_and_pass(folder):
    """Inside TLS that passes the old name would be said again: a policy that
    does not say what is to be is refused, with the reason."""
    folder = pathlib.Path(folder)
    (folder / "p.yaml").write_text(
        "policy: 1\nhelo:\n  - {name: mend, when: {helo.valid: false}, "
        "then: {repair: all}}\ndefault: accept\n")
    (folder / "c.yaml").write_text(
        "version: 1\nlisteners:\n  l: {mode: tproxy, policy: p.yaml, "
        "tls: {client: pass}}\nlog: {sinks: [stdout]}\nuser: nobody\n")
    for words in (("check", "-c"), ("run", "-c")):
        run = subprocess.run([GATE, *words, folder / "c.yaml"],
                             capture_output=True, text=True, check=False,
                             timeout=10)
        assert run.returncode != 0
        said = run.stdout + run.stderr
        assert "error[P105]" in said
        assert "inside TLS the client says the old name again" in said


def test_the_story_over_starttls(net, folder, exim):
    """`uplift`: the old server's name, mended, within TLS."""
    gate = Gate(net, folder, more="    tls: {client: uplift}\n")
    try:
        assert send(net).startswith("250 OK id=")
        record = gate.wait_records(1)[0]
    finally:
        gate.stop()
    assert record["tls"]["client"] == "none"
    assert record["tls"]["server"] in ("TLSv1.2", "TLSv1.3")
    assert record["inspected"] is True
    assert record["helo"][0]["forwarded"] == "EXCH-01.corp.example.com"
    arrived = [line for line in exim.log().splitlines() if " <= " in line][-1]
    assert "X=TLS" in arrived and "EXCH-01.corp.example.com" in arrived
