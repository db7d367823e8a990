"""Processes that are killed while clients keep coming: with `closed` nobody
reaches the server uninspected, which would show as the name EXCH_01 in what
the server got."""
import threading

import pytest

from lab import (SERVER4, SERVER6, Gate, Namespaces, Stub, Talk, send,
                 wait_for)


@pytest.fixture(scope="module")
def net():
    """Hosts of its own: thousands of connections that end in every possible
    way leave their ports and their tracking behind."""
    namespaces = Namespaces()
    yield namespaces
    namespaces.close()


class Crowd:
    """Clients that come without a pause, over both families."""

    def __init__(self, net):
        self.net = net
        self.served = self.refused = 0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.come, args=(address,))
                        for address in (SERVER4, SERVER6) * 2]
        for thread in self.threads:
            thread.start()

    def come(self, address):
        while not self.over.is_set():
            try:
                send(self.net, address, seconds=1)
                self.served += 1
            except (OSError, EOFError, AssertionError):
                self.refused += 1

    def go(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def wait_served(self, more):
        before = self.served
        wait_for(f"{more} more served",
                 lambda: self.served >= before + more, 20)

    def wait_refused(self, more):
        before = self.refused
        wait_for(f"{more} more refused",
                 lambda: self.refused >= before + more, 20)


@pytest.fixture
def stubs(net):
    both = [Stub(net), Stub(net, address=SERVER6)]
    yield both
    for stub in both:
        stub.stop()


@pytest.fixture(params=["tproxy", "redirect"])
def crowded(request, net, folder, stubs):
    """A gate with four clients at its door."""
    gate = Gate(net, folder, request.param)
    crowd = Crowd(net)
    crowd.wait_served(8)
    yield gate, crowd
    crowd.go()
    gate.stop()


def uninspected(stubs):
    return [bytes(raw) for stub in stubs for raw in stub.raw
            if b"EXCH_01" in raw]


def kill(gate, pids):
    for pid in pids:
        gate.net.run("gate", "kill", "-9", str(pid), check=False)


def test_all_killed(crowded, stubs):
    gate, crowd = crowded
    kill(gate, gate.pids())
    crowd.wait_refused(8)
    crowd.go()
    assert uninspected(stubs) == []


def test_monitor_killed(crowded, stubs):
    """Workers and logger see it go and follow, their sessions first."""
    gate, crowd = crowded
    monitor, *children = gate.pids()
    kill(gate, [monitor])
    crowd.wait_refused(8)
    crowd.go()
    wait_for("an end of the others", lambda: gate.net.run(
        "gate", "kill", "-0", *map(str, children), check=False)
        .stderr.count("No such process") == len(children))
    assert uninspected(stubs) == []


@pytest.mark.parametrize("which", ["first", "second"])
def test_child_killed_and_replaced(crowded, stubs, which):
    """The worker and the logger."""
    gate, crowd = crowded
    kill(gate, [gate.pids()[1 if which == "first" else 2]])
    wait_for("a new one", lambda: "takes its place" in gate.said())
    crowd.wait_served(8)
    crowd.go()
    assert uninspected(stubs) == []


def test_flush_ruleset(crowded, stubs):
    gate, crowd = crowded
    for _ in range(5):
        gate.net.run("gate", "nft", "add", "table", "ip", "foreign")
        gate.net.run("gate", "nft", "flush", "ruleset")
        crowd.wait_served(4)
    wait_for("the alarm", lambda: "nftables" in gate.said())
    crowd.go()
    assert uninspected(stubs) == []


@pytest.mark.parametrize("on_failure", ["closed", "open"])
def test_session_open_at_the_start(net, folder, stub, on_failure):
    """Reset under closed, let through under open (PRODUCT 1)."""
    talk = Talk(net.connect("client", SERVER4))
    talk.reply()
    assert talk.say("EHLO old").startswith("250")
    gate = Gate(net, folder, more=f"    on_failure: {on_failure}\n")
    try:
        if on_failure == "open":
            assert talk.say("NOOP").startswith("250")
        else:
            with pytest.raises(ConnectionResetError):
                talk.say("NOOP")
        assert send(net)[:3] == "250"
    finally:
        talk.close()
        gate.stop()
    assert b"NOOP" in stub.raw[0] if on_failure == "open" \
        else b"NOOP" not in stub.raw[0]
