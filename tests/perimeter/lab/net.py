"""The three hosts as network namespaces, and what runs things in them.

SPDX-License-Identifier: MIT
"""
import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[3]
CLIENT4, CLIENT6 = "10.77.1.2", "fd77:1::2"
# More addresses of the client, where a test has them: one in the /64 of
# CLIENT6, one beyond.
ANOTHER4, NEIGHBOUR6, ANOTHER6 = "10.77.1.77", "fd77:1::aaaa:2", "fd77:9::2"
SERVER4, SERVER6 = "10.77.2.2", "fd77:2::2"
OTHER4 = "10.77.2.3"
FAR4, FAR6 = "10.77.3.2", "fd77:3::2"


STOPS = {signal.SIGINT, signal.SIGTERM}


@contextlib.contextmanager
def stops_wait():
    """Ctrl-C and its like come later: what is being made is made whole."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def die_with_parent():
    """In a child, begun while stops wait: SIGKILL when the parent goes
    (PR_SET_PDEATHSIG), and a stop ends it without a word of Python's, but
    where we do not heed it either (a job in the background)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    for number in STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def sh(*command, check=True, **more):
    return subprocess.run(command, check=check, capture_output=True,
                          text=True, **more)


def wait_for(what, probe, seconds=10, pause=0.02):
    """Polls until probe() is true; what it waited for if it is not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if probe():
            return
        time.sleep(pause)
    raise AssertionError(f"waited {seconds} s for {what}")


def need_root():
    if os.geteuid() != 0:
        print("this needs root: it makes network namespaces",
              file=sys.stderr)
        sys.exit(1)


def temporary(memory=False):
    """A folder; with `memory` one that no disk is waited for, if there is
    room."""
    where = "/dev/shm"
    if not memory or not os.path.isdir(where) or \
            shutil.disk_usage(where).free < 1 << 30:
        where = None
    return tempfile.mkdtemp(prefix="ehlogate-lab-", dir=where)


class Namespaces:
    """The three hosts.  `enter(name)` runs code of ours inside one."""
    made = 0

    def __init__(self):
        Namespaces.made += 1
        self.tag = f"eg{os.getpid() % 100000}{'abcdefgh'[self.made % 8]}"
        self.names = {n: f"{self.tag}{n[0]}" for n in
                      ("client", "gate", "server", "far")}
        self._guardian()
        for name in list(self.names.values())[:3]:
            self._write_etc(name)
            sh("ip", "netns", "add", name)
            self._sysctl(name, "net.ipv6.conf.all.accept_dad", "0")
            self._sysctl(name, "net.ipv6.conf.default.accept_dad", "0")
            sh("ip", "-n", name, "link", "set", "lo", "up")
        self._wire("client", "gc", 1)
        self._wire("server", "gs", 2)
        gate = self.names["gate"]
        self._sysctl(gate, "net.ipv4.ip_forward", "1")
        self._sysctl(gate, "net.ipv6.conf.all.forwarding", "1")
        sh("ip", "-n", self.names["server"], "addr", "add",
           f"{OTHER4}/24", "dev", "eth0")

    def _guardian(self):
        """Cleans up when we are gone, however we went."""
        end, self._alive = os.pipe()
        self._guard = os.fork()
        if self._guard:
            os.close(end)
            return
        os.close(self._alive)
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.read(end, 1)
        self._remove()
        os._exit(0)

    @staticmethod
    def _write_etc(name):
        """What `ip netns exec` lays over the host's files: no name server is
        asked, and none is waited for."""
        folder = pathlib.Path("/etc/netns") / name
        folder.mkdir(parents=True)
        (folder / "resolv.conf").write_text(
            "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n")
        (folder / "hosts").write_text(
            f"127.0.0.1 localhost {socket.gethostname()}\n::1 localhost\n")

    def _remove(self):
        for name in self.names.values():
            shutil.rmtree(f"/etc/netns/{name}", ignore_errors=True)
            pids = sh("ip", "netns", "pids", name, check=False).stdout.split()
            for pid in pids:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            sh("ip", "netns", "del", name, check=False)
        # Ours too, if nobody else has anything there.
        sh("rmdir", "/etc/netns", check=False)

    def sysctl(self, host, key, value):
        self._sysctl(self.names[host], key, value)

    def _sysctl(self, name, key, value):
        sh("ip", "netns", "exec", name, "sysctl", "-qw", f"{key}={value}")

    def _wire(self, host, port, net, router="gate"):
        name, gate = self.names[host], self.names[router]
        sh("ip", "link", "add", "eth0", "netns", name, "type", "veth",
           "peer", "name", port, "netns", gate)
        for where, device, last in ((name, "eth0", 2), (gate, port, 1)):
            sh("ip", "-n", where, "addr", "add", f"10.77.{net}.{last}/24",
               "dev", device)
            sh("ip", "-n", where, "addr", "add", f"fd77:{net}::{last}/64",
               "dev", device, "nodad")
            sh("ip", "-n", where, "link", "set", device, "up")
        sh("ip", "-n", name, "route", "add", "default", "via",
           f"10.77.{net}.1")
        sh("ip", "-n", name, "-6", "route", "add", "default", "via",
           f"fd77:{net}::1")

    def add_far(self, mtu):
        """A host "far" (FAR4, FAR6) one hop beyond the server; only the way
        there is as narrow as `mtu`."""
        name = self.names["far"]
        sh("ip", "netns", "add", name)
        self._sysctl(name, "net.ipv6.conf.default.accept_dad", "0")
        sh("ip", "-n", name, "link", "set", "lo", "up")
        self._sysctl(self.names["server"], "net.ipv4.ip_forward", "1")
        self._sysctl(self.names["server"], "net.ipv6.conf.all.forwarding", "1")
        self._wire("far", "sf", 3, router="server")
        sh("ip", "-n", self.names["server"], "link", "set", "sf", "mtu",
           str(mtu))
        for family, net, via in (("-4", "10.77.3.0/24", SERVER4),
                                 ("-6", "fd77:3::/64", SERVER6)):
            sh("ip", "-n", self.names["gate"], family, "route", "add", net,
               "via", via)
            sh("ip", "-n", self.names["server"], family, "route", "replace",
               "default", "via", "10.77.2.1" if family == "-4"
               else "fd77:2::1")

    def remove_far(self):
        # The namespace alone would go later, when the kernel has time.
        sh("ip", "-n", self.names["server"], "link", "del", "sf")
        sh("ip", "netns", "del", self.names["far"])
        for family, net in (("-4", "10.77.3.0/24"), ("-6", "fd77:3::/64")):
            sh("ip", "-n", self.names["gate"], family, "route", "del", net)

    def command(self, host, *command):
        return ["ip", "netns", "exec", self.names[host], *command]

    def run(self, host, *command, **more):
        return sh(*self.command(host, *command), **more)

    def popen(self, host, *command, **more):
        with stops_wait():
            return subprocess.Popen(self.command(host, *command),
                                    preexec_fn=die_with_parent, **more)

    def socket(self, host, family=socket.AF_INET, kind=socket.SOCK_STREAM,
               protocol=0):
        """A socket that lives in another namespace: made by a thread that
        goes there and does not come back."""
        made = []

        def make():
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f"/run/netns/{self.names[host]}", "rb") as there:
                if libc.setns(there.fileno(), 0x40000000) != 0:
                    made.append(OSError(ctypes.get_errno(), "setns"))
                    return
            made.append(socket.socket(family, kind, protocol))
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        return made[0]

    def connect(self, host, address, port=25, timeout=10):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = self.socket(host, family)
        sock.settimeout(timeout)
        sock.connect((address, port))
        return sock

    def listens(self, host, address, port):
        try:
            self.connect(host, address, port, 1).close()
        except OSError:
            return False
        return True

    def close(self):
        os.close(self._alive)
        os.waitpid(self._guard, 0)
