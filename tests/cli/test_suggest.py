"""`ehlogate suggest`

SPDX-License-Identifier: MIT
"""
import json
import random

import logs
from cases import golden, tool, write

# Twelve hosts with broken names, of six kinds; two that use STARTTLS.
BROKEN = [
    ("10.1.0.11", b"EXCH_01", "250 mx"),        # its network has one domain
    ("10.1.0.12", b"EXCH_02", "501 5.5.4 no"),
    ("10.2.0.11", b"SRV_A", "501 5.5.4 no"),    # its network has two
    ("10.2.0.12", b"srv_b.two.example.org", "501 5.5.4 no"),
    ("10.3.0.11", b"old host", "501 5.5.4 no"),
    ("10.3.0.12", b"<relay.three.example.com>", "501 5.5.4 no"),
    ("10.3.0.13", b"<relay_2.three.example.com>", "501 5.5.4 no"),
    ("2001:db8:1::11", b"2001:db8:1::11", "501 5.5.4 no"),
    ("2001:db8:1::12", b"[2001:db8:1::12]", "501 5.5.4 no"),
    ("192.0.2.11", b"mail.example.net.", "501 5.5.4 no"),
    ("192.0.2.12", b"\xff\xfe\\", "501 5.5.4 no"),
    ("192.0.2.13", b"", "501 5.5.4 no"),
]
TLS = {"10.1.0.12", "192.0.2.11"}


def hosts():
    """50 hosts, in any order but always the same."""
    good = [(f"10.1.0.{n}", f"mx{n}.one.example.com".encode(), None)
            for n in range(20, 33)]
    good += [(f"10.2.0.{n}", f"a{n}.{d}.example.org".encode(), None)
             for n, d in ((20, "one"), (21, "two"), (22, "two"))]
    good += [(f"10.3.0.{n}", f"m{n}.three.example.com".encode(), None)
             for n in range(20, 30)]
    good += [(f"2001:db8:1::{n}", b"v6.example.com", None)
             for n in range(20, 28)]
    good += [("198.51.100.7", b"EXCH03", "504 5.5.2 fqdn needed"),
             ("198.51.100.8", b"mail.example.net", "550 5.7.1 not you"),
             ("198.51.100.9", b"[198.51.100.9]", None),
             ("198.51.100.10", b"solo", None)]
    every = BROKEN + good
    assert len(every) == 50
    random.Random(3).shuffle(every)
    return every


def made_log(folder, every=None):
    lines = []
    for number, (client, name, reply) in enumerate(every or hosts()):
        greetings = [logs.helo(name, reply=reply or "250 mx")]
        if reply and reply[0] == "5":
            greetings.append(logs.helo(name, "HELO", fallback=True,
                                       reply=reply))
        for again in range(number % 3 + 1):
            lines.append(logs.line(logs.session(
                number * 3 + again, client, greetings,
                starttls=client in TLS)))
    return write(folder, "log.jsonl", "".join(lines))


def suggested(folder, log, *words):
    """The policy, which loads without a warning and passes its tests."""
    said, _ = tool("suggest", *words, log, status=0)
    policy = write(folder, "suggested.yaml", said)
    tool("check", "--strict", policy, status=0)
    tool("test", policy, status=0)
    return said, policy


def forwarded(folder, policy, client, name):
    """The name that goes on to the server, by the policy."""
    helo = "".join(f"\\{byte:03o}" for byte in name)
    said, _ = tool("explain", "--json", "-p", policy, "--client", client,
                   "--helo", helo, cwd=folder, status=0)
    verdict = json.loads(said)["helo"]
    return verdict.get("forwarded") if "forwarded" in verdict else None


def refused_by(name):
    said, _ = tool("helo", "--json", "-", stdin=name + b"\n", status=0)
    return json.loads(said)["refused_by"]


def lets_all_through(folder, policy, every):
    for client, name, _ in every:
        went_on = forwarded(folder, policy, client, name)
        if went_on is None:
            escaped = b"".join(b"\\%03o" % byte for byte in name)
            assert "exim" not in refused_by(escaped), (client, name)
        else:
            assert "exim" not in refused_by(went_on.encode()), \
                (client, name, went_on)


def test_fifty_hosts(folder):
    said, policy = suggested(folder, made_log(folder))
    golden("suggest", said)
    lets_all_through(folder, policy, hosts())
    assert forwarded(folder, policy, "10.1.0.11", b"EXCH_01") == \
        "EXCH-01.one.example.com"
    assert forwarded(folder, policy, "10.2.0.11", b"SRV_A") == "[10.2.0.11]"
    assert forwarded(folder, policy, "10.1.0.25", b"EXCH_01") is None
    assert forwarded(folder, policy, "198.51.100.7", b"EXCH03") == \
        "EXCH03.example.net"


def test_valid_name_without_a_domain(folder):
    """Only where the server refused it, and then by force."""
    every = [("192.0.2.1", b"EXCH01", "504 5.5.2 fqdn"),
             ("2001:db8::1", b"EXCH02", "504 5.5.2 fqdn"),
             ("192.0.2.2", b"EXCH03", None)]
    _, policy = suggested(folder, made_log(folder, every))
    assert [forwarded(folder, policy, client, name)
            for client, name, _ in every] == \
        ["[192.0.2.1]", "[IPv6:2001:db8::1]", None]


def test_order_of_the_log_does_not_matter(folder):
    one, _ = suggested(folder, made_log(folder))
    reverse = hosts()
    lines = made_log(folder, reverse).read_text().splitlines(True)
    two, _ = suggested(folder, write(folder, "reverse.jsonl",
                                     "".join(reversed(lines))))
    assert one == two


def test_yaml_only(folder):
    log = made_log(folder)
    whole, _ = suggested(folder, log)
    alone, _ = suggested(folder, log, "--yaml")
    assert whole.endswith(alone) and "policy: 1\n" in alone
    assert alone.startswith("# Refused by the server")


def test_starttls_by_what_the_log_shows(folder):
    said, _ = suggested(folder, made_log(folder), "--yaml")
    rules = said.split("  - name: ")[1:]
    for rule in rules:
        name = rule.split("\n", 1)[0]
        assert ("starttls: uplift" in rule) == name.endswith("-tls"), rule
        assert ("starttls: pass}" in rule) != name.endswith("-tls"), rule
    assert "These clients use STARTTLS" in said


def test_nothing_broken(folder):
    log = write(folder, "log", logs.line(
        logs.session(1, "192.0.2.1", [logs.helo("mail.example.net")])))
    said, _ = suggested(folder, log, "--yaml")
    assert "lists" not in said


def test_empty_log(folder):
    suggested(folder, write(folder, "log", ""))
    suggested(folder, write(folder, "log", logs.line(
        logs.session(1, "192.0.2.1"))))


PIECES = [b"_", b"-", b".", b"..", b" ", b"\t", b"<", b">", b"[", b"]", b"a",
          b"exch", b"corp.example.com", b"10.1.2.3", b"2001:db8::1", b"IPv6:",
          b"%eth0", b"\xff", "ä".encode(), "\u0085".encode(), b"\x01", b"\0",
          b'"', b"\\", b"{helo}", b"#", b"'", b"1", b"x" * 70,
          "\ufeff".encode(), "\ufffe".encode(), "📧".encode()]


def test_any_names(folder):
    """Whatever clients say, the policy is sound and all get through."""
    rng = random.Random(11)
    for turn in range(25):
        every = []
        for _ in range(rng.randrange(1, 30)):
            client = rng.choice(("10.1.2.3", "10.1.2.4", "192.0.2.9",
                                 "2001:db8::7", "2001:db8::8"))
            name = b"".join(rng.choices(PIECES, k=rng.randrange(0, 5)))
            every.append((client, name, rng.choice((None, "501 no"))))
        log = made_log(folder, every)
        _, policy = suggested(folder, log)
        if turn < 4:
            lets_all_through(folder, policy, every)


def test_bound_is_said(folder):
    """More clients with a name each than are kept."""
    line = logs.line(logs.session(1, "CLIENT", [logs.helo("NAME_1")]))
    with open(folder / "log", "w", encoding="utf-8") as log:
        for number in range(50010):
            log.write(line.replace("CLIENT", f"10.{number >> 16}."
                                   f"{number >> 8 & 255}.{number & 255}"))
    said, _ = tool("suggest", "--yaml", folder / "log", status=0)
    assert said.startswith("# Not complete: more than 50000 clients with a "
                           "name each; 10 greetings are left out.\n"
                           "# Not complete: more than 500 rules or 10000 "
                           "broken names; 40000 are left out.\n")
    policy = write(folder, "p.yaml", said)
    tool("test", policy, status=0)


def test_wrong_input(folder):
    log = made_log(folder)
    text = log.read_text()
    said, errors = tool("suggest", write(folder, "x", text + "{"), status=1)
    assert "x:" in errors and said == tool("suggest", log, status=0)[0]
    tool("suggest", folder / "none", status=1)
    tool("suggest", status=2)
    tool("suggest", "--help", status=0)
