"""What an operator sees of what goes wrong: each a message with a mend, an
exit code as documented, and nothing lost."""
import json
import os
import pathlib
import signal
import socket

import pytest

from lab import (CLIENT4, GATE, OTHER4, POLICY, SERVER4, Gate, Stub, Talk, send,
                 wait_for)

TPROXY = """\
version: 1
listeners:
  inbound:
    mode: tproxy
    intercept: {interface: [gc], port: [25]}
    policy: policy.yaml
user: nobody
log: {sinks: [stdout]}
"""
EXPLICIT = """\
version: 1
listeners:
  inbound:
    mode: explicit
    bind: ["10.77.1.1:2525"]
    upstream: "10.77.2.2:25"
    policy: policy.yaml
user: nobody
log: {sinks: [stdout]}
"""
UNPRIVILEGED = ["setpriv", "--reuid=nobody", "--clear-groups"]


def run(net, folder, config, before=(), policy=POLICY):
    """A start that must fail: what is said."""
    pathlib.Path(folder, "policy.yaml").write_text(policy)
    pathlib.Path(folder, "gate.yaml").write_text(config)
    os.chmod(folder, 0o755)
    said = net.run("gate", *before, GATE, "run", "-c", f"{folder}/gate.yaml",
                   check=False, timeout=10)
    assert said.returncode == 1, said
    assert net.run("gate", "nft", "list", "tables").stdout == ""
    return said.stderr


@pytest.mark.parametrize("config,before,words", [
    pytest.param(TPROXY, UNPRIVILEGED,
                 ["needs the capability CAP_NET_ADMIN; run as root"],
                 id="no root"),
    pytest.param(EXPLICIT.replace("2525", "25"), UNPRIVILEGED,
                 ["needs the capability CAP_NET_BIND_SERVICE; run as root"],
                 id="no root, port 25"),
    pytest.param(TPROXY + "workerz: 2\n", (),
                 ["gate.yaml:9:1: error[P012]: unknown key `workerz`",
                  "did you mean `workers`?"], id="wrong key"),
    pytest.param(TPROXY.replace("policy.yaml", "absent.yaml"), (),
                 ["gate.yaml:6:13: error[C045]: the policy ",
                  "absent.yaml cannot be read: No such file"],
                 id="missing policy"),
    pytest.param(TPROXY.replace("stdout", "{file: /absent/log.jsonl}"), (),
                 ["/absent/log.jsonl", "No such file or directory"],
                 id="missing log folder"),
    pytest.param(TPROXY.replace("nobody", "absent"), (),
                 ["there is no user `absent`", "useradd"],
                 id="missing user"),
    pytest.param(EXPLICIT.replace("10.77.1.1", "10.9.9.9"), (),
                 ["cannot listen on 10.9.9.9:2525",
                  "Cannot assign requested address"],
                 id="address of another host")])
def test_a6_03_it_does_not_start(net, folder, config, before, words):
    said = run(net, folder, config, before)
    for word in words:
        assert word in said


def test_missing_configuration(net):
    said = net.run("gate", GATE, "run", "-c", "/absent.yaml", check=False)
    assert said.returncode == 1
    assert said.stderr.startswith(
        "/absent.yaml: error[Y011]: cannot be read: No such file")


@pytest.mark.parametrize("words,said", [
    ([], "usage: ehlogate COMMAND"),
    (["rum"], "ehlogate: no command `rum`"),
    (["run", "--quiet"], "ehlogate run: unrecognized option '--quiet'"),
    (["run", "now"], "ehlogate run: it takes no arguments"),
    (["status"], "`status` is not built in this version")])
def test_command_line(net, words, said):
    run = net.run("gate", GATE, *words, check=False)
    assert run.returncode == 2 and said in run.stderr
    assert run.stdout == ""


@pytest.mark.parametrize("config,port", [(TPROXY, 12525), (EXPLICIT, 2525)],
                         ids=["tproxy", "explicit"])
def test_port_taken(net, folder, config, port):
    with net.socket("gate") as other:
        # An earlier test's connection may be in TIME_WAIT there.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("10.77.1.1", port))
        other.listen(1)
        said = run(net, folder, config)
    assert f":{port}: Address already in use; another program listens " \
        "there (see `ss -ltnp`)" in said


def test_explicit_without_root(net, folder, stub):
    os.chown(folder, 65534, 65534)
    gate = Gate(net, folder, "explicit", before=UNPRIVILEGED, more=(
        f"    bind: [\"10.77.1.1:2525\"]\n    upstream: \"{SERVER4}:25\"\n"))
    try:
        assert send(net, "10.77.1.1", port=2525).startswith("250 ")
        owners = {os.stat(f"/proc/{pid}").st_uid for pid in gate.pids()}
        record = gate.wait_records(1)[0]
    finally:
        gate.stop()
    assert owners == {65534} and record["mode"] == "explicit"


def test_a6_14_silent_server(net, folder):
    """It takes the connection and says nothing."""
    with net.socket("server") as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        silent.bind((SERVER4, 25))
        silent.listen(5)
        gate = Gate(net, folder, settings="timeouts: {greeting: 1s}\n")
        try:
            reply = Talk(net.connect("client", SERVER4)).reply()
            record = gate.wait_records(1)[0]
        finally:
            gate.stop()
    assert reply.startswith("421 4.4.2 ") and record["session"] in reply
    assert record["close"]["code"] == "sG", record["close"]


@pytest.fixture
def few_ports(net):
    net.sysctl("gate", "net.ipv4.ip_local_port_range", "40000 40009")
    yield 10
    net.sysctl("gate", "net.ipv4.ip_local_port_range", "32768 60999")


def test_a6_06_no_free_port(net, folder, stub, few_ports):
    """As many sessions as there are ports; the next is told, the others go on,
    and what one of them gave back another has."""
    gate = Gate(net, folder, "redirect")
    try:
        talks = [Talk(net.connect("client", SERVER4))
                 for _ in range(few_ports + 2)]
        said = [talk.reply()[:9] for talk in talks]
        assert said.count("220 stub ") == few_ports, said
        assert said.count("421 4.4.5") == 2, said
        talks[0].say("QUIT")
        talks[1].say("EHLO client.example")
        assert talks[1].say("QUIT").startswith("221")
        records = gate.wait_records(4)
        assert Talk(net.connect("client", SERVER4)).reply()[:3] == "220"
    finally:
        gate.stop()
    refused = [r for r in records if r["greeting_by"] == "gate"]
    assert {r["close"]["reason"] for r in refused} == {"no_free_port"}


def test_a6_06_ports_are_counted_by_destination(net, folder, stub, few_ports):
    """IP_BIND_ADDRESS_NO_PORT: what one server takes up the others have."""
    others = ["10.77.2.4", OTHER4]
    net.run("server", "ip", "addr", "add", f"{others[0]}/24", "dev", "eth0")
    servers = [Stub(net, address=address) for address in others]
    gate = Gate(net, folder)
    try:
        talks = [Talk(net.connect("client", address))
                 for address in (SERVER4, *others) for _ in range(few_ports)]
        assert len(talks) == 30
        assert all(talk.reply().startswith("220") for talk in talks)
        one_more = Talk(net.connect("client", SERVER4))
        assert one_more.reply().startswith("421 4.4.5")
    finally:
        gate.stop()
        for server in servers:
            server.stop()
        net.run("server", "ip", "addr", "del", f"{others[0]}/24", "dev",
                "eth0")


def test_a5_11_log_disk_full(net, folder, stub):
    """No session without a record: the next is told to come later, the open
    one goes on, and its record is written when there is room again."""
    logs = pathlib.Path(folder, "logs")
    logs.mkdir()
    gate = Gate(net, folder, log=logs / "session.jsonl", before=[
        "unshare", "-m", "sh", "-ec", "mount -t tmpfs -o size=64k,mode=777 "
        f"tmpfs {logs}; exec \"$@\"", "sh"])
    seen = pathlib.Path(f"/proc/{gate.process.pid}/root{logs}")
    gate.log = seen / "session.jsonl"
    try:
        assert send(net).startswith("250")
        gate.wait_records(1)
        opened = Talk(net.connect("client", SERVER4))
        opened.reply()
        with open(seen / "filler", "wb", buffering=0) as filler:
            fill(filler)
        # The log's last page may have room for a few.
        wait_for("a refusal", lambda: refused(net), 20)
        wait_for("the alarm", lambda: "No space left on device" in gate.said())
        assert opened.say("EHLO EXCH_01").startswith("250")
        assert opened.say("QUIT").startswith("221")
        (seen / "filler").unlink()
        wait_for("service", lambda: not refused(net), 20)
        wait_for("all records", lambda: any(
            r["src_port"] == opened.port for r in gate.records()))
        references = [r["seq"] for r in gate.records()]
    finally:
        gate.stop()
    assert len(references) == len(set(references))


def test_a5_11_log_pipe_that_nobody_reads(net, folder, stub):
    """Records wait in memory, as many as there is room for; then the next
    session is told to come later, the open one goes on, and when there is a
    reader all of them come."""
    path = pathlib.Path(folder, "pipe")
    os.mkfifo(path, 0o666)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    policy = "policy: 1\nlimits: {junk: 1000}\nhelo: []\ndefault: accept\n"
    gate = Gate(net, folder, log=path, policy=policy)
    received = bytearray()

    def fetch():
        try:
            received.extend(os.read(reader, 1 << 20))
        except BlockingIOError:
            pass
        return received.count(b"\n")
    try:
        opened = Talk(net.connect("client", SERVER4))
        opened.reply()
        long, served = "x" * 3000 + ".example", 0
        while not refused(net):
            talk = Talk(net.connect("client", SERVER4))
            if not talk.reply().startswith("220"):
                break
            for _ in range(60):
                talk.say(f"EHLO {long}")
            talk.say("QUIT")
            talk.close()
            served += 1
            assert served < 1000
        wait_for("the alarm",
                 lambda: "its reader is too slow" in gate.said())
        assert opened.say("EHLO EXCH_01").startswith("250")
        assert opened.say("QUIT").startswith("221")
        wait_for("a line", fetch)
        wait_for("service", lambda: fetch() and not refused(net))
        wait_for("all records", lambda: fetch() and b"EXCH_01" in received)
    finally:
        os.close(reader)
        gate.log = pathlib.Path(folder, "none")
        gate.stop()
    lines = received.decode().splitlines()
    sessions = [record for record in map(json.loads, lines)
                if record["event_type"] == "session"]
    long_ones = [r for r in sessions if r["helo_count"] == 60]
    assert len(long_ones) == served
    assert len({r["session"] for r in sessions}) == len(sessions)


def fill(file):
    try:
        while True:
            file.write(b"x" * 4096)
    except OSError:
        pass


def refused(net):
    talk = Talk(net.connect("client", SERVER4))
    reply = talk.reply()
    if reply.startswith("220"):
        talk.say("QUIT")
    talk.close()
    assert reply.startswith(("220 stub", "421 4.3.0 "))
    return reply.startswith("421")


@pytest.mark.parametrize("port", [40025, 1023], ids=["kept", "privileged"])
def test_source_port_of_the_client(net, folder, port):
    """`source: client_port`; a privileged one is not ours to take, and the
    record says so."""
    stub, peers = Stub(net), []
    gate = Gate(net, folder, more="    source: client_port\n")
    try:
        sock = net.socket("client")
        sock.bind((CLIENT4, port))
        sock.settimeout(10)
        sock.connect((SERVER4, 25))
        talk = Talk(sock)
        assert talk.reply().startswith("220")
        talk.say("QUIT")
        record = gate.wait_records(1)[0]
    finally:
        gate.stop()
        stub.stop()
    upstream = record["upstream"]
    assert upstream["local_ip"] == CLIENT4
    assert (upstream["local_port"] == port) == (port >= 1024)
    assert ("source_port_taken" in record["notes"]) == (port < 1024)


DROPS = ("policy: 1\nhelo:\n- {name: n, when: {helo: drop.example}, "
         "then: {drop: {reset: true}}}\nrcpt:\n- {name: r, when: {rcpt.to: "
         "drop@server.example}, then: {drop: {reset: true}}}\n"
         "default: accept\n")


@pytest.mark.parametrize("what", ["helo", "rcpt", "no tls", "upstream"])
def test_a_reset_of_the_client(net, folder, what):
    """What ends a client's connection by RST ends that session alone, and its
    record has what crossed it."""
    server = Stub(net, keywords=("PIPELINING", "STARTTLS"))
    gate = Gate(net, folder, policy=DROPS, more=(
        "    on_upstream_failure: reset\n" if what == "upstream" else ""))
    if what == "upstream":
        server.stop()
    before = gate.pids()
    try:
        with pytest.raises((ConnectionResetError, EOFError)) as how:
            talk = Talk(net.connect("client", SERVER4))
            talk.reply()
            if what == "helo":
                talk.say("EHLO drop.example")
            talk.say("EHLO client.example.com")
            if what == "no tls":    # THREATS A2-80
                talk.say("STARTTLS")
                talk.say("EHLO in.clear.example")
            talk.say("MAIL FROM:<a@client.example>")
            talk.say("RCPT TO:<drop@server.example>")
        record = gate.wait_records(1)[0]
        assert gate.pids() == before, gate.said()
    finally:
        gate.stop()
        server.stop()
    assert how.type is ConnectionResetError
    assert record["close"]["reason"] == {
        "helo": "dropped", "rcpt": "dropped", "upstream": "server_refused",
        "no tls": "no_tls_after_starttls"}[what]
    assert (record["bytes"]["client_in"] > 10) == (what != "upstream")


def test_what_the_host_itself_sends(net, folder, stub):
    """`from_host`: a mail server on the gate's own host."""
    gate = Gate(net, folder, "redirect", intercept="from_host: true")
    try:
        assert send(net, host="gate").startswith("250")
        record = gate.wait_records(1)[0]
    finally:
        gate.stop()
    assert record["helo"][0]["forwarded"] == "EXCH-01.corp.example.com"
    assert bytes(stub.raw[0]).startswith(b"EHLO EXCH-01.")


def test_a6_05_a_redirect_that_catches_the_gate_itself(net, folder, stub):
    """Somebody else's rule sends the gate's own connections back to it: a
    loop, refused at once."""
    net.run("gate", "nft", "add table ip foreign ; add chain ip foreign out "
            "{ type nat hook output priority -100 ; } ; "
            "add rule ip foreign out tcp dport 25 redirect to :12525")
    gate = Gate(net, folder, "redirect")
    try:
        reply = Talk(net.connect("client", SERVER4)).reply()
        records = gate.wait_records(2)
    finally:
        net.run("gate", "nft", "delete table ip foreign")
        gate.stop()
    # The inner session's, passed on as the server's greeting.
    assert reply.startswith("421 4.4.6 "), reply
    assert {r["close"]["reason"] for r in records} == \
        {"loop", "server_unavailable"}
    assert len(records) == 2 and stub.peers == []


def test_an_upstream_that_is_the_listener(net, folder):
    """What `check` cannot see."""
    gate = Gate(net, folder, "explicit", more=(
        "    bind: [\"0.0.0.0:2525\"]\n"
        "    upstream: \"10.77.1.1:2525\"\n"))
    try:
        reply = Talk(net.connect("client", "10.77.1.1", 2525)).reply()
        records = gate.wait_records(2)
    finally:
        gate.stop()
    assert reply.startswith("421 4.4.6 ") and len(records) == 2
