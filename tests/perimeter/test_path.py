"""The path itself: modes and families in front of a recording server."""
import errno
import socket
import time

import pytest

from lab import (CLIENT4, CLIENT6, OTHER4, SERVER4, SERVER6, Gate, Stub, Talk,
                 descriptors, send, wait_for)


@pytest.mark.parametrize("mode,client,server", [
    ("tproxy", CLIENT4, SERVER4), ("tproxy", CLIENT6, SERVER6),
    ("redirect", "10.77.2.1", SERVER4), ("redirect", "fd77:2::1", SERVER6)])
def test_a6_01_mode(net, folder, mode, client, server):
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
    assert record["src_ip"] == (CLIENT6 if ":" in server else CLIENT4)
    assert record["dest_ip"] == server and record["dest_port"] == 25
    assert record["upstream"]["local_ip"] == client
    assert record["mail"][0]["queue_id"] == "STUB1"
    assert record["close"]["code"] == "--"


@pytest.mark.parametrize("mode", ["tproxy", "explicit"])
def test_a6_01_mapped(net, folder, stub, mode):
    """A client's socket of IPv6 that speaks IPv4, and a listener's."""
    gate = Gate(net, folder, mode, more="" if mode == "tproxy" else (
        f"    bind: [\"[::]:2525\"]\n    upstream: \"{SERVER4}:25\"\n"))
    target = (SERVER4, 25) if mode == "tproxy" else ("10.77.1.1", 2525)
    try:
        sock = net.socket("client", socket.AF_INET6)
        sock.settimeout(5)
        if mode == "explicit":
            # The listener is of IPv6 alone.
            assert not net.listens("client", *target)
            target = ("fd77:1::1", 2525)
        else:
            target = (f"::ffff:{SERVER4}", 25)
        sock.connect(target)
        talk = Talk(sock)
        talk.reply()
        assert talk.say("QUIT").startswith("221")
        record = gate.wait_records(1)[0]
    finally:
        gate.stop()
    assert record["src_ip"] == (CLIENT4 if mode == "tproxy" else CLIENT6)
    assert record["dest_ip"] == SERVER4


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


def test_a6_02_other_host_on_the_listener_port(net, folder, stub):
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


@pytest.mark.parametrize("wildcard", [False, True], ids=["doc", "ours"])
def test_a6_02_somebody_elses_divert_rule(net, folder, stub, wildcard):
    """The rule of the kernel's documentation, in another table, takes other
    hosts' connections to the listener's port: such a one is refused as a loop,
    with a word in the log, and not served as if it were ours."""
    other = Stub(net, address=OTHER4, port=12525)
    gate = Gate(net, folder)
    net.run("gate", "nft", "add table inet foreign ; add chain inet foreign "
            "pre { type filter hook prerouting priority -155 ; } ; "
            "add rule inet foreign pre meta l4proto tcp "
            f"{'socket wildcard 0 ' if wildcard else ''}"
            "socket transparent 1 meta mark set 0x100000 accept")
    try:
        talk = Talk(net.connect("client", OTHER4, 12525, 5))
        assert talk.reply().startswith(
            "220 stub" if wildcard else "421 4.4.6 ")
        if not wildcard:
            assert gate.wait_records(1)[0]["close"]["reason"] == "loop"
    finally:
        net.run("gate", "nft", "delete table inet foreign")
        gate.stop()
        other.stop()


@pytest.mark.parametrize("host,address", [
    ("client", "10.77.1.1"), ("client", "10.77.2.1"), ("gate", "127.0.0.1"),
    ("client", "fd77:1::1"), ("gate", "::1")])
def test_a6_04_straight_to_the_listener(net, folder, stub, host, address):
    """From outside and from the gate's own host: refused, and in the log; time
    and again, without a descriptor more."""
    gate = Gate(net, folder)
    try:
        worker, held = gate.workers()[0], None
        for turn in range(20):
            talk = Talk(net.connect(host, address, 12525))
            assert talk.reply().startswith("421 4.4.6")
            talk.close()
            records = gate.wait_records(turn + 1)
            held = held or descriptors(worker)
        assert {r["close"]["reason"] for r in records} == {"loop"}
        wait_for("no descriptor more", lambda: descriptors(worker) <= held)
    finally:
        gate.stop()
    assert stub.peers == []


@pytest.mark.parametrize("address", ["10.77.1.1", "10.77.2.1", "127.0.0.1"])
def test_a6_04_the_gates_own_port_25(net, folder, stub, address):
    """It is the host's own: the gate takes none of it."""
    gate = Gate(net, folder)
    try:
        with pytest.raises(ConnectionRefusedError):
            net.connect("gate" if address == "127.0.0.1" else "client",
                        address, 25)
    finally:
        gate.stop()
    assert stub.peers == [] and gate.records() == []


def from_port(net, port, address):
    """A talk from that port of the client, whatever it was used for before; the
    client's kernel wants a second to go by."""
    talks = []

    def connect():
        sock = net.socket("client")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.settimeout(10)
        try:
            sock.bind((CLIENT4, port))
            sock.connect((address, 25))
        except OSError as error:
            sock.close()
            assert error.errno in (errno.EADDRNOTAVAIL, errno.EADDRINUSE)
            return False
        talks.append(Talk(sock))
        return True
    wait_for("the port", connect, pause=0.1)
    return talks[0]


@pytest.fixture
def reuse(net):
    net.sysctl("client", "net.ipv4.tcp_tw_reuse", "1")
    yield
    net.sysctl("client", "net.ipv4.tcp_tw_reuse", "2")


@pytest.mark.parametrize("mode", ["tproxy", "redirect"])
def test_a6_07_the_port_in_time_wait(net, folder, stub, reuse, mode):
    """The client closes first, and comes again from the same port."""
    gate = Gate(net, folder, mode)
    try:
        for _ in range(3):
            talk = from_port(net, 41000, SERVER4)
            assert talk.reply().startswith("220")
            assert talk.say("NOOP").startswith("250")
            talk.close()
        ports = [r["src_port"] for r in gate.wait_records(3)]
    finally:
        gate.stop()
    assert ports == [41000] * 3


@pytest.mark.parametrize("mode", ["tproxy", "redirect"])
def test_a6_07_one_port_for_two_servers(net, folder, stub, mode):
    """Each connection goes where it was meant to.  `redirect` has both on one
    address and port of the gate: the kernel gives the second one another
    source port, and that is what the record can tell."""
    other, gate = Stub(net, address=OTHER4), Gate(net, folder, mode)
    port = 41001 + (mode == "redirect")
    try:
        talks = [from_port(net, port, address)
                 for address in (SERVER4, OTHER4)]
        for talk in talks:
            assert talk.reply().startswith("220")
        for talk in talks:
            assert talk.say("QUIT").startswith("221")
        records = {r["dest_ip"]: r for r in gate.wait_records(2)}
    finally:
        gate.stop()
        other.stop()
    assert set(records) == {SERVER4, OTHER4}
    assert len(stub.peers) == len(other.peers) == 1
    assert records[SERVER4]["src_port"] == port
    assert (records[OTHER4]["src_port"] == port) == (mode == "tproxy")


def test_a6_15_untracked(net, folder, stub):
    """`tproxy` needs no connection tracking: an operator may do without, and
    then no limit of the kernel's table can be met.  (The limit is the whole
    machine's, so it is not lowered here.)"""
    net.run("gate", "nft", "add table inet free ; " + " ; ".join(
        f"add chain inet free {hook} {{ type filter hook {hook} priority "
        f"-300 ; }} ; add rule inet free {hook} tcp dport 25 notrack ; "
        f"add rule inet free {hook} tcp sport 25 notrack"
        for hook in ("prerouting", "output")))
    gate = Gate(net, folder)

    def tracked():
        return int(net.run("gate", "sysctl", "-n",
                           "net.netfilter.nf_conntrack_count").stdout)
    try:
        before = tracked()
        talks = [Talk(net.connect("client", SERVER4)) for _ in range(100)]
        assert all(talk.reply().startswith("220") for talk in talks)
        assert tracked() <= before
        for talk in talks:
            assert talk.say("QUIT").startswith("221")
        gate.wait_records(100)
    finally:
        net.run("gate", "nft", "delete table inet free")
        gate.stop()


@pytest.mark.parametrize("target,kind,start", [
    (SERVER4, None, "the server refused"),
    ("10.77.9.9", "unreachable", "the server cannot be reached"),
    ("10.77.9.9", "prohibit", "the server cannot be reached"),
    ("10.77.9.9", "blackhole", "the server cannot be reached"),
    ("10.77.2.99", None, "the server did not answer")])
def test_a6_14_server_away(net, folder, target, kind, start):
    """Refused; no route, of each kind; nobody at that address: then it takes
    the time of timeouts.connect."""
    net.run("gate", "ip", "route", "replace", kind or "unreachable",
            "10.77.9.0/24")
    begin = time.monotonic()
    gate = Gate(net, folder, settings="timeouts: {connect: 2s}\n")
    try:
        talk = Talk(net.connect("client", target, 25, 20))
        reply = talk.reply()
        took = time.monotonic() - begin
        assert reply.startswith(f"421 4.4.1 {start}"), reply
        assert gate.wait_records(1)[0]["session"] in reply
        assert 1.9 < took < 4 if "answer" in start else took < 1.5
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
        wait_for("the end of every worker",
                 lambda: not net.listens("client", SERVER4, 25))
        assert gate.command("nft", "remove").returncode == 0
        wait_for("the open path",
                 lambda: net.listens("client", SERVER4, 25))
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
