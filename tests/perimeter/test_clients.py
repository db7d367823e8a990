"""Debian's Postfix and OpenSMTPD as the old mail server: they send through
the gate to a real Exim, in their own manner and with their own STARTTLS."""
import pytest

from lab import (SERVER4, Exim, Gate, OpenSMTPD, Postfix, Talk, lines_of_mail,
                 temporary, wait_for)

# A client that takes STARTTLS up says its unmended name again inside.
HIDING = """\
policy: 1
helo:
  - name: mend
    when: {helo.flaw: [underscore, single_label]}
    then:
      repair: [underscore, {append_domain: corp.example.com}]
      starttls: hide
      accept_downgrade: true
default: accept
"""
REFUSING = """\
policy: 1
helo:
  - name: no-such-names
    when: {helo.valid: false}
    then: {reject: {code: 550, status: 5.7.1, text: "ask the postmaster"}}
default: accept
"""

@pytest.fixture(scope="module")
def exim(net):
    server = Exim(net, temporary(), extras=True)
    yield server
    server.stop()
    server.remove()


@pytest.fixture(params=[Postfix, OpenSMTPD], ids=["postfix", "opensmtpd"])
def start(request, net):
    """Starts an old mail server with a name of the test's choice."""
    running = []

    def begin(helo="EXCH_01"):
        running.append(request.param(net, temporary(), "client",
                                     relay=SERVER4, helo=helo))
        return running[0]
    yield begin
    running[0].stop()
    running[0].remove()


def submit(net, body):
    """Gives a mail to the client's own port 25."""
    talk = Talk(net.connect("client", "127.0.0.1", timeout=60))
    talk.reply()
    assert talk.say("EHLO localhost.example")[:3] == "250"
    assert talk.say("MAIL FROM:<user@server.example>")[:3] == "250"
    assert talk.say("RCPT TO:<user@server.example>")[:3] == "250"
    assert talk.say("DATA")[:3] == "354"
    text = b"Subject: x\r\n\r\n" + body
    assert talk.say(text.replace(b"\r\n.", b"\r\n..") + b".\r\n")[:3] == "250"
    talk.say("QUIT")
    talk.close()


@pytest.mark.parametrize("size", [1000, 10 * 1024 * 1024],
                         ids=["1KB", "10MB"])
def test_mended_mail_arrives(net, folder, exim, start, size):
    start()
    gate, body = Gate(net, folder, policy=HIDING), lines_of_mail(size)
    before = exim.received()
    try:
        submit(net, body)
        wait_for("delivery", lambda: exim.received() > before
                 and exim.last_body() == body.replace(b"\r\n", b"\n"), 30)
        # Both keep a session for a while, for mail to come.
        record = gate.wait_records(1, 40)[0]
    finally:
        gate.stop()
    helo, = record["helo"]
    assert (helo["received"], helo["forwarded"]) == \
        ("EXCH_01", "EXCH-01.corp.example.com")
    assert "STARTTLS" in record["capabilities"]["masked"]
    assert record["mail"][0]["queue_id"] in exim.log()
    assert record["inspected"] and record["close"]["code"] == "--"


def test_the_refusal_is_in_the_clients_log(net, folder, exim, start):
    """EHLO and the HELO after it get the same answer, and the client's
    postmaster reads the policy's words."""
    old, before = start(), exim.received()
    gate = Gate(net, folder, policy=REFUSING)
    try:
        submit(net, b"x\r\n")
        wait_for("the refusal", lambda: "ask the postmaster" in old.log())
        record = gate.wait_records(1, 40)[0]
    finally:
        gate.stop()
    assert [h["verdict"] for h in record["helo"]] == \
        ["reject"] * len(record["helo"])
    assert exim.received() == before


def test_starttls_of_a_good_name(net, folder, exim, start):
    """Passed on as it is: the mail arrives inside of TLS."""
    start(helo="mail.client.example")
    gate, before = Gate(net, folder), exim.received()
    try:
        submit(net, b"within TLS\r\n")
        wait_for("delivery", lambda: exim.received() == before + 1, 20)
        record = gate.wait_records(1, 40)[0]
    finally:
        gate.stop()
    assert record["tls"]["client"] == "passed"
    assert record["uninspected_after"] == "starttls"
    line = [l for l in exim.log().splitlines() if " <= " in l][-1]
    assert "P=esmtps" in line and "H=(mail.client.example)" in line
