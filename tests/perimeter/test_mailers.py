"""Mail as it is sent in the world, through TLS that ends at the gate: every
client to every server, as `terminate` and as `intercept`, over TLS 1.2 and 1.3,
IPv4 and IPv6.  What the server has is what was sent, to the byte, once; the
record says so; and the client was shown the gate's certificate.

Each machine is started once.  All mail is under way at the same time; then a
test looks at each message.
"""
import collections
import concurrent.futures
import contextlib
import itertools
import pathlib
import shutil
import ssl

import pytest

from lab import (OTHER4, SERVER4, SERVER6, Authority, Exim, EximClient, Gate,
                 Hop, OpenSMTPD, OpenSMTPDClient, Postfix, PostfixClient,
                 Smtplib, Swaks, fingerprint, plain, temporary, wait_for)

CLIENTS = ("swaks", "postfix-encrypt", "postfix-verify", "opensmtpd", "exim",
           "smtplib")
ADDRESSES = {"postfix": {"v4": SERVER4, "v6": SERVER6},
             "exim": {"v4": OTHER4, "v6": "fd77:2::3"},
             "opensmtpd": {"v4": "10.77.2.4", "v6": "fd77:2::4"}}
# A host that is not who clients ask for: apart, as OpenSMTPD then avoids it;
# and what they say of it.
STRANGERS4 = {"terminate": "10.77.2.5", "intercept": "10.77.2.6"}
REFUSALS = {"swaks": "TLS startup failed", "exim": "verification failed",
            "postfix-verify": "certificate not verified",
            "opensmtpd": "no match for", "smtplib": "verify failed"}
MORE = ("fd77:2::3/64", "10.77.2.4/24", "fd77:2::4/64",
        *(f"{address}/24" for address in STRANGERS4.values()))
# The gate's listeners, and how a server knows which version it is to speak.
PORTS = {("terminate", "1.2"): 2512, ("terminate", "1.3"): 2513,
         ("intercept", "1.2"): 2522, ("intercept", "1.3"): 2523}
# Clients know a server by another name where the certificate is the gate's
# own: who looks can tell the two apart.
DOMAINS = {"terminate": "gate.test", "intercept": "server.test"}
ISSUERS = {"terminate": "Gate", "intercept": "Interception"}

Case = collections.namedtuple("Case", "client server how version family")
CASES = [Case(*each) for each in itertools.product(
    CLIENTS, ADDRESSES, ("terminate", "intercept"), ("1.2", "1.3"),
    ("v4", "v6"))]
# Clients that look, where what is shown is not what they ask for.
STRANGERS = [Case(client, "postfix", how, "1.3", "v4") for client, how in
             itertools.product(CLIENTS, DOMAINS) if client != "postfix-encrypt"]

LINES = [
    b".", b"..", b".x", b"...dots", b". ", b"", b"",
    b"trailing blanks   ", b"and a TAB\t", b" ", b"\t", b" leading",
    bytes(range(0x80, 0x100)), b"\xff\xfe \xc3\xbc \xe4",
    b"l" * 998, b"." * 997, b"\xfc" * 998,
    b"QUIT", b"MAIL FROM:<x@y.test>", b"=3D=20=", b"-- ", b"the end. "]
BODY = b"\r\n".join(LINES)


def text_of(case, sender):
    """A message; no newline ends it."""
    return (f"From: <{sender}>\r\nTo: <user@server.example>\r\n"
            f"Subject: {'-'.join(case)}\r\nMessage-ID: <{sender}>\r\n"
            "Date: Tue, 01 Dec 2026 00:00:00 +0000\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=iso-8859-1\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\n").encode() + BODY


def host_of(case):
    return f"{case.server}-{case.family}.{DOMAINS[case.how]}"


class Certificates:
    """Three authorities: the servers', which the gate trusts and no client;
    the gate's own certificate's; and the one that intercepts."""

    def __init__(self, folder):
        self.world = Authority(folder / "world", "World")
        self.gate = Authority(folder / "gate", ISSUERS["terminate"])
        self.copies = Authority(folder / "copies", ISSUERS["intercept"])
        self.own = self.gate.issue(*self._names("terminate"), kind="ec")
        self.servers = {server: self.world.issue(
            "server.example", *self._names("intercept", server), kind=kind)
            for server, kind in zip(ADDRESSES, ("rsa", "ec", "rsa"))}

    @staticmethod
    def _names(how, only=None):
        return [host_of(Case("", server, how, "", family))
                for server in ADDRESSES for family in ("v4", "v6")
                if only in (None, server)]

    def root(self, how):
        """Of whom clients trust for what."""
        return (self.gate if how == "terminate" else self.copies).root

    @staticmethod
    def print_of(chain):
        return fingerprint(ssl.PEM_cert_to_DER_cert(chain.read_text()))


class Post:
    """The machines, and what became of the mail."""

    def __init__(self, net, folder, pool):
        self.net, self.folder = net, folder
        self.certificates = Certificates(folder / "certificates")
        self.hops = {case: self._hop(case) for case in CASES}
        self.strange = {case: self._strange(case) for case in STRANGERS}
        self.machines = []
        made = [pool.submit(make) for make in self._servers()
                + self._queues() + [self._gate]]
        for future in concurrent.futures.as_completed(made):
            self.machines.append(future.result())
        (*self.servers, self.postfix, self.exim, old, new, self.gate) = [
            future.result() for future in made]
        self.opensmtpd = {"1.2": old, "1.3": new}
        self.swaks = Swaks(net, folder)
        self.smtplib = Smtplib(net)

    def _hop(self, case):
        return Hop("-".join(case) + "@client.test", host_of(case),
                   ADDRESSES[case.server][case.family],
                   PORTS[case.how, case.version],
                   case.version, self.certificates.root(case.how),
                   case.client != "postfix-encrypt")

    def _strange(self, case):
        """Nobody has that name; and whom the client trusts signed nothing
        that it is shown, where it can trust one for this host alone."""
        hop = self._hop(case)
        return hop._replace(
            sender="stranger-" + hop.sender, name=f"other-{case.how}.test",
            address=STRANGERS4[case.how],
            root=hop.root if case.client == "opensmtpd"
            else self.certificates.world.root)

    def all(self, client):
        return [hop for case, hop in [*self.hops.items(),
                                      *self.strange.items()]
                if case.client.startswith(client)]

    def _servers(self):
        def ends(server, *versions):
            addresses = [*ADDRESSES[server].values(),
                         *(STRANGERS4.values() if server == "postfix" else [])]
            return [(address, port, version) for address in addresses
                    for (_, version), port in PORTS.items()
                    if version in versions]

        def make(kind, server, *versions, **more):
            return lambda: kind(
                self.net, self.folder / "-".join([server, *versions]),
                pair=self.certificates.servers[server],
                ends=ends(server, *versions), **more)
        return [make(OpenSMTPD, "opensmtpd", "1.2"),
                make(OpenSMTPD, "opensmtpd", "1.3"),
                make(Exim, "exim", "1.2", "1.3", hold=True),
                make(Postfix, "postfix", "1.2", "1.3")]

    def _queues(self):
        def make(kind, port, hops):
            return lambda: kind(self.net, self.folder / f"queue-{port}", port,
                                hops)
        old, new = ([hop for hop in self.all("opensmtpd")
                     if hop.version == version] for version in ("1.2", "1.3"))
        return [make(PostfixClient, 2501, self.all("postfix")),
                make(EximClient, 2502, self.all("exim")),
                make(OpenSMTPDClient, 2503, old),
                make(OpenSMTPDClient, 2504, new)]

    def _gate(self):
        """A listener for each port."""
        chain, key = self.certificates.own
        copies = self.certificates.copies
        words = {
            "terminate": f"certificates: [{{chain: {chain}, key: {key}}}], "
            "server: verify, server_name: server.example",
            "intercept": f"authority: {{chain: {copies.root}, "
            f"key: {copies.key}}}"}
        (first, *others) = [
            (f"    tls: {{client: {how}, {words[how]}, roots: "
             f"{self.certificates.world.root}, min_version: \"{version}\"}}\n",
             port, how) for (how, version), port in PORTS.items()]
        folder = self.folder / "gate"
        folder.mkdir()
        return Gate(self.net, folder, more=first[0], port=first[1],
                    others="".join(
                        f"  {how}-{port}:\n    mode: tproxy\n"
                        f"    policy: policy.yaml\n{tls}"
                        f"    intercept: {{interface: [gc], port: [{port}]}}\n"
                        for tls, port, how in others))

    # --- the mail ---------------------------------------------------------

    def client(self, case):
        return {"swaks": self.swaks, "smtplib": self.smtplib,
                "exim": self.exim,
                "opensmtpd": self.opensmtpd[case.version]}.get(
                    case.client, self.postfix)

    def send(self, pool):
        """All of it; returns when it is there."""
        queues, jobs = collections.defaultdict(list), []
        for case, hop in [*self.hops.items(), *self.strange.items()]:
            client, text = self.client(case), text_of(case, hop.sender)
            if client in (self.swaks, self.smtplib):
                jobs.append((client.send, hop, text))
            else:
                queues[client].append((hop.sender, text + b"\r\n"))
        done = [pool.submit(client.send, mails)
                for client, mails in queues.items()]
        done += [pool.submit(*job) for job in jobs]
        for future in done:
            future.result()
        # Who is missing is found by the tests.
        with contextlib.suppress(AssertionError):
            wait_for("all mail", self._is_there, 40, 0.2)

    def _is_there(self):
        self.look()
        return (len(self.records) >= len(self.hops)
                and len(self.stored) >= len(self.hops)
                and all(server.settled() for server in self.servers)
                and all(self.has_refused(case) for case in STRANGERS))

    def look(self):
        """What servers and gate have."""
        self.stored = collections.defaultdict(list)
        for server in self.servers:
            for taken in server.accepted():
                self.stored[taken.sender].append(plain(taken.body))
        self.records = collections.defaultdict(list)
        for record in self.gate.records():
            for mail in record["mail"]:
                self.records[mail["from"]].append(record)

    def has_refused(self, case):
        """The client says that it is no good host."""
        return REFUSALS[case.client].lower() in \
            self.client(case).said_of(self.strange[case]).lower()

    def stop(self, pool):
        for done in [pool.submit(machine.stop) for machine in self.machines]:
            done.result()


@pytest.fixture(scope="module")
def folder_of_all(net):
    for address in MORE:
        net.run("server", "ip", "addr", "add", address, "dev", "eth0")
    folder = pathlib.Path(temporary(memory=True))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
    for address in MORE:
        net.run("server", "ip", "addr", "del", address, "dev", "eth0")


@pytest.fixture(scope="module")
def post(net, folder_of_all):
    # What a thread has started dies with it: the threads stay.
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        made = Post(net, folder_of_all, pool)
        try:
            made.send(pool)
            made.look()
            yield made
        finally:
            made.stop(pool)


def name_of(case):
    return "-".join(case)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_mail(post, case):
    hop = post.hops[case]
    assert post.stored[hop.sender] == [plain(BODY) + b"\n"]
    (record,) = post.records[hop.sender]
    (mail,) = record["mail"]
    assert mail["reply"].startswith("250") and mail["reply_by"] == "server"
    assert mail["stray_newlines"] == 0
    assert (record["dest_ip"], record["dest_port"]) == (hop.address, hop.port)
    tls = record["tls"]
    assert tls["client"] == tls["server"] == f"TLSv{case.version}"
    assert tls["server_verified"] == "ok"
    assert record["inspected"] is True
    assert [helo["forwarded"] for helo in record["helo"]] == \
        ["EXCH-01.corp.example.com"] * 2
    assert record["close"]["code"] == "--"
    look_at_certificate(post, case, post.client(case).seen(hop))


def look_at_certificate(post, case, seen):
    """The client's own word."""
    made = post.certificates
    assert seen.version == f"TLSv{case.version}"
    assert seen.verified is (case.client != "postfix-encrypt")
    if seen.fingerprint:
        ours = made.print_of(made.own[0])
        server = made.print_of(made.servers[case.server][0])
        assert seen.fingerprint != server
        assert (seen.fingerprint == ours) == (case.how == "terminate")
    if seen.issuer:
        assert seen.issuer == ISSUERS[case.how]


@pytest.mark.parametrize("case", STRANGERS, ids=name_of)
def test_stranger(post, case):
    """That those who look do look."""
    hop = post.strange[case]
    assert post.has_refused(case), post.client(case).said_of(hop)
    assert hop.sender not in post.stored
    assert hop.sender not in post.records
