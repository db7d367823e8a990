"""Sessions and connections per client, counted over all workers, and what
becomes of a gate without descriptors (THREATS A5-07, A5-08)."""
import os
import signal
import socket
import time

import pytest

from lab import (ANOTHER4, ANOTHER6, CLIENT4, CLIENT6, NEIGHBOUR6, SERVER4,
                 SERVER6, Gate, Talk, wait_for)

PLAIN = "policy: 1\nhelo: []\ndefault: accept\n"


def talk_from(net, client):
    """The talk, and the first reply."""
    six = ":" in client
    sock = net.socket("client", socket.AF_INET6 if six else socket.AF_INET)
    sock.settimeout(5)
    sock.bind((client, 0))
    sock.connect((SERVER6 if six else SERVER4, 25))
    talk = Talk(sock)
    return talk, talk.reply()


def open_some(net, client, count):
    talks = []
    for _ in range(count):
        talk, reply = talk_from(net, client)
        assert reply.startswith("220"), reply
        talks.append(talk)
    return talks


def is_served(net, client):
    talk, reply = talk_from(net, client)
    talk.close()
    assert reply.startswith(("220", "421 4.7.0")), reply
    return reply.startswith("220")


@pytest.fixture
def make(net, folder):
    made = []

    def start(limits, policy=PLAIN):
        gate = Gate(net, folder, policy=policy,
                    settings=f"limits: {{{limits}}}\n")
        made.append(gate)
        gate.change("workers: 1", "workers: 2")
        gate.reload()
        return gate
    yield start
    for gate in made:
        gate.stop()


def close(talks):
    for talk in talks:
        talk.close()


def test_a5_08_sessions(net, stub, addresses, make):
    gate = make("sessions_per_client: 3, rate_per_client: 60000/1m, "
                "enforce: true")
    talks = open_some(net, CLIENT4, 3)
    late, reply = talk_from(net, CLIENT4)
    assert reply.startswith("421 4.7.0 too many sessions from your address")
    with pytest.raises(EOFError):
        late.reply()
    assert len(stub.raw) == 3, "no connection is made for who is refused"
    assert is_served(net, ANOTHER4)
    talks.pop().close()
    wait_for("a place", lambda: is_served(net, CLIENT4))
    late.close()

    def refused():
        return [r for r in gate.records()
                if r["close"]["reason"] == "limit_sessions_per_client"]
    wait_for("its record", refused)
    over = refused()
    assert over[0]["client_sessions"] == 4
    assert over[0]["notes"] == ["limit_sessions_per_client"]
    assert over[0]["close"]["code"] == "PG"
    close(talks)


def test_a5_08_ipv6_prefix(net, stub6, addresses, make):
    make("sessions_per_client: 2, enforce: true")
    talks = open_some(net, CLIENT6, 1) + open_some(net, NEIGHBOUR6, 1)
    assert not is_served(net, CLIENT6)
    assert not is_served(net, NEIGHBOUR6)
    assert is_served(net, ANOTHER6)
    close(talks)


def test_a5_08_narrow_prefix(net, stub6, addresses, make):
    make("sessions_per_client: 1, ipv6_prefix: 128, enforce: true")
    talks = open_some(net, CLIENT6, 1) + open_some(net, NEIGHBOUR6, 1)
    assert not is_served(net, CLIENT6)
    close(talks)


def test_a5_08_rate(net, stub, addresses, make):
    gate = make("rate_per_client: 4/1h, enforce: true")
    close(open_some(net, CLIENT4, 4))
    talk, reply = talk_from(net, CLIENT4)
    assert reply.startswith("421 4.7.0 too many connections")
    talk.close()
    assert is_served(net, ANOTHER4)
    rates = sorted(r["client_rate"] for r in gate.wait_records(6))
    assert rates == [1, 1, 2, 3, 4, 5]


def test_a5_08_noted_only(net, stub, make):
    """The default: counted and noted."""
    gate = make("sessions_per_client: 1, rate_per_client: 1/1h")
    close(open_some(net, CLIENT4, 2))
    notes = [r["notes"] for r in gate.wait_records(2)]
    assert ["would_limit_sessions_per_client",
            "would_limit_rate_per_client"] in notes


def test_a5_08_never_and_groups(net, stub, addresses, make):
    """`never` spares a client; a policy's limit holds without `enforce`, for
    the clients of its `when`."""
    policy = PLAIN + ("limits:\n  - {when: {client: 10.77.1.77}, "
                      "sessions_per_client: 1}\n"
                      "  - {sessions_per_client: 2}\n")
    gate = make(f"never: [{CLIENT6}]", policy)
    talks = open_some(net, ANOTHER4, 1) + open_some(net, CLIENT4, 2)
    assert not is_served(net, ANOTHER4)
    assert not is_served(net, CLIENT4)
    gate.change(f"never: [{CLIENT6}]", f"never: [{CLIENT4}]")
    gate.reload()
    talks += open_some(net, CLIENT4, 3)
    assert not is_served(net, ANOTHER4), "a reload forgets no session"
    close(talks)


def test_a5_08_dead_worker(net, stub, make):
    """The sessions of a worker that was killed are not counted for ever."""
    gate = make("sessions_per_client: 4, rate_per_client: 60000/1m, "
                "enforce: true")
    cut = open_some(net, CLIENT4, 4)
    assert not is_served(net, CLIENT4)
    assert len(gate.workers()) == 2
    for pid in gate.workers():
        os.kill(pid, signal.SIGKILL)

    def served():
        try:
            return is_served(net, CLIENT4)
        except (ConnectionError, EOFError):
            return False
    wait_for("new workers", served)
    close(cut)
    close(open_some(net, CLIENT4, 4))


def cpu_of(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def test_a5_07_descriptors(net, stub, folder):
    """Without descriptors nothing is accepted, and nothing spins; who is
    served stays so, and who waits is served when there is room."""
    gate = Gate(net, folder, policy=PLAIN, user="nobody",
                before=("prlimit", "--nofile=64:64"),
                settings="limits: {never: 10.0.0.0/8}\n")
    try:
        talks, waiting = [], []
        while len(talks) < 64:
            sock = net.connect("client", SERVER4, timeout=1)
            talk = Talk(sock)
            try:
                assert talk.reply().startswith(("220", "421"))
            except TimeoutError:
                waiting.append(talk)
                break
            talks.append(talk)
        assert waiting and len(talks) > 10
        assert "no connection is accepted for now" in gate.said()
        worker = gate.workers()[0]
        used, begin = cpu_of(worker), time.monotonic()
        assert talks[0].say("EHLO client.example.com").startswith("250")
        wait_for("two seconds", lambda: time.monotonic() - begin > 2)
        assert (cpu_of(worker) - used) / 2 < 0.05
        for talk in talks[1:]:
            talk.close()
        waiting[0].sock.settimeout(10)
        assert waiting[0].reply().startswith("220")
        assert talks[0].say("QUIT").startswith("221")
    finally:
        gate.stop()
