"""The resolver against a server of DNS on the loopback that answers, lies,
hangs and dies: what is asked, what comes of it, how long it takes, and what
it costs.  No namespace is needed.

SPDX-License-Identifier: MIT
"""
import json
import pathlib
import select
import socket
import struct
import subprocess
import time

import pytest

from lab import GATE
from lab.dns import (FORMERR, NXDOMAIN, QR, RD, REFUSED, SERVFAIL, TC, Dns,
                     encode_name, record, reply)

DRIVER = pathlib.Path(GATE).parent / "tool/resolver_driver"
TIMEOUT = 1000          # ms, of every resolver here
LATE = TIMEOUT * 1.1    # nothing comes later


class Resolver:
    """The driver: questions in, answers out, in whatever order."""

    def __init__(self, *servers, timeout=TIMEOUT, **options):
        words = [str(DRIVER), "-t", str(timeout)]
        for server in servers:
            words += ["-s", getattr(server, "address", server)]
        for option, value in options.items():
            words += [f"-{option}", str(value)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE)
        self._answers, self._tags, self._rest = {}, 0, b""

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.tell("quit")
        self._process.stdin.close()
        assert self._process.wait(10) == 0 or kind
        self._process.stdout.close()

    def tell(self, *lines):
        self._process.stdin.write("".join(
            f"{line}\n" for line in lines).encode())
        self._process.stdin.flush()

    def _next(self):
        self._tags += 1
        return str(self._tags)

    def start(self, *questions):
        """Asks them all at once; their tags."""
        tags = [self._next() for _ in questions]
        self.tell(*(f"ask {tag} {kind} {name}"
                    for tag, (name, kind) in zip(tags, questions)))
        return tags

    def get(self, tag, within=10):
        end = time.monotonic() + within
        while tag not in self._answers:
            left = end - time.monotonic()
            ready = select.select([self._process.stdout], [], [],
                                  max(left, 0))
            assert ready[0], f"no answer to {tag} in {within} s"
            data = self._process.stdout.read1(1 << 20)
            assert data, "the driver has ended"
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in map(json.loads, lines):
                assert line["tag"] not in self._answers, "answered twice"
                self._answers[line["tag"]] = line
        return self._answers[tag]

    def has(self, tag):
        return tag in self._answers

    def all(self, *questions):
        return [self.get(tag) for tag in self.start(*questions)]

    def ask(self, name, kind="A"):
        return self.all((name, kind))[0]

    def known(self, name, kind="A"):
        tag = self._next()
        self.tell(f"known {tag} {kind} {name}")
        return self.get(tag)

    @property
    def counts(self):
        tag = self._next()
        self.tell(f"counts {tag}")
        return self.get(tag)


@pytest.fixture
def dns():
    with Dns() as server:
        yield server


@pytest.fixture
def resolver(dns):
    with Resolver(dns) as asker:
        yield asker


def is_temperror(answer, late=LATE):
    return answer["status"] == "temperror" and answer["records"] == [] \
        and answer["ms"] <= late


def dead_server():
    """An address that says it has nobody: its port was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{sock.getsockname()[1]}"


# --- what it asks and understands ----------------------------------------------


@pytest.mark.parametrize("kind,values,records", [
    ("A", ["192.0.2.1", "192.0.2.2"], None),
    ("AAAA", ["2001:db8::1"], None),
    ("AAAA", ["::ffff:192.0.2.7"], ["192.0.2.7"]),
    ("PTR", ["MX.Example.COM"], ["mx.example.com"]),
    ("MX", [(10, "a.example"), (20, "B_1.example")],
     [[10, "a.example"], [20, "b_1.example"]]),
    ("NS", ["ns.example", "ns.example.net"], None),
    ("TXT", ["v=spf1 -all"], None),
    ("TXT", [["v=spf1 ip4:192.0", ".2.1 -all"], ""],
     ["v=spf1 ip4:192.0.2.1 -all", ""]),
    ("TXT", [b"\x03\x00\xff\""], ["\0\\xff\""]),
    ("TXT", [["x" * 255] * 20], ["x" * 4096]),
    ("TLSA", [(3, 1, 1, b"digest")], ["\x03\x01\x01digest"])])
def test_types(dns, resolver, kind, values, records):
    dns.add("name.example", kind, *values, ttl=77)
    answer = resolver.ask("name.example", kind)
    assert answer["status"] == "found"
    assert answer["records"] == (values if records is None else records)
    assert answer["ttl"] == 77


def test_of_tlsa_it_asks_whether_it_is_validated(dns, resolver):
    """RFC 6840 5.7; the stub says AD to who says AD."""
    dns.add("name.example", "TLSA", (3, 1, 1, b"digest"))
    dns.add("name.example", "A", "192.0.2.1")
    assert not resolver.ask("name.example", "TLSA")["authentic"]
    dns.validates = True
    dns.add("signed.example", "TLSA", (3, 1, 1, b"digest"))
    dns.truncated("large.example")
    dns.add("large.example", "TLSA", (3, 1, 1, b"digest"))
    assert resolver.ask("signed.example", "TLSA")["authentic"]
    assert resolver.ask("large.example", "TLSA")["authentic"]
    assert resolver.ask("none.example", "TLSA")["authentic"]
    assert resolver.known("signed.example", "TLSA")["authentic"]
    assert not resolver.ask("name.example", "A")["authentic"]


@pytest.mark.parametrize("kind,value", [
    ("MX", (0, ".")),                           # RFC 7505
    ("PTR", "."), ("PTR", "a b.example"), ("NS", "bad!.example"),
    ("PTR", b"\x04a.b\\\x07example\0"), ("MX", (10, "a@b.example")),
    ("PTR", "a\0b.example")])
def test_hosts_that_are_none(dns, resolver, kind, value):
    dns.add("odd.example", kind, value)
    assert resolver.ask("odd.example", kind)["status"] == "nodata"
    good = (10, "good.example") if kind == "MX" else "good.example"
    dns.add("mixed.example", kind, value, good, value)
    answer = resolver.ask("mixed.example", kind)
    assert answer["status"] == "found"
    assert answer["records"] == [list(good) if kind == "MX" else good]


def test_nothing_there(dns, resolver):
    dns.add("host.example", "A", "192.0.2.1")
    answer = resolver.ask("host.example", "MX")
    assert (answer["status"], answer["ttl"]) == ("nodata", 300)
    answer = resolver.ask("absent.example")
    assert (answer["status"], answer["ttl"]) == ("nxdomain", 300)
    for name in ("", "a..b", "a b", "x" * 64, ".", "a.", "host\\.example"):
        assert resolver.ask(name)["status"] == "nxdomain"
        assert resolver.known(name)["status"] == "nxdomain"
    # RFC 7686: c-ares asks nobody.
    assert resolver.ask("abc.onion")["status"] == "nxdomain"
    assert sum(dns.asked.values()) == 2


def test_a_name_is_absolute(dns, resolver):
    """No search domain, no /etc/hosts."""
    assert resolver.ask("localhost")["status"] == "nxdomain"
    assert resolver.ask("single")["status"] == "nxdomain"
    assert set(dns.asked) == {("localhost", "A"), ("single", "A")}


def test_aliases(dns, resolver):
    dns.add("www.example", "CNAME", "Web.example", ttl=50)
    dns.add("web.example", "A", "192.0.2.1", ttl=100)
    answer = resolver.ask("www.example")
    assert answer["records"] == ["192.0.2.1"] and answer["ttl"] == 50
    assert resolver.ask("www.example", "MX")["status"] == "nodata"
    dns.add("broken.example", "CNAME", "absent.example")
    assert resolver.ask("broken.example")["status"] == "nxdomain"
    # The order of records means nothing.
    dns.special("back.example", lambda query: [reply(query, [
        record("web.example", "A", 9, "192.0.2.9"),
        record("other.example", "A", 9, "192.0.2.66"),
        record("mid.example", "CNAME", 9, "web.example"),
        record("back.example", "CNAME", 9, "mid.example")])])
    assert resolver.ask("back.example")["records"] == ["192.0.2.9"]


@pytest.mark.parametrize("links,status", [
    (1, "found"), (10, "found"), (11, "temperror")])
def test_long_chains(dns, resolver, links, status):
    for i in range(links):
        dns.add(f"c{i}.example", "CNAME", f"c{i + 1}.example")
    dns.add(f"c{links}.example", "A", "192.0.2.1")
    assert resolver.ask("c0.example")["status"] == status


def test_chain_loops(dns, resolver):
    dns.add("one.example", "CNAME", "two.example")
    dns.add("two.example", "CNAME", "one.example")
    dns.add("self.example", "CNAME", "self.example")
    assert is_temperror(resolver.ask("one.example"))
    assert is_temperror(resolver.ask("self.example"))


def test_records_of_others_do_not_count(dns, resolver):
    dns.special("mine.example", lambda query: [reply(query, [
        record("yours.example", "A", 9, "192.0.2.66"),
        record("mine.example", "MX", 9, (1, "mx.example"))])])
    assert resolver.ask("mine.example")["status"] == "nodata"


def test_many_records(dns, resolver):
    values = [f"192.0.{i // 250}.{i % 250 + 1}" for i in range(100)]
    dns.add("many.example", "A", *values)
    dns.truncated("many.example")
    assert resolver.ask("many.example")["records"] == values
    dns.add("more.example", "A", *values, "198.51.100.1")
    dns.truncated("more.example")
    assert resolver.ask("more.example")["records"] == values


def test_truncated_is_asked_again_over_tcp(dns, resolver):
    dns.add("big.example", "TXT", *(["y" * 250] * 8))
    dns.truncated("big.example")
    answer = resolver.ask("big.example", "TXT")
    assert answer["records"] == ["y" * 250] * 8
    assert dns.over_tcp["big.example", "TXT"] == 1


def test_truncated_even_over_tcp(dns, resolver):
    dns.special("cut.example", lambda query: [reply(
        query, [record("cut.example", "A", 9, "192.0.2.1")], flags=TC)])
    assert is_temperror(resolver.ask("cut.example"))


# --- what goes wrong -------------------------------------------------------------


@pytest.mark.parametrize("code", [FORMERR, SERVFAIL, 4, REFUSED, 9])
def test_return_codes(dns, resolver, code):
    dns.rcode("bad.example", code)
    assert is_temperror(resolver.ask("bad.example"), TIMEOUT / 2)


@pytest.mark.parametrize("packet", [
    pytest.param(lambda q: reply(q, [record(
        b"\xc0" + bytes([12 + len(q.question)]), "A", 9, "192.0.2.1")]),
        id="an owner that points at itself"),
    pytest.param(lambda q: reply(q, [record(
        "x.example", "CNAME", 9, b"\xc0\xff")]), id="a pointer out"),
    pytest.param(lambda q: reply(q, [record(
        "x.example", "A", 9, b"\1\2\3")]), id="a short address"),
    pytest.param(lambda q: reply(q, [record(
        "x.example", "A", 9, "192.0.2.1")])[:-2], id="cut in the data"),
    pytest.param(lambda q: reply(q, [record(
        "x.example", "A", 9, "192.0.2.1")])[:-8], id="cut in the head"),
    pytest.param(lambda q: q.id + struct.pack(
        "!5H", RD, 1, 0, 0, 0) + q.question, id="its own question"),
    pytest.param(lambda q: q.id + struct.pack(
        "!5H", QR | RD | 0x2800, 1, 0, 0, 0) + q.question, id="an opcode"),
    pytest.param(lambda q: reply(q, [b"\xff" * 40]), id="bytes"),
    pytest.param(lambda q: reply(q, authority=[record(
        "example", "NS", 9, "ns.example")]), id="a referral")])
def test_nonsense(dns, resolver, packet):
    dns.special("x.example", lambda query: [packet(query)])
    answer = resolver.ask("x.example")
    assert is_temperror(answer, TIMEOUT / 2), answer
    assert resolver.ask("absent.example")["status"] == "nxdomain"


def maze(query):
    """A large packet, in which every owner is a chain of 8000 pointers."""
    start = 12 + len(query.question) + 12
    at = range(start, 0x3f00, 2)
    pointers = b"\0\0" + b"".join(
        (0xc000 | place).to_bytes(2, "big") for place in at[:-1])
    pointers = pointers.replace((0xc000 | start).to_bytes(2, "big"),
                                b"\xc0\x0c", 1)
    owner = (0xc000 | at[-1]).to_bytes(2, "big")
    return reply(query, [record(b"\xc0\x0c", "TXT", 9, pointers)]
                 + [record(owner, "A", 9, "192.0.2.1")] * 2900)


def test_a_maze_of_pointers(dns, resolver):
    dns.special("maze.example", lambda query: [
        maze(query) if query.tcp else reply(query, flags=TC)])
    answer = resolver.ask("maze.example")
    assert is_temperror(answer, TIMEOUT / 4), answer
    assert resolver.counts["in_flight"] == 0


def other_id(query):
    return bytes(byte ^ 0x55 for byte in query.id)


def forged(query):
    """What is to be believed of none."""
    good = reply(query, [record(query.name, "A", 9, "192.0.2.66")])
    other = query._replace(
        question=encode_name("other.example") + query.question[-4:])
    kind = query._replace(question=query.question[:-4] + b"\0\x1c\0\1")
    return [other_id(query) + good[2:], b"", b"\0", good[:11], b"\xaa" * 600,
            reply(other, [record(query.name, "A", 9, "192.0.2.66")]),
            reply(kind, [record(query.name, "A", 9, "192.0.2.66")])]


def test_forged_answers(dns, resolver):
    """The true one that comes behind them is the one that holds."""
    dns.special("true.example", lambda query: forged(query) + [
        reply(query, [record(query.name, "A", 9, "192.0.2.1")])])
    assert resolver.ask("true.example")["records"] == ["192.0.2.1"]
    dns.special("false.example", forged)
    assert is_temperror(resolver.ask("false.example"))


def test_an_answer_from_elsewhere(dns, resolver):
    def packets(query):
        good = reply(query, [record(query.name, "A", 9, "192.0.2.66")])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            for port in dns.ports:
                other.sendto(good, ("127.0.0.1", port))
        return []
    dns.special("else.example", packets)
    assert is_temperror(resolver.ask("else.example"))


def test_silence_ends_in_time(dns, resolver):
    dns.silent("dead.example")
    before = resolver.counts["fds"]
    answer = resolver.ask("dead.example")
    assert is_temperror(answer) and answer["ms"] > TIMEOUT / 2
    # Nobody else waits for it.
    tags = resolver.start(("dead2.example", "A"))
    dns.silent("dead2.example")
    assert resolver.ask("absent.example")["ms"] < TIMEOUT / 2
    resolver.get(*tags)
    assert resolver.counts["fds"] <= before + 1


@pytest.mark.parametrize("servers", [1, 2, 4])
def test_all_servers_silent(dns, servers):
    dns.silent(*(f"d{i}.example" for i in range(20)))
    with Resolver(*[dns] * servers) as resolver:
        for answer in resolver.all(*((f"d{i}.example", "A")
                                     for i in range(20))):
            assert is_temperror(answer)
        assert resolver.counts["late"] == 0
        assert dns.asked["d7.example", "A"] == 2 * servers


def test_no_server_at_all():
    with Resolver(dead_server(), dead_server()) as resolver:
        assert is_temperror(resolver.ask("a.example"))
        assert is_temperror(resolver.ask("b.example"))


@pytest.mark.parametrize("first", ["dead", "silent", "servfail", "refused"])
def test_the_next_server_is_asked(dns, first):
    dns.add("host.example", "A", "192.0.2.1")
    with Dns() as other:
        other.silent("host.example")
        if first in ("servfail", "refused"):
            other.rcode("host.example",
                        SERVFAIL if first == "servfail" else REFUSED)
        with Resolver(dead_server() if first == "dead" else other,
                      dns) as resolver:
            answer = resolver.ask("host.example")
    assert answer["records"] == ["192.0.2.1"] and answer["ms"] < TIMEOUT


def test_tcp_that_hangs(dns, resolver):
    dns.special("hang.example",
                lambda q: [] if q.tcp else [reply(q, flags=TC)])
    answer = resolver.ask("hang.example")
    assert is_temperror(answer)


def test_tcp_that_closes(dns, resolver):
    """Half a packet, then the end."""
    dns.special("half.example",
                lambda q: [None] if q.tcp else [reply(q, flags=TC)])
    assert is_temperror(resolver.ask("half.example"), TIMEOUT / 2)
    assert dns.over_tcp["half.example", "A"] > 0


def test_cut_off_at_the_deadline(dns, resolver):
    """A server may draw c-ares out: to the second try it says, late, that
    there is more, and then is late over TCP.  What it says in the end is kept.
    """
    def packets(query):
        if query.tcp:
            return dns.later(query, TIMEOUT / 1000 * 0.4, dns.answer(query))
        if dns.asked["slow.example", "A"] == 1:
            return []
        return dns.later(query, TIMEOUT / 1000 * 0.5, reply(query, flags=TC))
    dns.add("slow.example", "A", "192.0.2.1")
    dns.special("slow.example", packets)
    answer = resolver.ask("slow.example")
    assert is_temperror(answer) and answer["ms"] >= TIMEOUT
    assert resolver.counts["late"] == 1
    end = time.monotonic() + 1
    while resolver.counts["in_flight"]:
        assert time.monotonic() < end
    assert resolver.known("slow.example")["records"] == ["192.0.2.1"]


def test_a_server_without_edns(dns, resolver):
    dns.add("host.example", "A", "192.0.2.1")
    dns.special("host.example", lambda query: [
        reply(query, rcode=FORMERR) if query.edns else dns.answer(query)])
    assert resolver.ask("host.example")["records"] == ["192.0.2.1"]
    assert dns.asked["host.example", "A"] == 2


# --- asked once, remembered, forgotten -------------------------------------------


def test_identical_questions_are_one(dns, resolver):
    dns.add("host.example", "A", "192.0.2.1")
    answers = resolver.all(*[("host.example", "A")] * 50)
    assert all(a["records"] == ["192.0.2.1"] for a in answers)
    assert dns.asked == {("host.example", "A"): 1}
    counts = resolver.counts
    assert (counts["sent"], counts["joined"]) == (1, 49)
    # Another type is another question.
    resolver.ask("host.example", "MX")
    assert resolver.counts["sent"] == 2


@pytest.mark.parametrize("name", ["host.example", "absent.example"])
def test_remembered(dns, resolver, name):
    dns.add("host.example", "A", "192.0.2.1")
    assert resolver.known(name)["status"] is None
    first = resolver.ask(name)
    again, known = resolver.ask(name), resolver.known(name)
    for answer in (again, known):
        assert answer["status"] == first["status"]
        assert answer["records"] == first["records"]
        assert 295 <= answer["ttl"] <= 300
    assert dns.asked[name, "A"] == 1
    assert resolver.counts["cached"] == 2


@pytest.mark.parametrize("ttl,seen", [
    (0, 1), (1, 1), (86400, 86400), (86401, 86400), (2**31 - 1, 86400),
    (2**31, 1), (2**32 - 1, 1)])
def test_bounds_of_ttl(dns, resolver, ttl, seen):
    dns.add("host.example", "A", "192.0.2.1", ttl=ttl)
    assert resolver.ask("host.example")["ttl"] == seen


@pytest.mark.parametrize("ttl,minimum,seen", [
    (60, 300, 60), (300, 60, 60), (86400, 86400, 3600), (0, 0, 1)])
def test_bounds_of_negative_ttl(ttl, minimum, seen):
    with Dns(ttl, minimum) as dns, Resolver(dns) as resolver:
        dns.add("host.example", "A", "192.0.2.1")
        assert resolver.ask("absent.example")["ttl"] == seen
        assert resolver.ask("host.example", "TXT")["ttl"] == seen
        dns.special("soaless.example",
                    lambda query: [reply(query, rcode=NXDOMAIN)])
        assert resolver.ask("soaless.example")["ttl"] == 1


def until_forgotten(resolver, name):
    """How long it took."""
    start = time.monotonic()
    while resolver.known(name)["status"] is not None:
        assert time.monotonic() < start + 5
    return time.monotonic() - start


def test_forgotten(dns, resolver):
    dns.add("short.example", "A", "192.0.2.1", ttl=1)
    resolver.ask("short.example")
    assert 0.9 < until_forgotten(resolver, "short.example") < 1.5
    resolver.ask("short.example")
    assert dns.asked["short.example", "A"] == 2


def test_failures_are_remembered_for_a_second(dns, resolver):
    dns.rcode("bad.example", SERVFAIL)
    resolver.ask("bad.example")
    asked = dns.asked["bad.example", "A"]
    assert is_temperror(resolver.ask("bad.example"))
    assert dns.asked["bad.example", "A"] == asked
    assert until_forgotten(resolver, "bad.example") < 1.5
    resolver.ask("bad.example")
    assert dns.asked["bad.example", "A"] == 2 * asked


def test_bounds_of_the_cache(dns):
    with Resolver(dns, e=10) as resolver:
        for i in range(30):
            resolver.ask(f"n{i}.example")
        assert resolver.counts["cache_entries"] == 10
        assert resolver.known("n29.example")["status"] == "nxdomain"
        assert resolver.known("n19.example")["status"] is None
    with Resolver(dns, b=5000) as resolver:
        for i in range(100):
            resolver.ask(f"n{i}.example")
        assert 3000 < resolver.counts["cache_bytes"] <= 5000
    with Resolver(dns, e=0) as resolver:
        resolver.ask("n.example")
        assert resolver.known("n.example")["status"] is None


# --- how much at once ------------------------------------------------------------


def test_a_thousand_at_once(dns, resolver):
    for i in range(1000):
        dns.add(f"n{i}.example", "A", f"192.0.2.{i % 256}")
    before = resolver.counts["fds"]
    answers = resolver.all(*((f"n{i}.example", "A") for i in range(1000)))
    assert [a["records"] for a in answers] == [
        [f"192.0.2.{i % 256}"] for i in range(1000)]
    counts = resolver.counts
    assert counts["refused"] == 0 and counts["in_flight"] == 0
    assert counts["fds"] <= before + 1


def test_too_many_are_refused_at_once(dns):
    dns.silent(*(f"n{i}.example" for i in range(30)))
    with Resolver(dns, f=10) as resolver:
        answers = resolver.all(*((f"n{i}.example", "A") for i in range(30)))
        assert all(is_temperror(a) for a in answers)
        assert sum(a["ms"] < TIMEOUT / 4 for a in answers) == 20
        assert resolver.counts["refused"] == 20
        # Which is no knowledge of the name.
        assert resolver.ask("absent.example")["status"] == "nxdomain"


def test_descriptors_stay(dns, resolver):
    dns.add("big.example", "TXT", "x")
    dns.truncated("big.example")
    seen = []
    for i in range(200):
        resolver.ask(f"n{i}.example")
        if i % 20 == 0:
            dns.truncated(f"t{i}.example")
            resolver.ask(f"t{i}.example")
            seen.append(resolver.counts["fds"])
    assert max(seen) <= min(seen) + 1


def test_cancelled(dns, resolver):
    dns.silent("slow.example", "slower.example")
    one, two, three = resolver.start(
        ("slow.example", "A"), ("slow.example", "A"), ("slower.example", "A"))
    resolver.tell(f"cancel {one}", f"cancel {three}")
    assert is_temperror(resolver.get(two))
    assert resolver.known("slower.example")["status"] in ("temperror", None)
    assert not resolver.has(one) and not resolver.has(three)
    # One that is answered already, but not yet told so.
    resolver.ask("absent.example")
    tag = str(10**6)
    resolver.tell(f"ask {tag} A absent.example", f"cancel {tag}")
    resolver.ask("absent.example")
    assert not resolver.has(tag)


def test_ended_with_questions_in_flight(dns):
    dns.silent("slow.example", "slower.example")
    with Resolver(dns) as resolver:
        resolver.start(("slow.example", "A"), ("slow.example", "A"),
                       ("slower.example", "MX"), ("a..b", "A"))
        assert resolver.counts["in_flight"] == 2


def test_ids_and_ports_are_not_guessable(dns, resolver):
    for i in range(200):
        resolver.ask(f"n{i}.example")
    assert len(set(dns.ids)) > 190
    assert len({a - b for a, b in zip(dns.ids, dns.ids[1:])}) > 190
    assert len(dns.ports) > 100     # a socket lives as long as its questions


# --- where the servers are -------------------------------------------------------


def test_over_ipv6():
    with Dns(host="::1") as dns, Resolver(dns) as resolver:
        dns.add("host.example", "TXT", "x" * 200)
        dns.truncated("host.example")
        answer = resolver.ask("host.example", "TXT")
        assert answer["records"] == ["x" * 200]


def test_system(tmp_path, dns):
    """resolv.conf is read once; it cannot name a port."""
    conf = tmp_path / "resolv.conf"
    conf.write_text("search example\nnameserver 127.0.0.99\n"
                    "nameserver 127.0.0.98\noptions ndots:5 timeout:30\n")
    with Resolver(r=conf) as resolver:
        conf.unlink()
        assert is_temperror(resolver.ask("host"))


def test_system_that_cannot_be_read(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    run = subprocess.run([DRIVER, "-r", tmp_path / "loop"], input="",
                         capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "/loop: Too many levels of symbolic links while" in run.stderr
    assert "no resolver: " in run.stderr


def test_system_without_a_file(tmp_path):
    with Resolver(r=tmp_path / "absent") as resolver:
        assert resolver.ask("a..b")["status"] == "nxdomain"
