"""`ban`: a client that is kept away for a time, by the kernel before the gate
and, where no ruleset sees it, by the gate when it accepts."""
import socket
import time

import pytest

from lab import (ANOTHER4, ANOTHER6, CLIENT4, CLIENT6, NEIGHBOUR6, SERVER4,
                 SERVER6, Gate, Stub, Talk, wait_for)

SECONDS = 4
POLICY = f"""\
policy: 1
helo:
  - name: probe
    when: {{helo: {{is: ylmf-pc}}}}
    then: {{reject: {{ban: {SECONDS}s}}}}
default: accept
"""
FRONT = "    bind: [\"10.77.1.1:2525\"]\n    upstream: \"10.77.2.2:25\"\n"
PLACES = {"tproxy": (SERVER4, 25, CLIENT4, ANOTHER4),
          "tproxy6": (SERVER6, 25, CLIENT6, ANOTHER6),
          "redirect": (SERVER4, 25, CLIENT4, ANOTHER4),
          "explicit": ("10.77.1.1", 2525, CLIENT4, ANOTHER4)}


class Door:
    """A gate, and connections to it from addresses that the test chooses."""

    def __init__(self, net, folder, place, settings="", events=None):
        self.net = net
        self.host, self.port, self.client, self.another = PLACES[place]
        self.gate = Gate(net, folder, place.rstrip("6"), policy=POLICY,
                         settings=settings, events=events,
                         more=FRONT if place == "explicit" else "")

    def talk(self, client):
        family = socket.AF_INET6 if ":" in client else socket.AF_INET
        sock = self.net.socket("client", family)
        sock.settimeout(5)
        sock.bind((client, 0))
        sock.connect((self.host, self.port))
        talk = Talk(sock)
        talk.reply()
        return talk

    def is_served(self, client):
        try:
            talk = self.talk(client)
        except ConnectionError:
            return False
        talk.close()
        return True

    def misbehave(self):
        talk = self.talk(self.client)
        assert talk.say("EHLO ylmf-pc").startswith("504")
        return talk

    def in_kernel(self):
        family = "banned6" if ":" in self.client else "banned4"
        return self.net.run("gate", "nft", "list", "set", "inet", "ehlogate",
                            family).stdout


@pytest.fixture
def make_door(net, folder, addresses, stub):
    made = [Stub(net, address=SERVER6)]

    def make(place, **more):
        made.append(Door(net, folder, place, **more))
        return made[-1]
    yield make
    for door in made[1:]:
        door.gate.stop()
    made[0].stop()


@pytest.mark.parametrize("place", PLACES)
def test_kept_away(make_door, place):
    """Until the time is over; the session that said it goes on, and others
    are served."""
    door = make_door(place, events=("session", "ban", "daemon"))
    open_before = door.talk(door.client)
    talk = door.misbehave()
    since = time.monotonic()
    wait_for("the ban", lambda: not door.is_served(door.client))
    assert door.is_served(door.another)
    assert talk.say("NOOP").startswith("250")
    assert open_before.say("NOOP").startswith("250")
    wait_for("the end of the ban", lambda: door.is_served(door.client))
    assert SECONDS - 1 < time.monotonic() - since < SECONDS + 3
    talk.say("QUIT")
    open_before.close()
    assert f"{door.client}" in door.gate.said()
    wait_for("the line", lambda: door.gate.records("ban"))
    (line,) = door.gate.records("ban")
    assert line["src_ip"] == door.client and line["seconds"] == SECONDS
    assert line["rule"] == "probe" and line["rule_line"] == 3


@pytest.mark.parametrize("place", ["tproxy", "tproxy6", "redirect"])
def test_by_the_kernel(make_door, place):
    """A banned client's SYN is answered by the ruleset: the gate gets no
    connection to turn away."""
    door = make_door(place)
    door.misbehave().close()
    prefix = "fd77:1::" if ":" in door.client else door.client
    wait_for("the kernel's set", lambda: prefix in door.in_kernel())
    assert not door.is_served(door.client)
    assert "is banned" not in door.gate.said()


def test_ipv6_by_64(make_door):
    door = make_door("tproxy6")
    door.misbehave().close()
    wait_for("the ban", lambda: not door.is_served(door.client))
    assert not door.is_served(NEIGHBOUR6)
    assert door.is_served(ANOTHER6)
    assert "(its /64)" in door.gate.said()


def test_one_table_for_all_listeners(make_door):
    """What a client did at one door keeps it from another, and a new ruleset
    knows those who were banned."""
    door = make_door("tproxy")
    door.misbehave().close()
    wait_for("the kernel's set", lambda: door.client in door.in_kernel())
    door.gate.change("workers: 1", "  front:\n    mode: explicit\n"
                     f"    policy: policy.yaml\n{FRONT}workers: 1")
    door.gate.change("port: [25]", "port: [25, 587]")
    door.gate.reload()
    assert door.client in door.in_kernel()
    assert not door.is_served(door.client)
    door.host, door.port = PLACES["explicit"][:2]
    assert not door.is_served(door.client)
    assert door.is_served(door.another)
    assert "is banned" in door.gate.said()
    wait_for("the end of the ban", lambda: door.is_served(door.client))


def test_never_banned(make_door):
    door = make_door("tproxy", settings=f"never_ban: [{CLIENT4}]\n",
                     events=("session", "ban"))
    door.misbehave().close()
    other = door.client
    door.client = door.another
    door.misbehave().close()  # the channel keeps the order of requests
    wait_for("the ban of another", lambda: door.another in door.in_kernel())
    assert door.is_served(other)
    assert other not in door.in_kernel().split()
    wait_for("the line", lambda: door.gate.records("ban"))
    assert [line["src_ip"] for line in door.gate.records("ban")] == \
        [door.another]


def test_flushed_ruleset(make_door):
    """The table is made anew, and those who are banned are in it."""
    door = make_door("tproxy")
    door.misbehave().close()
    wait_for("the kernel's set", lambda: door.client in door.in_kernel())
    door.net.run("gate", "nft", "flush", "ruleset")
    wait_for("the set again", lambda: door.client in door.in_kernel())
    assert not door.is_served(door.client)
    assert door.is_served(door.another)


def test_neighbour_of_never_banned(make_door):
    """A /64 in which one host is spared is not kept away as a whole."""
    door = make_door("tproxy6", settings=f"never_ban: [\"{NEIGHBOUR6}\"]\n")
    door.misbehave().close()
    door.client = ANOTHER6
    door.misbehave().close()
    wait_for("the ban of another", lambda: "fd77:9::" in door.in_kernel())
    assert "fd77:1::" not in door.in_kernel()
    assert door.is_served(NEIGHBOUR6)
