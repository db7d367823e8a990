"""A mail server that was unpacked, not installed, and sees a machine on which
it is: in a mount namespace its files are laid over /usr, and /etc and /var
are its own.  The host's stay as they are.

SPDX-License-Identifier: MIT
"""
import os
import pathlib
import shutil
import signal
import subprocess

from .net import SERVER4, TOP, sh, wait_for


class Machine:
    """What Exim, Postfix and OpenSMTPD have in common."""
    package = None      # as tests/tool/mta calls it
    accounts = {}       # name: number, of a user and of a group

    def __init__(self, net, folder, host):
        sh(str(TOP / "tests/tool/mta"), self.package)
        self.net, self.host = net, host
        self.root = TOP / "build/mta" / self.package
        self.folder = pathlib.Path(folder) / self.package
        self.folder.mkdir(parents=True)
        for path in (self.folder.parent, self.folder):
            os.chmod(path, 0o755)
        self.etc, self.var = self.folder / "etc", self.folder / "var"
        self._make_etc()
        self._make_var()
        self.process = None

    def _make_etc(self):
        """The host's, with the server's accounts and no resolver."""
        sh("cp", "-a", "/etc", str(self.etc))
        with open(self.etc / "passwd", "a", encoding="ascii") as users:
            for name, number in self.accounts.items():
                users.write(f"{name}:x:{number}:{number}::/:/bin/false\n")
        with open(self.etc / "group", "a", encoding="ascii") as groups:
            for name, number in self.accounts.items():
                groups.write(f"{name}:x:{number}:\n")
        # Every question is answered at once, with a refusal.
        (self.etc / "resolv.conf").unlink(missing_ok=True)
        (self.etc / "resolv.conf").write_text(
            "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n")
        (self.etc / "mailname").write_text("server.example\n")
        for name in ("aliases", "email-addresses"):
            (self.etc / name).write_text("")

    def _make_var(self):
        for name in ("lib", "log", "spool", "mail", "tmp", "cache"):
            (self.var / name).mkdir(parents=True)
        for name in ("tmp", "mail"):
            os.chmod(self.var / name, 0o1777)
        (self.var / "run").symlink_to("/run")

    def own(self, path, name, mode=0o755):
        """Makes a folder of the machine and gives it to an account."""
        path.mkdir(parents=True, exist_ok=True)
        number = self.accounts.get(name, 0)
        os.chown(path, number, number)
        os.chmod(path, mode)

    def know(self, hops):
        """Names of hosts, and whom it trusts."""
        with open(self.etc / "hosts", "a", encoding="ascii") as hosts:
            for address, name in sorted({(h.address, h.name) for h in hops}):
                hosts.write(f"{address} {name}\n")
        for root in {h.root for h in hops}:
            shutil.copy(root, self.etc / self.root_of(root))

    @staticmethod
    def root_of(root):
        """What an authority's file is called in its /etc."""
        return f"{root.parent.name}.pem"

    def make_certificate(self, pair=None):
        """For STARTTLS: a chain and its key, or one of its own."""
        files = [self.etc / "server.crt", self.etc / "server.key"]
        if pair:
            for given, ours in zip(pair, files):
                shutil.copy(given, ours)
        else:
            sh("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
               "-days", "30", "-subj", "/CN=server.example", "-keyout",
               str(files[1]), "-out", str(files[0]))
        owner = next(iter(self.accounts.values()))
        os.chown(self.etc / "server.key",
                 owner if self.package == "exim" else 0, 0)
        os.chmod(self.etc / "server.key", 0o600)

    def inside(self, command):
        """Shell words that run a command on this machine."""
        return (f"mount -t overlay overlay "
                f"-o lowerdir={self.root}/usr:/usr /usr; "
                f"mount --bind {self.etc} /etc; "
                f"mount --bind {self.var} /var; mount -t tmpfs tmpfs /run; "
                f"exec {command}")

    def run(self, command, **more):
        """Runs a command on this machine until it ends."""
        return sh(*self.net.command(self.host, "unshare", "-m", "sh", "-ec",
                                    self.inside(command)), **more)

    def start(self, command):
        """Starts the server; it must stay in the foreground.  All that it
        starts is in a process namespace and goes with it."""
        self.errors = self.folder / "stderr.txt"
        with open(self.errors, "wb") as said:
            self.process = self.net.popen(
                self.host, "unshare", "-mpf", "--kill-child", "--mount-proc",
                "sh", "-ec", self.inside(command), stdin=subprocess.DEVNULL,
                stdout=said, stderr=said)

    def wait(self, address=None, port=25):
        """Until it listens."""
        wait_for(self.package, lambda: self.process.poll() is not None
                 or self.net.listens(self.host, address or SERVER4, port), 20)
        assert self.process.poll() is None, \
            self.errors.read_text() + self.log()

    def log(self):
        """What it says of its work."""
        raise NotImplementedError

    def said_of(self, hop):
        """The same of one host, by its name."""
        return "".join(line for line in self.log().splitlines(True)
                       if hop.name in line)

    def last_body(self):
        """The text behind the header of the last message in the mailbox."""
        if not self.mailbox.exists():
            return b""
        last = (b"\n" + self.mailbox.read_bytes()).split(b"\nFrom ")[-1]
        # An empty line ends a message in a mailbox.
        return last.partition(b"\n\n")[2][:-1]

    def remove(self):
        shutil.rmtree(self.folder.parent)

    def stop(self):
        """Returns when all that it started is gone: the first process of the
        namespace ends after the others, and unshare after that."""
        for pid in sh("pgrep", "-P", str(self.process.pid),
                      check=False).stdout.split():
            os.kill(int(pid), signal.SIGKILL)
        self.process.wait(20)
