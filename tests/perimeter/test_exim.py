"""A real Exim behind the gate."""
from lab import Gate, Talk, SERVER4, send, wait_for


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
