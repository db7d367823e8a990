"""A perimeter in miniature: client, gate and server in network namespaces.

    client  10.77.1.2 ---- 10.77.1.1  gate  10.77.2.1 ---- 10.77.2.2  server
            fd77:1::2      fd77:1::1        fd77:2::1      fd77:2::2

A second server address (10.77.2.3) stands for "another host".  Everything is
removed at the end, also when this process is killed: a guardian process does
it when its pipe closes.
"""
import ctypes
import json
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
GATE = os.environ.get("EHLOGATE", str(TOP / "build/ehlogate"))
CLIENT4, CLIENT6 = "10.77.1.2", "fd77:1::2"
SERVER4, SERVER6 = "10.77.2.2", "fd77:2::2"
OTHER4 = "10.77.2.3"

POLICY = """\
policy: 1
lists:
  inside: {address: [10.0.0.0/8, "fd00::/8", 127.0.0.0/8, "::1"]}
helo:
  - name: mend
    when: {client: inside, helo.flaw: [underscore, single_label, missing]}
    then:
      repair: [underscore, {append_domain: corp.example.com}, client_literal]
      starttls: pass
  - name: not-a-name
    when: {helo.valid: false}
    then: reject
default: accept
"""


def die_with_parent():
    """In a child: SIGKILL when the parent goes (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def sh(*command, check=True, **more):
    return subprocess.run(command, check=check, capture_output=True,
                          text=True, **more)


def wait_for(what, probe, seconds=10):
    """Polls until probe() is true; what it waited for if it is not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if probe():
            return
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s for {what}")


class Namespaces:
    """The three hosts.  `enter(name)` runs code of ours inside one."""

    def __init__(self):
        self.tag = f"eg{os.getpid() % 100000}"
        self.names = {n: f"{self.tag}{n[0]}" for n in
                      ("client", "gate", "server")}
        self._guardian()
        for name in self.names.values():
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

    def _remove(self):
        for name in self.names.values():
            pids = sh("ip", "netns", "pids", name, check=False).stdout.split()
            for pid in pids:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            sh("ip", "netns", "del", name, check=False)

    def _sysctl(self, name, key, value):
        sh("ip", "netns", "exec", name, "sysctl", "-qw", f"{key}={value}")

    def _wire(self, host, port, net):
        name, gate = self.names[host], self.names["gate"]
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

    def command(self, host, *command):
        return ["ip", "netns", "exec", self.names[host], *command]

    def run(self, host, *command, **more):
        return sh(*self.command(host, *command), **more)

    def popen(self, host, *command, **more):
        return subprocess.Popen(self.command(host, *command),
                                preexec_fn=die_with_parent, **more)

    def socket(self, host, family=socket.AF_INET, kind=socket.SOCK_STREAM):
        """A socket that lives in another namespace: made by a thread that
        goes there and does not come back."""
        made = []

        def make():
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f"/run/netns/{self.names[host]}", "rb") as there:
                if libc.setns(there.fileno(), 0x40000000) != 0:
                    made.append(OSError(ctypes.get_errno(), "setns"))
                    return
            made.append(socket.socket(family, kind))
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


class Gate:
    """One `ehlogate run` in the gate's namespace."""

    def __init__(self, net, folder, mode="tproxy", policy=POLICY, more="",
                 port=25, settings="", user="nobody"):
        self.net = net
        self.folder = pathlib.Path(folder)
        os.chmod(self.folder, 0o755)
        self.log = self.folder / "session.jsonl"
        (self.folder / "policy.yaml").write_text(policy)
        self.config = self.folder / "ehlogate.yaml"
        intercept = ""
        if mode != "explicit":
            intercept = f"    intercept: {{interface: [gc], port: [{port}]}}\n"
        self.config.write_text(
            f"version: 1\nnode: gate\nlisteners:\n  inbound:\n"
            f"    mode: {mode}\n{intercept}    policy: policy.yaml\n{more}"
            f"workers: 1\nuser: {user}\n"
            f"log: {{sinks: [{{file: {self.log}}}]}}\n{settings}")
        self.errors = self.folder / "stderr.txt"
        self.process = None
        self.start()

    def start(self):
        with open(self.errors, "ab") as errors:
            self.process = self.net.popen(
                "gate", GATE, "run", "-c", str(self.config), stderr=errors)
        wait_for("the gate", lambda: "ready" in self.said()
                 or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()

    def said(self):
        return self.errors.read_text()

    def pids(self):
        """The monitor first, then its children."""
        monitor = self.process.pid
        children = sh("pgrep", "-P", str(monitor), check=False).stdout
        return [monitor, *map(int, children.split())]

    def records(self, kind="session"):
        if not self.log.exists():
            return []
        # What has no newline yet is being written.
        lines = [json.loads(line) for line in
                 self.log.read_text().splitlines(True)
                 if line.endswith("\n")]
        return [r for r in lines if r["event_type"] == kind]

    def wait_records(self, count, seconds=10):
        wait_for(f"{count} records",
                 lambda: len(self.records()) >= count, seconds)
        return self.records()

    def command(self, *words, check=True):
        return self.net.run("gate", GATE, *words, check=check)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGTERM)
                self.process.wait(5)
        self.command("nft", "remove")
        self.keep_log()

    def keep_log(self):
        """For the suite that validates every record."""
        folder = os.environ.get("EHLOGATE_LOGS")
        if folder and self.log.exists():
            name = "-".join(self.log.parts[-2:])
            shutil.copy(self.log, pathlib.Path(folder) /
                        f"perimeter-{os.getpid()}-{name}")


class Stub(threading.Thread):
    """A recording ESMTP server: keeps the raw bytes of every connection and
    the messages that it accepted."""

    def __init__(self, net, host="server", address=SERVER4, port=25,
                 keywords=("PIPELINING", "8BITMIME", "CHUNKING", "SIZE")):
        super().__init__(daemon=True)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.keywords = keywords
        self.listener = net.socket(host, family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(100)
        self.raw, self.messages, self.peers = [], [], []
        self.start()

    def run(self):
        while True:
            try:
                sock, peer = self.listener.accept()
            except OSError:
                return
            self.peers.append(peer[0])
            threading.Thread(target=self.serve, args=(sock,),
                             daemon=True).start()

    def serve(self, sock):
        raw = bytearray()
        self.raw.append(raw)
        try:
            self.talk(sock, raw)
        except OSError:
            pass
        finally:
            sock.close()

    def talk(self, sock, raw):
        pending = b""

        def more():
            nonlocal pending
            got = sock.recv(65536)
            if not got:
                raise OSError("closed")
            raw.extend(got)
            pending += got

        def line():
            nonlocal pending
            while b"\r\n" not in pending:
                more()
            text, pending = pending.split(b"\r\n", 1)
            return text
        chunks = b""
        sock.sendall(b"220 stub ESMTP\r\n")
        while True:
            command = line()
            verb = command[:4].upper()
            if verb == b"EHLO":
                lines = ["stub", *self.keywords]
                sock.sendall("".join(
                    f"250{'-' if i < len(lines) - 1 else ' '}{text}\r\n"
                    for i, text in enumerate(lines)).encode())
            elif verb == b"DATA":
                sock.sendall(b"354 go\r\n")
                while not (pending.startswith(b".\r\n")
                           or b"\r\n.\r\n" in pending):
                    more()
                if pending.startswith(b".\r\n"):
                    body, pending = b"", pending[3:]
                else:
                    body, pending = pending.split(b"\r\n.\r\n", 1)
                    body += b"\r\n"
                body = body.replace(b"\r\n..", b"\r\n.")
                self.messages.append(
                    body[1:] if body.startswith(b"..") else body)
                sock.sendall(b"250 2.0.0 Ok: queued as STUB%d\r\n"
                             % len(self.messages))
            elif verb == b"BDAT":
                words = command.split()
                size = int(words[1])
                while len(pending) < size:
                    more()
                chunks += pending[:size]
                pending = pending[size:]
                if len(words) > 2:
                    self.messages.append(chunks)
                    chunks = b""
                sock.sendall(b"250 2.0.0 ok\r\n")
            elif verb == b"QUIT":
                sock.sendall(b"221 bye\r\n")
                return
            else:
                sock.sendall(b"250 ok\r\n")

    def stop(self):
        # Wakes the accept that a plain close would leave waiting.
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()


class Talk:
    """A client that says what it is told."""

    def __init__(self, sock):
        self.sock = sock
        self.pending = b""

    def reply(self):
        """The next whole reply, its lines joined by newlines."""
        lines = []
        while True:
            while b"\r\n" not in self.pending:
                got = self.sock.recv(65536)
                if not got:
                    raise EOFError("\n".join(lines))
                self.pending += got
            line, self.pending = self.pending.split(b"\r\n", 1)
            lines.append(line.decode("latin-1"))
            if line[3:4] != b"-":
                return "\n".join(lines)

    def say(self, text):
        if isinstance(text, str):
            text = text.encode() + b"\r\n"
        self.sock.sendall(text)
        return self.reply()

    def close(self):
        self.sock.close()


def send(net, address=SERVER4, helo="EXCH_01", body=b"Subject: x\r\n\r\nx\r\n",
         port=25):
    """One message, said plainly; the final reply."""
    talk = Talk(net.connect("client", address, port))
    talk.reply()
    assert talk.say(f"EHLO {helo}").startswith("250"), helo
    assert talk.say("MAIL FROM:<user@server.example>").startswith("250")
    assert talk.say("RCPT TO:<user@server.example>").startswith("250")
    assert talk.say("DATA").startswith("354")
    final = talk.say(body + b".\r\n")
    talk.say("QUIT")
    talk.close()
    return final


class Exim:
    """The real Exim of Debian, unpacked, with Debian's own configuration for
    a host that takes mail for `server.example`, delivered to a file."""

    def __init__(self, net, folder, host="server"):
        sh(str(TOP / "tests/tool/mta"), "exim")
        self.root = TOP / "build/mta/exim"
        self.folder = pathlib.Path(folder)
        os.chmod(self.folder, 0o755)
        for name in ("spool", "log", "mail"):
            (self.folder / name).mkdir()
            os.chmod(self.folder / name, 0o1777)
        self.mainlog = self.folder / "log/mainlog"
        self.mailbox = self.folder / "mail/user"
        self.etc = self.folder / "etc"
        self._copy_etc()
        self._configure()
        self.process = net.popen(
            host, "sh", "-ec", self._as_exim_host()
            + f"exec {self.root}/usr/sbin/exim4 -bdf -oX '<; 0.0.0.0 ; ::0'",
            stdout=subprocess.DEVNULL,
            stderr=open(self.folder / "exim.err", "wb"))
        wait_for("Exim", lambda: net.listens(host, SERVER4, 25)
                 or self.process.poll() is not None)
        assert self.process.poll() is None, \
            (self.folder / "exim.err").read_text()

    def _copy_etc(self):
        """An /etc of its own: Exim's user, its configuration, no resolver.
        The host's stays as it is."""
        sh("cp", "-a", "/etc", str(self.etc))
        with open(self.etc / "passwd", "a", encoding="ascii") as accounts:
            accounts.write("Debian-exim:x:64999:64999::/:/bin/false\n"
                           "user:x:64998:64999::/:/bin/false\n")
        with open(self.etc / "group", "a", encoding="ascii") as groups:
            groups.write("Debian-exim:x:64999:\n")
        # Every question is answered at once, with a refusal.
        (self.etc / "resolv.conf").unlink(missing_ok=True)
        (self.etc / "resolv.conf").write_text(
            "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n")
        (self.etc / "mailname").write_text("server.example\n")
        for name in ("aliases", "email-addresses"):
            (self.etc / name).write_text("")
        for name in ("spool", "log"):
            os.chown(self.folder / name, 64999, 64999)

    def _as_exim_host(self):
        """Shell words for a mount namespace with that /etc."""
        return f"mount --bind {self.etc} /etc;"

    def _configure(self):
        """Debian's template through Debian's own update-exim4.conf."""
        etc = self.etc / "exim4"
        shutil.rmtree(etc, ignore_errors=True)
        shutil.copytree(self.root / "etc/exim4", etc)
        (etc / "update-exim4.conf.conf").write_text(
            "dc_eximconfig_configtype='internet'\n"
            "dc_other_hostnames='server.example'\n"
            "dc_local_interfaces=''\ndc_readhost=''\ndc_relay_domains=''\n"
            "dc_minimaldns='false'\ndc_relay_nets=''\ndc_smarthost=''\n"
            "CFILEMODE='644'\ndc_use_split_config='false'\n"
            "dc_hide_mailname=''\ndc_mailname_in_oh='true'\n"
            "dc_localdelivery='mail_spool'\n")
        made = etc / "exim4.conf"
        sh("unshare", "-m", "sh", "-ec", self._as_exim_host()
           + f"exec {self.root}/usr/sbin/update-exim4.conf -o {made}")
        text = made.read_text()
        # Where it keeps things, and whom it asks about its clients: nobody.
        for old, new in {"/var/spool/exim4": "spool", "/var/log/exim4": "log",
                         "/var/mail": "mail"}.items():
            text = text.replace(old, str(self.folder / new))
        ours = {"primary_hostname": "server.example",
                "exim_path": f"{self.root}/usr/sbin/exim4",
                "spool_directory": str(self.folder / "spool"),
                "log_file_path": f"{self.folder}/log/%slog",
                "host_lookup": "", "rfc1413_hosts": ""}
        kept = [line for line in text.splitlines()
                if line.split("=")[0].strip() not in ours]
        made.write_text("".join(f"{k} = {v}\n" for k, v in ours.items())
                        + "\n".join(kept) + "\n")

    def log(self):
        return self.mainlog.read_text() if self.mainlog.exists() else ""

    def received(self):
        """How many messages Exim took."""
        return sum(" <= " in line for line in self.log().splitlines())

    def stop(self):
        self.process.terminate()
        self.process.wait(5)


def need_root():
    if os.geteuid() != 0:
        print("this needs root: it makes network namespaces",
              file=sys.stderr)
        sys.exit(1)


def temporary():
    return tempfile.mkdtemp(prefix="ehlogate-lab-")
