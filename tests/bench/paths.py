"""The ways from client to server: routed, through HAProxy, through the gate.

A path is a fresh perimeter (three namespaces, see tests/perimeter/lab) with
one of them in its middle and smtp-sink as the server, and goes away whole
when it is closed: nothing of one run is there in the next.  HAProxy gets the
table and the policy route that the gate makes for itself.

SPDX-License-Identifier: MIT
"""
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path.insert(0, str(TOP / "tests/perimeter"))
import lab  # noqa: E402

MOST_SESSIONS = 8000    # at once; two descriptors each, below any hard limit
BACKLOG = 4096
PORT = 12525
BIND = f'    bind: "0.0.0.0:{PORT}"\n'
POSTFIX = TOP / "build/mta/postfix"

HAPROXY = f"""\
global
    nbthread 1
    maxconn {MOST_SESSIONS}
defaults
    mode tcp
    timeout connect 30s
    timeout client 10m
    timeout server 10m
listen smtp
    bind 0.0.0.0:{PORT} transparent
    option transparent
    source 0.0.0.0 usesrc clientip
"""


class BenchError(Exception):
    """A run that shows nothing, and why."""


def postfix_tool(name, *arguments):
    """The command line of a program of the unpacked Postfix."""
    return ["env", f"LD_LIBRARY_PATH={POSTFIX}/usr/lib/postfix",
            str(POSTFIX / "usr/sbin" / name), *map(str, arguments)]


class Path:
    """The plain routed way, and what all three have in common."""
    name = "direct"

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="ehlogate-bench-")
        self.folder = pathlib.Path(self._folder.name)
        os.chmod(self.folder, 0o755)
        self.net = lab.Namespaces()
        try:
            sink = self.popen("server", *postfix_tool(
                "smtp-sink", "-u", "nobody", "-m", MOST_SESSIONS,
                "0.0.0.0:25", BACKLOG))
            self.wait_for("smtp-sink", sink, "server")
            self.start()
        except BaseException as error:
            self.__exit__(None, None, None)
            if isinstance(error, subprocess.CalledProcessError):
                raise BenchError(f"{error}: {error.stderr}") from error
            if isinstance(error, (AssertionError, OSError)):
                raise BenchError(str(error)) from error
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        # The guardian ends whatever still runs in the namespaces.
        self.net.close()
        self._folder.cleanup()

    def start(self):
        """Starts what stands in the middle."""

    def stop(self):
        """Ends it."""

    def pids(self):
        """Its processes."""
        return []

    def delivered(self):
        """How many messages its records tell of; None: it has none."""
        return None

    def popen(self, host, *command, **more):
        """A program on one of the three hosts, its errors kept."""
        errors = open(self.folder / f"{host}.err", "ab")
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", subprocess.DEVNULL)
        with errors:
            return self.net.popen(host, *command, stderr=errors, **more)

    def wait_for(self, what, process, host):
        """Until the server's port answers, asked from `host`."""
        lab.wait_for(what, lambda: process.poll() is not None
                     or self.net.listens(host, lab.SERVER4, 25))
        if process.poll() is not None:
            raise BenchError(f"{what} ended: "
                             f"{self.errors('server')}{self.errors('gate')}")

    def errors(self, host):
        """What the programs on a host complained of."""
        file = self.folder / f"{host}.err"
        return file.read_text(errors="replace") if file.exists() else ""


class HAProxy(Path):
    name = "haproxy"

    def start(self):
        rules = self.folder / "ehlogate.yaml"
        rules.write_text(
            "version: 1\nlisteners:\n  inbound:\n    mode: tproxy\n"
            "    intercept: {interface: [gc], port: [25]}\n"
            f"{BIND}    policy: {HERE / 'policy.yaml'}\n"
            "user: nobody\nlog: {sinks: [stdout]}\n")
        self.net.run("gate", lab.GATE, "nft", "apply", "-c", str(rules))
        config = self.folder / "haproxy.cfg"
        config.write_text(HAPROXY)
        self.process = self.popen("gate", "haproxy", "-db", "-f", str(config))
        self.wait_for("HAProxy", self.process, "client")

    def pids(self):
        return [self.process.pid]


class Gate(Path):
    name = "gate"

    def start(self):
        self.gate = lab.Gate(
            self.net, self.folder, more=BIND,
            policy=(HERE / "policy.yaml").read_text(),
            settings=f"limits: {{sessions: {MOST_SESSIONS}}}\n")

    def stop(self):
        if hasattr(self, "gate"):
            self.gate.stop()

    def pids(self):
        return self.gate.pids()

    def delivered(self):
        return sum(r["message_count"] for r in self.gate.records())

    def errors(self, host):
        return self.gate.said() if host == "gate" and hasattr(self, "gate") \
            else super().errors(host)


PATHS = {path.name: path for path in (Path, HAProxy, Gate)}
