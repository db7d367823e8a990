"""TLS that ends at the gate: `terminate`, on STARTTLS and from the first octet
on; `refuse`; certificates, keys and their reload."""
import concurrent.futures
import os
import pathlib
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

from lab import (SERVER4, Auditor, Authority, Ends, Stub, Talk, anybody,
                 lines_of_mail, wait_for)

VERSIONS = ("TLSv1.2", "TLSv1.3")
NOBODY = 65534


@pytest.fixture(scope="module")
def server_tls(authority):
    return authority.server("server.test")


@pytest.fixture
def make(tls_gate):
    return tls_gate


@pytest.fixture
def server(net, server_tls):
    stub = Stub(net, tls=server_tls)
    yield stub
    stub.stop()


def terminate(*pairs, more=""):
    listed = ", ".join(f"{{chain: {c}, key: {k}}}" for c, k in pairs)
    return f"client: terminate, certificates: [{listed}]{more}"


def secured(talk, context, name="mx.test"):
    """STARTTLS, and the same client within it."""
    assert talk.say("STARTTLS").startswith("220")
    assert talk.pending == b""
    talk.sock = context.wrap_socket(talk.sock, server_hostname=name)
    return talk


def greeted(net, address=SERVER4, name="EXCH_01", port=25, context=None):
    sock = net.connect("client", address, port)
    if context:
        sock = context.wrap_socket(sock, server_hostname="mx.test")
    talk = Talk(sock)
    assert talk.reply().startswith("220")
    assert talk.say(f"EHLO {name}").startswith("250")
    return talk


def mail(talk, body=b"Subject: x\r\n\r\nx\r\n"):
    assert talk.say("MAIL FROM:<a@client.example>").startswith("250")
    assert talk.say("RCPT TO:<b@server.example>").startswith("250")
    assert talk.say("DATA").startswith("354")
    stuffed = body.replace(b"\r\n.", b"\r\n..")
    final = talk.say(stuffed + b".\r\n")
    assert talk.say("QUIT").startswith("221")
    talk.close()
    return final


# --- terminate -----------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("server_leg", ["none", "mirror", "require"])
def test_terminate(net, make, server, authority, pair, version, server_leg):
    """The name is judged in both, the body exact, the certificate ours."""
    gate = make(terminate(pair, more=f", server: {server_leg}"))
    talk = secured(greeted(net), authority.client(version))
    assert talk.sock.version() == version
    assert "STARTTLS" not in talk.say("EHLO EXCH_01")
    body = b"Subject: s\r\n\r\n" + lines_of_mail(300000)
    assert mail(talk, body).startswith("250")
    assert server.messages == [body]
    record = gate.wait_records(1)[0]
    assert record["tls"]["client"] == version
    assert (record["tls"]["server"] != "none") == (server_leg != "none")
    assert record["inspected"] is True
    assert [h["forwarded"] for h in record["helo"]] == \
        ["EXCH-01.corp.example.com"] * 2
    assert len(server.secret) == (server_leg != "none")
    assert b"EXCH_01" not in bytes(server.raw[0])


def test_a2_81_each_name_by_itself(net, make, server, authority, pair):
    """THREATS A2-81: allowed before TLS and forbidden after it, and the
    reverse; the server never hears the forbidden one."""
    policy = ("policy: 1\nhelo:\n"
              "  - {name: early, when: {tls: false, helo: a.test}, "
              "then: reject}\n"
              "  - {name: late, when: {tls: true, helo: b.test}, "
              "then: reject}\ndefault: accept\n")
    gate = make(terminate(pair), policy=policy)
    talk = greeted(net, name="b.test")
    assert talk.say("EHLO a.test").startswith("550 5.7.1")
    secured(talk, authority.client())
    assert talk.say("EHLO b.test").startswith("550 5.7.1")
    assert talk.say("MAIL FROM:<x@y.test>").startswith("503")
    assert talk.say("EHLO a.test").startswith("250")
    talk.say("QUIT")
    record = gate.wait_records(1)[0]
    assert [(h["received"], h["verdict"]) for h in record["helo"]] == [
        ("b.test", "accept"), ("a.test", "reject"),
        ("b.test", "reject"), ("a.test", "accept")]
    secret = bytes(server.raw[0])[server.secret[0]:]
    assert b"b.test" not in secret and b"EHLO a.test\r\n" in secret


def test_by_name(net, make, server, authority):
    """SNI: exact before wildcard, else the first; RSA and ECDSA side by side."""
    pairs = [authority.issue("first.test"), authority.issue("*.corp.test"),
             authority.issue("mx.corp.test"),
             authority.issue("first.test", kind="ec")]
    make(terminate(*pairs, more=", server: none"))

    def shown(name, ciphers=None):
        context = anybody("TLSv1.2")
        if ciphers:
            context.set_ciphers(ciphers)
        talk = secured(greeted(net), context, name)
        der = talk.sock.getpeercert(True)
        names = subprocess.run(
            ["openssl", "x509", "-inform", "der", "-noout", "-text"],
            input=der, check=True, capture_output=True).stdout.decode()
        talk.close()
        return names
    assert "DNS:mx.corp.test" in shown("mx.corp.test")
    assert "DNS:*.corp.test" in shown("other.corp.test")
    assert "DNS:first.test" in shown("unknown.test")
    assert "id-ecPublicKey" in shown("first.test", "ECDHE-ECDSA-AES128-GCM-"
                                     "SHA256:ECDHE-RSA-AES128-GCM-SHA256")
    assert "rsaEncryption" in shown("first.test",
                                    "ECDHE-RSA-AES128-GCM-SHA256")


def test_client_certificates(net, make, server, authority, pair, tmp_path):
    """Asked for, looked at by rules, and never a reason of the handshake's own."""
    chain, key = authority.issue("client.test", kind="ec", client=True)
    other = Authority(tmp_path / "other").issue("client.test", client=True)
    run = subprocess.run(["openssl", "x509", "-in", chain, "-noout",
                          "-fingerprint", "-sha256"], check=True,
                         capture_output=True, text=True)
    print_ = run.stdout.strip().split("=")[1].replace(":", "")
    policy = ("policy: 1\nhelo:\n"
              "  - {name: stranger, when: {tls: true, tls.client_subject: none},"
              " then: reject}\n"
              f"  - {{name: known, when: {{tls.client_fingerprint: \"{print_}\","
              " tls.client_subject: {glob: \"CN=client.*\"}}, then: accept}\n"
              "default: accept\n")
    gate = make(terminate(pair, more=", server: none, ask_certificate: true, "
                          f"client_roots: {authority.root}"), policy=policy)
    for shown, reply in ((None, "550"), (other, "550"), ((chain, key), "250")):
        context = authority.client()
        if shown:
            context.load_cert_chain(*shown)
        talk = secured(greeted(net), context)
        assert talk.say("EHLO client.test").startswith(reply)
        talk.say("QUIT")
        talk.close()
    tls = [record["tls"] for record in gate.wait_records(3)]
    assert "client_fingerprint" not in tls[0]
    assert tls[1]["client_verified"] != "ok" and len(
        tls[1]["client_fingerprint"]) == 64
    assert "client_subject" not in tls[1]
    assert tls[2]["client_subject"] == "CN=client.test"
    assert tls[2]["client_fingerprint"] == print_.lower()
    assert [r["helo"][1]["rule"] for r in gate.records()] == [
        "stranger", "stranger", "known"]
    assert all(t["client_sni"] == "mx.test" for t in tls)


def test_implicit(net, make, authority, pair, server_tls):
    """Port 465: TLS from the first octet on, on both legs."""
    heard = []
    listener = net.socket("server")
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((SERVER4, 465))
    listener.listen(5)

    def serve():
        sock = server_tls.wrap_socket(listener.accept()[0], server_side=True)
        sock.sendall(b"220 server.test ESMTP\r\n")
        while data := sock.recv(4096):
            heard.append(data)
            sock.sendall(b"250-server.test\r\n250 STARTTLS\r\n"
                         if data[:4] == b"EHLO" else b"221 bye\r\n")
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    gate = make(terminate(pair, more=", implicit: true"), port=465)
    talk = greeted(net, port=465, context=authority.client())
    assert talk.say("STARTTLS").startswith("502")
    talk.say("QUIT")
    talk.close()
    record = gate.wait_records(1)[0]
    assert heard[0] == b"EHLO EXCH-01.corp.example.com\r\n"
    assert record["tls"]["client"] == record["tls"]["server"] == "TLSv1.3"
    listener.close()


def test_implicit_in_front_of_clear(net, make, server, authority, pair):
    make(terminate(pair, more=", implicit: true, server: none"))
    talk = greeted(net, context=authority.client())
    assert mail(talk).startswith("250")
    assert server.secret == []


def test_implicit_and_splice(net, make, authority, pair):
    """What is relayed unread is out of TLS on one leg and into it on the
    other."""
    stub = Stub(net)
    gate = make(terminate(pair, more=", implicit: true, server: none"),
                policy="policy: 1\nconnect: [{name: s, then: splice}]\n"
                "default: accept\n")
    talk = greeted(net, context=authority.client())
    assert mail(talk).startswith("250")
    stub.stop()
    record = gate.wait_records(1)[0]
    assert record["inspected"] is False
    assert record["tls"]["client"] == "TLSv1.3"
    assert b"EHLO EXCH_01\r\n" in bytes(stub.raw[0])


def test_implicit_and_no_server(net, make, authority, pair):
    """The 421 is said in TLS, to who can read nothing else."""
    gate = make(terminate(pair, more=", implicit: true, server: none"))
    sock = authority.client().wrap_socket(net.connect("client", SERVER4),
                                          server_hostname="mx.test")
    assert Talk(sock).reply().startswith("421 4.4.1")
    assert gate.wait_records(1)[0]["tls"]["client"] == "TLSv1.3"


def test_no_server_in_tls(net, make, authority, pair):
    """`mirror`: without STARTTLS of the server none is offered."""
    make(terminate(pair))
    stub = Stub(net)
    talk = Talk(net.connect("client", SERVER4))
    talk.reply()
    assert "STARTTLS" not in talk.say("EHLO client.test")
    assert talk.say("STARTTLS").startswith("502")
    talk.close()
    stub.stop()


def test_refuse(net, make, server):
    """The client knows that there is TLS, and that it does not get it."""
    gate = make("client: refuse")
    talk = greeted(net)
    assert "STARTTLS" in talk.say("EHLO EXCH_01")
    assert talk.say("STARTTLS").startswith("454 4.7.0")
    assert mail(talk).startswith("250")
    assert gate.wait_records(1)[0]["tls"]["client"] == "none"


@pytest.mark.parametrize("shown, named, fine", [
    ("server.test", "server.test", True), ("other.test", "server.test", False),
    ("stranger", "server.test", False), ("stub", None, True),
    ("other.test", None, False)])
def test_verify(net, make, authority, tmp_path, shown, named, fine):
    """The server's certificate must lead to a root and bear its name, or the
    one that it greets with."""
    signs = Authority(tmp_path / "stranger") if shown == "stranger" \
        else authority
    stub = Stub(net, tls=signs.server(named if shown == "stranger" else shown))
    more = f", server_name: {named}" if named else ""
    gate = make(f"client: uplift, server: verify, roots: {authority.root}"
                f"{more}")
    talk = Talk(net.connect("client", SERVER4))
    talk.reply()
    reply = talk.say("EHLO client.test")
    talk.close()
    stub.stop()
    record = gate.wait_records(1)[0]
    if fine:
        assert reply.startswith("250")
        assert record["tls"]["server"] == "TLSv1.3"
    else:
        assert reply.startswith("421 4.7.5")
        assert record["close"]["reason"] == "tls_failed"
        assert "certificate" in record["close"]["error"]


def test_pass_is_byte_for_byte(net, make, server_tls):
    """`pass`: what the client shakes hands with is the server's own, each
    octet of it, and the record says that nobody looked."""
    ends = Ends(net)
    gate = make("client: pass",
                policy="policy: 1\nhelo: []\ndefault: accept\n")
    ends.connect()
    ends.exchange(b"EHLO client.test", b"250-mx.test\r\n250 STARTTLS")
    ends.exchange(b"STARTTLS", b"220 go")
    sides = []
    for context, server_side in ((anybody(), False), (server_tls, True)):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        sides.append((context.wrap_bio(incoming, outgoing, server_side,
                                       None if server_side else "mx.test"),
                      incoming, outgoing))
    socks = [ends.client.sock, ends.server.sock]
    sent, heard, done = [b"", b""], [b"", b""], [False, False]
    while not all(done):
        for i in (0, 1):
            tls, incoming, outgoing = sides[i]
            try:
                tls.do_handshake()
                done[i] = True
            except ssl.SSLWantReadError:
                pass
            octets = outgoing.read()
            sent[i] += octets
            socks[i].sendall(octets)
            while len(heard[1 - i]) < len(sent[i]):
                got = socks[1 - i].recv(65536)
                heard[1 - i] += got
                sides[1 - i][1].write(got)
    assert heard == [sent[1], sent[0]] and len(sent[0]) > 200
    ends.close()
    record = gate.wait_records(1)[0]
    assert record["inspected"] is False
    assert record["tls"]["client"] == record["tls"]["server"] == "passed"


def test_what_an_auditor_asks(net, make, server, pair):
    """No old version, no weak cipher, no compression, no renegotiation;
    resumption."""
    make(terminate(pair, more=", server: none"))
    assert Auditor(net, SERVER4).faults() == []


def test_an_auditor_finds(net, authority):
    """That the question before can be answered otherwise."""
    chain, key = authority.issue("mx.test")
    with net.popen("server", "openssl", "s_server", "-accept", "4433", "-cert",
                   str(chain), "-key", str(key), "-cipher",
                   "ALL:COMPLEMENTOFALL:@SECLEVEL=0", "-min_protocol", "TLSv1",
                   "-no_ticket", "-no_cache", "-client_renegotiation",
                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL) as weak:
        wait_for("s_server", lambda: net.run(
            "client", "openssl", "s_client", "-connect", f"{SERVER4}:4433",
            input="", check=False).returncode == 0)
        faults = Auditor(net, SERVER4, 4433, starttls=False).faults()
        weak.kill()
    assert {"TLSv1 is spoken", "TLSv1.1 is spoken",
            "no resumption with -tls1_2"} <= set(faults)
    assert any(fault.startswith("weak cipher") for fault in faults)
    assert "renegotiation" in faults


def test_an_auditor_finds_relics(net):
    """What no openssl of today agrees to: this one agrees to anything."""
    listener = net.socket("server")
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((SERVER4, 4434))
    listener.listen(20)
    stop = threading.Event()

    def agree():
        while not stop.is_set():
            sock, _ = listener.accept()
            got = sock.recv(4096)
            # The hello's version, the first suite, the first compression.
            count = int.from_bytes(got[44:46], "big")
            body = (got[9:11] + bytes(32) + b"\0" + got[46:48]
                    + got[47 + count:48 + count])
            sock.sendall(b"\x16" + got[1:3] + struct.pack(
                "!HB", len(body) + 4, 2) + len(body).to_bytes(3, "big") + body)
            sock.close()
    threading.Thread(target=agree, daemon=True).start()
    faults = Auditor(net, SERVER4, 4434, starttls=False).relics()
    stop.set()
    listener.close()
    assert {"compression is agreed upon", "SSLv3 is spoken",
            "weak cipher of EXPORT", "weak cipher of RC4",
            "weak cipher of 3DES"} <= set(faults)


# --- what the peers do wrong --------------------------------------------------------------


@pytest.mark.parametrize("octets", [1, 512, 4096, 16384, 65536])
def test_a2_78_text_behind_starttls(net, make, server, authority, pair,
                                    octets):
    """THREATS A2-78: none of it is answered in TLS."""
    gate = make(terminate(pair))
    talk = greeted(net)
    behind = (b"NOOP\r\n" * (octets // 6 + 1))[:octets]
    talk.sock.sendall(b"STARTTLS\r\n" + behind)
    assert talk.reply().startswith("421 4.5.0")
    record = gate.wait_records(1)[0]
    assert record["close"]["reason"] == "text_behind_starttls"
    assert b"NOOP" not in bytes(server.raw[0])


@pytest.mark.parametrize("after_ms", [0, 1, 5, 20, 100])
def test_a2_77_when_it_is_injected(net, make, server, authority, pair,
                                   after_ms):
    """THREATS A2-77: before or after our 220, it is never answered in TLS."""
    make(terminate(pair))
    talk = greeted(net)
    talk.sock.sendall(b"STARTTLS\r\n")
    time.sleep(after_ms / 1000)
    talk.sock.sendall(b"EHLO injected.test\r\n")
    said = talk.reply()
    assert said.startswith(("220", "421 4.5.0"))
    if said.startswith("220"):
        with pytest.raises((ssl.SSLError, OSError)):
            anybody().wrap_socket(talk.sock, server_hostname="mx.test")
    talk.close()
    wait_for("the end", lambda: b"injected" not in bytes(server.raw[0]))


def test_a2_84_no_hello(net, make, server, pair):
    """THREATS A2-84: a client without a ClientHello, and one of an octet a
    second."""
    gate = make(terminate(pair), settings="timeouts: {handshake: 2s}\n")
    idle, slow = greeted(net), greeted(net)
    for talk in (idle, slow):
        assert talk.say("STARTTLS").startswith("220")
    began = time.monotonic()
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    try:
        for octet in hello:
            slow.sock.sendall(bytes([octet]))
            time.sleep(0.5)
            if len(gate.records()) == 2:
                break
    except OSError:
        pass
    assert 1.5 < time.monotonic() - began < 6
    for record in gate.wait_records(2):
        assert record["close"]["reason"] == "handshake_timeout"
        assert record["close"]["code"][0] == "c"


@pytest.mark.parametrize("what", [b"SOMEFAILINGHANDSHAKE\r\n", b"\x16garbage",
                                  b"\x00" * 100])
def test_no_handshake(net, make, server, pair, what):
    """Both legs are closed; nothing goes on in the clear."""
    gate = make(terminate(pair))
    talk = greeted(net)
    assert talk.say("STARTTLS").startswith("220")
    talk.sock.sendall(what)
    rest = b""
    try:
        while got := talk.sock.recv(4096):
            rest += got
    except OSError:
        pass
    assert b"2" + b"50" not in rest
    assert gate.wait_records(1)[0]["close"]["reason"] == "tls_failed"


@pytest.mark.parametrize("command", ["DATA", "BDAT 100"])
def test_a2_83_close_notify_in_text(net, make, server, authority, pair,
                                    command):
    """THREATS A2-83 (CVE-2026-45185): after close_notify no octet is text."""
    gate = make(terminate(pair))
    talk = secured(greeted(net), authority.client())
    assert talk.say("EHLO client.test").startswith("250")
    assert talk.say("MAIL FROM:<a@client.example>").startswith("250")
    assert talk.say("RCPT TO:<b@server.example>").startswith("250")
    raw = socket.socket(fileno=os.dup(talk.sock.fileno()))
    if command == "DATA":
        assert talk.say(command).startswith("354")
        talk.sock.sendall(b"Subject: s\r\n\r\nhalf\r\n")
    else:
        talk.sock.sendall(b"BDAT 100\r\n" + b"x" * 40)
    if command == "DATA":
        wait_for("the text", lambda: server.raw[0].endswith(b"half\r\n"))
    talk.sock.settimeout(0.2)
    try:
        talk.sock.unwrap()
    except OSError:
        pass
    try:
        raw.sendall(b"x\r\n.\r\n")
    except OSError:
        pass
    record = gate.wait_records(1)[0]
    assert server.messages == []
    assert not bytes(server.raw[0]).endswith(b".\r\n")
    assert record["mail"][0]["reply"] is None
    raw.close()


# --- keys ---------------------------------------------------------------------------------


def test_key_is_roots_alone(net, make, server, authority):
    """Nobody who talks to a peer can open it; a reload can."""
    chain, key = authority.issue("mx.test")
    os.chmod(key, 0o600)
    gate = make(terminate((chain, key), more=", server: none"))
    worker = gate.workers()[0]
    run = subprocess.run(
        ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY),
         "--clear-groups", "cat", str(key)], capture_output=True, check=False)
    assert run.returncode != 0
    for pid in gate.pids():
        links = [os.readlink(link) for link in
                 pathlib.Path(f"/proc/{pid}/fd").glob("*") if link.is_symlink()]
        assert str(key) not in links
    masks = pathlib.Path(f"/proc/{worker}/status").read_text()
    assert "CapPrm:\t0000000000002000" in masks
    assert "can be read by the user" not in gate.said()
    new, new_key = authority.issue("mx.test")
    shutil.copy(new, chain)
    shutil.copy(new_key, key)
    gate.reload()
    talk = secured(greeted(net), authority.client())
    shown = talk.sock.getpeercert(True)
    assert shown == ssl.PEM_cert_to_DER_cert(pathlib.Path(new).read_text())
    talk.close()


def test_key_that_others_can_read(net, make, server, authority):
    chain, key = authority.issue("mx.test")
    for folder in key.parents:
        if os.stat(folder).st_mode & 0o1 == 0:
            os.chmod(folder, os.stat(folder).st_mode | 0o5)
    os.chmod(key, 0o644)
    gate = make(terminate((chain, key)))
    assert f"the key {key} can be read by the user" in gate.said()


def test_reload_with_a_bad_key(net, make, server, authority):
    """It changes nothing, and says why."""
    chain, key = authority.issue("mx.test")
    gate = make(terminate((chain, key), more=", server: none"))
    other = authority.issue("mx.test")[1]
    shutil.copy(other, key)
    said = gate.reload(works=False)
    assert "key values mismatch" in said or "certificate and key" in said, said
    secured(greeted(net), authority.client()).close()


def test_certificate_reload_every_second(net, make, server, authority):
    """1000 sessions with STARTTLS, 20 in parallel, while the certificate
    changes each second: none fails, and each change is there at once."""
    chain, key = authority.issue("mx.test")
    pairs = [authority.issue("mx.test") for _ in range(2)]
    gate = make(terminate((chain, key), more=", server: none"))
    context, over = authority.client(), threading.Event()

    def session(_):
        talk = secured(greeted(net), context)
        talk.say("EHLO client.test")
        assert talk.say("QUIT").startswith("221")
        talk.close()

    def change():
        for turns in range(3):
            time.sleep(1)
            shutil.copy(pairs[turns % 2][0], chain)
            shutil.copy(pairs[turns % 2][1], key)
            gate.reload()
            talk = secured(greeted(net), context)
            assert talk.sock.getpeercert(True) == ssl.PEM_cert_to_DER_cert(
                pathlib.Path(chain).read_text())
            talk.close()
        over.set()
    with concurrent.futures.ThreadPoolExecutor(21) as pool:
        changes, count = pool.submit(change), 0
        while count < 1000 or not over.is_set():
            for done in [pool.submit(session, i) for i in range(100)]:
                done.result()
            count += 100
            if changes.done():
                changes.result()
    assert len(gate.wait_records(count)) >= count


def test_restart_of_a_worker_has_the_keys(net, make, server, authority, pair):
    gate = make(terminate(pair, more=", server: none"))
    first = gate.workers()[0]
    os.kill(first, signal.SIGKILL)
    wait_for("another worker", lambda: gate.workers() not in ([], [first]))
    secured(greeted(net), authority.client()).close()
