"""What the record of a session says of its time."""
import time

from lab import SERVER4, Gate, Stub, Talk, wait_for


def test_each_wait_is_counted_where_it_was(net, folder):
    stub = Stub(net, slow=0.4)
    gate = Gate(net, folder)
    try:
        talk = Talk(net.connect("client", SERVER4))
        talk.reply()
        talk.say("EHLO EXCH_01")
        time.sleep(0.3)
        talk.say("MAIL FROM:<user@server.example>")
        talk.say("RCPT TO:<user@server.example>")
        time.sleep(0.2)
        talk.say("DATA")
        talk.say(b"x\r\n.\r\n")
        talk.say("QUIT")
        spent = gate.wait_records(1)[0]["durations_us"]
    finally:
        gate.stop()
        stub.stop()
    total = spent.pop("total")
    assert sum(spent.values()) == total
    meant = {"connect": 0, "greeting": 0.4, "command": 0.3, "mail": 0.2,
             "accept": 0.4, "blind": 0}
    # A busy machine may add to any of them; half a second is none of ours.
    for phase, seconds in meant.items():
        assert -0.02 < spent[phase] / 1e6 - seconds < 0.5, (phase, spent)
    assert spent["blind"] == 0


def test_start_lines(net, folder, stub):
    """`log.events`: a line when a session begins, before its record."""
    gate = Gate(net, folder, events=["session", "start"])
    try:
        talk = Talk(net.connect("client", SERVER4))
        talk.reply()
        wait_for("a start", lambda: gate.records("start"))
        assert gate.records() == []
        talk.say("QUIT")
        record = gate.wait_records(1)[0]
        begun, = gate.records("start")
    finally:
        gate.stop()
    assert begun["session"] == record["session"]
    assert begun["seq"] < record["seq"]
    assert gate.records("daemon") == []
