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
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "perimeter/lab"))
import certificates  # noqa: E402
import dns  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parents[2]
REFERENCE = re.compile(rb"\[ref [0-9A-Z]{16}\]")
PATIENCE = 5.0          # seconds until something that must come is missed
SETTLE = 0.003          # ... until what must not come would have come
FOLLOWS = 0.2           # ... until one end is over because the other is


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


LISTENERS = 60          # of one gate
TLS = {"tls:must": "{client: uplift}", "tls:refuse": "{client: refuse}",
       "tls:try": "{client: uplift, server: opportunistic}",
       "hide": "{client: hide, accept_downgrade: true}"}


class Gate:
    """The program, with a listener for each of these policies."""

    def __init__(self, folder, kinds, server, resolver, tls=""):
        self.folder, self.resolver = pathlib.Path(folder), resolver
        self.tls = tls
        self.folder.mkdir()
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
            if listener == "gate":
                text += "    greeting: gate\n"
            if listener in TLS:
                text += f"    tls: {TLS[listener]}\n"
            elif self.tls:
                text += f"    tls: {self.tls}\n"
        if os.geteuid() == 0:
            text += "user: nobody\n"
        # All transcripts are one client.
        return text + ("workers: 1\nlimits: {never: 127.0.0.0/8}\n"
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

    def __init__(self, transcripts, in_tls=False):
        """`in_tls`: on both legs, from the first octet on."""
        self.folder = tempfile.TemporaryDirectory(prefix="ehlogate-wire-")
        self.server_port = listening()
        self.contexts, tls = None, ""
        if in_tls:
            authority = certificates.Authority(f"{self.folder.name}/keys")
            chain, key = authority.issue("gate.test", kind="ec")
            tls = (f"{{client: terminate, implicit: true, certificates: "
                   f"[{{chain: {chain}, key: {key}}}]}}")
            self.contexts = {"C": certificates.anybody(),
                             "S": authority.server("mx.test", kind="ec")}
        os.chmod(self.folder.name, 0o755)
        kinds = list({(t.policy, t.listener): None for t in transcripts})
        self.zone = Zone(transcripts)
        self.gates = {}
        for at in range(0, len(kinds), LISTENERS):
            some = kinds[at:at + LISTENERS]
            gate = Gate(f"{self.folder.name}/{at}", some,
                        self.server_port.getsockname()[1], self.zone.address,
                        tls)
            self.gates.update(dict.fromkeys(some, gate))
        self.ends = {}

    def begin(self, transcript):
        self.zone.take(transcript.dns)
        self.got = {"C": b"", "S": b""}
        self.raw = b""
        self.closed = {"C": False, "S": False}
        self.reset = {"C": False, "S": False}
        self.spoke, self.legs = None, 0
        self.gate = self.gates[transcript.policy, transcript.listener]
        self.ends = {"C": socket.create_connection(
            ("127.0.0.1",
             self.gate.ports[transcript.policy, transcript.listener]))}
        self.ends["C"].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.wrap("C")

    def wrap(self, side):
        """A reset within the handshake ends the transcript's connection."""
        if self.contexts is None:
            return
        sock = self.ends[side]
        sock.settimeout(PATIENCE)
        try:
            self.ends[side] = self.contexts[side].wrap_socket(
                sock, server_side=side == "S", suppress_ragged_eofs=False,
                server_hostname=None if side == "S" else "gate.test")
        except (ssl.SSLError, OSError):
            self.ends[side] = socket.socket(fileno=os.dup(sock.fileno())) \
                if sock.fileno() >= 0 else socket.socket()
            self.closed[side] = True
        self.ends[side].setblocking(False)

    # --- what comes ----------------------------------------------------------

    def take(self, side):
        try:
            data = self.ends[side].recv(1 << 16)
            while self.contexts and data and self.ends[side].pending():
                data += self.ends[side].recv(1 << 16)
        except ConnectionResetError:
            self.closed[side] = self.reset[side] = True
            return
        except ssl.SSLWantReadError:
            return          # a ticket
        except ssl.SSLError:
            # The end without a word: the gate says close_notify where it does
            # not reset.
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
                if "S" in self.ends:
                    self.ends["S"].close()
                self.ends["S"], _ = self.server_port.accept()
                self.closed["S"] = self.reset["S"] = False
                self.legs += 1
                self.ends["S"].setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.wrap("S")
        return bool(ready)

    def settle(self):
        """Until nothing comes any more."""
        while self.pump(SETTLE):
            pass

    def wait_for(self, condition, patience=PATIENCE):
        end = time.monotonic() + patience
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
            self.ends[side].setblocking(True)
            self.ends[side].sendall(data)
            self.ends[side].setblocking(self.contexts is None)
        except (ConnectionResetError, BrokenPipeError):
            self.closed[side] = True

    def end_of_file(self, side):
        self.settle()
        self.wait_for(lambda: side in self.ends)
        try:
            # FIN alone, also of a socket that speaks TLS.
            socket.socket.shutdown(self.ends[side], socket.SHUT_WR)
        except OSError:
            self.closed[side] = True

    def is_cut(self):
        return self.is_closed("S")

    def has_legs(self, count):
        return self.wait_for(lambda: self.legs >= count)

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
            # The gate hears of the client first, also when it is slow.
            self.wait_for(lambda: self.closed["S"], FOLLOWS)
            self.ends.pop("S").close()
        return self.gate.record(port)

    def is_dead(self):
        return False

    def close(self):
        for gate in set(self.gates.values()):
            gate.stop()
            gate.lines.close()
        self.server_port.close()
        self.zone.stop()
        self.folder.cleanup()
