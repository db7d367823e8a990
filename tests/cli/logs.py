"""Makes logs as the gate writes them, without the gate.

    logs.py COUNT [SEED] >FILE     the log that brute.py knows the answer to

SPDX-License-Identifier: MIT
"""
import json
import random
import sys

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def peer(data):
    """Bytes of a peer as the writer escapes them before JSON does (bytes, or
    text that is UTF-8)."""
    if isinstance(data, str):
        data = data.encode()
    text = ""
    while data:
        for size in (1, 2, 3, 4):
            try:
                char = data[:size].decode()
            except UnicodeDecodeError:
                continue
            text += "\\\\" if char == "\\" else char
            data = data[size:]
            break
        else:
            text += f"\\x{data[0]:02x}"
            data = data[1:]
    return text


def reference(number):
    made = ""
    for _ in range(16):
        number, digit = divmod(number, 32)
        made = CROCKFORD[digit] + made
    return made


def verdict_fields(verdict, rule, would=None, would_rule=None):
    made = {"verdict": verdict}
    if would:
        made.update(would=would, would_rule=would_rule)
        if would_rule:
            made.update(would_rule_file="old.yaml", would_rule_line=1)
    made["rule"] = rule
    if rule:
        made.update(rule_file="old.yaml", rule_line=1)
    return made


def helo(name, verb="EHLO", verdict=("accept", None), fallback=False,
         forwarded="", server_reply=None, reply="250 mx.test", by="server",
         dns=None):
    """`forwarded` empty: the name itself."""
    refused = verdict[0] in ("reject", "tempfail", "drop")
    made = {"verb": verb, **verdict_fields(*verdict), "form": "domain",
            "valid": True, "flaws": [], "refused_by": [],
            "fallback": fallback, "tls_lost": False}
    if dns is not None:
        made["dns"] = dns
    made.update(
        received=peer(name),
        forwarded=None if refused else peer(forwarded or name), repairs=[],
        server_reply=None if refused else server_reply or reply,
        reply="550 5.7.1 no [ref X]" if refused else reply,
        reply_by="gate" if refused else by)
    return made


def mail(sender, recipients, size=None):
    made = {"rcpt_count": len(recipients)}
    if size is not None:
        made["declared_size"] = size
    made.update({
        "size": 1234, "stray_newlines": 0,
        "from": peer(sender), "from_reply": "250 2.1.0 Ok",
        "from_reply_by": "server",
        "rcpt": [{"to": peer(to), "reply": "250 2.1.5 Ok",
                  "reply_by": "server"} for to in recipients],
        "message_id": "<1@a.test>", "queue_id": "4F2A",
        "reply": "250 2.0.0 Ok: queued as 4F2A", "reply_by": "server",
        "delivered_to_client": True})
    return made


def session(number, client, helos=(), mails=(), connect=None, auth=(),
            starttls=False, **more):
    leg = "passed" if starttls else "none"
    record = {
        "timestamp": "2026-01-31T12:00:00.000001+0000",
        "event_type": "session", "session": reference(number),
        "seq": number & 0xffffffff, "node": "gate1", "src_ip": client, "src_port": 40001,
        "dest_ip": "192.0.2.25", "dest_port": 25, "proto": "TCP",
        "listener": "inbound", "mode": "tproxy",
        "policy_version": "0123456789abcdef", "program_version": "0.1.0",
        "started": "2026-01-31T11:59:59.000001+0000",
        "durations_us": {"connect": 301, "greeting": 5044, "command": 2210,
                         "mail": 5400, "accept": 9400, "blind": 0,
                         "total": 22355},
        "bytes": {"client_in": 1510, "client_out": 420, "server_in": 431,
                  "server_out": 1502},
        "upstream": {"local_ip": client, "local_port": 51234},
        "tls": {"client": leg, "server": leg}, "inspected": not starttls,
        "helo_count": len(helos), "message_count": len(mails),
        "violation_count": 0, "truncated": False, "notes": [],
        "close": {"code": "--", "reason": "quit"}}
    if starttls:
        record["uninspected_after"] = "starttls"
    if connect:
        record["connect"] = verdict_fields(*connect)
    record.update({
        "greeting": "220 mx.test ESMTP", "greeting_by": "server",
        "helo": list(helos),
        "capabilities": {"offered": ["PIPELINING", "SIZE", "8BITMIME"],
                         "masked": ["X-EXPS"]},
        "auth": list(auth), "mail": list(mails), "violations": []}, **more)
    return record


def line(record):
    """As base/json.c writes: no blanks, only what must be escaped is."""
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    for char in "\x7f\x85\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text + "\n"


# --- the log that brute.py judges ---------------------------------------------

NAMES = [b"mail.example.org", b"EXCH_01", b"exch_02.corp.test",
         b"mx.example.com", b"relay.example.net", b"dyn-7.pool.test",
         b"scanner", b"scan-9.test", b"a.gone.test", b"b.gone.test",
         b"back\\slash.test", b"\xff\xfe.test", "böse.test".encode(),
         b'quo"te.test', b"MX1.Example.ORG", b"[192.0.2.7]", b"plain",
         b"srv_1.example.net", b"x" * 70 + b".test"]
CLIENTS = ["10.1.1.7", "10.1.2.3", "10.200.1.1", "198.51.100.7",
           "198.51.100.200", "203.0.113.9", "203.0.113.77", "2001:db8::7"]
SENDERS = [b"a@example.org", b"b@bad.test", b"c@sub.bad.test", b"", b"d@x.test"]
RECIPIENTS = [b"u@mx.test", b"v@nobody.test", b"w@mx.test", b"z@mx.test"]
DNS = [None, None, {}, {"helo.dns": "pass"}, {"helo.dns": "nxdomain"},
       {"helo.dns": "temperror"}]


def made_session(number, rng, judge):
    """One session as a gate with the old policy would have recorded it."""
    client = rng.choice(CLIENTS)
    connect = judge.connect(client)
    if connect[0] == "reject":
        return session(number, client, connect=connect, greeting="554 no",
                       greeting_by="gate")
    helos, refused, taken = [], False, None
    for _ in range(rng.choice((1, 1, 1, 2, 2, 5))):
        name = rng.choice(NAMES)
        verb = "HELO" if refused or rng.random() < .2 else "EHLO"
        if refused and rng.random() < .7:
            name = last     # the fallback says the same name again
        fallback = refused and verb == "HELO"
        if name.lower() in [said.lower() for said, _ in helos]:
            verdict, forwarded = next(
                entry for said, entry in helos
                if said.lower() == name.lower())[:2]
        else:
            verdict, forwarded = judge.helo(client, name)
        dns = rng.choice(DNS)
        entry = helo(name, verb, verdict, fallback, forwarded, dns=dns)
        helos.append((name, (verdict, forwarded, entry)))
        last = name
        refused = verb == "EHLO" and verdict[0] == "reject"
        if verdict[0] != "reject":
            taken = name
    mails = []
    for _ in range(rng.choice((0, 1, 1, 2)) if taken is not None else 0):
        mails.append(mail(rng.choice(SENDERS),
                          rng.choices(RECIPIENTS, k=rng.randrange(1, 5)),
                          rng.choice((None, 2000, 2000000))))
    return session(number, client, [entry[2] for _, entry in helos], mails,
                   starttls=rng.random() < .1)


def sessions(count, seed=1):
    import brute
    rng = random.Random(seed)
    for number in range(count):
        yield made_session(number + (1 << 60), rng, brute.Old())


def main():
    count = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    for record in sessions(count, seed):
        sys.stdout.write(line(record))


if __name__ == "__main__":
    main()
