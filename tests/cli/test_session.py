"""`ehlogate session`

SPDX-License-Identifier: MIT
"""
import json
import os
import subprocess

from cases import HERE, PROGRAM, golden, tool, write

RULES = "../../policy/rules"
MAIL = (b"EHLO EXCH_01\nMAIL FROM:<a@example.com>\nRCPT TO:<b@example.net>\n"
        b"DATA\nSubject: x\n\n..dot\n.\n")


def session(said, *words, policy=f"{RULES}/outbound-legacy.yaml",
            client="10.1.2.3", status=0):
    return tool("session", "-p", policy, "--client", client, *words,
                stdin=said, status=status)[0]


def test_the_story(_):
    golden("session", session(MAIL + b"QUIT\n", "--verbose"))


def test_replies_alone(_):
    said = session(b"HELO EXCH_01\nNOOP\nQUIT\n")
    assert said == ("220 server.invalid ESMTP\n250 server.invalid\n"
                    "250 2.0.0 Ok\n221 2.0.0 Bye\n")


def test_raw_is_to_the_byte(_):
    assert session(b"HELO a.example.com\r\nQUIT\r\n", "--raw") == (
        "220 server.invalid ESMTP\r\n250 server.invalid\r\n"
        "221 2.0.0 Bye\r\n")
    # As the wire has it: a bare line feed is no line end.
    assert "500 5.5.2" in session(b"NOOP\nNOOP\r\nQUIT\r\n", "--raw")


def test_a_refusal(_):
    said = session(b"EHLO a_b\nMAIL FROM:<>\nHELO a_b\nQUIT\n", "--verbose",
                   policy=f"{RULES}/inbound.yaml", client="203.0.113.9")
    assert said.count("501 5.5.4 ") == 2 and "503 5.5.1" in said, said
    assert "reject by `not-a-name`" in said
    assert "> EHLO" not in said


def test_every_command_of_the_server(_):
    said = session(
        b"EHLO a.example.com\nAUTH PLAIN AGEAYg==\nRSET\nNOOP\nVRFY x\n"
        b"HELP\nMAIL FROM:<>\nRCPT TO:<a@b.c>\nBDAT 3\nabcBDAT 3 LAST\nd\n"
        b"QUIT\n", "--verbose")
    for reply in ("235 2.7.0", "252 2.5.0", "214 2.0.0", "queued as 1",
                  "221 2.0.0"):
        assert reply in said, (reply, said)
    assert session(b"EHLO a.example.com\nAUTH PLAIN\nAGEAYg==\nQUIT\n") \
        .endswith("334 \n235 2.7.0 Welcome\n221 2.0.0 Bye\n")


def test_starttls_and_splice(folder):
    said = session(b"EHLO a.example.com\nSTARTTLS\n")
    assert said.endswith("220 2.0.0 Go ahead\n"
                         "# TLS would begin here, unread by the gate\n")
    policy = write(folder, "p.yaml", "policy: 1\nhelo:\n  - name: s\n"
                   "    when: {helo: {is: blind.test}}\n    then: splice\n"
                   "default: accept\n")
    said = session(b"EHLO blind.test\nXYZZY\nQUIT\n", policy=policy)
    assert "relays unread" in said and "250 2.0.0 Ok" in said, said


def test_given(folder):
    policy = write(folder, "p.yaml", """policy: 1
helo:
  - name: gone
    when: {helo.dns: nxdomain}
    then: tempfail
  - name: listed
    when: {client.dnsbl: zen.test}
    then: {reject: {code: 554, status: 5.7.1, text: "listed"}}
default: accept
""")
    hello = b"EHLO a.example.com\nQUIT\n"
    said = session(hello, policy=policy)
    assert "# helo.dns is not known: taken for temperror" in said
    assert "# client.dnsbl of zen.test is not known" in said
    assert "250-server.invalid" in said
    # It is said once.
    assert session(hello[:-5] + b"EHLO b.test\n" + hello, policy=policy) \
        .count("# ") == 2
    said = session(hello, "--given", "helo.dns=nxdomain", policy=policy)
    assert "450 4.7.1" in said and "#" not in said
    said = session(hello, "--given", "helo.dns=pass", "--given",
                   "client.dnsbl=zen.test", policy=policy)
    assert "554 5.7.1 listed" in said and "#" not in said
    session(hello, "--given", "helo.dns=maybe", policy=policy, status=2)
    session(hello, "--given", "helo.dns", policy=policy, status=2)
    session(hello, "--given", "helo=x", policy=policy, status=2)


def test_record(_):
    record = json.loads(session(MAIL + b"QUIT\n", "--record", "--listener",
                                "outbound").splitlines()[-1])
    assert record["listener"] == "outbound"
    assert record["helo"][0]["forwarded"] == "EXCH-01.corp.example.com"
    assert record["mail"][0]["queue_id"] == "1"


def test_interactive(_):
    """An answer comes before the next line is typed."""
    with subprocess.Popen(
            [PROGRAM, "session", "-p", f"{RULES}/outbound-legacy.yaml",
             "--client", "10.1.2.3"], cwd=HERE, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE) as run:
        assert run.stdout.readline() == b"220 server.invalid ESMTP\n"
        for said, reply in ((b"HELO mail.example.net\n",
                             b"250 server.invalid\n"),
                            (b"NOOP\n", b"250 2.0.0 Ok\n"),
                            (b"QUIT\n", b"221 2.0.0 Bye\n")):
            run.stdin.write(said)
            run.stdin.flush()
            assert run.stdout.readline() == reply
        run.stdin.close()
        assert run.wait(10) == 0


def test_any_bytes(_):
    for length in (10, 5000, 200000):
        session(os.urandom(length))
        session(b"EHLO a.example.com\n" + os.urandom(length), "--raw",
                "--verbose")
    session(b"x" * 3000000)
    session(MAIL.replace(b"..dot", b"y" * 300000) + b"QUIT\n", "--verbose")


def test_wrong_usage(_):
    tool("session", "-p", "none.yaml", "--client", "192.0.2.1", status=1)
    tool("session", "-p", "old.yaml", status=2)
    tool("session", "-p", "old.yaml", "--client", "x", status=2)
    assert "Exit status" in tool("session", "--help", status=0)[0]


def test_a_rule_that_encrypts(folder):
    policy = write(folder, "p.yaml", "policy: 1\nhelo: []\n"
                   "default: {repair: [underscore], starttls: uplift}\n")
    said = session(b"EHLO EXCH_01\nSTARTTLS\nQUIT\n", "--verbose",
                   policy=policy)
    assert "# the gate encrypts the server's leg\n" in said
    assert said.count("> EHLO EXCH-01\n") == 2
    assert "250-STARTTLS" not in said and "502 5.5.1" in said


def test_a_rule_that_ends_tls(folder):
    """What is said before it is forgotten, and the name judged again."""
    policy = write(folder, "p.yaml", "policy: 1\nhelo:\n"
                   "  - {name: late, when: {tls: true, helo: bad.test}, "
                   "then: reject}\n"
                   "default: {repair: [underscore], starttls: terminate}\n")
    said = session(b"EHLO bad.test\nSTARTTLS\nMAIL FROM:<a@b.test>\n"
                   b"EHLO bad.test\nEHLO EXCH_01\nQUIT\n", "--verbose",
                   policy=policy)
    assert "# here TLS begins, and ends at the gate\n" in said
    assert said.count("250-STARTTLS") + said.count("250 STARTTLS") == 1
    assert "503 5.5.1 say EHLO" in said and "550 5.7.1" in said
    assert "> EHLO EXCH-01\n" in said


def test_a_rule_that_refuses_tls(folder):
    policy = write(folder, "p.yaml", "policy: 1\nhelo: []\n"
                   "default: {repair: [underscore], starttls: refuse}\n")
    said = session(b"EHLO EXCH_01\nSTARTTLS\nQUIT\n", "--verbose",
                   policy=policy)
    assert "STARTTLS" in said and "454 4.7.0 TLS is not available" in said
