"""Many clients at once: nothing lost, nothing told that is not so, and slow
ones that hold nobody up.  MESSAGES and SLOW make the tests longer."""
import collections
import os
import random
import selectors
import signal
import socket
import statistics
import subprocess
import time

import pytest

from lab import (SERVER4, TOP, Authority, Gate, Mailer, Sink, Talk, descriptors,
                 resident_kib, sh, wait_for)

MESSAGES = int(os.environ.get("MESSAGES", "4000"))
KILLS = 10
SLOW = int(os.environ.get("SLOW", "400"))
# Who does not wait is served all the same: the deaf are to stay.
POLICY = ("policy: 1\nhelo: []\ndefault: accept\n"
          "protocol: {pipelining: hold}\n"
          "limits: {junk: 1000000, errors: 1000000}\n")
LIMITS = "limits: {sessions: 8000, never: 10.0.0.0/8}\n"


@pytest.fixture
def sink(net, folder):
    made = Sink(net, folder)
    yield made
    made.stop()


@pytest.fixture
def gate(net, folder):
    made = Gate(net, folder, policy=POLICY, settings=LIMITS)
    try:
        made.change("workers: 1", "workers: 2")
        made.reload()
        wait_for("two workers", lambda: len(made.workers()) == 2)
        yield made
    finally:
        made.stop()


def in_records(records):
    """How often each message stands in the log as taken, or as perhaps so."""
    taken, unknown = collections.Counter(), collections.Counter()
    for record in records:
        for mail in record["mail"]:
            if "message_id" not in mail or mail["message_id"] is None:
                continue
            name = mail["message_id"].strip("<>")
            if mail["reply"] is None:
                unknown[name] += 1
            elif mail["reply"].startswith("250"):
                taken[name] += 1
    return taken, unknown


def test_workers_killed_under_load(net, folder, sink, gate):
    """What the server accepted has its record, what a client heard was
    accepted, and nothing is sent twice but where the client had to."""
    mailer = Mailer(net, folder, 100, MESSAGES)
    try:
        for number in range(KILLS):
            # Evenly over the load, as far as it goes.
            wait_for("messages", lambda: sink.path.exists() and len(
                sink.path.read_text().split()) >
                MESSAGES * number // (KILLS + 1), 600)
            workers = gate.workers()
            if workers:
                try:
                    os.kill(random.choice(workers), signal.SIGKILL)
                except ProcessLookupError:
                    pass    # an undertaker, and done
        _, broken, refused, seconds = mailer.wait(1200)
    finally:
        mailer.stop()
    accepted = sink.accepted()
    acknowledged, unsure = mailer.told()
    wait_for("the records", lambda: sum(in_records(gate.records())[0].values())
             + sum(in_records(gate.records())[1].values()) >=
             sum(accepted.values()), 30)
    taken, unknown = in_records(gate.records())
    print(f"\n{MESSAGES} messages in {seconds:.0f} s, {KILLS} kills: "
          f"{sum(accepted.values())} accepted, {sum(taken.values())} recorded "
          f"as taken, {sum(unknown.values())} without a reply; "
          f"{broken:.0f} tries broken, {refused:.0f} refused")
    assert set(acknowledged) <= set(accepted)
    assert max(acknowledged.values()) == 1
    assert len(acknowledged) == MESSAGES
    for name, count in accepted.items():
        assert taken[name] + unknown[name] >= count, name
        assert taken[name] <= count, name
        assert count <= 1 + unsure[name], name
    assert broken > 0, "no kill cut a session"
    assert len({r["session"] for r in gate.records()}) == \
        len(gate.records())


def test_a5_09_smtp_source(net, folder, sink, gate):
    """Debian's smtp-source through the gate and beside it."""
    # A session each: more would run out of the client's ports.
    count = min(MESSAGES, 10000)
    sh(str(TOP / "tests/tool/mta"), "postfix")
    postfix = TOP / "build/mta/postfix/usr"

    def send(port):
        begin = time.monotonic()
        run = net.run("client", "env",
                      f"LD_LIBRARY_PATH={postfix}/lib/postfix",
                      f"{postfix}/sbin/smtp-source", "-s", "100", "-m",
                      str(count), "-f", "a@client.example", "-t",
                      "b@server.example", "-M", "client.example.com",
                      f"{SERVER4}:{port}", timeout=300)
        assert run.stderr == ""
        return count / (time.monotonic() - begin)
    beside = Sink(net, folder, port=2525)
    try:
        direct = send(2525)
    finally:
        beside.stop()
    through = send(25)
    print(f"\n{direct:.0f} messages a second without the gate, "
          f"{through:.0f} with it")
    wait_for("the records", lambda: sum(
        len(r["mail"]) for r in gate.records()) >= count, 30)
    mails = [mail for r in gate.records() for mail in r["mail"]]
    assert len(mails) == count
    assert all(mail["reply"].startswith("250") for mail in mails)


def test_a5_10_aborted(net, sink, gate):
    """A message without its last octet, and gone: nothing is left of it."""
    def abort():
        talk = Talk(net.connect("client", SERVER4))
        talk.reply()
        for command in ("EHLO client.example.com",
                        "MAIL FROM:<a@client.example>",
                        "RCPT TO:<b@server.example>", "DATA"):
            talk.say(command)
        talk.sock.sendall(b"Message-ID: <never@x>\r\n\r\nx\r\n.\r")
        talk.close()

    def state():
        return [(descriptors(pid), resident_kib(pid))
                for pid in gate.workers()]
    for _ in range(100):
        abort()
    gate.wait_records(100)
    before = state()
    for _ in range(400):
        abort()
    records = gate.wait_records(500, 30)
    wait_for("descriptors", lambda: [d for d, _ in state()] ==
             [d for d, _ in before])
    assert all(now <= was + 2048 for (_, was), (_, now)
               in zip(before, state()))
    assert sink.accepted() == {}
    assert {r["mail"][0]["reply"] for r in records} == {None}


# --- slow ones ---------------------------------------------------------------

SLOW_CLIENTS = r"""
import selectors, socket, sys, time
address, slow, deaf = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
slows, deafs = [], []
for number in range(slow + deaf):
    sock = socket.socket()
    if number >= slow:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect((address, 25))
    (slows if number < slow else deafs).append(sock)
for sock in deafs:
    sock.recv(100)
    sock.setblocking(False)
print("ready", flush=True)
word, at = b"EHLO slow.example.com\r\n", 0
while True:
    for sock in slows:
        try:
            sock.send(word[at % len(word):at % len(word) + 1])
        except OSError:
            pass
    for sock in deafs:
        try:
            sock.send(b"EHLO deaf.example.com\r\n" * 40)
        except OSError:
            pass
    at += 1
    time.sleep(1)
"""


def session_ms(net):
    """How long each of 200 normal sessions takes, a message in each."""
    took = []
    for _ in range(200):
        sock = net.connect("client", SERVER4)
        begin = time.monotonic()
        talk = Talk(sock)
        talk.reply()
        for command in ("EHLO client.example.com",
                        "MAIL FROM:<a@client.example>",
                        "RCPT TO:<b@server.example>", "DATA"):
            assert talk.say(command)[0] in "23"
        assert talk.say(b"Subject: x\r\n\r\nx\r\n.\r\n").startswith("250")
        talk.say("QUIT")
        took.append((time.monotonic() - begin) * 1000)
        talk.close()
    return took


def test_a5_01_a5_02_slow_and_deaf(net, sink, gate):
    """Clients of a byte a second, and clients that never read, beside 200
    normal sessions: these take no longer, and memory is bounded."""
    session_ms(net)
    alone = statistics.median(session_ms(net))
    before = sum(map(resident_kib, gate.workers()))
    with net.popen("client", "/usr/bin/python3", "-c", SLOW_CLIENTS, SERVER4,
                   str(SLOW), str(SLOW // 10), stdout=subprocess.PIPE,
                   text=True) as crowd:
        try:
            assert crowd.stdout.readline() == "ready\n"
            beside = min(statistics.median(session_ms(net))
                         for _ in range(3))
            held = sum(map(resident_kib, gate.workers())) - before
        finally:
            crowd.kill()
    print(f"\n{SLOW} slow and {SLOW // 10} deaf clients: median "
          f"{beside:.2f} ms, alone {alone:.2f} ms; {held} KiB more")
    assert beside <= 1.2 * alone + 2
    # Four buffers of 64 KiB a session at the very most; a slow client holds
    # a part of a line.
    assert held <= (SLOW // 10) * 4 * 64 + SLOW * 80 + 4096


HANDSHAKES = r"""
import select, socket, sys, time
address, count = sys.argv[1], int(sys.argv[2])
class Client:
    def __init__(self, kind):
        self.kind, self.sock = kind, None
    def begin(self):
        self.sock, self.said = socket.create_connection((address, 25)), b""
        self.sock.sendall(b"EHLO flood.example.com\r\n")
        self.sock.setblocking(False)
        self.asked = self.shakes = False
    def turn(self):
        try:
            got = self.sock.recv(4096)
            if not got:
                raise OSError
            self.said += got
        except BlockingIOError:
            pass
        except OSError:
            self.sock.close()
            self.begin()
            return
        if not self.asked and b"250 STARTTLS\r\n" in self.said:
            self.sock.sendall(b"STARTTLS\r\n")
            self.asked = True
        self.shakes |= self.asked and b"TLS may begin" in self.said
        try:
            if self.shakes and self.kind == 1:
                self.sock.send(b"\x16")
            if self.shakes and self.kind == 2:
                self.sock.send(b"\x16\x03\x01\x00\x05garbage" * 10)
        except OSError:
            pass
clients = [Client(i % 3) for i in range(count)]
for client in clients:
    client.begin()
for turn in range(1000000):
    for client in clients:
        client.turn()
    if turn == 3:
        print("ready", flush=True)
    time.sleep(0.5)
"""


def test_handshakes_beside(net, folder, tmp_path):
    """No ClientHello, an octet of one now and then, garbage and another try at
    once: 200 plain sessions take no longer, and each handshake has its end."""
    sink = Sink(net, folder)
    chain, key = Authority(tmp_path / "a").issue("mx.test")
    gate = Gate(net, folder, policy=POLICY, more=f"    tls: {{client: terminate, "
                f"certificates: [{{chain: {chain}, key: {key}}}], server: none}}"
                "\n", settings=LIMITS + "timeouts: {handshake: 2s}\n")
    try:
        session_ms(net)
        alone = statistics.median(session_ms(net))
        with net.popen("client", "/usr/bin/python3", "-c", HANDSHAKES, SERVER4,
                       str(SLOW), stdout=subprocess.PIPE, text=True) as crowd:
            try:
                assert crowd.stdout.readline() == "ready\n"
                beside = min(statistics.median(session_ms(net))
                             for _ in range(3))
                for reason in ("handshake_timeout", "tls_failed"):
                    wait_for(reason, lambda r=reason: r in
                             {x["close"]["reason"] for x in gate.records()})
            finally:
                crowd.kill()
        print(f"\n{SLOW} handshakes: median {beside:.2f} ms, alone "
              f"{alone:.2f} ms")
        assert beside <= 1.2 * alone + 2
    finally:
        gate.stop()
        sink.stop()


def test_a5_02_deaf_client_ends(net, folder):
    """A client that never reads is over at the deadline, and is named."""
    sink = Sink(net, folder)
    gate = Gate(net, folder, policy=POLICY, settings="timeouts: {command: 1s}\n")
    try:
        sock = net.socket("client")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.connect((SERVER4, 25))
        sock.recv(100)
        sock.setblocking(False)
        chooser = selectors.DefaultSelector()
        chooser.register(sock, selectors.EVENT_WRITE)
        while not gate.records():
            if chooser.select(0.05):
                try:
                    sock.send(b"EHLO deaf.example.com\r\n" * 100)
                except BlockingIOError:
                    pass
                except OSError:
                    break
        record = gate.wait_records(1, 20)[0]
        assert record["close"]["code"][0] == "c"
        assert record["close"]["reason"] == "client_does_not_read"
        sock.close()
    finally:
        gate.stop()
        sink.stop()
