"""Debian's Postfix: takes mail for `server.example`, or sends all it is given
on port 25 of its own machine to the server under a name of our choice, or as
PostfixClient each sender's mail to a host of its own.

SPDX-License-Identifier: MIT
"""
import re
import shutil

from .accepted import of_mailbox
from .hop import HELO, Seen, submit
from .machine import Machine

MAIN = """\
compatibility_level = 3.6
myhostname = {host}.example
mydestination = {destination}
mynetworks = 127.0.0.0/8
inet_interfaces = {interfaces}
maillog_file = /var/log/postfix.log
maximal_queue_lifetime = 0
message_size_limit = 52428800
mailbox_size_limit = 0
mailbox_delivery_lock = fcntl
alias_maps =
smtp_tls_security_level = may
smtpd_tls_security_level = may
smtpd_tls_cert_file = /etc/server.crt
smtpd_tls_key_file = /etc/server.key
{more}
"""
LISTENS = "smtp inet n - n - - smtpd\n"
# One that speaks one version of TLS, and nothing in the clear.
ENDS = """\
{where} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt
  -o smtpd_tls_mandatory_protocols=TLSv{version}
"""
SERVICES = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
local unix - n n - - local
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
# How the client's mail goes out: transports by the level of TLS.
HOPS = """
sender_dependent_default_transport_maps = texthash:/etc/postfix/hops
smtp_host_lookup = native
smtp_tls_loglevel = 2
smtp_tls_fingerprint_digest = sha256
"""
LEVELS = ("encrypt", "verify")
LEVEL = """\
to-{level} unix - - n - - smtp -o syslog_name=postfix/{level}
  -o smtp_tls_policy_maps=texthash:/etc/postfix/{level}
"""


class OfPostfix(Machine):
    package = "postfix"
    accounts = {"postfix": 64997, "postdrop": 64996, "user": 64998}

    def _begin(self, where, more, services, tables=None, **main):
        """`where`: what it listens on at last, `more`: lines of main.cf,
        `services`: of master.cf, `tables`: files beside them."""
        etc = self.etc / "postfix"
        shutil.rmtree(etc, ignore_errors=True)
        shutil.copytree(self.root / "etc/postfix", etc)
        shutil.copytree(self.root / "usr/share/postfix", etc,
                        dirs_exist_ok=True)
        (etc / "main.cf").write_text(
            MAIN.format(host=self.host, more=more, **main))
        (etc / "master.cf").write_text(services + SERVICES)
        (self.var / "spool/postfix").mkdir()
        self.own(self.var / "lib/postfix", "postfix")
        for name, text in (tables or {}).items():
            (etc / name).write_text(text)
        self.start("/usr/sbin/postfix start-fg")
        self.wait(*where)

    def log(self):
        path = self.var / "log/postfix.log"
        return path.read_text() if path.exists() else ""


class Postfix(OfPostfix):
    def __init__(self, net, folder, host="server", relay=None,
                 helo=HELO, settings="", pair=None, ends=()):
        """`settings`: lines of main.cf.  `ends`: addresses, ports and the one
        version of TLS that is spoken there, with `pair` as certificate and
        key."""
        super().__init__(net, folder, host)
        self.mailbox = self.var / "mail/user"
        self.make_certificate(pair)
        more = f"relayhost = {relay}\nsmtp_helo_name = {helo}\n" if relay \
            else ""
        services = "".join(ENDS.format(where=f"[{a}]:{p}", version=v)
                           for a, p, v in ends) or LISTENS
        where = ends[0][:2] if ends else ["127.0.0.1"] if relay else []
        self._begin(where, more + settings, services,
                    destination="" if relay else "server.example",
                    interfaces="loopback-only" if relay else "all")

    def received(self):
        """How many messages it took, as its queue manager has seen them."""
        return sum("/qmgr[" in line and ", size=" in line
                   for line in self.log().splitlines())

    def accepted(self):
        return of_mailbox(self.mailbox)

    def settled(self):
        """Nothing is on its way to the mailbox."""
        return not any(path.is_file() for name in ("incoming", "active")
                       for path in (self.var / "spool/postfix" / name)
                       .rglob("*"))


class PostfixClient(OfPostfix):
    """Sends each sender's mail to its hop, encrypted or verified."""

    def __init__(self, net, folder, port, hops):
        super().__init__(net, folder, "client")
        self.port = port
        self.know(hops)
        self.make_certificate()
        tables = {"hops": "".join(
            f"{h.sender} to-{LEVELS[h.verify]}:[{h.name}]:{h.port}\n"
            for h in hops)}
        for level in LEVELS:
            tables[level] = "".join(
                f"[{h.name}]:{h.port} {level} protocols=TLSv{h.version}"
                + (f" tafile=/etc/{self.root_of(h.root)}" if h.verify else "")
                + "\n" for h in hops if LEVELS[h.verify] == level)
        services = f"127.0.0.1:{port} inet n - n - - smtpd\n" + "".join(
            LEVEL.format(level=level) for level in LEVELS)
        self._begin(["127.0.0.1", port], f"smtp_helo_name = {HELO}{HOPS}",
                    services, tables, destination="",
                    interfaces="loopback-only")

    def send(self, mails):
        submit(self.net, self.host, self.port, mails)

    def seen(self, hop):
        lines = [line for line in self.log().splitlines()
                 if f"postfix/{LEVELS[hop.verify]}/smtp[" in line
                 and re.search(rf" {hop.name}\[\S+\]:{hop.port}", line)]
        log = "\n".join(lines)
        level = re.search(r" (\w+) TLS connection established to .*: "
                          r"(TLSv[\d.]+) with", log)
        shown = re.search(r" subject_CN=.*, issuer_CN=(.*), "
                          r"fingerprint=([0-9A-F:]+)", log)
        assert level and shown, log
        return Seen(level[2], level[1] == "Verified",
                    shown[2].replace(":", "").lower(), shown[1])
