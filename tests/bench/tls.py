"""nginx, hitch and the gate, by turns: what TLS costs each of them.

What `make bench-tls` runs, as root.  Client, proxies and server are network
namespaces; nginx (mail, STARTTLS), hitch (TLS from the first octet on) and
ehlogate (both) stand in one of them, one worker each, with the same keys, and a
client of TLS (tests/tool/tlsload.c) goes to one of them at a time: half the
rounds to the gate first, half to the other.  Counted is the CPU time of every
process of a proxy, by the scheduler in nanoseconds: of the gate also the
process that writes its log.  Client and server do not count.

Prints the medians and the ratios; status 1 where the gate costs more than
NOISE allows.

  --rounds N    rounds of each line (6)
  --scale X     so many times the sessions of a round (1)
  --only WORD   lines that have it: nginx, hitch, rsa, ec, 1.2, full, ... (each
                --only narrows)
  --perf        then also: where each one's time goes in these lines
  --verbose     every round's figures

SPDX-License-Identifier: MIT
"""
import argparse
import dataclasses
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from loads import task_seconds
from paths import HERE, BenchError, lab
import profile_run

NOISE = 1.03            # what two runs of the same may differ by
SETTLE = 0.2            # seconds for what is under way after a round
SYMBOLS = 60            # of a profile
PATIENCE = 120          # seconds that a round may take
GATE4 = "10.77.1.1"
AUTH_PORT = 9025        # of who tells nginx where the server is
BACKEND = f"{lab.SERVER4}:25"
TLSLOAD = lab.TOP / "build/tool/tlsload"
MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_mail_module.so")
KINDS = ("rsa", "ec")
TITLES = {"rsa": "RSA 2048", "ec": "P-256"}


@dataclasses.dataclass(frozen=True)
class Line:
    """A row of the table: against whom, and what is done."""
    rival: str
    kind: str           # of key
    version: str
    what: str           # full, resumed; bulk: octets are what is counted

    @property
    def title(self):
        done = {"full": "full handshake", "resumed": "resumed",
                "bulk": "upload"}[self.what]
        return f"{TITLES[self.kind]}, TLS {self.version}, {done}"

    @property
    def how(self):
        return "starttls" if self.rival == "nginx" else "implicit"

    def load(self, scale):
        """What tlsload is told, and how many units of cost that is."""
        if self.what == "bulk":
            # Sessions of 50 MB: a handshake is nothing beside that.
            sessions = max(2, round(4 * scale))
            return ("full", sessions, 2, 50), 50 * sessions
        sessions = round((800 if self.what == "full" else 1200) * scale)
        # nginx connects to the server for a message alone.
        words = "envelope" if self.rival == "nginx" else "greet"
        return (self.what, sessions, 16, words), sessions


LINES = [Line(rival, kind, version, what)
         for rival in ("nginx", "hitch") for kind in KINDS
         for version in ("1.3", "1.2") for what in ("full", "resumed")] \
    + [Line(rival, "ec", version, "bulk")
       for rival in ("nginx", "hitch") for version in ("1.3", "1.2")]


# --- who stands in the middle --------------------------------------------------


class Proxy:
    """Processes in the gate's namespace; `ports` by kind of key and how."""

    def __init__(self, stand, name, *command):
        self.name = name
        self.errors = stand.folder / f"{name}.err"
        with open(self.errors, "wb") as errors:
            self.process = stand.net.popen("gate", *command, stderr=errors,
                                           stdout=errors,
                                           stdin=subprocess.DEVNULL)

    def wait(self, stand):
        for port in self.ports.values():
            lab.wait_for(f"{self.name} ({self.said()})",
                         lambda port=port: self.process.poll() is not None
                         or stand.net.listens("client", GATE4, port))
        if self.process.poll() is not None:
            raise BenchError(f"{self.name} ended: {self.said()}")

    def said(self):
        return self.errors.read_text(errors="replace").strip()

    def pids(self):
        children = lab.sh("pgrep", "-P", str(self.process.pid), check=False)
        return [self.process.pid, *map(int, children.stdout.split())]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def delivered(self):
        """How many sessions its records tell of; None: it has none."""
        return None


class Nginx(Proxy):
    ports = {("rsa", "starttls"): 2601, ("ec", "starttls"): 2602}

    def __init__(self, stand):
        servers = "".join(
            f"""\
    server {{
        listen {GATE4}:{port};
        protocol smtp;
        starttls on;
        ssl_certificate {stand.pairs[kind][0]};
        ssl_certificate_key {stand.pairs[kind][1]};
    }}
""" for (kind, _), port in self.ports.items())
        config = stand.folder / "nginx.conf"
        # Buffers of a record of TLS: the default of 4 KiB costs it more.
        config.write_text(f"""\
load_module {MODULE};
daemon off;
user nobody nogroup;
worker_processes 1;
pid {stand.folder}/nginx.pid;
error_log stderr;
events {{
    worker_connections 4096;
}}
mail {{
    server_name gate.bench.example.com;
    auth_http 127.0.0.1:{AUTH_PORT}/;
    smtp_auth none;
    xclient off;
    proxy_buffer 16k;
    smtp_client_buffer 16k;
    ssl_protocols TLSv1.2 TLSv1.3;
{servers}}}
""")
        super().__init__(stand, "nginx", "nginx", "-p", str(stand.folder),
                         "-e", "stderr", "-c", str(config))


class Hitch(Proxy):
    """One worker and one certificate: an instance for each kind of key."""

    def __init__(self, stand, kind):
        self.ports = {(kind, "implicit"): 4751 + KINDS.index(kind)}
        pem = stand.folder / f"hitch-{kind}.pem"
        pem.write_text("".join(path.read_text() for path in
                               reversed(stand.pairs[kind])))
        pem.chmod(0o600)
        config = stand.folder / f"hitch-{kind}.conf"
        config.write_text(f"""\
frontend = "[{GATE4}]:{self.ports[kind, 'implicit']}"
backend = "[{lab.SERVER4}]:25"
pem-file = "{pem}"
tls-protos = TLSv1.2 TLSv1.3
workers = 1
user = "nobody"
group = "nogroup"
daemon = off
quiet = on
log-level = 1
""")
        super().__init__(stand, f"hitch-{kind}", "hitch", "--config",
                         str(config))


class Gate(Proxy):
    ports = {("rsa", "starttls"): 2501, ("ec", "starttls"): 2502,
             ("rsa", "implicit"): 4651, ("ec", "implicit"): 4652}
    name = "gate"

    def __init__(self, stand):
        def listener(kind, how):
            chain, key = stand.pairs[kind]
            implicit = ", implicit: true" if how == "implicit" else ""
            return (f"    bind: \"{GATE4}:{self.ports[kind, how]}\"\n"
                    f"    upstream: \"{BACKEND}\"\n"
                    "    tls: {client: terminate, server: none, certificates: "
                    f"[{{chain: {chain}, key: {key}}}]{implicit}}}\n")
        first, *others = (listener(*which) for which in self.ports)
        more = first + "".join(
            f"  other{i}:\n    mode: explicit\n    policy: policy.yaml\n{text}"
            for i, text in enumerate(others))
        folder = stand.folder / "gate"
        folder.mkdir()
        self.gate = lab.Gate(stand.net, folder, mode="explicit", more=more,
                             policy=(HERE / "policy.yaml").read_text())
        self.process = self.gate.process

    def said(self):
        return self.gate.said().strip()

    def stop(self):
        self.gate.stop()

    def delivered(self):
        if not self.gate.log.exists():
            return 0
        with open(self.gate.log, "rb") as log:
            return sum(block.count(b"\n") for block in
                       iter(lambda: log.read(1 << 20), b""))


class Stand:
    """Everything, ready to be measured."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="ehlogate-bench-")
        self.folder = pathlib.Path(self._folder.name)
        self.folder.chmod(0o755)
        self.net = lab.Namespaces()
        self.proxies = {}
        try:
            self.start()
        except BaseException as error:
            self.__exit__()
            if isinstance(error, (AssertionError, OSError,
                                  subprocess.CalledProcessError)):
                raise BenchError(str(error)) from error
            raise
        return self

    def __exit__(self, *_):
        for proxy in self.proxies.values():
            proxy.stop()
        # The guardian ends whatever still runs in the namespaces.
        self.net.close()
        self._folder.cleanup()

    def start(self):
        for host in ("client", "gate"):
            # More sessions a minute than there are ports for.
            self.net.sysctl(host, "net.ipv4.tcp_tw_reuse", "1")
            self.net.sysctl(host, "net.ipv4.ip_local_port_range",
                            "10000 65000")
        self.pairs = {}
        authority = lab.Authority(self.folder / "keys")
        for kind in KINDS:
            self.pairs[kind] = authority.issue("gate.bench.example.com",
                                               kind=kind)
        lab.Sink(self.net, self.folder)
        self.answer_nginx()
        self.proxies["gate"] = Gate(self)
        self.proxies["nginx"] = Nginx(self)
        for kind in KINDS:
            self.proxies[f"hitch-{kind}"] = Hitch(self, kind)
        for proxy in self.proxies.values():
            proxy.wait(self)

    def answer_nginx(self):
        """nginx asks over HTTP where a session goes to."""
        listener = self.net.socket("gate")
        listener.bind(("127.0.0.1", AUTH_PORT))
        listener.listen(512)
        answer = (f"HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: "
                  f"{lab.SERVER4}\r\nAuth-Port: 25\r\n\r\n").encode()

        def serve():
            while True:
                with listener.accept()[0] as sock:
                    request = b""
                    while b"\r\n\r\n" not in request:
                        part = sock.recv(4096)
                        if not part:
                            break
                        request += part
                    sock.sendall(answer)
        threading.Thread(target=serve, daemon=True).start()

    def proxy(self, name, line):
        return self.proxies[f"hitch-{line.kind}" if name == "hitch" else name]


# --- one round -------------------------------------------------------------------


def measure(stand, name, line, scale):
    """Microseconds of CPU a session, or a megabyte; the largest share."""
    proxy = stand.proxy(name, line)
    words, units = line.load(scale)
    kind, sessions = words[:2]
    port = proxy.ports[line.kind, line.how]
    with open(stand.folder / "client.err", "w+b") as errors:
        client = stand.net.popen(
            "client", str(TLSLOAD), f"{GATE4}:{port}", line.how, line.version,
            *map(str, words), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=errors, text=True)
        try:
            ready = client.stdout.readline()
            time.sleep(SETTLE)
            pids, records = proxy.pids(), proxy.delivered()
            before = {pid: task_seconds(pid) for pid in pids}
            said = client.communicate("go\n", PATIENCE)[0].split()
        except (BrokenPipeError, subprocess.TimeoutExpired) as error:
            client.kill()
            ready, said = str(error), []
        errors.seek(0)
        why = errors.read().decode(errors="replace").strip()
    time.sleep(SETTLE)
    expected = [sessions, 0] if kind == "full" else [0, sessions]
    if said != ["done", *map(str, expected)]:
        raise BenchError(f"{name}, {line.title}: {ready.strip()} {said} {why} "
                         f"{proxy.said()[-500:]}")
    if pids != proxy.pids():
        raise BenchError(f"a process of {name} died: {proxy.said()}")
    if records is not None and proxy.delivered() - records != sessions:
        raise BenchError(f"{sessions} sessions, but {name} has "
                         f"{proxy.delivered() - records} records")
    parts = [task_seconds(pid) - before[pid] for pid in pids]
    return sum(parts) / units * 1e6, max(parts) / sum(parts)


class Bench:
    def __init__(self, options):
        self.options = options
        self.lines = [line for line in LINES if all(
            word in (line.rival, line.kind, line.version, line.what)
            for word in options.only)]
        self.costs = {}         # (line, name): [microseconds]

    def note(self, text):
        if self.options.verbose:
            print(text, flush=True)
        elif sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def run_line(self, stand, line):
        for number in range(self.options.rounds):
            turns = ["gate", line.rival]
            if number % 2:
                turns.reverse()
            for name in turns:
                cost, share = measure(stand, name, line, self.options.scale)
                self.costs.setdefault((line, name), []).append(cost)
                self.note(f"{line.title}, round {number + 1}: {name:6}"
                          f"{cost:8.1f} us, {share:.0%} of one process")

    def profile(self, stand, line, name):
        spent = {pid: task_seconds(pid)
                 for pid in stand.proxy(name, line).pids()}
        worker = str(max(spent, key=spent.get))
        data = stand.folder / "perf.data"
        print(f"--- {name}: {line.title}")
        for command in (["perf", "record", "-q", "-e", "cpu-clock", "-F",
                         "4000", "-o", str(data), "-p", worker],
                        ["strace", "-c", "-p", worker]):
            if shutil.which(command[0]) is None:
                continue
            watcher = subprocess.Popen(command, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True)
            time.sleep(1)
            measure(stand, name, line, self.options.scale)
            watcher.send_signal(signal.SIGINT)
            said = watcher.communicate(timeout=60)[0]
            if command[0] == "strace":
                print(said)
                continue
            report = ["perf", "report", "-i", str(data), "--stdio", "--sort"]
            for sort in ("dso", "dso,symbol"):
                print("\n".join(profile_run.run_report(
                    [*report, sort])[:SYMBOLS]))

    def run(self):
        with Stand() as stand:
            for line in self.lines:
                self.run_line(stand, line)
            if self.options.perf:
                for line in self.lines:
                    for name in ("gate", line.rival):
                        self.profile(stand, line, name)
        if not self.options.verbose and sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def print_table(self):
        """How many lines are over."""
        over = 0
        for rival, session in (("nginx", "STARTTLS, envelope, QUIT"),
                               ("hitch", "implicit TLS, EHLO, QUIT")):
            lines = [line for line in self.lines if line.rival == rival]
            if not lines:
                continue
            print(f"\n{session + '; us of CPU':40}{rival:>9}{'gate':>9}"
                  f"{'gate/' + rival:>13}{'of the rounds':>16}")
            for line in lines:
                ours, theirs = (self.costs[line, name]
                                for name in ("gate", rival))
                ratio = statistics.median(ours) / statistics.median(theirs)
                pairs = sorted(a / b for a, b in zip(ours, theirs))
                unit = " a MB" if line.what == "bulk" else ""
                print(f"{line.title + unit:40}"
                      f"{statistics.median(theirs):9.1f}"
                      f"{statistics.median(ours):9.1f}{ratio:13.3f}"
                      f"{f'{pairs[0]:.2f}..{pairs[-1]:.2f}':>16}"
                      + ("  OVER" if ratio > NOISE else ""))
                over += ratio > NOISE
        return over


# --- begin, end --------------------------------------------------------------------


def version(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().split("\n")[0]


def missing():
    """What must be there; a sentence about what is not."""
    if os.geteuid() != 0:
        return "network namespaces need root: sudo make bench-tls"
    for program in (lab.GATE, TLSLOAD):
        if not os.access(program, os.X_OK):
            return f"no program at {program}: make bench-tls"
    for program in ("nginx", "hitch", "openssl"):
        if shutil.which(program) is None:
            return f"no {program}: apt-get install {program}"
    if not MODULE.exists():
        return f"no {MODULE}: apt-get install libnginx-mod-mail"
    return None


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--perf", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def stop(_number, _frame):
    raise KeyboardInterrupt


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, stop)
    lack = missing()
    if lack:
        print(f"bench-tls: {lack}", file=sys.stderr)
        return 1
    start = time.monotonic()
    bench = Bench(options)
    try:
        bench.run()
    except KeyboardInterrupt:
        print("\nbench-tls: stopped; what it had made is removed",
              file=sys.stderr)
        return 130
    except BenchError as error:
        print(f"\nbench-tls: {error}", file=sys.stderr)
        return 1
    print(f"{version('nginx', '-v')}; {version('hitch', '--version')}; "
          f"ehlogate {version(lab.GATE, '--version').split()[-1]}; "
          f"{version('openssl', 'version')}; one worker each; X25519, "
          f"AES-128-GCM; medians of {options.rounds} rounds by turns")
    over = bench.print_table()
    print(f"\nOVER: more than {NOISE - 1:.0%} above the other one: {over} "
          f"lines of {len(bench.lines)}; {time.monotonic() - start:.0f} s")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
