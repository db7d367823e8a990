"""The path itself: modes and families in front of a recording server."""
import pytest

from lab import (CLIENT4, CLIENT6, OTHER4, SERVER4, SERVER6, Gate, Stub, Talk,
                 send, wait_for)


@pytest.mark.parametrize("mode,client,server", [
    ("tproxy", CLIENT4, SERVER4), ("tproxy", CLIENT6, SERVER6),
    ("redirect", "10.77.2.1", SERVER4), ("redirect", "fd77:2::1", SERVER6)])
def test_mode(net, folder, mode, client, server):
    stub = Stub(net, address=server)
    gate = Gate(net, folder, mode)
    try:
        assert send(net, server).startswith("250 2.0.0 Ok: queued as STUB1")
        record = gate.wait_records(1)[0]
    finally:
        gate.stop()
        stub.stop()
    assert stub.peers == [client]
    assert bytes(stub.raw[0]).startswith(b"EHLO EXCH-01.corp.example.com\r\n")
    assert record["dest_ip"] == server and record["dest_port"] == 25
    assert record["upstream"]["local_ip"] == client
    assert record["mail"][0]["queue_id"] == "STUB1"
    assert record["close"]["code"] == "--"


def test_same_verdict_for_helo_after_refused_ehlo(net, folder, stub):
    policy = "policy: 1\nhelo:\n  - {name: bad, when: {helo.valid: false}, " \
             "then: reject}\ndefault: accept\n"
    gate = Gate(net, folder, policy=policy)
    try:
        talk = Talk(net.connect("client", SERVER4))
        talk.reply()
        first = talk.say("EHLO EXCH_01")
        second = talk.say("HELO EXCH_01")
        talk.say("QUIT")
        record = gate.wait_records(1)[0]
    finally:
        gate.stop()
    assert first == second
    assert first.startswith("501 5.5.4 HELO/EHLO argument refused: the name "
                            "has an underscore [ref ")
    assert record["session"] in first
    assert [h["fallback"] for h in record["helo"]] == [False, True]
    assert bytes(stub.raw[0]) == b"QUIT\r\n"


def test_large_body_is_byte_exact(net, folder, stub):
    body = b"Subject: large\r\n\r\n" + b"".join(
        b"%06d %s\r\n" % (i, b".x" * (i % 40)) for i in range(150000))
    gate = Gate(net, folder)
    try:
        assert send(net, body=body).startswith("250 ")
        record = gate.wait_records(1)[0]
    finally:
        gate.stop()
    assert stub.messages == [body]
    assert record["mail"][0]["size"] == len(body)
    assert stub.clean()


def test_chunks_are_byte_exact(net, folder, stub):
    body = b"Subject: chunks\r\n\r\n" + b"line of text\r\n" * 9000
    gate = Gate(net, folder)
    try:
        talk = Talk(net.connect("client", SERVER4))
        talk.reply()
        talk.say("EHLO client.example.com")
        talk.say("MAIL FROM:<a@example.com>")
        talk.say("RCPT TO:<b@example.com>")
        half = len(body) // 2
        assert talk.say(b"BDAT %d\r\n" % half + body[:half]).startswith("250")
        assert talk.say(b"BDAT %d LAST\r\n" % (len(body) - half)
                        + body[half:]).startswith("250")
        talk.say("QUIT")
        gate.wait_records(1)
    finally:
        gate.stop()
    assert stub.messages == [body]


def test_pipelined_group(net, folder, stub):
    gate = Gate(net, folder)
    try:
        talk = Talk(net.connect("client", SERVER4))
        talk.reply()
        talk.say("EHLO client.example.com")
        talk.sock.sendall(b"MAIL FROM:<a@example.com>\r\n"
                          b"RCPT TO:<b@example.com>\r\n"
                          b"RCPT TO: <c@example.com> NOTIFY=NEVER\r\nDATA\r\n")
        assert [talk.reply()[:3] for _ in range(4)] == ["250"] * 3 + ["354"]
        assert talk.say(b"x\r\n.\r\n").startswith("250")
        talk.say("QUIT")
        record = gate.wait_records(1)[0]
    finally:
        gate.stop()
    assert b"RCPT TO:<c@example.com> NOTIFY=NEVER\r\n" in bytes(stub.raw[0])
    assert [r["to"] for r in record["mail"][0]["rcpt"]] == \
        ["b@example.com", "c@example.com"]


def test_other_host_on_the_listener_port(net, folder, stub):
    """The divert rule must not take what is not ours (`wildcard 0`)."""
    other = Stub(net, address=OTHER4, port=12525)
    gate = Gate(net, folder)
    try:
        assert send(net).startswith("250")
        assert send(net, OTHER4, port=12525).startswith("250")
    finally:
        gate.stop()
        other.stop()
    assert other.peers == [CLIENT4] and len(stub.peers) == 1


def test_the_listener_itself_is_a_loop(net, folder, stub):
    gate = Gate(net, folder)
    try:
        talk = Talk(net.connect("client", "10.77.1.1", 12525))
        assert talk.reply().startswith("421 4.4.6")
        assert gate.wait_records(1)[0]["close"]["reason"] == "loop"
    finally:
        gate.stop()
    assert stub.peers == []


@pytest.mark.parametrize("target,start", [
    (SERVER4, "421 4.4.1 the server refused"),
    ("10.77.9.9", "421 4.4.1 the server cannot be reached"),
    ("10.77.2.99", "421 4.4.1 the server did not answer")])
def test_server_away(net, folder, target, start):
    """Refused; no route; nobody at that address."""
    net.run("gate", "ip", "route", "replace", "unreachable", "10.77.9.0/24")
    gate = Gate(net, folder, settings="timeouts: {connect: 2s}\n")
    try:
        talk = Talk(net.connect("client", target, 25, 20))
        reply = talk.reply()
        assert reply.startswith(start), reply
        assert gate.wait_records(1)[0]["session"] in reply
    finally:
        gate.stop()


def test_worker_dies_and_is_replaced(net, folder, stub):
    gate = Gate(net, folder)
    try:
        assert send(net).startswith("250")
        for pid in gate.pids()[1:]:
            gate.net.run("gate", "kill", "-9", str(pid))
        wait_for("a new worker", lambda: "takes its place" in gate.said())

        def served():
            try:
                return send(net).startswith("250")
            except (OSError, EOFError):
                return False
        wait_for("service", served)
    finally:
        gate.stop()


def test_closed_when_all_is_dead(net, folder, stub):
    gate = Gate(net, folder)
    try:
        assert send(net).startswith("250")
        for pid in gate.pids():
            net.run("gate", "kill", "-9", str(pid), check=False)
        gate.process.wait(5)
        with pytest.raises(OSError):
            net.connect("client", SERVER4, 25, 2)
        assert gate.command("nft", "remove").returncode == 0
        assert net.listens("client", SERVER4, 25)
    finally:
        gate.stop()


def test_open_when_all_is_dead(net, folder, stub):
    gate = Gate(net, folder, more="    on_failure: open\n")
    try:
        assert send(net).startswith("250")
        for pid in gate.pids():
            net.run("gate", "kill", "-9", str(pid), check=False)
        gate.process.wait(5)
        wait_for("the open path",
                 lambda: net.listens("client", SERVER4, 25))
    finally:
        gate.stop()


def test_flush_ruleset_does_not_open_the_gate(net, folder, stub):
    gate = Gate(net, folder)
    try:
        net.run("gate", "nft", "add", "table", "ip", "foreign")
        net.run("gate", "nft", "flush", "ruleset")
        wait_for("the alarm", lambda: "nftables" in gate.said())
        wait_for("the table", lambda: gate.command(
            "nft", "check", "-c", str(gate.config),
            check=False).returncode == 0)
        assert send(net).startswith("250")
        record = gate.wait_records(1)[-1]
        assert record["helo"][0]["forwarded"] == \
            "EXCH-01.corp.example.com"
    finally:
        gate.stop()
