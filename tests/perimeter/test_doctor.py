"""`ehlogate doctor` against a stub server of DNS: TLSA records of what
listeners show, and who relies on TLS where listeners take it away."""
import ctypes
import hashlib
import pathlib
import ssl
import threading

import pytest

from lab import GATE, Authority, sh
from lab.dns import SERVFAIL, Dns

OWNER = "_25._tcp.mx.test"
POLICY = "policy: 1\ndefault: accept\n"
CLEAR = "deliver in the clear"


@pytest.fixture(scope="module")
def made(net):
    """Servers of DNS in the gate's namespace, by their address there."""
    servers = {}

    def make():
        with open(f"/run/netns/{net.names['gate']}", "rb") as there:
            assert ctypes.CDLL(None).setns(there.fileno(), 0x40000000) == 0
        for host in ("127.0.0.1", "10.77.1.1"):
            servers[host] = Stage(host=host)
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    yield servers
    for server in servers.values():
        server.stop()


class Stage(Dns):
    """Each test begins with an empty one."""

    def clear(self):
        self._records.clear()
        self._special.clear()
        self.asked.clear()
        self.validates = True


@pytest.fixture
def dns(made):
    for server in made.values():
        server.clear()
    return made["127.0.0.1"]


@pytest.fixture
def far(dns, made):
    """A resolver that says AD, and is not on the loopback."""
    return made["10.77.1.1"]


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("other"), "Another authority")


class Doctor:
    """Runs it on a configuration of one explicit listener."""

    def __init__(self, net, folder, dns):
        self.net, self.folder, self.dns = net, pathlib.Path(folder), dns

    def __call__(self, tls, policy=POLICY, dns=None, extra="", status=0,
                 mode=None):
        (self.folder / "policy.yaml").write_text(policy)
        where = mode or ('mode: explicit\n    bind: ["127.0.0.1:2525"]\n'
                         '    upstream: "127.0.0.1:2600"')
        config = self.folder / "ehlogate.yaml"
        config.write_text(
            f"version: 1\nlisteners:\n  front:\n    {where}\n"
            f"    policy: policy.yaml\n    tls: {{{tls}}}\n"
            f"log: {{sinks: [stdout]}}\n"
            f'dns: {{servers: ["{(dns or self.dns).address}"], '
            f"timeout: 1s}}\n{extra}")
        run = self.net.run("gate", GATE, "doctor", "-c", str(config),
                           check=False)
        assert run.returncode == status, run.stdout + run.stderr
        assert "Sanitizer" not in run.stderr, run.stderr
        return [line for line in run.stdout.splitlines()
                if "  listener `front`" in line]


@pytest.fixture
def doctor(net, folder, dns):
    return Doctor(net, folder, dns)


def terminate(*pairs, more=""):
    listed = ", ".join(f"{{chain: {c}, key: {k}}}" for c, k in pairs)
    return f"client: terminate, certificates: [{listed}]{more}"


def der_of(chain, number=0):
    parts = chain.read_text().split("-----END CERTIFICATE-----")
    return ssl.PEM_cert_to_DER_cert(
        parts[number].strip() + "\n-----END CERTIFICATE-----\n")


def spki(chain):
    """The key of a PEM file's first certificate, by openssl's own hand."""
    pem = sh("openssl", "x509", "-in", str(chain), "-pubkey", "-noout").stdout
    return ssl.PEM_cert_to_DER_cert(
        pem.replace("PUBLIC KEY", "CERTIFICATE"))


def tlsa(usage, selector, matching, chain):
    data = spki(chain) if selector else der_of(chain)
    if matching:
        data = hashlib.new(["", "sha256", "sha512"][matching], data).digest()
    return usage, selector, matching, data


def with_root(authority, pair):
    """The same chain with its root behind it, as usage 2 wants it."""
    chain = pair[0].with_suffix(".whole")
    chain.write_text(pair[0].read_text() + authority.root.read_text())
    return chain, pair[1]


def only(lines, word):
    found = [line for line in lines if word in line]
    assert len(found) == 1, lines
    return found[0]


# --- certificates ------------------------------------------------------------


@pytest.mark.parametrize("usage,selector,matching", [
    (usage, selector, matching) for usage in (2, 3) for selector in (0, 1)
    for matching in (0, 1, 2)])
def test_matches(doctor, dns, authority, pair, usage, selector, matching):
    chain, key = with_root(authority, pair)
    of = authority.root if usage == 2 else chain
    dns.add(OWNER, "TLSA", tlsa(usage, selector, matching, of))
    lines = doctor(terminate((chain, key)))
    assert len(lines) == 1, lines
    assert lines[0].startswith(
        f"ok    listener `front`: TLSA {usage} {selector} {matching} ")
    assert lines[0].endswith(f" of {OWNER} matches {chain}")
    assert dns.asked[OWNER, "TLSA"] == 1


def test_no_record_matches(doctor, dns, pair, other):
    dns.add(OWNER, "TLSA", tlsa(3, 1, 1, other.root))
    lines = doctor(terminate(pair), status=1)
    assert len(lines) == 1, lines
    wanted = hashlib.sha256(spki(pair[0])).hexdigest()
    assert lines == [
        f"FAIL  listener `front`: TLSA of {OWNER} does not fit {pair[0]}: no "
        f"record matches; who sends by DANE does not deliver  ->  publish: "
        f"{OWNER}. IN TLSA 3 1 1 {wanted}"]


def test_what_is_told_to_publish_matches(doctor, dns, pair, other):
    dns.add(OWNER, "TLSA", tlsa(3, 1, 1, other.root))
    said = doctor(terminate(pair), status=1)[0]
    *_, usage, selector, matching, data = said.split()
    dns.clear()
    dns.add(OWNER, "TLSA", (int(usage), int(selector), int(matching),
                            bytes.fromhex(data)))
    assert doctor(terminate(pair))[0].startswith("ok")


def test_every_certificate_that_is_shown_must_match(doctor, dns, authority,
                                                    pair):
    ec = authority.issue("mx.test", kind="ec")
    dns.add(OWNER, "TLSA", tlsa(3, 1, 1, pair[0]))
    lines = doctor(terminate(pair, ec), status=1)
    assert only(lines, f"matches {pair[0]}").startswith("ok")
    assert only(lines, f"fit {ec[0]}").startswith("FAIL")
    dns.add(OWNER, "TLSA", tlsa(3, 1, 1, ec[0]))
    lines = doctor(terminate(pair, ec))
    assert [line[:2] for line in lines] == ["ok", "ok"]


def test_others_are_not_shown(doctor, dns, authority, pair):
    """By the name that a sender asks for, as the gate chooses."""
    second = authority.issue("mx2.test")
    dns.add(OWNER, "TLSA", tlsa(3, 1, 1, pair[0]))
    dns.add("_25._tcp.mx2.test", "TLSA", tlsa(3, 1, 1, second[0]))
    lines = doctor(terminate(pair, second))
    assert [line.split(" matches ")[1] for line in lines] == \
        [str(pair[0]), str(second[0])]


@pytest.mark.parametrize("usage", [0, 1])
def test_of_no_use_to_mail(doctor, dns, pair, usage):
    dns.add(OWNER, "TLSA", tlsa(usage, 1, 1, pair[0]))
    lines = doctor(terminate(pair))
    said = only(lines, f"TLSA {usage} 1 1 ")
    assert said.startswith("warn")
    assert "usages 0 and 1 are not for mail (RFC 7672 3.1.3)" in said
    assert only(lines, "encrypts, and takes any certificate")
    # Beside one that is of use it changes nothing.
    dns.add(OWNER, "TLSA", tlsa(3, 1, 1, pair[0]))
    lines = doctor(terminate(pair))
    assert only(lines, "is of no use").startswith("warn")
    assert only(lines, "matches").startswith("ok")


@pytest.mark.parametrize("data", [
    b"", b"\3", b"\3\1\1", b"\3\1\1\0", b"\3\1\1" + bytes(31),
    b"\3\0\0" + bytes(100), b"\3\2\1" + bytes(32), b"\xff" * 40],
    ids=lambda data: data[:4].hex())
def test_malformed(doctor, dns, pair, data):
    dns.add(OWNER, "TLSA", data)
    assert only(doctor(terminate(pair)), "is of no use: ").startswith("warn")


def test_expired_above_all_by_usage_2(doctor, dns, authority):
    chain, key = with_root(authority, authority.issue("mx.test", days=-1))
    dns.add(OWNER, "TLSA", tlsa(2, 1, 1, authority.root))
    assert "certificate has expired" in only(
        doctor(terminate((chain, key)), status=1), "does not fit")


def test_the_strongest_digest_counts(doctor, dns, pair, other):
    dns.add(OWNER, "TLSA", tlsa(3, 1, 1, pair[0]),
            tlsa(3, 1, 2, other.root))
    assert "not that of the strongest digest (RFC 7671 9)" in only(
        doctor(terminate(pair), status=1), "does not fit")


def test_none(doctor, dns, pair):
    assert doctor(terminate(pair)) == \
        [f"ok    listener `front`: no TLSA record of {OWNER}"]
    dns.add(OWNER, "TXT", "the name is there")
    assert doctor(terminate(pair)) == \
        [f"ok    listener `front`: no TLSA record of {OWNER}"]


def test_an_alias_is_followed(doctor, dns, pair):
    dns.add(OWNER, "CNAME", "elsewhere.test")
    dns.add("elsewhere.test", "TLSA", tlsa(3, 1, 1, pair[0]))
    assert doctor(terminate(pair))[0].startswith("ok    listener `front`: "
                                                 "TLSA 3 1 1 ")


def test_many_records_come_over_tcp(doctor, dns, pair, other):
    dns.add(OWNER, "TLSA", *[(3, 1, 2, bytes([i]) * 64) for i in range(40)],
            tlsa(3, 1, 2, pair[0]), tlsa(3, 1, 2, other.root))
    dns.truncated(OWNER)
    assert only(doctor(terminate(pair)), "matches").startswith("ok")
    assert dns.over_tcp[OWNER, "TLSA"] == 1


# --- trust -------------------------------------------------------------------


@pytest.mark.parametrize("good", [True, False])
def test_a_resolver_that_does_not_vouch(doctor, dns, pair, other, good):
    dns.validates = False
    dns.add(OWNER, "TLSA", tlsa(3, 1, 1, pair[0] if good else other.root))
    lines = doctor(terminate(pair))
    said = only(lines, "is there, but not validated")
    assert said.startswith("warn") and "does not vouch for it (AD)" in said
    assert only(lines, "matches" if good else "does not fit").startswith(
        "ok" if good else "warn")


def test_a_resolver_elsewhere_is_not_believed(doctor, far, pair, other):
    far.add(OWNER, "TLSA", tlsa(3, 1, 1, other.root))
    lines = doctor(terminate(pair), dns=far)
    assert far.asked[OWNER, "TLSA"] == 1
    assert "the resolver is not on the loopback" in \
        only(lines, "is there, but not validated")
    assert only(lines, "does not fit").startswith("warn")


@pytest.mark.parametrize("how", ["bogus", "silent"])
def test_no_answer(doctor, dns, pair, how):
    if how == "bogus":          # what a validating resolver says of it
        dns.rcode(OWNER, SERVFAIL)
    else:
        dns.silent(OWNER)
    lines = doctor(terminate(pair))
    assert len(lines) == 1
    assert only(lines, f"TLSA of {OWNER} cannot be had").startswith("warn")


# --- names and ports ---------------------------------------------------------


def test_names_of_certificate_and_server(doctor, dns, authority):
    pair = authority.issue("mx.test", "*.any.test", "mail.test", "192.0.2.1")
    lines = doctor(terminate(pair, more=", server_name: in.test"))
    assert "*.any.test" in only(lines, "is no host's name")
    assert {name for name, kind in dns.asked if kind == "TLSA"} == {
        OWNER, "_25._tcp.mail.test", "_25._tcp.in.test"}


def test_ports(doctor, dns, pair):
    doctor(terminate(pair, more=", implicit: true"))
    assert set(dns.asked) == {("_465._tcp.mx.test", "TLSA")}
    dns.asked.clear()
    lines = doctor(terminate(pair), status=1,
                   mode="mode: tproxy\n    intercept: {port: [25, 587]}")
    assert len(lines) == 2
    assert set(dns.asked) == {(OWNER, "TLSA"), ("_587._tcp.mx.test", "TLSA")}


def test_a_rule_that_terminates(doctor, dns, pair, other):
    policy = ("policy: 1\nhelo:\n  - {name: old, when: {helo.valid: false}, "
              "then: {repair: all, starttls: terminate}}\n"
              "default: accept\n")
    dns.add(OWNER, "TLSA", tlsa(3, 1, 1, other.root))
    lines = doctor(terminate(pair).replace("terminate", "pass", 1), policy,
                   status=1)
    assert only(lines, "does not fit").startswith("FAIL")


def test_a_certificate_that_cannot_be_read(doctor, folder, dns, pair):
    lines = doctor(terminate((f"{folder}/gone.pem", pair[1])), status=1)
    assert "gone.pem cannot be read: No such file" in only(lines, "FAIL")
    assert not dns.asked


def test_nothing_is_asked_where_tls_passes(doctor, dns):
    assert doctor("client: pass") == []
    assert not dns.asked


# --- TLS that is taken away --------------------------------------------------


HIDE = "client: hide, accept_downgrade: true"
OURS = POLICY + "lists: {ours: {domain: [example.test]}}\n" \
    "rcpt:\n  - {name: foreign, when: {rcpt.to: {not: ours}}, then: reject}\n"


def test_hide_and_mta_sts(doctor, dns):
    dns.add("_mta-sts.example.test", "TXT", "v=STSv1; id=20261201")
    dns.add("example.test", "MX", (10, "mx.example.test"))
    lines = doctor(HIDE, OURS)
    assert len(lines) == 1
    assert lines[0].startswith(
        "warn  listener `front`, client: hide: example.test has MTA-STS; "
        "where its mode is `enforce`, who sends by it does not "
        f"{CLEAR}  ->  https://mta-sts.example.test/.well-known/mta-sts.txt")
    assert dns.asked["_25._tcp.mx.example.test", "TLSA"] == 1


@pytest.mark.parametrize("texts", [
    ["v=STSv1"], ["v=STSv12; id=1"], ["v=spf1 -all"],
    ["v=STSv1; id=1", "v=STSv1; id=2"]])
def test_what_is_no_mta_sts(doctor, dns, texts):
    dns.add("_mta-sts.example.test", "TXT", *texts)
    said = only(doctor(HIDE, OURS), "no DANE and no MTA-STS")
    assert said.startswith("ok")
    assert said.endswith("asked for: _mta-sts.example.test")


@pytest.mark.parametrize("word", ["hide", "refuse", "uplift"])
def test_tlsa_of_a_server_that_has_no_tls(doctor, dns, pair, word):
    dns.add("example.test", "MX", (10, "mx.test"))
    dns.add(OWNER, "TLSA", tlsa(3, 1, 1, pair[0]))
    down = ", accept_downgrade: true" if word == "hide" else ""
    said = only(doctor(f"client: {word}{down}", OURS), OWNER)
    assert said.startswith("warn")
    assert f"client: {word}: {OWNER} has TLSA records, and who sends by " \
        f"DANE does not {CLEAR}" in said


def test_the_domain_itself_where_it_has_no_mx(doctor, dns, pair):
    dns.add("example.test", "A", "192.0.2.1")
    dns.add("_25._tcp.example.test", "TLSA", tlsa(3, 1, 1, pair[0]))
    dns.validates = False
    assert "(not validated here)" in only(
        doctor(HIDE, OURS), "_25._tcp.example.test")


def test_hide_of_a_rule(doctor, dns):
    policy = ("policy: 1\nlists: {ours: {domain: [example.test]}}\n"
              "helo:\n  - {name: old, when: {helo: ours, helo.valid: false}, "
              "then: {repair: all, starttls: hide, accept_downgrade: true}}\n"
              "default: accept\n")
    dns.add("_mta-sts.example.test", "TXT", "v=STSv1; id=1")
    assert "starttls: hide of a rule: example.test has MTA-STS" in \
        only(doctor("client: pass", policy), "MTA-STS")


def test_hide_and_no_name(doctor, dns):
    lines = doctor(HIDE)
    assert len(lines) == 1
    assert lines[0].startswith("warn")
    assert "no domain is known to ask DNS for" in lines[0]
    assert not dns.asked


def test_hide_and_no_answer(doctor, dns):
    dns.rcode("_mta-sts.example.test", SERVFAIL)
    assert "answers of DNS could not be had" in only(doctor(HIDE, OURS), "warn")


def test_intercept(doctor, dns, authority, pair):
    tls = f"client: intercept, authority: {{chain: {authority.root}, " \
        f"key: {authority.key}}}, server_name: mx.test"
    assert only(doctor(tls), "no DANE and no MTA-STS").startswith("ok")
    dns.add(OWNER, "TLSA", tlsa(3, 1, 1, pair[0]))
    dns.add("_mta-sts.mx.test", "TXT", "v=STSv1; id=1")
    lines = doctor(tls)
    said = only(lines, "has TLSA records")
    assert "does not deliver to a certificate of the gate's" in said
    assert said.endswith("->  name its servers in `bypass`")
    assert "unless it trusts your authority" in only(lines, "has MTA-STS")
