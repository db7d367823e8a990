"""Judges old.yaml and new.yaml in a few lines of Python, and says what replay
must say of a log: an answer that shares nothing with the program.

    brute.py LOG       a line for each changed session: REF, then its changes

SPDX-License-Identifier: MIT
"""
import collections
import ipaddress
import json
import re
import sys


def within(client, *prefixes):
    address = ipaddress.ip_address(client)
    return any(address in ipaddress.ip_network(prefix) for prefix in prefixes
               if address.version == ipaddress.ip_network(prefix).version)


def under(name, *domains):
    name = name.lower()
    return any(name == domain or name.endswith(b"." + domain)
               for domain in domains)


def underscore(name):
    return b"_" in name and not name.startswith(b"[")


def peer(text):
    """The bytes again."""
    return re.sub(rb"\\(\\|x..)", lambda found: b"\\" if found[1] == b"\\"
                  else bytes([int(found[1][1:], 16)]), text.encode())


def mended(client, name):
    name = name.replace(b"_", b"-")
    if any(byte >= 0x80 or byte in b'\\"' for byte in name):
        return f"[{client}]".encode()
    return name


class Old:
    """old.yaml"""

    def connect(self, client):
        if within(client, "198.51.100.0/24"):
            return "reject", "blocked"
        return "accept", None

    def helo(self, client, name):
        """Verdict with rule, and under monitor what would be; the name."""
        inside = within(client, "10.0.0.0/8")
        if not inside and under(name, b"example.com"):
            return ("reject", "forged"), ""
        if inside and underscore(name):
            return ("repair", "mend"), mended(client, name)
        if underscore(name):
            verdict = ("reject", "underscore")
        else:
            verdict = ("accept", None)
        if name.lower().startswith(b"dyn-"):
            verdict += ("reject", "watched")
        return verdict, ""


class New:
    """new.yaml; None: it cannot be told."""

    def connect(self, client):
        if within(client, "198.51.100.128/25"):
            return "reject", "blocked"
        if within(client, "10.1.1.0/24"):
            return "accept_session", "trusted"
        return "accept", None

    def helo(self, client, name, fallback, repeat, dns):
        inside = within(client, "10.0.0.0/9")
        if not inside and under(name, b"example.com", b"example.net"):
            return ("reject", "forged"), None
        if name.lower().startswith(b"scan"):
            return ("drop", "scanner"), None
        if fallback and not inside:
            return ("tempfail", "no-fallback"), None
        if inside and underscore(name):
            return ("repair", "mend"), mended(client, name).lower()
        if name.lower().startswith(b"dyn-"):
            return ("reject", "watched"), None
        if under(name, b"gone.test"):
            if dns is None:
                return None, None
            if dns == "nxdomain":
                return ("tempfail", "no-such-name"), None
        if underscore(name):
            return ("reject", "underscore"), None
        if repeat > 2:
            return ("tempfail", "chatty"), None
        return ("accept", None), None

    def mail(self, sender, size):
        if under(sender.rpartition(b"@")[2], b"bad.test"):
            return "reject", "bad-sender"
        if size is not None and size > 1000000:
            return "reject", "big"
        return "accept", None

    def rcpt(self, to, count):
        if under(to.rpartition(b"@")[2], b"nobody.test"):
            return "reject", "nobody"
        if count > 2:
            return "tempfail", "too-many"
        return "accept", None


class Replay:
    """One session of the log under new.yaml."""

    def __init__(self, record):
        self.record = record
        self.new = New()
        self.client = record["src_ip"]
        self.changes = []
        self.trusted = None
        self.ended = False
        self.stands = True
        self.run()

    def compare(self, stage, index, old, verdict, forwarded=None):
        was = (old.get("would") or old.get("verdict") or "accept",
               old.get("would_rule") if old.get("would") else old.get("rule"))
        if verdict is None:
            self.changes.append((stage, index, *was, "unknown", "helo.dns"))
            return
        if verdict[0] != was[0] or (
                verdict[0] == "repair"
                and peer(old["forwarded"]) != forwarded):
            self.changes.append((stage, index, *was, *verdict))

    def run(self):
        record = self.record
        old = record.get("connect", {})
        verdict = self.new.connect(self.client)
        self.compare("connect", None, old, verdict)
        if verdict[0] == "reject" or old.get("verdict") == "reject":
            return
        self.trusted = verdict[0] == "accept_session"
        self.greetings()
        for index, mail in enumerate(record["mail"]):
            if self.stands and not self.ended:
                self.message(index, mail)

    def greetings(self):
        known = {}
        for index, helo in enumerate(self.record["helo"]):
            name = peer(helo["received"])
            facts = known.setdefault(
                name.lower(), (helo["fallback"], index))
            verdict, forwarded = ("accept", "trusted"), None
            if not self.trusted:
                verdict, forwarded = self.new.helo(
                    self.client, name, *facts,
                    helo.get("dns", {}).get("helo.dns"))
            self.compare("helo", index, helo, verdict, forwarded)
            if helo["forwarded"] is not None:
                self.stands = verdict is None or verdict[0] not in (
                    "reject", "tempfail", "drop")
            if verdict and verdict[0] == "drop":
                self.ended = True
                return

    def message(self, index, mail):
        if self.trusted:
            return
        verdict = self.new.mail(peer(mail["from"]), mail.get("declared_size"))
        self.compare("mail", index, {}, verdict)
        if verdict[0] == "reject":
            return
        for count, rcpt in enumerate(mail["rcpt"]):
            self.compare("rcpt", (index, count), {},
                         self.new.rcpt(peer(rcpt["to"]), count))


def answers(lines):
    """Reference and changes of each session that changes."""
    for text in lines:
        record = json.loads(text)
        changes = Replay(record).changes
        if changes:
            yield record["session"], changes


def said(lines):
    """The same out of `replay --json`; the summary last, under None."""
    for text in lines:
        record = json.loads(text)
        if "summary" in record:
            yield None, record["summary"]
            continue
        changes = []
        for change in record["changes"]:
            index = change.get("index")
            if change["stage"] == "rcpt":
                index = (index, change["rcpt"])
            old = change["old"]
            new = change.get("new", {"verdict": "unknown",
                                     "rule": change.get("unknown")})
            changes.append((change["stage"], index, old["verdict"],
                            old["rule"], new["verdict"], new["rule"]))
        yield record["session"], changes


def groups(all_changes):
    """How often each change was, as the summary groups them."""
    return collections.Counter(
        (change[0], *change[2:]) for changes in all_changes
        for change in changes)


def main():
    with open(sys.argv[1], encoding="utf-8") as log:
        for reference, changes in answers(log):
            print(reference, json.dumps(changes))


if __name__ == "__main__":
    main()
