"""TCP as it is on a bad day: ends, resets, windows of zero, urgent data, loss,
processes that are stopped (THREATS A6)."""
import os
import re
import signal
import socket
import threading
import time

import pytest

from lab import (CLIENT4, SERVER4, Ends, Gate, Stub, Talk, descriptors,
                 lines_of_mail, resident_kib, send, wait_for)

POLICY = ("policy: 1\nlimits: {junk: 1000000, errors: 100}\nhelo: []\n"
          "default: accept\n")
END = b"\r\n.\r\n"
TEXT = b"Subject: s\r\n\r\nhalf of a message\r\n"


@pytest.fixture
def gate(net, folder):
    gate = Gate(net, folder, policy=POLICY)
    yield gate
    gate.stop()


@pytest.fixture
def ends(net, gate):
    both = Ends(net)
    yield both
    both.close()


def record_of(gate, port):
    """The record of the client that had this port, when it is there."""
    found = []
    wait_for("its record", lambda: found.extend(
        record for record in gate.records()
        if record["src_port"] == port) or found)
    return found[-1]


def port_of(end):
    return end.sock.getsockname()[1]


# --- half-closes ---------------------------------------------------------------


def test_a6_08_the_client_says_quit_and_no_more(ends):
    """All replies still come."""
    ends.greeted()
    ends.client.send(b"MAIL FROM:<a@client.example>\r\nRSET\r\nQUIT\r\n")
    ends.client.half_close()
    for command, reply in ((b"MAIL FROM:<a@client.example>", b"250 one"),
                           (b"RSET", b"250 two"), (b"QUIT", b"221 bye")):
        assert ends.server.line() == command
        ends.server.send(reply + b"\r\n")
    assert ends.client.rest() == (
        b"250 one\r\n250 two\r\n221 bye\r\n", False)


def test_a6_08_the_server_says_no_more(ends):
    """Its last reply comes, and the client is told why it was the last."""
    ends.data()
    ends.client.send(TEXT + b".\r\n")
    while ends.server.line() != b".":
        pass
    ends.server.send(b"250 taken\r\n")
    ends.server.half_close()
    assert ends.client.line() == b"250 taken"
    assert ends.client.line().startswith(b"421 4.4.2 ")
    assert ends.client.rest() == (b"", False)


@pytest.mark.parametrize("start", ["data", "chunk"])
def test_a6_08_the_client_ends_in_its_text(gate, ends, start):
    """No end of data is ever made up: the server's leg is reset."""
    port = begin_text(ends, start)
    ends.client.half_close()
    rest, reset = ends.server.rest()
    assert reset and not (b"\r\n" + rest).endswith(END)
    assert record_of(gate, port)["close"]["reason"] == "client_closed"


# --- resets --------------------------------------------------------------------


def begin_text(ends, start):
    """In the middle of a message; the client's port."""
    if start == "data":
        ends.data()
        ends.client.send(TEXT)
    else:
        ends.envelope()
        ends.client.send(b"BDAT 100000 LAST\r\n" + TEXT * 1000)
        assert ends.server.line().startswith(b"BDAT ")
    ends.server.line()
    return port_of(ends.client)


@pytest.mark.parametrize("start", ["data", "chunk"])
def test_a6_09_the_client_resets_in_its_text(gate, ends, start):
    port = begin_text(ends, start)
    ends.client.reset()
    rest, reset = ends.server.rest()
    assert reset and not (b"\r\n" + rest).endswith(END)
    record = record_of(gate, port)
    assert record["close"]["code"] == "CD"
    assert record["mail"][0]["reply"] is None


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("start", ["data", "chunk"])
def test_a6_10_the_server_goes_in_the_text(gate, ends, start, how):
    """The client hears 421 or a reset, and never that it was taken."""
    port = begin_text(ends, start)
    getattr(ends.server, how)()
    ends.client.send(TEXT if start == "data" else b"")
    try:
        assert ends.client.line().startswith(b"421 4.4.2 ")
    except ConnectionResetError:
        pass
    ends.client.close()
    assert record_of(gate, port)["close"]["code"][0] == "S"


def test_a6_10_the_server_resets_right_behind_its_250(gate, ends):
    """Both are there before the gate reads: it stands still meanwhile.  What
    was accepted is told to the client."""
    ends.data()
    port = port_of(ends.client)
    ends.client.send(TEXT + b".\r\n")
    while ends.server.line() != b".":
        pass
    worker = gate.workers()[0]
    os.kill(worker, signal.SIGSTOP)
    try:
        ends.server.send(b"250 2.0.0 taken\r\n")
        ends.server.reset()
    finally:
        os.kill(worker, signal.SIGCONT)
    assert ends.client.line() == b"250 2.0.0 taken"
    assert record_of(gate, port)["mail"][0]["reply"] == "250 2.0.0 taken"


# --- windows of zero -------------------------------------------------------------


class Behind(threading.Thread):
    """Runs something that waits; its error is the test's."""

    def __init__(self, what, *arguments):
        super().__init__(daemon=True)
        self.what, self.arguments, self.error = what, arguments, None
        self.start()

    def run(self):
        try:
            self.what(*self.arguments)
        except OSError as error:
            self.error = error

    def done(self):
        self.join(30)
        assert not self.is_alive() and self.error is None, self.error


def hold(gate, sender, before):
    """Nobody reads, for a while: the sender is held, and nothing piles up."""
    time.sleep(1.5)
    assert sender.is_alive()
    assert resident_kib(gate.workers()[0]) - before < 1024


def test_a6_11_a_server_that_stops_reading(gate, ends):
    """The client is held; then all of it comes."""
    body = (TEXT + lines_of_mail(24 * 1024 * 1024)).replace(
        b"\r\n.", b"\r\n..") + b".\r\n"
    ends.data()
    before = resident_kib(gate.workers()[0])
    ends.client.sock.settimeout(30)
    sender = Behind(ends.client.send, body)
    hold(gate, sender, before)
    received = bytearray()
    while not received.endswith(END):
        received += ends.server.sock.recv(1 << 20)
    sender.done()
    assert bytes(received) == body


def test_a6_11_a_client_that_stops_reading(gate, ends):
    """Its replies wait for it, and meanwhile nothing more is read from it."""
    count, reply = 30000, b"250 " + b"x" * 490 + b"\r\n"

    def serve():
        left = count
        while left > 0:
            lines = ends.server.sock.recv(65536).count(b"\n")
            ends.server.send(reply * lines)
            left -= lines
    ends.greeted()
    before = resident_kib(gate.workers()[0])
    ends.server.sock.settimeout(30)
    ends.client.sock.settimeout(30)
    server = Behind(serve)
    sender = Behind(ends.client.send, b"NOOP\r\n" * count)
    hold(gate, server, before)
    received = bytearray()
    while len(received) < count * len(reply):
        received += ends.client.sock.recv(1 << 20)
    sender.done()
    server.done()
    assert bytes(received) == reply * count


def test_a6_11_peers_that_are_gone(net, folder):
    """Nothing of them comes any more, no reset either: their sessions end by
    their deadlines, and nothing of them stays."""
    gate = Gate(net, folder, settings="timeouts: {command: 2s}\n")
    both = Ends(net)
    try:
        both.greeted()
        port, worker = port_of(both.client), gate.workers()[0]
        held = descriptors(worker)
        net.run("client", "nft", "add table inet gone ; add chain inet gone "
                "out { type filter hook output priority 0 ; policy drop ; }")
        record = record_of(gate, port)
        assert record["close"]["code"] == "cR"
        wait_for("its descriptors",
                 lambda: descriptors(worker) <= held - 2)
    finally:
        net.run("client", "nft", "delete table inet gone", check=False)
        both.close()
        gate.stop()


# --- odd segments ----------------------------------------------------------------


def test_a6_17_urgent_data(net, gate, stub):
    """The urgent octet stands in line with the others, as the gate's reader
    sees it: it is part of the command, or not there; never is what follows
    read as something else."""
    talk = Talk(net.connect("client", SERVER4))
    port = talk.port
    talk.reply()
    assert talk.say("EHLO client.example.com").startswith("250")
    talk.sock.sendall(b"NO")
    talk.sock.send(b"X", socket.MSG_OOB)
    first = talk.say(b"OP\r\n")
    assert first.startswith(("250", "500 5.5.2")), first
    assert talk.say("MAIL FROM:<a@client.example>").startswith("250")
    assert talk.say("QUIT").startswith("221")
    record_of(gate, port)
    raw = bytes(stub.raw[-1])
    assert raw.endswith(b"MAIL FROM:<a@client.example>\r\nQUIT\r\n")
    assert b"X" not in raw


LOST = ("add table inet odd ; "
        "add chain inet odd in { type filter hook prerouting priority -400 ; "
        "} ; add rule inet odd in meta l4proto tcp numgen random mod 50 == 0 "
        "counter drop")
TWICE = ("add table netdev odd ; "
         "add chain netdev odd out { type filter hook egress device eth0 "
         "priority 0 ; } ; add rule netdev odd out ip protocol tcp "
         "numgen random mod 5 == 0 counter dup to eth0")


def a_session(net, gate, body, split=0):
    """One message; its record without what differs between any two."""
    sock = net.connect("client", SERVER4, 25, 60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    talk = Talk(sock)

    def put(octets):
        for at in range(0, len(octets), split or len(octets)):
            sock.sendall(octets[at:at + (split or len(octets))])
        return talk.reply()
    talk.reply()
    for line in (b"EHLO EXCH_01.client.example", b"MAIL FROM:<a@c.example>",
                 b"RCPT TO:<b@server.example>", b"DATA"):
        assert put(line + b"\r\n")[0] in "23"
    assert put(body.replace(b"\r\n.", b"\r\n..") + b".\r\n").startswith("250")
    put(b"QUIT\r\n")
    talk.close()
    record = record_of(gate, talk.port)
    for key in ("timestamp", "started", "session", "seq", "src_port",
                "durations_us", "client_rate"):
        record.pop(key)
    record["upstream"].pop("local_port")
    for mail in record["mail"]:
        for key in ("reply", "queue_id"):
            mail.pop(key)
    return record


@pytest.fixture
def odd(net):
    """Makes the way between client and gate an odd one."""
    client = ("client", "ip", "route", "replace", "default", "via",
              "10.77.1.1")
    gate = ("gate", "ip", "route", "replace", "10.77.1.0/24", "dev", "gc",
            "src", "10.77.1.1")
    segments = ("ip", "link", "set", "eth0", "gso_max_segs")

    def make(what):
        if what == "small":
            net.run(*client, "advmss", "88")
            net.run(*gate, "advmss", "88")
        elif what == "lost":
            # One packet a segment, or there are too few to lose one.
            net.run("client", *segments, "1")
            net.run("gate", "nft", LOST)
        elif what == "twice":
            net.run("client", "nft", TWICE)
    yield make
    net.run("client", *segments, "65535")
    net.run(*client)
    net.run(*gate)
    for host, family in (("gate", "inet"), ("client", "netdev")):
        net.run(host, "nft", f"delete table {family} odd", check=False)


@pytest.mark.parametrize("what", ["octets", "small", "lost", "twice"])
def test_a6_12_however_it_arrives(net, gate, stub, odd, what):
    """An octet a segment; segments of 88 octets; one packet in fifty lost,
    which also changes their order; one in five sent twice.  The server and the
    record have the same as without."""
    body = b"Subject: s\r\n\r\n" + lines_of_mail(
        3000 if what == "octets" else 1000000)
    clean = a_session(net, gate, body)
    odd(what)
    assert a_session(net, gate, body, what == "octets") == clean
    if what in ("lost", "twice"):
        rules = net.run("gate" if what == "lost" else "client",
                        "nft", "list", "ruleset").stdout
        found = re.search(r"numgen .*counter packets (\d+)", rules)
        assert int(found.group(1)) > 0, rules
    assert stub.messages == [body, body] and stub.clean()


# --- processes -------------------------------------------------------------------


def test_a6_18_killed_and_started_at_once(net, folder, stub):
    """kill -9 of everything with a session open: it ends, and the next start
    has the same port at once."""
    gate = Gate(net, folder)
    try:
        talk = Talk(net.connect("client", SERVER4))
        talk.reply()
        talk.say("EHLO client.example.com")
        for pid in gate.pids():
            os.kill(pid, signal.SIGKILL)
        gate.process.wait(5)
        with pytest.raises((EOFError, ConnectionResetError)):
            talk.say("NOOP")
        gate.start()
        assert send(net).startswith("250")
    finally:
        gate.stop()


def test_a6_19_a_worker_that_is_stopped(net, gate, stub):
    """The kernel takes connections for it; nobody is served meanwhile, nothing
    goes past the gate, and who has waited is served then."""
    worker, seen = gate.workers()[0], len(stub.peers)
    os.kill(worker, signal.SIGSTOP)
    try:
        talk = Talk(net.connect("client", SERVER4))
        talk.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            talk.reply()
        assert len(stub.peers) == seen
    finally:
        os.kill(worker, signal.SIGCONT)
    talk.sock.settimeout(10)
    assert talk.reply().startswith("220 stub")
    assert talk.say("QUIT").startswith("221")
