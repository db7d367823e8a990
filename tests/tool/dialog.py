"""Runs the transcripts of tests/dialog: both ends scripted, byte by byte.

    dialog.py --driver process|wire [--modes whole,bytes,split] [FILE...]

A transcript is a text file; `#` begins a remark.  Lines:

    policy: {...}        the policy in force, one line of YAML, or a block of
                         indented lines behind `policy:`; default: accept all
    client: ADDRESS      who connects (not over the wire); default 192.0.2.1
    listener: hide       tls: {client: hide}
    listener: gate       greeting: gate
    listener: tls:...    TLS of the gate's own: terminate, then what the
                         server's leg is to be: mirror, try or must
                         (tls:terminate,mirror)
    listener: enforce    limits: {enforce: true} (process only)
    counts: N M          the client's sessions, and its connections within a
                         minute (process only); limits are 50 and 60/1m
    dns: NAME TYPE x...  what DNS answers: records, or NXDOMAIN, NODATA,
                         SERVFAIL, TIMEOUT; a question that no line answers
                         fails the transcript; over the wire the client is
                         127.0.0.1, and no two transcripts give one
                         question different answers
    connect WHY [N]      the server cannot be reached, the N-th time that the
                         gate tries (1): refused, unreachable, timeout, noport,
                         loop, nolog, full (process only)
    C>S x   S>C x        this end sends x, the other end gets it unchanged
    C> x    S> x         this end sends x; nothing is promised
    C< x    S< x         this end gets x next; `*` at its end matches the rest
    C! x                 the client sends x, the server gets nothing of it
    "..."                in place of x: exact bytes, C escapes, no CRLF added;
                         `"..." * 1000` a thousand times
    C> close, S> close   this end closes
    C< close, S< close   this end is closed; S< reset: by RST
    cut                  the server's connection is reset, the client's stays
    again                by now the gate has connected to the server anew
    alone                until now the gate has not connected to the server
    tls C|S              the gate begins TLS with this end, and it succeeds
                         (process only); tls C|S fails
    blind                from here on both directions are relayed unread
    wait                 the deadline in force is over (process only)
    ban SECONDS          by now the client is to be kept away
    whole                not in pieces: it is about what comes together
    quiet                at the end: there is no record
    log PATH=VALUE       in the session record; PATH=* it is there; !PATH not

What either end got and no line declared fails the transcript.  Modes: whole;
bytes (every send a byte a time); split (every send cut in two, at each place
up to 40; over the wire at some of them).  All modes must give the same bytes and the same record.
"""
import argparse
import glob
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

from dialog_wire import Silence, Wire

TOP = pathlib.Path(__file__).resolve().parents[2]
DEFAULT_POLICY = "policy: 1\nhelo: []\ndefault: accept\n"
ESCAPE = re.compile(rb"\\([0-7]{3}|x[0-9a-fA-F]{2}|.)")
NAMED = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0"}
REFERENCE = re.compile(r"\[ref [0-9A-Z]{16}\]")
DIRTY = re.compile(rb"(?<!\r)\n|\r(?!\n)|\x00")


def unescape(text):
    def one(found):
        word = found.group(1)
        if len(word) == 3 and word[:1] == b"x":
            return bytes([int(word[1:], 16)])
        if len(word) == 3:
            return bytes([int(word, 8)])
        return NAMED.get(word, word)
    return ESCAPE.sub(one, text)


def payload(text):
    """What a line stands for: exact bytes, or a line with its CRLF."""
    raw = text.encode()
    if raw.startswith(b'"') and raw.endswith(b'"') and len(raw) > 1:
        return unescape(raw[1:-1])
    again = re.fullmatch(rb'"(.*)" \* (\d+)', raw)
    if again:
        return unescape(again.group(1)) * int(again.group(2))
    return raw + b"\r\n"


class Failure(Exception):
    """A transcript does not hold."""


class Transcript:
    """A parsed file."""

    def __init__(self, path):
        self.path = path
        self.policy, self.client, self.listener = DEFAULT_POLICY, None, "-"
        self.connect, self.steps, self.logs = (None, 1), [], []
        self.process_only = self.whole = False
        self.dns, self.quiet = [], False
        self.counts = "0 0"
        block = None
        for number, line in enumerate(
                pathlib.Path(path).read_text().splitlines(), 1):
            if block is not None and (line.startswith(" ") or not line):
                block.append(line)
                continue
            if block is not None:
                self.policy = "\n".join(block) + "\n"
                block = None
            if not line.strip() or line.startswith("#"):
                continue
            if line.rstrip() == "policy:":
                block = []
                continue
            self.take(line, number)

    def can_be_in_tls(self):
        """Where STARTTLS is offered in the clear and what a listener does with
        it is what the others are about."""
        text = pathlib.Path(self.path).read_text()
        return self.listener in ("-", "gate") and "STARTTLS" not in text \
            and "splice" not in self.policy and "tls" not in self.policy

    def take(self, line, number):
        if line.startswith("dns: "):
            name, kind, *answers = line[5:].split()
            self.dns.append(f"{name} {kind} {','.join(answers)}")
            return
        if line.startswith("counts: "):
            self.counts, self.process_only = line[8:].strip(), True
            return
        for key in ("policy", "client", "listener"):
            if line.startswith(key + ": "):
                value = line[len(key) + 2:].strip()
                if key == "policy":
                    value += "\n"
                setattr(self, key, value)
                # No client speaks TLS over the wire here.
                self.process_only |= value.startswith("tls:terminate")
                return
        if line.startswith("connect "):
            words = line.split()
            self.connect = words[1], int(words[2]) if words[2:] else 1
            self.process_only = True
        elif line.startswith("log "):
            self.logs.append((number, line[4:].strip()))
        elif line.strip() in ("wait", "cut", "again", "alone", "blind",
                              "drain"):
            self.steps.append((number, line.strip(), "", b""))
            if line.strip() in ("wait", "drain"):
                self.process_only = True
        elif line.startswith("tls "):
            self.steps.append((number, "tls", line[4:].strip(), b""))
            self.process_only = True
        elif line.startswith("ban "):
            self.steps.append((number, "ban", line[4:].strip(), b""))
            self.process_only = True
        elif line.strip() == "whole":
            self.whole = True
        elif line.strip() == "quiet":
            self.quiet = self.process_only = True
        else:
            found = re.match(r"(C>S|S>C|C>|S>|C<|S<|C!)(?: (.*))?$", line)
            if not found:
                raise Failure(f"{self.path}:{number}: cannot be read")
            text = found.group(2) or ""
            self.steps.append((number, found.group(1), text.strip("\n"),
                               payload(text)))
        if self.client and not self.client.startswith("127."):
            self.process_only = True


class Process:
    """The dialog in a process of its own, without sockets."""

    SPLITS = range(1, 41)

    def __init__(self):
        binary = os.environ.get("EHLOGATE_DRIVER",
                                str(TOP / "build/tool/dialog_driver"))
        prefix = shlex.split(os.environ.get("EHLOGATE_DRIVER_PREFIX", ""))
        self.child = subprocess.Popen([*prefix, binary],
                                      stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        self.folder = tempfile.TemporaryDirectory(prefix="ehlogate-dialog-")

    def ask(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        answers = []
        while True:
            answer = self.child.stdout.readline()
            if not answer:
                raise Failure("the driver died")
            answer = answer.rstrip("\n")
            if answer == ".":
                return answers
            answers.append(answer)

    def begin(self, transcript):
        path = pathlib.Path(self.folder.name) / "policy.yaml"
        path.write_text(transcript.policy)
        for answer in self.ask(f"policy {path}"):
            if answer.startswith("error"):
                raise Failure(f"the policy: {answer}")
        self.ask("dns")
        for reply in transcript.dns:
            self.ask(f"dns {reply}")
        self.ask(f"counts {transcript.counts}")
        self.transcript = transcript
        self.got = {"C": b"", "S": b""}
        self.raw = b""
        self.banned = self.record = None
        self.closed = {"C": False, "S": False}
        self.reset = {"C": False, "S": False}
        self.blind = self.cut = self.tls = False
        self.shakes = set()
        self.tries = self.legs = 0
        client = transcript.client or "192.0.2.1"
        client = f"[{client}]" if ":" in client else client
        self.take(self.ask(
            f"open {client}:40000 198.51.100.25:25 {transcript.listener}"))

    def take(self, answers):
        while "connect" in self.read(answers):
            self.tries += 1
            why, which = self.transcript.connect
            fails = why and self.tries == which
            answers = self.ask(f"failed {why}" if fails else "connected")
            if not fails:
                self.legs += 1
                self.closed["S"] = self.reset["S"] = False

    def read(self, answers):
        orders = []
        for answer in answers:
            word, rest = answer.split(" ", 1)
            if word in "CS":
                self.got[word] += bytes.fromhex(rest)
                if word == "S":
                    self.raw += bytes.fromhex(rest)
            elif word == "record":
                self.record = json.loads(rest)
            elif word == "banned":
                self.banned = rest
            elif word == "error":
                raise Failure(rest)
            elif word == "order":
                order, *flags = rest.split()
                orders.append(order)
                self.blind |= order == "blind"
                if order.startswith("tls_"):
                    self.shakes.add(order[4].upper())
                self.tls |= "tls" in flags
                if order == "cut":
                    self.cut = True
                    self.closed["S"] = self.reset["S"] = True
                if order == "close":
                    self.closed = {"C": True, "S": True}
                    self.reset["S"] |= "reset_server" in flags
                    self.reset["C"] |= "reset_client" in flags
        return orders

    def send(self, side, data):
        self.take(self.ask(f"{side.lower()} {data.hex()}"))

    def end_of_file(self, side):
        self.take(self.ask("ceof" if side == "C" else "seof"))

    def shake(self, side, works):
        """False: the gate has not begun TLS with that end."""
        if side not in self.shakes:
            return False
        self.shakes.remove(side)
        self.take(self.ask(f"{'secured' if works else 'insecure'} {side}"))
        return True

    def event(self, word):
        self.take(self.ask({"wait": "timeout", "drain": "drain"}[word]))

    def more(self, _side):
        """Nothing more comes without more input."""
        return False

    def settle(self):
        """Everything has come."""

    def is_closed(self, side, by_reset=False):
        return self.reset[side] if by_reset else self.closed[side]

    def is_cut(self):
        return self.cut

    def has_legs(self, count):
        return self.legs >= count

    def is_blind(self):
        return self.blind

    def finish(self):
        self.take(self.ask("end"))
        return self.record

    def is_dead(self):
        return self.child.poll() is not None

    def close(self):
        self.child.stdin.close()
        status = self.child.wait(60)
        self.folder.cleanup()
        if status != 0:
            raise Failure(f"the driver ended with status {status}")


def matches(pattern, got):
    if pattern.endswith(b"*\r\n"):
        return got.startswith(pattern[:-3])
    return got == pattern


class Run:
    """One transcript in one mode."""

    def __init__(self, driver, transcript, cut):
        self.driver, self.transcript, self.cut = driver, transcript, cut
        self.lost = False
        self.legs = 1

    def pieces(self, data):
        if self.cut == "bytes":
            return [data[i:i + 1] for i in range(len(data))]
        if self.cut == "whole" or self.cut >= len(data):
            return [data]
        return [data[:self.cut], data[self.cut:]]

    def send(self, side, data):
        for piece in self.pieces(data):
            self.driver.send(side, piece)

    def expect(self, side, pattern, where):
        got = self.driver.got
        while b"\n" not in got[side] and self.driver.more(side):
            pass
        if pattern.endswith(b"\r\n") and b"\r\n" not in pattern[:-2]:
            line, end, rest = got[side].partition(b"\r\n")
            line += end
        else:
            while len(got[side]) < len(pattern) and self.driver.more(side):
                pass
            line, rest = got[side][:len(pattern)], got[side][len(pattern):]
        if not matches(pattern, line):
            raise Failure(f"{where}: {side} should get {pattern!r}, "
                          f"got {line!r}")
        got[side] = rest

    def step(self, number, kind, text, data):
        where = f"{self.transcript.path}:{number}"
        driver = self.driver
        if kind in ("wait", "drain"):
            driver.event(kind)
        elif kind == "tls":
            side, *fails = text.split()
            if not driver.shake(side, not fails):
                raise Failure(f"{where}: no TLS begins with {side}")
        elif kind == "cut":
            if not driver.is_cut():
                raise Failure(f"{where}: the server's leg is not cut")
            # What was on its way may be lost with the leg.
            driver.got["S"] = driver.raw = b""
            self.lost = True
        elif kind == "alone":
            driver.settle()
            if driver.legs:
                raise Failure(f"{where}: the gate has connected")
            self.legs = 0
        elif kind == "again":
            self.legs += 1
            if not driver.has_legs(self.legs):
                raise Failure(f"{where}: the gate does not connect")
        elif kind == "ban":
            if driver.banned != text:
                raise Failure(f"{where}: ban {driver.banned}")
        elif kind == "blind":
            if not driver.is_blind():
                raise Failure(f"{where}: this is not blind")
        elif text in ("close", "reset") and kind in ("C<", "S<"):
            if not driver.is_closed(kind[0]):
                raise Failure(f"{where}: {kind[0]} is not closed")
            if text == "reset" and not driver.is_closed(kind[0], True):
                raise Failure(f"{where}: {kind[0]} is closed, but not reset")
        elif text == "close":
            driver.end_of_file(kind[0])
        elif kind in ("C>", "S>"):
            self.send(kind[0], data)
        elif kind in ("C<", "S<"):
            self.expect(kind[0], data, where)
        elif kind in ("C>S", "S>C"):
            self.send(kind[0], data)
            self.expect(kind[2], data, where)
        elif kind == "C!":
            driver.settle()
            before = driver.got["S"]
            self.send("C", data)
            driver.settle()
            if driver.got["S"] != before:
                raise Failure(f"{where}: the server got "
                              f"{driver.got['S']!r}")

    def check_log(self, record):
        for number, wanted in self.transcript.logs:
            where = f"{self.transcript.path}:{number}"
            absent = wanted.startswith("!")
            path, _, value = wanted.lstrip("!").partition("=")
            found = look_up(record, path)
            if absent != (found is None) and not (value and not absent):
                raise Failure(f"{where}: {path} is {found!r}")
            if value and value != "*" and \
                    (json.dumps(found) if not isinstance(found, str)
                     else found) != value:
                raise Failure(f"{where}: {path} is {found!r}")

    def run(self):
        driver = self.driver
        driver.begin(self.transcript)
        try:
            for step in self.transcript.steps:
                self.step(*step)
        finally:
            record = driver.finish()
        for side in "CS":
            if driver.got[side]:
                raise Failure(f"{self.transcript.path}: {side} also got "
                              f"{driver.got[side]!r}")
        if DIRTY.search(driver.raw):
            raise Failure(f"{self.transcript.path}: a bare CR, a bare LF or "
                          "a NUL reached the server")
        if self.transcript.quiet != (record is None):
            raise Failure(f"{self.transcript.path}: the record: {record}")
        self.check_log(record or {})
        return driver.raw, record or {}


def look_up(record, path):
    value = record
    for word in path.split("."):
        if isinstance(value, list):
            index = int(word)
            value = value[index] if index < len(value) else None
        elif isinstance(value, dict):
            value = value.get(word)
        else:
            return None
    return value


# What is another one in each session of the same transcript.
CHANGING = ("timestamp", "session", "seq", "started", "src_port",
            "durations_us", "upstream")
WAITED = re.compile(r'"dns_us": \d+')


def steady(record, lost):
    """The record without what differs from one session to the next; where
    octets were lost with a leg, without their count."""
    same = {key: value for key, value in record.items()
            if key not in CHANGING and not (lost and key == "bytes")}
    if "tls" in same:
        # The first session with a server is the one that others resume.
        same["tls"] = {key: value for key, value in same["tls"].items()
                       if not key.endswith("_resumed")}
    text = REFERENCE.sub("", json.dumps(same))
    return json.loads(WAITED.sub('"dns_us": 0', text))


def difference(one, other):
    """What two outcomes do not share, in words."""
    (raw, record), (other_raw, other_record) = one, other
    lines = [] if raw == other_raw else [f"server: {raw!r}, {other_raw!r}"]
    lines += [f"{key}: {record.get(key)!r}, {other_record.get(key)!r}"
              for key in sorted(record.keys() | other_record.keys())
              if record.get(key) != other_record.get(key)]
    return "\n  ".join(lines)


def variants(modes, splits):
    if "whole" in modes:
        yield "whole"
    if "bytes" in modes:
        yield "bytes"
    if "split" in modes:
        yield from splits


class Suite:
    """Transcripts against one driver."""

    def __init__(self, modes, logs, in_tls=False):
        self.modes, self.logs, self.in_tls = modes, logs, in_tls
        self.count = 0

    def run(self, driver, transcript):
        """Raises at the first variant that does not hold."""
        first = None
        modes = ["whole"] if transcript.whole else self.modes
        for variant in variants(modes, driver.SPLITS):
            run = Run(driver, transcript, variant)
            raw, record = run.run()
            self.count += 1
            # In TLS each piece is a record, whose octets are counted.
            outcome = (raw, steady(record, run.lost or self.in_tls))
            if first is None:
                first = outcome
                if record:
                    print(json.dumps(record, ensure_ascii=False),
                          file=self.logs)
            elif outcome != first:
                raise Failure(
                    f"{transcript.path}: in mode {variant} the outcome "
                    f"differs:\n  {difference(outcome, first)}")


def open_logs(driver):
    """Where the records go that the suite `schema` validates."""
    folder = os.environ.get("EHLOGATE_LOGS", "")
    path = f"{folder}/dialog-{driver}-{os.getpid()}.jsonl" if folder \
        else os.devnull
    return open(path, "w", encoding="utf-8")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--driver", choices=["process", "wire"],
                        default="process")
    parser.add_argument("--tls", action="store_true",
                        help="of the wire: within TLS, on both legs")
    parser.add_argument("--modes", default="whole,bytes,split")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    if not options.files:
        options.files = sorted(glob.glob(str(TOP / "tests/dialog/*.smtp")))
    return options


def main():
    options = parse_arguments()
    transcripts = [Transcript(path) for path in options.files]
    if options.driver == "wire":
        transcripts = [t for t in transcripts if not t.process_only
                       and (t.can_be_in_tls() or not options.tls)]
        driver = Wire(transcripts, options.tls)
    else:
        driver = Process()
    passed = failed = 0
    with open_logs(options.driver) as logs:
        suite = Suite(options.modes.split(","), logs, options.tls)
        for transcript in transcripts:
            try:
                suite.run(driver, transcript)
                passed += 1
            except (Failure, Silence) as failure:
                print(transcript.path, failure)
                failed += 1
                if driver.is_dead():
                    driver = Process()
    driver.close()
    print(f"{suite.count} runs of {len(transcripts)} transcripts")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
