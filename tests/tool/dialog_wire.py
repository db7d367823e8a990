"""The wire driver of dialog.py: the real program between two sockets.

One `ehlogate run` in explicit mode serves all transcripts: each policy (with
each kind of listener) has a listener of its own, and all of them lead to one
server port, which is ours; its resolver asks a server of DNS that is ours too.
What a transcript's ends get is the bytes that their sockets got; the record is
the line in the program's log.

SPDX-License-Identifier: MIT
"""
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "perimeter/lab"))
import dns  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parents[2]
REFERENCE = re.compile(rb"\[ref [0-9A-Z]{16}\]")
PATIENCE = 5.0          # seconds until something that must come is missed
SETTLE = 0.003          # ... until what must not come would have come


class Silence(Exception):
    """What had to come did not."""


class Zone(dns.Dns):
    """What the lines `dns:` of the transcript say."""

    def __init__(self, transcripts):
        self._words = {}
        self.strange = []       # questions that no line answers
        self.check(transcripts)
        super().__init__()

    @staticmethod
    def check(transcripts):
        """The gate remembers answers: a question has one in all of them."""
        known = {}
        for transcript in transcripts:
            for line in transcript.dns:
                name, kind, answer = line.split(" ", 2)
                if known.setdefault((name, kind), answer) != answer:
                    raise RuntimeError(f"{transcript.path}: {name} {kind} "
                                       "has another answer elsewhere")

    def take(self, lines):
        self._records.clear()
        self._special.clear()
        self.strange.clear()
        self._words = {}
        for line in lines:
            name, kind, answer = line.split(" ", 2)
            self._words[name, kind] = answer
            if answer not in ("NXDOMAIN", "NODATA", "SERVFAIL", "TIMEOUT"):
                self.add(name, kind, *answer.split(","))

    def _packets(self, packet, tcp, client):
        query = dns.parse(packet, tcp, client)
        word = self._words.get((query.name, query.type))
        if word is None:
            self.strange.append(f"{query.name} {query.type}")
        if word in (None, "NXDOMAIN"):
            return [dns.reply(query, rcode=dns.NXDOMAIN,
                              authority=[self.soa])]
        if word == "SERVFAIL":
            return [dns.reply(query, rcode=dns.SERVFAIL)]
        if word == "NODATA":
            return [dns.reply(query, authority=[self.soa])]
        return [] if word == "TIMEOUT" else [self.answer(query)]


def listening():
    sock = socket.create_server(("127.0.0.1", 0), backlog=64)
    sock.setblocking(False)
    return sock


def free_ports(count):
    """Ports that nothing listens on now, below those of outgoing calls."""
    found, port = [], 20000 + os.getpid() % 5000
    while len(found) < count:
        port += 1
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
                found.append(port)
            except OSError:
                continue
    return found


class Gate:
    """The program, with a listener for every policy."""

    def __init__(self, folder, kinds, server, resolver):
        self.folder, self.resolver = pathlib.Path(folder), resolver
        self.folder.chmod(0o755)
        self.log = self.folder / "session.jsonl"
        self.errors = self.folder / "stderr.txt"
        self.ports = dict(zip(kinds, free_ports(len(kinds))))
        config = self.folder / "ehlogate.yaml"
        config.write_text(self.settings(server))
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                [os.environ.get("EHLOGATE", str(TOP / "build/ehlogate")),
                 "run", "-c", str(config)], stderr=errors)
        end = time.monotonic() + 20
        while "ready" not in self.errors.read_text():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the gate does not start:\n"
                                   + self.errors.read_text())
            time.sleep(0.01)
        self.lines = open(self.log, encoding="utf-8")

    def settings(self, server):
        text = "version: 1\nnode: gate\nlisteners:\n"
        for number, ((policy, listener), port) in enumerate(
                self.ports.items()):
            path = self.folder / f"policy-{number}.yaml"
            path.write_text(policy)
            text += (f"  l{number}:\n    mode: explicit\n"
                     f"    bind: 127.0.0.1:{port}\n"
                     f"    upstream: 127.0.0.1:{server}\n"
                     f"    policy: {path.name}\n")
            if listener == "hide":
                text += ("    tls: {client: hide, "
                         "accept_downgrade: true}\n")
        if os.geteuid() == 0:
            text += "user: nobody\n"
        return text + ("workers: 1\n"
                       f'dns: {{servers: ["{self.resolver}"]}}\n'
                       f"log: {{sinks: [{{file: {self.log}}}]}}\n")

    def record(self, port):
        """The record of the session that came from that port."""
        line, end = "", time.monotonic() + PATIENCE
        while time.monotonic() < end:
            line += self.lines.readline()
            if not line.endswith("\n"):
                time.sleep(0.001)
                continue
            record = json.loads(line)
            if record["event_type"] == "session" and \
                    record["src_port"] == port:
                return record
            line = ""
        raise Silence("no record came")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Wire:
    """What dialog.py drives: two sockets and the log between them."""

    SPLITS = (1, 2, 3, 7, 20)

    def __init__(self, transcripts):
        self.folder = tempfile.TemporaryDirectory(prefix="ehlogate-wire-")
        self.server_port = listening()
        kinds = {(t.policy, t.listener): None for t in transcripts}
        self.zone = Zone(transcripts)
        self.gate = Gate(self.folder.name, list(kinds),
                         self.server_port.getsockname()[1],
                         self.zone.address)
        self.ends = {}

    def begin(self, transcript):
        self.zone.take(transcript.dns)
        self.got = {"C": b"", "S": b""}
        self.raw = b""
        self.closed = {"C": False, "S": False}
        self.reset = {"C": False, "S": False}
        self.spoke = None
        self.ends = {"C": socket.create_connection(
            ("127.0.0.1",
             self.gate.ports[transcript.policy, transcript.listener]))}
        self.ends["C"].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # --- what comes ----------------------------------------------------------

    def take(self, side):
        try:
            data = self.ends[side].recv(1 << 16)
        except ConnectionResetError:
            self.closed[side] = self.reset[side] = True
            return
        if not data:
            self.closed[side] = True
        self.got[side] = REFERENCE.sub(
            b"[ref TESTTESTTESTTEST]", self.got[side] + data)
        if side == "S":
            self.raw += data

    def pump(self, seconds):
        """Takes what is there, or comes within that time; whether it was
        anything."""
        open_ends = {self.ends[side].fileno(): side for side in self.ends
                     if not self.closed[side]}
        poll = select.poll()
        for number in [*open_ends, self.server_port.fileno()]:
            poll.register(number, select.POLLIN)
        ready = poll.poll(seconds * 1000)
        for number, _ in ready:
            if number in open_ends:
                self.take(open_ends[number])
            else:
                self.ends["S"], _ = self.server_port.accept()
                self.ends["S"].setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return bool(ready)

    def settle(self):
        """Until nothing comes any more."""
        while self.pump(SETTLE):
            pass

    def wait_for(self, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.pump(left)
        return True

    def more(self, side):
        """Waits for more bytes of an end; false: none come."""
        before = len(self.got[side])
        return self.wait_for(lambda: len(self.got[side]) > before
                             or self.closed[side]) \
            and len(self.got[side]) > before

    def is_closed(self, side, by_reset=False):
        self.wait_for(lambda: self.closed[side])
        return self.reset[side] if by_reset else self.closed[side]

    # --- what is sent --------------------------------------------------------

    def send(self, side, data):
        # The order of two ends' sends is a promise of the transcript.
        if self.spoke not in (None, side):
            self.settle()
        self.spoke = side
        if not self.wait_for(lambda: side in self.ends):
            raise Silence("the gate does not connect to the server")
        try:
            self.ends[side].sendall(data)
        except (ConnectionResetError, BrokenPipeError):
            self.closed[side] = True

    def end_of_file(self, side):
        self.settle()
        self.wait_for(lambda: side in self.ends)
        try:
            self.ends[side].shutdown(socket.SHUT_WR)
        except OSError:
            self.closed[side] = True

    def is_cut(self):
        return self.is_closed("S")

    def is_blind(self):
        return True     # seen by what follows

    def event(self, word):
        raise NotImplementedError(word)

    def finish(self):
        """The client goes first; a session that was not over ends by it."""
        self.settle()
        port = self.ends["C"].getsockname()[1]
        self.ends.pop("C").close()
        if self.zone.strange:
            raise Silence(f"nobody answers {self.zone.strange}")
        if "S" in self.ends:
            if not self.closed["S"]:
                self.pump(SETTLE)
            self.ends.pop("S").close()
        return self.gate.record(port)

    def is_dead(self):
        return False

    def close(self):
        self.gate.stop()
        self.gate.lines.close()
        self.server_port.close()
        self.zone.stop()
        self.folder.cleanup()
