"""What DNS says of client and name, with the real gate and a stub server of
DNS: the semantic checks of other products, row by row, and time.

The rows are in tests/vectors/helo_semantic_checks.tsv; what each needs (whose
address, what DNS says, which rule) is in CASES, by its number.
"""
import contextlib
import csv
import ctypes
import pathlib
import socket
import statistics
import threading
import time

import pytest

from lab import SERVER4, SERVER6, TOP, Gate, Stub, Talk, sh, wait_for
from lab.dns import NXDOMAIN, SERVFAIL, Dns

TIMEOUT = 1.0

# Each product's check as a rule; `flag` rules only log.
POLICIES = {
    "bare": "{helo.flaw: [bare_ipv4, bare_ipv6]}, then: reject",
    "dynamic": "{helo.flaw: dynamic_name}, then: reject",
    "company": "{helo: yahoo.com, client.ptr: {not: {under: yahoo.com}}}, "
               "then: reject",
    "literal": "{helo.literal: [other, same_24], client: {not: [10.0.0.0/8]}}"
               ", then: reject",
    "exists": "{helo.dns: [nxdomain, none]}, then: reject",
    "rdns": "{helo.ptr: none}, then: reject",
    "forward": "{helo.dns: [exists, none, nxdomain]}, then: reject",
    "regex": '{helo: {regex: "bad.tld"}}, then: reject',
    "exact": "{helo: {is: ylmf-pc}}, then: drop",
    "pattern": '{helo: {regex: "YLM.*"}}, then: reject',
    "mismatch": "{helo.repeat: {over: 0}}, then: reject",
    "verify": "{helo.dns: [exists, none, nxdomain]}, on_temperror: tempfail, "
              "then: reject",
    "flag": "{any: [{helo.flaw: [single_label, bare_ipv4, literal_mismatch]}, "
            "{helo.ptr: none}, {helo.dns: [none, nxdomain]}]}, then: continue",
    "second": '{helo: "[1.2.3.4]"}, then: reject',
}
HEAD = "policy: 1\nlists: {}\nhelo:\n  - {name: check, when: "


def policy(name):
    return f"{HEAD}{POLICIES[name]}, allow_rfc5321_4_1_4: true}}\n" \
        "default: accept\n"


def forward(name, *addresses):
    return [(name, "AAAA" if ":" in a else "A", a) for a in addresses]


def reverse(client, name):
    labels = ".".join(reversed(client.split("."))) + ".in-addr.arpa"
    return [(labels, "PTR", name), *forward(name, client)]


def case(name, client, *records, fails=None, helo=None, before=()):
    return {"policy": name, "client": client, "records": records,
            "fails": fails or {}, "helo": helo, "before": before}


A, B = "198.18.0.1", "198.18.0.2"
# By the row's number, from 1.
CASES = {
    1: case("bare", A),
    2: case("bare", A),
    3: case("dynamic", "208.75.177.99"),
    4: case("dynamic", "76.121.96.159"),
    5: case("company", A, *reverse(A, "yahoo.co.jp")),
    6: case("company", A, *reverse(A, "anything-else.com")),
    7: case("literal", "10.0.1.1"),
    8: case("literal", "10.0.1.2"),
    9: case("exists", A, *forward("great.domain.com", A)),
    10: case("exists", A),
    11: case("rdns", A, *reverse(A, "ehlo.example.com")),
    12: case("rdns", A, *reverse(A, "ehlo.gmail.com")),
    13: case("forward", "4.2.2.2", *forward("b.resolvers.level3.net",
                                            "4.2.2.2")),
    14: case("forward", "66.128.51.163", *forward("www.google.com", B)),
    15: case("regex", A),
    16: case("exact", A),
    17: case("pattern", A),
    18: case("mismatch", A, before=["helo.example.com"]),
    19: case("forward", "5.6.7.8", *forward("mismatch.test", "1.2.3.4")),
    20: case("forward", "1.2.3.4", *forward("match.test", "1.2.3.4")),
    21: case("forward", "2001:db8::1",
             *forward("dual.test", "1.2.3.4", "2001:db8::1")),
    22: case("forward", "1.2.3.4",
             *forward("dual.test", "1.2.3.4", "2001:db8::1")),
    23: case("forward", "9.9.9.9",
             *forward("dualmiss.test", "1.2.3.4", "2001:db8::1")),
    24: case("forward", "1.2.3.4"),
    25: case("forward", "1.2.3.4", fails={"partialfail.test": "silent"}),
    26: case("flag", A, *reverse(A, "localhost")),
    27: case("flag", A, *reverse(A, "user")),
    28: case("flag", "8.8.8.8"),
    29: case("flag", "1.1.1.1"),
    30: case("flag", "1.1.1.1", *reverse("1.1.1.1", "domain.org")),
    31: case("flag", "1.1.1.1", *reverse("1.1.1.1", "otherdomain.org"),
             *forward("domain.org", "1.1.1.1")),
    32: case("flag", "1.1.1.1"),
    33: case("flag", "1.1.1.1", *reverse("1.1.1.1", "otherdomain.net")),
    34: case("flag", A, helo=False),
    35: case("flag", B, helo=f"[{A}]"),
    36: case("literal", B, helo=f"[{B}]"),
    37: case("verify", A, *forward("ten-1.test.ex", A)),
    38: case("verify", "198.18.0.3",
             ("ten-3-alias.test.ex", "CNAME", "ten-3.test.ex"),
             *forward("ten-3.test.ex", "198.18.0.3")),
    39: case("verify", A),
    40: case("verify", A, fails={"rhubarb": "servfail"}),
    41: case("flag", "198.18.0.13", helo="[198.18.0.99]"),
    42: case("second", A, helo="[1.2.3.4]", before=["[198.18.9.8]"]),
}


def rows():
    path = TOP / "tests/vectors/helo_semantic_checks.tsv"
    with open(path, encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table, delimiter="\t"))


def test_every_row_has_a_case():
    assert sorted(CASES) == list(range(1, len(rows()) + 1))


# --- the stub, the gate, the client ------------------------------------------


class Stage(Dns):
    """A stub whose play changes."""
    dead = False

    def clear(self):
        self._records.clear()
        self._special.clear()
        self.asked.clear()
        self.dead = False

    def _packets(self, packet, tcp, client):
        return [] if self.dead else super()._packets(packet, tcp, client)


@pytest.fixture(scope="module")
def dns(net):
    """A server of DNS on the gate's own loopback."""
    made = []

    def make():
        with open(f"/run/netns/{net.names['gate']}", "rb") as there:
            assert ctypes.CDLL(None).setns(there.fileno(), 0x40000000) == 0
        made.append(Stage())
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    with made[0] as server:
        yield server


@contextlib.contextmanager
def gate_of(net, folder, dns, text, **more):
    settings = f'dns: {{servers: ["{dns.address}"], timeout: 1s}}\n'
    gate = Gate(net, folder, policy=text, settings=settings, **more)
    try:
        yield gate
    finally:
        gate.stop()


@contextlib.contextmanager
def client_at(net, address):
    """The client has this address too, and the gate knows where it is."""
    six = ":" in address
    length = 128 if six else 32
    via = "fd77:1::2" if six else "10.77.1.2"
    client, gate = net.names["client"], net.names["gate"]
    nodad = ["nodad"] if six else []
    sh("ip", "-n", client, "addr", "add", f"{address}/{length}", "dev",
       "eth0", *nodad)
    sh("ip", "-n", gate, *(["-6"] if six else []), "route", "add",
       f"{address}/{length}", "via", via)
    try:
        yield
    finally:
        sh("ip", "-n", gate, *(["-6"] if six else []), "route", "del",
           f"{address}/{length}")
        sh("ip", "-n", client, "addr", "del", f"{address}/{length}", "dev",
           "eth0")


def talk_from(net, address):
    six = ":" in address
    sock = net.socket("client", socket.AF_INET6 if six else socket.AF_INET)
    sock.settimeout(10)
    sock.bind((address, 0))
    sock.connect((SERVER6 if six else SERVER4, 25))
    talk = Talk(sock)
    talk.reply()
    return talk


def said_to(talk, name):
    """The reply; the word "closed" where there is none."""
    try:
        return talk.say(f"EHLO {name}")
    except (EOFError, ConnectionError):
        return "closed"


def fill(dns, number, this):
    for name, kind, value in this["records"]:
        dns.add(name, kind, value)
    for name, how in this["fails"].items():
        if how == "silent":
            dns.silent(name)
        else:
            dns.rcode(name, SERVFAIL)
    assert number


@pytest.fixture
def both_stubs(net, stub):
    other = Stub(net, address=SERVER6)
    yield stub
    other.stop()


@pytest.mark.parametrize("number", CASES)
def test_row(net, folder, dns, both_stubs, number):
    this, row = CASES[number], rows()[number - 1]
    expected, name = row["expected"], this["helo"]
    if name is None:
        name = row["input"]
    dns.clear()
    fill(dns, number, this)
    with client_at(net, this["client"]), \
            gate_of(net, folder, dns, policy(this["policy"])) as gate:
        talk = talk_from(net, this["client"])
        for earlier in this["before"]:
            assert said_to(talk, earlier).startswith("250"), earlier
        if number == 34:
            assert talk.say("MAIL FROM:<a@b.example>").startswith("503")
            talk.close()
            return
        if number == 42:
            talk.say("MAIL FROM:<a@b.example>")
        started = time.monotonic()
        reply = said_to(talk, name)
        assert time.monotonic() - started < TIMEOUT * 1.1 + 0.2
        if number == 42:
            # The refusal leaves the transaction as it was.
            assert reply.startswith("550")
            reply = talk.say("RCPT TO:<a@b.example>")
        talk.close()
        last = gate.wait_records(1)[0]["helo"][-1]
    wanted = {"accept": "250", "skip": "250", "flag": "250", "reject": "55"}
    if number == 40:
        assert reply.startswith("451"), reply
    elif this["policy"] == "exact":
        assert reply == "closed"
    else:
        assert reply.startswith(wanted[expected]) or \
            (expected == "reject" and reply[:3] in ("501", "504")), reply
    if this["policy"] == "flag":
        assert (last.get("continued") == ["check"]) == (expected == "flag")


# --- odd answers ---------------------------------------------------------------

FORWARD = policy("forward")


@pytest.mark.parametrize("what,answer", [
    ("loop.example", "temperror"), ("many.example", "exists"),
    ("gone.example", "nxdomain"), ("broken.example", "temperror"),
    ("big.example", "exists")])
def test_odd_answers(net, folder, dns, stub, what, answer):
    dns.clear()
    dns.add("loop.example", "CNAME", "pool.example")
    dns.add("pool.example", "CNAME", "loop.example")
    for number in range(100):
        dns.add("many.example", "A", f"198.18.7.{number}")
    dns.rcode("gone.example", NXDOMAIN)
    dns.rcode("broken.example", SERVFAIL)
    dns.add("big.example", "A", "198.18.7.1")
    dns.truncated("big.example")
    with gate_of(net, folder, dns, FORWARD) as gate:
        talk = talk_from(net, "10.77.1.2")
        reply = said_to(talk, what)
        talk.close()
        record = gate.wait_records(1)[0]
    assert record["helo"][0]["dns"] == {"helo.dns": answer}
    assert reply.startswith("250" if answer == "temperror" else "550")


def test_the_cache_answers_within_the_ttl(net, folder, dns, stub):
    dns.clear()
    dns.add("kept.example", "A", "10.77.1.2", ttl=300)
    dns.add("brief.example", "A", "10.77.1.2", ttl=1)
    with gate_of(net, folder, dns, FORWARD):
        def greet(name):
            talk = talk_from(net, "10.77.1.2")
            reply = said_to(talk, name)
            talk.close()
            return reply
        for name in ("kept.example", "kept.example", "brief.example"):
            assert greet(name).startswith("250")
        assert dns.asked["kept.example", "A"] == 1
        dns.clear()
        assert greet("kept.example").startswith("250")
        # What was brief is asked for again, and is gone.
        wait_for("the end of the TTL",
                 lambda: greet("brief.example").startswith("550"), 5)


# --- time ----------------------------------------------------------------------

ALL_STAGES = """\
policy: 1
connect:
  - {name: c, when: {client.dnsbl: slow.example.net}, then: reject}
helo:
  - {name: h, when: {helo.dns: nxdomain, helo.spf: fail}, then: reject}
mail:
  - {name: m, when: {mail.from: null, helo.rhsbl: slow.example.org}, then: reject}
default: accept
"""
TWO = """\
    bind: "10.77.1.1:2526"
    upstream: "10.77.2.2:25"
  plain:
    mode: explicit
    bind: "10.77.1.1:2525"
    upstream: "10.77.2.2:25"
    policy: plain.yaml
"""


@pytest.mark.parametrize("how", ["silent", "closed"])
def test_one_budget_for_a_session(net, folder, dns, stub, how):
    dns.clear()
    dns.dead = True
    servers = dns.address if how == "silent" else "127.0.0.1:9"
    settings = f'dns: {{servers: ["{servers}"], timeout: 1s}}\n'
    gate = Gate(net, folder, policy=ALL_STAGES, settings=settings)
    try:
        started = time.monotonic()
        talk = talk_from(net, "10.77.1.2")
        assert said_to(talk, "a.example").startswith("250")
        assert talk.say("MAIL FROM:<>").startswith("250")
        took = time.monotonic() - started
        talk.close()
        record = gate.wait_records(1)[0]
    finally:
        gate.stop()
    assert took < TIMEOUT * 1.1 + 0.2
    assert record["connect"]["dns"] == {
        "client.dnsbl": {"slow.example.net": "temperror"}}


def plain_times(net, count):
    times = []
    for _ in range(count):
        started = time.monotonic()
        talk = Talk(net.connect("client", "10.77.1.1", 2525))
        talk.reply()
        assert said_to(talk, "a.example").startswith("250")
        talk.close()
        times.append(time.monotonic() - started)
    return statistics.median(times)


def test_a_dead_resolver_slows_nobody_else(net, folder, dns, stub):
    dns.clear()
    dns.dead = True
    (pathlib.Path(folder) / "plain.yaml").write_text(
        "policy: 1\nhelo: []\ndefault: accept\n")
    with gate_of(net, folder, dns, FORWARD, mode="explicit", more=TWO):
        alone = plain_times(net, 200)
        slow = [Talk(net.connect("client", "10.77.1.1", 2526))
                for _ in range(50)]
        for number, talk in enumerate(slow):
            talk.reply()
            talk.sock.sendall(b"EHLO n%d.example\r\n" % number)
        beside = plain_times(net, 200)
        for talk in slow:
            talk.close()
    assert beside <= 1.2 * alone + 0.002
