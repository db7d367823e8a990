"""A worker that is killed: what the server took has its record, whatever
became of the worker that relayed it."""
import os
import signal

import pytest

from lab import Gate, Talk, SERVER4, Stub, wait_for

POLICY = "policy: 1\nhelo: []\ndefault: accept\n"


@pytest.fixture
def slow_stub(net):
    """Takes its time for the final reply."""
    server = Stub(net, slow=1)
    yield server
    server.stop()


@pytest.fixture
def gate(net, folder):
    made = Gate(net, folder, policy=POLICY)
    yield made
    made.stop()


def talk_until(net, last, messages=0):
    """A session that has said everything up to `last`."""
    talk = Talk(net.connect("client", SERVER4))
    talk.reply()
    steps = ["EHLO client.example.com", "MAIL FROM:<a@client.example>",
             "RCPT TO:<user@server.example>", "DATA"]
    if last == "connect":
        return talk
    talk.say(steps[0])
    for number in range(messages):
        for step in steps[1:]:
            talk.say(step)
        assert talk.say(b"Message-ID: <done-%d@x>\r\n\r\nx\r\n.\r\n"
                        % number).startswith("250")
    for step in steps[1:]:
        if step.split()[0] == last:
            break
        talk.say(step)
    if last == "text":
        talk.sock.sendall(b"Message-ID: <half@x>\r\n\r\nhalf a message\r\n")
    if last == "end":
        talk.sock.sendall(b"Message-ID: <whole@x>\r\n\r\nwhole\r\n.\r\n")
    return talk


def kill_worker(gate):
    before = gate.workers()
    os.kill(before[0], signal.SIGKILL)
    wait_for("another worker", lambda: gate.workers() and
             before[0] not in gate.workers())


def test_each_phase(net, stub, gate):
    phases = ["connect", "MAIL", "RCPT", "DATA", "text"]
    talks = {phase: talk_until(net, phase) for phase in phases}
    talks["after"] = talk_until(net, "MAIL", messages=2)
    ports = {talk.port: phase for phase, talk in talks.items()}
    wait_for("the text", lambda: any(b"half a message" in bytes(raw)
                                     for raw in stub.raw))
    kill_worker(gate)
    records = gate.wait_records(6)
    assert len(records) == 6
    for record in records:
        phase = ports[record["src_port"]]
        assert record["close"] == {"code": "I-", "reason": "worker_died"}
        assert record["greeting"] == "220 stub ESMTP"
        mails = record["mail"]
        if phase in ("connect", "MAIL"):
            assert mails == []
        elif phase == "after":
            assert [mail["message_id"] for mail in mails] == \
                ["<done-0@x>", "<done-1@x>"]
            assert all(mail["reply"].startswith("250") for mail in mails)
        else:
            assert len(mails) == 1 and mails[0]["reply"] is None
            assert mails[0]["from"] == "a@client.example"
    assert len(stub.messages) == 2
    # The next worker has the slot, and its sessions have records as ever.
    talk = talk_until(net, "MAIL", messages=1)
    talk.say("QUIT")
    talk.close()
    assert gate.wait_records(7)[-1]["close"]["code"] == "--"


def test_final_reply_on_its_way(net, slow_stub, gate):
    """The server takes the message, and nobody hears it say so."""
    talk_until(net, "end")
    wait_for("the message", lambda: any(bytes(raw).endswith(b"\r\n.\r\n")
                                        for raw in slow_stub.raw))
    kill_worker(gate)
    record = gate.wait_records(1)[0]
    mail = record["mail"][0]
    assert mail["message_id"] == "<whole@x>"
    assert mail["reply"] is None and mail["size"] > 0
    assert record["close"]["reason"] == "worker_died"
    wait_for("acceptance", lambda: len(slow_stub.messages) == 1)


def test_nothing_twice(net, stub, gate):
    """Sessions that have ended are not told of again."""
    for _ in range(5):
        talk = talk_until(net, "MAIL", messages=1)
        talk.say("QUIT")
        talk.close()
    gate.wait_records(5)
    kill_worker(gate)
    talk = talk_until(net, "MAIL", messages=1)
    talk.say("QUIT")
    talk.close()
    records = gate.wait_records(6)
    assert len({record["session"] for record in records}) == 6
