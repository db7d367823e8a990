"""What DNS says of client and name, with the real gate and a stub server of
DNS: the semantic checks of other products, row by row, and time.

The rows are in tests/vectors/helo_semantic_checks.tsv; what each needs (whose
address, what DNS says, which rule) is in CASES, by its number.  Where the
verdict is another one, helo_semantic_exceptions.tsv has it, and why.
"""
import contextlib
import csv
import ctypes
import pathlib
import socket
import statistics
import struct
import threading
import time

import pytest

from lab import SERVER4, SERVER6, TOP, Gate, Stub, Talk, sh, wait_for
from lab.dns import NXDOMAIN, SERVFAIL, Dns, record, reply as dns_reply

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


def rows(name="checks"):
    path = TOP / f"tests/vectors/helo_semantic_{name}.tsv"
    with open(path, encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table, delimiter="\t"))


def exceptions():
    """Verdicts that are not those of the table, by the row's number."""
    return {int(row["row"]): row for row in rows("exceptions")}


def test_a3_07_every_row_has_a_case():
    assert sorted(CASES) == list(range(1, len(rows()) + 1))


def test_every_exception_is_of_a_row_and_has_a_reason():
    for number, row in exceptions().items():
        assert row["input"] == rows()[number - 1]["input"]
        assert row["verdict"] != rows()[number - 1]["expected"]
        assert len(row["reason"]) > 20


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
def gate_of(net, folder, dns, text, servers=None, **more):
    servers = servers or dns.address
    settings = f'dns: {{servers: ["{servers}"], timeout: 1s}}\n'
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
def test_a3_07_row(net, folder, dns, both_stubs, number):
    this, row = CASES[number], rows()[number - 1]
    expected, name = row["expected"], this["helo"]
    if number in exceptions():
        expected = exceptions()[number]["verdict"]
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
        assert time.monotonic() - started < TIMEOUT * 1.1
        if number == 42:
            # The refusal leaves the transaction as it was.
            assert reply.startswith("550")
            reply = talk.say("RCPT TO:<a@b.example>")
        talk.close()
        last = gate.wait_records(1)[0]["helo"][-1]
    wanted = {"accept": "250", "skip": "250", "flag": "250", "reject": "55",
              "tempfail": "451"}
    if this["policy"] == "exact":
        assert reply == "closed"
    else:
        assert reply.startswith(wanted[expected]) or \
            (expected == "reject" and reply[:3] in ("501", "504")), reply
    if this["policy"] == "flag":
        assert (last.get("continued") == ["check"]) == (expected == "flag")


# --- odd answers ---------------------------------------------------------------

FORWARD = policy("forward")


def saying_it_is_there(query):
    return dns_reply(query, [record(query.name, "A", 300, "198.18.7.9")])


def forgeries(query):
    """Of somebody who does not see the question; then the true answer."""
    right = saying_it_is_there(query)
    number = int.from_bytes(query.id, "big")
    guesses = [((number + i) % 65536).to_bytes(2, "big") for i in range(1, 9)]
    return [*(guess + right[2:] for guess in guesses),
            dns_reply(query, rcode=NXDOMAIN)]


def other_name(query):
    return [saying_it_is_there(query).replace(b"\x05other", b"\x050ther"),
            dns_reply(query, rcode=NXDOMAIN)]


@pytest.mark.parametrize("what,answer", [
    ("loop.example", "temperror"), ("many.example", "exists"),
    ("gone.example", "nxdomain"), ("broken.example", "temperror"),
    ("big.example", "exists"), ("forged.example", "nxdomain"),
    ("other.example", "nxdomain"), ("query.example", "temperror"),
    ("torn.example", "temperror")])
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
    dns.special("forged.example", forgeries)
    dns.special("other.example", other_name)
    dns.special("query.example", lambda query: [
        (answer := saying_it_is_there(query))[:2] + b"\x01" + answer[3:]])
    dns.special("torn.example", lambda query: [saying_it_is_there(query)[:30]])
    dns.over_tcp.clear()
    with gate_of(net, folder, dns, FORWARD) as gate:
        talk = talk_from(net, "10.77.1.2")
        started = time.monotonic()
        reply = said_to(talk, what)
        took = time.monotonic() - started
        talk.close()
        entry = gate.wait_records(1)[0]["helo"][0]
    assert took < TIMEOUT * 1.1
    assert entry["dns"] == {"helo.dns": answer}
    assert 0 < entry["dns_us"] <= took * 1e6
    assert reply.startswith("250" if answer == "temperror" else "550")
    if what == "big.example":
        assert dns.over_tcp["big.example", "A"] == 1


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


CLOSED = "127.0.0.1:9"


@pytest.mark.parametrize("how", ["silent", "closed"])
def test_one_budget_for_a_session(net, folder, dns, stub, how):
    dns.clear()
    dns.dead = True
    servers = None if how == "silent" else CLOSED
    with gate_of(net, folder, dns, ALL_STAGES, servers) as gate:
        started = time.monotonic()
        talk = talk_from(net, "10.77.1.2")
        assert said_to(talk, "a.example").startswith("250")
        assert talk.say("MAIL FROM:<>").startswith("250")
        took = time.monotonic() - started
        talk.close()
        record = gate.wait_records(1)[0]
    assert took < TIMEOUT * 1.1
    assert record["connect"]["dns"] == {
        "client.dnsbl": {"slow.example.net": "temperror"}}


@pytest.mark.parametrize("stage", ["connect", "helo"])
def test_a_client_that_goes_while_dns_is_asked(net, folder, dns, stub, stage):
    """By a reset: the session ends, is recorded, and the next one is served.
    What was asked of DNS comes to nobody."""
    dns.clear()
    dns.silent("gone.example")
    dns.silent("2.1.77.10.slow.example.net")
    text = ALL_STAGES if stage == "connect" else FORWARD
    with gate_of(net, folder, dns, text) as gate:
        sock = net.socket("client")
        sock.settimeout(10)
        sock.connect((SERVER4, 25))
        if stage == "helo":
            talk = Talk(sock)
            talk.reply()
            sock.sendall(b"EHLO gone.example\r\n")
        asked = "gone.example" if stage == "helo" else \
            "2.1.77.10.slow.example.net"
        wait_for("the question", lambda: dns.asked[asked, "A"] > 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, 0))
        sock.close()
        entry = gate.wait_records(1)[0]
        assert entry["close"]["code"][0] == "C", entry["close"]
        assert entry["durations_us"]["total"] < TIMEOUT * 1.1e6
        talk = talk_from(net, "10.77.1.2")
        assert said_to(talk, "[10.77.1.2]").startswith("250")
        talk.close()
        gate.wait_records(2)


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


def beside_slow_ones(net, turn):
    """The time of 200 sessions beside 50 that wait for DNS."""
    slow = [Talk(net.connect("client", "10.77.1.1", 2526))
            for _ in range(50)]
    for number, talk in enumerate(slow):
        talk.reply()
        talk.sock.sendall(b"EHLO n%d-%d.example\r\n" % (number, turn))
    beside = plain_times(net, 200)
    for talk in slow:
        assert talk.reply().startswith("250")
        talk.close()
    return beside


@pytest.mark.parametrize("how", ["silent", "closed"])
def test_a_dead_resolver_slows_nobody_else(net, folder, dns, stub, how):
    """Three times if need be: the machine has other work too."""
    dns.clear()
    dns.dead = True
    (pathlib.Path(folder) / "plain.yaml").write_text(
        "policy: 1\nhelo: []\ndefault: accept\n")
    servers = None if how == "silent" else CLOSED
    with gate_of(net, folder, dns, FORWARD, servers, mode="explicit",
                 more=TWO) as gate:
        for turn in range(3):
            alone = plain_times(net, 200)
            beside = beside_slow_ones(net, turn)
            if beside <= 1.2 * alone + 0.002:
                break
        gate.wait_records(450 * (turn + 1))
        waits = [entry["dns_us"] for one in gate.records()
                 for entry in one["helo"] if "dns" in entry]
    assert beside <= 1.2 * alone + 0.002
    assert len(waits) == 50 * (turn + 1)
    assert max(waits) < TIMEOUT * 1.1e6
