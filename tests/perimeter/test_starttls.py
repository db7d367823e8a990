"""Every row of vectors/starttls_cases.tsv: what a client does around STARTTLS
(THREATS A2-01 to A2-19), and what a server does (A2-20 to A2-76)."""
import contextlib
import pathlib
import re
import ssl
import time

import pytest

from lab import SERVER4, Stub, Talk, anybody, wait_for

ROWS = [line.split("\t") for line in
        (pathlib.Path(__file__).parents[1] / "vectors/starttls_cases.tsv")
        .read_text().splitlines()[1:]]
SECRET = b"commandinjectiontester"


@pytest.fixture
def make(tls_gate, pair):
    ends_here = (f"client: terminate, certificates: [{{chain: {pair[0]}, "
                 f"key: {pair[1]}}}], server: none")
    return lambda tls=ends_here, **more: tls_gate(tls, **more)


@pytest.fixture
def server(net):
    stub = Stub(net)
    yield stub
    stub.stop()


def row(number):
    return ROWS[number - 1]


def greeted(net):
    talk = Talk(net.connect("client", SERVER4))
    assert talk.reply().startswith("220")
    assert "STARTTLS" in talk.say("EHLO client.test")
    return talk


def secured(net, context=None):
    talk = greeted(net)
    assert talk.say("STARTTLS").startswith("220")
    assert talk.pending == b""
    talk.sock = (context or anybody()).wrap_socket(
        talk.sock, server_hostname="mx.test")
    return talk


def rest_of(sock):
    """All that comes until the end."""
    rest = b""
    with contextlib.suppress(OSError):
        while got := sock.recv(4096):
            rest += got
    return rest


def is_cut_off(talk, gate, server):
    """Nothing of what was injected is answered, or reaches the server; the
    session is over."""
    rest = talk.pending + rest_of(talk.sock)
    assert SECRET not in rest and b"\r\n250" not in rest
    record = gate.wait_records(1)[0]
    assert record["tls"]["client"] == "none"
    assert SECRET not in bytes(server.raw[0])
    assert server.messages == []
    return record


# --- the client's side -------------------------------------------------------------------


def test_a2_01_behind_starttls(net, make, server):
    """Also what the command injection tester of the Email Analysis Toolkit does
    (THREATS A2-86), which is no package."""
    assert SECRET.decode() in row(1)[0]
    gate, talk = make(), greeted(net)
    talk.sock.sendall(b"STARTTLS\r\nEHLO " + SECRET + b"\r\n")
    assert is_cut_off(talk, gate, server)["close"]["reason"] == \
        "text_behind_starttls"


def test_a2_02_noop_behind_starttls(net, make, server):
    gate, talk = make(), greeted(net)
    talk.sock.sendall(b"STARTTLS\r\nNOOP\r\n")
    is_cut_off(talk, gate, server)


def test_a2_03_at_every_offset(net, make, server):
    """A cut between the line and what stands behind it changes nothing: no
    answer within TLS, ever."""
    make()
    whole = b"STARTTLS\r\nEHLO " + SECRET + b"\r\n"
    for cut in range(8, len(whole)):
        talk = greeted(net)
        talk.sock.sendall(whole[:cut])
        talk.sock.sendall(whole[cut:])
        said = talk.reply()
        if said.startswith("220"):
            with pytest.raises((ssl.SSLError, OSError)):
                sock = anybody().wrap_socket(talk.sock,
                                             server_hostname="mx.test")
                sock.settimeout(1)
                assert sock.recv(100) == b"", "an answer within TLS"
                raise OSError("over")
        else:
            assert said.startswith("421 4.5.0")
        talk.close()
    assert not any(SECRET in bytes(raw) for raw in server.raw)


def test_a2_04_hello_in_one_segment(net, make, server):
    """Who does not wait for the 220 has not asked."""
    gate, talk = make(), greeted(net)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = anybody().wrap_bio(incoming, outgoing, server_hostname="mx.test")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    talk.sock.sendall(b"STARTTLS\r\n" + outgoing.read())
    is_cut_off(talk, gate, server)


@pytest.mark.parametrize("words", ["STARTTLS arg", "STARTTLS TRUE"])
def test_a2_05_argument(net, make, server, words):
    make()
    assert greeted(net).say(words).startswith("501 5.5.4")


def test_a2_06_within_tls(net, make, server):
    make()
    talk = secured(net)
    assert "STARTTLS" not in talk.say("EHLO client.test")
    assert talk.say("STARTTLS").startswith(("502", "503", "504"))


@pytest.mark.parametrize("number, before, inside, last", [
    (7, (), (), "MAIL FROM:<a@b.test>"),
    (8, ("MAIL FROM:<a@b.test>",), ("EHLO client.test",), "RCPT TO:<c@d.test>"),
    (9, ("MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>"),
     ("EHLO client.test", "MAIL FROM:<a@b.test>"), "DATA")])
def test_a2_07_to_a2_09_what_is_forgotten(net, make, server, number, before,
                                          inside, last):
    """THREATS A2-07, A2-08, A2-09: what was said before TLS is not known in it.
    STARTTLS within a transaction is out of order here (RFC 3207 4.2): 503."""
    make()
    assert row(number)[1] == "503"
    talk = greeted(net)
    for line in before:
        assert talk.say(line).startswith("250")
    if before:
        assert talk.say("STARTTLS").startswith("503")
        assert talk.say("RSET").startswith("250")
    assert talk.say("STARTTLS").startswith("220")
    talk.sock = anybody().wrap_socket(talk.sock, server_hostname="mx.test")
    for line in inside:
        assert talk.say(line).startswith("250")
    assert talk.say(last).startswith(("503", "554"))


def test_a2_10_failing_handshake(net, make, server):
    gate, talk = make(), greeted(net)
    assert talk.say("STARTTLS").startswith("220")
    talk.sock.sendall(b"SOMEFAILINGHANDSHAKE\r\nNOOP\r\n")
    assert is_cut_off(talk, gate, server)["close"]["reason"] == "tls_failed"


def test_a2_11_after_helo(net, make, server):
    """HELO offers nothing."""
    make()
    talk = Talk(net.connect("client", SERVER4))
    talk.reply()
    assert talk.say("HELO client.test").startswith("250")
    assert talk.say("STARTTLS").startswith(("502", "503"))


def test_a2_12_tls_required(net, make, server):
    """530 to all but EHLO; within TLS it goes on."""
    policy = ("policy: 1\ncommands: {MAIL: {require: tls}, "
              "VRFY: {require: tls}}\nhelo: []\ndefault: accept\n")
    make(policy=policy)
    talk = greeted(net)
    for line in ("MAIL FROM:<a@b.test>", "VRFY a"):
        assert talk.say(line).startswith("530 5.7.0")
    for line in ("RCPT TO:<a@b.test>", "DATA"):
        assert talk.say(line).startswith("503")
    assert talk.say("STARTTLS").startswith("220")
    talk.sock = anybody().wrap_socket(talk.sock, server_hostname="mx.test")
    assert talk.say("EHLO client.test").startswith("250")
    assert talk.say("MAIL FROM:<a@b.test>").startswith("250")


def test_a2_13_names_before_and_after(net, make, server):
    """Each is judged; both are in the record."""
    policy = ("policy: 1\nhelo:\n  - {name: bad, when: {helo: bad.test}, "
              "then: reject}\ndefault: accept\n")
    gate = make(policy=policy)
    talk = greeted(net)
    assert talk.say("EHLO bad.test").startswith("550")
    assert talk.say("STARTTLS").startswith("220")
    talk.sock = anybody().wrap_socket(talk.sock, server_hostname="mx.test")
    assert talk.say("EHLO bad.test").startswith("550")
    assert talk.say("EHLO good.test").startswith("250")
    talk.say("QUIT")
    helo = gate.wait_records(1)[0]["helo"]
    assert [(h["tls"], h["verdict"]) for h in helo] == [
        (False, "accept"), (False, "reject"), (True, "reject"),
        (True, "accept")]
    assert b"bad.test" not in bytes(server.raw[0])


@pytest.mark.parametrize("number", [14, 15, 16])
def test_a2_14_to_a2_16_after_close_notify(net, make, server, number):
    """THREATS A2-14, A2-15, A2-16, A2-83: no octet after it is text or a
    command."""
    gate = make()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = anybody().wrap_bio(incoming, outgoing, server_hostname="mx.test")
    talk = greeted(net)
    assert talk.say("STARTTLS").startswith("220")

    def step(what):
        while True:
            try:
                result = what()
                talk.sock.sendall(outgoing.read())
                return result
            except ssl.SSLWantReadError:
                talk.sock.sendall(outgoing.read())
                incoming.write(talk.sock.recv(65536))
    step(tls.do_handshake)

    def say(text):
        step(lambda: tls.write(text))
        return step(lambda: tls.read(65536))
    assert say(b"EHLO client.test\r\n").startswith(b"250")
    if number != 16:
        assert say(b"MAIL FROM:<a@b.test>\r\n").startswith(b"250")
        assert say(b"RCPT TO:<c@d.test>\r\n").startswith(b"250")
    if number == 14:
        step(lambda: tls.write(b"BDAT 100 LAST\r\n" + b"x" * 40))
    if number == 15:
        assert say(b"DATA\r\n").startswith(b"354")
        step(lambda: tls.write(b"Subject: s\r\n\r\nhalf\r\n"))
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.unwrap()
    clear = {14: b"x" * 60, 15: b"\r\n.\r\n", 16: b"MAIL FROM:<a@b>\r\n"}
    with contextlib.suppress(OSError):
        talk.sock.sendall(outgoing.read() + clear[number])
        rest_of(talk.sock)
    record = gate.wait_records(1)[0]
    assert server.messages == []
    assert b"<a@b>" not in bytes(server.raw[0])
    assert not bytes(server.raw[0]).endswith(b"\r\n.\r\n")
    assert number == 16 or record["mail"][0]["reply"] is None


def test_a2_17_slow_hello(net, make, server):
    """The deadline holds for the handshake, not for each octet of it."""
    gate = make(settings="timeouts: {handshake: 2s}\n")
    none, slow = greeted(net), greeted(net)
    for talk in (none, slow):
        assert talk.say("STARTTLS").startswith("220")
    with contextlib.suppress(OSError):
        for octet in b"\x16\x03\x01\x02\x00\x01\x00\x01":
            slow.sock.sendall(bytes([octet]))
            time.sleep(0.5)
    for record in gate.wait_records(2):
        assert record["close"]["reason"] == "handshake_timeout"


def test_a2_18_renegotiation(net, make, server):
    """There is none: openssl's `R` is answered by an alert, not by work."""
    gate = make()
    run = net.run(
        "client", "sh", "-c", "(sleep 0.5; echo R; sleep 0.5; echo R; "
        f"sleep 0.5) | openssl s_client -starttls smtp -tls1_2 -connect "
        f"{SERVER4}:25 2>&1", check=False)
    assert re.search("no renegotiation|RENEGOTIATING", run.stdout), run.stdout
    assert run.stdout.count("verify return") <= 6
    assert len(gate.wait_records(1)) == 1


@pytest.mark.parametrize("protocol", ["h2", "http/1.1"])
def test_a2_19_alpn(net, make, server, protocol):
    gate = make()
    context = anybody()
    context.set_alpn_protocols([protocol])
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        secured(net, context)
    assert gate.wait_records(1)[0]["close"]["reason"] == "tls_failed"


# --- the server's side -------------------------------------------------------------------


def over(ends, gate, code=b"421"):
    """The client hears that, and the session is over; no mail went."""
    line = ends.client.line()
    assert line.startswith(code), line
    ends.client.close()
    record = gate.wait_records(1)[0]
    assert record["mail"] == []
    return record


def until_starttls(ends, offer=b"250-mx.test\r\n250 STARTTLS\r\n"):
    ends.connect()
    ends.client.send(b"EHLO client.test\r\n")
    assert ends.server.line() == b"EHLO client.test"
    ends.server.send(offer)


STRICT = "client: uplift"


def test_a2_20_injected_reply(make, ends):
    gate = make(STRICT)
    until_starttls(ends)
    assert ends.server.line() == b"STARTTLS"
    ends.server.send(b"220 Ready\r\n250-example.org\r\n250 AUTH LOGIN\r\n")
    over(ends, gate)


def test_a2_21_stripped(make, ends):
    gate = make(STRICT)
    until_starttls(ends, b"250 mx.test\r\n")
    assert over(ends, gate, b"421 4.7.4")["close"]["reason"] == "no_tls"


@pytest.mark.parametrize("number, reply", [
    (22, b"502 no\r\n"), (23, b"454 not now\r\n"), (24, b"354 go\r\n")])
def test_a2_22_to_a2_24_refused(make, ends, number, reply):
    """THREATS A2-22, A2-23, A2-24."""
    gate = make(STRICT)
    until_starttls(ends)
    assert ends.server.line() == b"STARTTLS"
    ends.server.send(reply)
    over(ends, gate)


def test_a2_25_no_esmtp(make, ends):
    """The client falls back to HELO, and gets no mail through either."""
    gate = make(STRICT)
    until_starttls(ends, b"500 what?\r\n")
    assert ends.client.line().startswith(b"500")
    ends.client.send(b"HELO client.test\r\n")
    assert ends.server.line() in (b"EHLO client.test", b"HELO client.test")
    ends.server.send(b"500 what?\r\n")
    assert ends.client.line()[:1] in b"45"
    ends.client.send(b"MAIL FROM:<a@b.test>\r\n")
    assert ends.client.line()[:1] in b"45"
    ends.client.close()
    assert gate.wait_records(1)[0]["mail"] == []


ANSWER = re.compile(r"S: STARTTLS answered (\d+) (.*?)\\r\\n$")


@pytest.mark.parametrize("number", range(26, 34))
@pytest.mark.parametrize("tls", [STRICT, "client: uplift, server: "
                                 "opportunistic"], ids=["must", "try"])
def test_a2_26_to_a2_33_answers(make, ends, number, tls):
    """THREATS A2-26 to A2-33: 220 begins TLS, and nothing else does."""
    gate = make(tls)
    code, text = ANSWER.match(row(number)[0]).groups()
    until_starttls(ends)
    assert ends.server.line() == b"STARTTLS"
    ends.server.send(f"{code} {text}\r\n".encode())
    if code == "220":
        assert ends.server.sock.recv(1) == b"\x16"
        ends.client.close()
        return
    if "opportunistic" in tls and code[0] in "45" and code != "421":
        assert ends.server.line() == b"EHLO client.test"
        ends.server.send(b"250 mx.test\r\n")
        assert ends.client.line() == b"250 mx.test"
        ends.client.close()
    else:
        over(ends, gate)
    assert b"\x16" not in ends.server.rest()[0]


def answered(number):
    return re.search(r"(?:answered|HELO answered|greeting is) (\d+)",
                     row(number)[0]).group(1).encode()


PASS = "client: pass"


@pytest.mark.parametrize("number", range(34, 44))
def test_a2_34_to_a2_43_ehlo(make, ends, number):
    """THREATS A2-34 to A2-43: 250, 4xx and 5xx are relayed."""
    gate = make(PASS, policy="policy: 1\nhelo: []\ndefault: accept\n")
    code = answered(number)
    until_starttls(ends, code + b" said\r\n")
    if code[:1] in b"45":
        assert ends.client.line().startswith(code)
        ends.client.close()
    else:
        assert over(ends, gate)["close"]["reason"] == "server_broke_protocol"


@pytest.mark.parametrize("number", range(44, 52))
def test_a2_44_to_a2_51_greeting(net, make, ends, number):
    """THREATS A2-44 to A2-51."""
    make(PASS)
    code = answered(number)
    client = Talk(net.connect("client", SERVER4))
    sock = ends.listener.accept()[0]
    sock.sendall(code + b" said\r\n")
    said = client.reply()
    good = code == b"220" or code[:1] in b"45"
    assert said.startswith(code.decode() if good else "421"), said
    client.close()
    sock.close()


@pytest.mark.parametrize("number", range(52, 59))
def test_a2_52_to_a2_58_helo_after_500(make, ends, number):
    """THREATS A2-52 to A2-58: 250 alone takes the name."""
    gate = make(PASS, policy="policy: 1\nhelo: []\ndefault: accept\n")
    code = answered(number)
    until_starttls(ends, b"500 what?\r\n")
    assert ends.client.line().startswith(b"500")
    ends.client.send(b"HELO client.test\r\n")
    assert ends.server.line() == b"HELO client.test"
    ends.server.send(code + b" said\r\n")
    if code[:1] in b"45":
        assert ends.client.line().startswith(code)
        ends.client.close()
    else:
        over(ends, gate)


@pytest.mark.parametrize("number", range(59, 66))
def test_a2_59_to_a2_65_rset(make, ends, number):
    """THREATS A2-59 to A2-65: nothing hangs."""
    gate = make(PASS, policy="policy: 1\nhelo: []\ndefault: accept\n")
    until_starttls(ends, b"500 what?\r\n")
    assert ends.client.line().startswith(b"500")
    ends.client.send(b"RSET\r\n")
    assert ends.server.line() == b"RSET"
    ends.server.send(answered(number) + b" said\r\n")
    assert ends.client.line()[:1] in b"245"
    ends.client.close()
    assert len(gate.wait_records(1)) == 1


@pytest.mark.parametrize("number", range(66, 73))
def test_a2_66_to_a2_72_quit(net, make, ends, number):
    """THREATS A2-66 to A2-72: a greeting of 500, then QUIT: it ends."""
    gate = make(PASS)
    code = answered(number)
    client = Talk(net.connect("client", SERVER4))
    sock = ends.listener.accept()[0]
    sock.sendall(b"500 no\r\n")
    assert client.reply().startswith("500")
    client.sock.sendall(b"QUIT\r\n")
    with contextlib.suppress(OSError):
        sock.settimeout(2)
        if sock.recv(100):
            sock.sendall(code + b" said\r\n")
    assert re.match(rb"(\d\d\d .*\r\n)?$", rest_of(client.sock))
    sock.close()
    client.close()
    assert len(gate.wait_records(1)) == 1


def test_a2_73_many_mechanisms(make, ends):
    make(PASS, policy="policy: 1\nhelo: []\ndefault: accept\n")
    mechanisms = b" ".join(b"X-MECH-%02d" % i for i in range(60))
    assert "60 unknown" in row(73)[0]
    until_starttls(ends, b"250-mx.test\r\n250 AUTH " + mechanisms + b"\r\n")
    assert ends.client.line() == b"250-mx.test"
    assert ends.client.line() == b"250 AUTH " + mechanisms
    ends.client.close()


@pytest.mark.parametrize("number, reply", [
    (74, b"250-x\r\n" * 12000), (75, b"250\r\n2\r\n"), (75, b"25\r\n"),
    (75, b"abc\r\n"), (75, b"250-x\r\n550 y\r\n"), (75, b"250 a\x00b\r\n")])
def test_a2_74_to_a2_75_malformed(make, ends, number, reply):
    """THREATS A2-74, A2-75: endless, and malformed."""
    gate = make(PASS, policy="policy: 1\nhelo: []\ndefault: accept\n")
    until_starttls(ends, b"")
    with contextlib.suppress(OSError):
        ends.server.send(reply)
    line = ends.client.line()
    assert line.startswith(b"421") or reply == b"250\r\n2\r\n"
    ends.client.close()
    wait_for("the record", lambda: len(gate.records()) == 1)


def test_a2_76_unsolicited(make, ends):
    """A reply that nobody asked for."""
    gate = make(PASS, policy="policy: 1\nhelo: []\ndefault: accept\n")
    ends.connect()
    ends.server.send(b"250 unasked\r\n")
    assert over(ends, gate)["close"]["reason"] == "server_broke_protocol"


def test_every_row_has_its_test():
    named = pathlib.Path(__file__).read_text()
    numbers = {int(n) for n in re.findall(r"a2_(\d\d)_", named)}
    for first, last in re.findall(r"a2_(\d\d)_to_a2_(\d\d)", named):
        numbers |= set(range(int(first), int(last) + 1))
    assert numbers >= set(range(1, len(ROWS) + 1))
