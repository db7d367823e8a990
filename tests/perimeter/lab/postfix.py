"""Debian's Postfix: takes mail for `server.example`, or sends all it is given
on port 25 of its own machine to the server under a name of our choice.

SPDX-License-Identifier: MIT
"""
import shutil

from .accepted import of_mailbox
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
SERVICES = """\
smtp inet n - n - - smtpd
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


class Postfix(Machine):
    package = "postfix"
    accounts = {"postfix": 64997, "postdrop": 64996, "user": 64998}

    def __init__(self, net, folder, host="server", relay=None,
                 helo="EXCH_01", settings=""):
        """`settings`: lines of main.cf."""
        super().__init__(net, folder, host)
        self.mailbox = self.var / "mail/user"
        self.make_certificate()
        etc = self.etc / "postfix"
        shutil.rmtree(etc, ignore_errors=True)
        shutil.copytree(self.root / "etc/postfix", etc)
        shutil.copytree(self.root / "usr/share/postfix", etc,
                        dirs_exist_ok=True)
        more = f"relayhost = {relay}\nsmtp_helo_name = {helo}" if relay \
            else ""
        more += settings
        (etc / "main.cf").write_text(MAIN.format(
            host=host, more=more,
            destination="" if relay else "server.example",
            interfaces="loopback-only" if relay else "all"))
        (etc / "master.cf").write_text(SERVICES)
        (self.var / "spool/postfix").mkdir()
        self.own(self.var / "lib/postfix", "postfix")
        self.start("/usr/sbin/postfix start-fg")
        self.wait("127.0.0.1" if relay else None)

    def log(self):
        path = self.var / "log/postfix.log"
        return path.read_text() if path.exists() else ""

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
