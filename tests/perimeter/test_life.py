"""Rotation, the end, and the next start (THREATS A6-18)."""
import json
import os
import signal
import time

from lab import SERVER4, Gate, Talk, send, wait_for


def sessions(path):
    return [json.loads(line)["session"] for line in
            path.read_text().splitlines() if '"event_type":"session"' in line]


def test_rotation_loses_nothing(net, folder, stub):
    """As logrotate does it: rename, then SIGUSR1."""
    os.chown(folder, 65534, 65534)
    gate, kept = Gate(net, folder), []
    try:
        for turn in range(3):
            for _ in range(5):
                assert send(net).startswith("250")
            old = gate.log.with_suffix(f".{turn}")
            gate.log.rename(old)
            # What is written until the signal goes to the old file.
            assert send(net).startswith("250")
            gate.process.send_signal(signal.SIGUSR1)
            wait_for("a new file", gate.log.exists)
            kept.append(old)
        assert send(net).startswith("250")
        wait_for("all records", lambda: len(sessions(gate.log)) + sum(
            len(sessions(old)) for old in kept) == 19)
    finally:
        gate.stop()
    found = [s for path in [*kept, gate.log] for s in sessions(path)]
    assert len(found) == len(set(found)) == 19


def test_sessions_may_finish(net, folder, stub):
    """SIGTERM: no new ones; the open transaction is carried to its end."""
    gate = Gate(net, folder)
    try:
        talk = Talk(net.connect("client", SERVER4))
        talk.reply()
        talk.say("EHLO EXCH_01")
        talk.say("MAIL FROM:<user@server.example>")
        gate.process.send_signal(signal.SIGTERM)
        wait_for("the word", lambda: "ending" in gate.said())
        wait_for("a closed door",
                 lambda: not net.listens("client", SERVER4, 25))
        talk.say("RCPT TO:<user@server.example>")
        talk.say("DATA")
        assert talk.say(b"x\r\n.\r\n").startswith("250 2.0.0 Ok: queued")
        assert talk.reply().startswith("421 4.3.2 ")
        assert gate.process.wait(10) == 0
        record, = gate.records()
        # And again, on the same port at once.
        gate.start()
        assert send(net).startswith("250")
    finally:
        gate.stop()
    assert record["mail"][0]["queue_id"] == "STUB1"
    assert record["close"]["code"] == "KR"


def test_the_second_signal_cuts(net, folder, stub):
    gate = Gate(net, folder)
    try:
        talk = Talk(net.connect("client", SERVER4))
        talk.reply()
        talk.say("EHLO EXCH_01")
        talk.say("MAIL FROM:<user@server.example>")
        gate.process.send_signal(signal.SIGINT)
        wait_for("the word", lambda: "ending" in gate.said())
        time.sleep(0.2)
        assert gate.process.poll() is None
        gate.process.send_signal(signal.SIGINT)
        assert gate.process.wait(10) == 0
    finally:
        gate.stop()
    assert "sessions that are cut: 1" in gate.said()
