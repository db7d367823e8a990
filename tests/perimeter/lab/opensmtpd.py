"""Debian's OpenSMTPD: takes mail for `server.example`, or sends all it is
given on port 25 of its own machine to the server under a name of our choice, or
as OpenSMTPDClient each sender's mail to a host of its own.

SPDX-License-Identifier: MIT
"""
import os
import pathlib
import re
import tempfile

from .accepted import of_maildir
from .hop import HELO, Seen, submit
from .machine import Machine
from .net import TOP, sh

SERVER = """\
pki server.example cert "/etc/server.crt"
pki server.example key "/etc/server.key"
{listens}
smtp max-message-size "50M"
action "keep" maildir "/var/mail/box"
match from any for domain "server.example" action "keep"
"""
LISTEN = "listen on {} port {} {} pki server.example hostname server.example\n"
CLIENT = """\
listen on 127.0.0.1 port 25 hostname client.example
smtp max-message-size "50M"
action "out" relay host smtp://{relay} helo "{helo}"
match from local for any action "out"
"""
HOPS = """\
listen on 127.0.0.1 port {port} hostname client.example
mta limit conn-delay-route 0
mta limit conn-delay-relay 0
mta limit session-keepalive 0
"""
HOP = """\
action "{h.sender}" relay host smtp+tls://{h.name}:{h.port} tls helo "{helo}"
match from local mail-from "{h.sender}" for any action "{h.sender}"
"""
ROOTS = "ssl/certs/ca-certificates.crt"
KEY = pathlib.Path(__file__).with_name("opensmtpd_key.c")


class OfOpenSMTPD(Machine):
    package = "opensmtpd"
    accounts = {"opensmtpd": 64995, "opensmtpq": 64994, "user": 64998}

    def _begin(self, config, where, version=None, environment=""):
        """`version`: the one of TLS that it speaks, "1.2" or "1.3"."""
        (self.etc / "smtpd.conf").write_text(config)
        if version:
            (self.etc / "ssl/openssl.cnf").write_text(
                "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\n"
                "system_default = only\n[only]\n"
                f"MinProtocol = TLSv{version}\nMaxProtocol = TLSv{version}\n")
        self.own(self.var / "lib/opensmtpd/empty", "root")
        self.own(self.var / "spool/smtpd", "root", 0o711)
        self.own(self.var / "mail/box", "user", 0o700)
        self.start(f"env {environment} /usr/sbin/smtpd -dv")
        self.wait(*where)

    def log(self):
        return self.errors.read_text(errors="replace")


class OpenSMTPD(OfOpenSMTPD):
    def __init__(self, net, folder, host="server", relay=None,
                 helo=HELO, pair=None, ends=()):
        """`ends`: addresses, ports and the one version of TLS, the same for
        all, that is spoken there, with `pair` as certificate and key."""
        super().__init__(net, folder, host)
        self.make_certificate(pair)
        if relay:
            self._begin(CLIENT.format(relay=relay, helo=helo), ["127.0.0.1"])
        elif ends:
            (version,) = {version for _, _, version in ends}
            self._begin(SERVER.format(listens="".join(
                LISTEN.format(a, p, "tls-require") for a, p, _ in ends)),
                ends[0][:2], version, self._has_key())
        else:
            self._begin(SERVER.format(listens="".join(
                LISTEN.format(a, 25, "tls") for a in ("0.0.0.0", "::"))), [])

    @staticmethod
    def _has_key():
        """Words of its environment with which its TLS works."""
        made = TOP / "build/mta/opensmtpd-key.so"
        with tempfile.TemporaryDirectory(dir=made.parent) as folder:
            new = f"{folder}/key.so"
            sh("gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o",
               new, str(KEY))
            os.replace(new, made)
        return f"LD_PRELOAD={made} SMTPD_KEY=/etc/server.key"

    def mails(self):
        """The files of what was delivered."""
        return sorted((self.var / "mail/box/new").glob("*"),
                      key=lambda path: path.stat().st_mtime_ns)

    def last_body(self):
        mails = self.mails()
        return mails[-1].read_bytes().partition(b"\n\n")[2] if mails else b""

    def received(self):
        return len(self.mails())

    def accepted(self):
        return of_maildir(self.var / "mail/box/new")

    def settled(self):
        """Nothing is on its way to the mailbox."""
        return not any(path.is_file() for path in
                       (self.var / "spool/smtpd/queue").rglob("*"))


class OpenSMTPDClient(OfOpenSMTPD):
    """Sends each sender's mail to its hop, if that is who it ought to be.  All
    hops speak one version of TLS; it trusts all their authorities for all."""

    def __init__(self, net, folder, port, hops):
        super().__init__(net, folder, "client")
        self.port = port
        self.know(hops)
        with open(self.etc / "resolv.conf", "a", encoding="ascii") as file:
            file.write("lookup file bind\n")
        (self.etc / ROOTS).write_text("".join(
            root.read_text() for root in {h.root for h in hops}))
        (version,) = {h.version for h in hops}
        self._begin(HOPS.format(port=port) + "".join(
            HOP.format(h=h, helo=HELO) for h in hops),
            ["127.0.0.1", port], version)

    def send(self, mails):
        submit(self.net, self.host, self.port, mails)

    def seen(self, hop):
        log = self.log()
        session = re.search(rf"^(\w+) mta delivery .* from=<{hop.sender}> .*"
                            'result="Ok"', log, re.MULTILINE)
        assert session, log
        version = re.search(rf"^{session[1]} mta tls ciphers=(?:version=)?"
                            r"(TLSv[\d.]+)", log, re.MULTILINE)
        assert version, log
        return Seen(version[1], f"{session[1]} mta server-cert-check "
                    'result="success"' in log)
