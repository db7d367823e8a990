"""Debian's OpenSMTPD: takes mail for `server.example`, or sends all it is
given on port 25 of its own machine to the server under a name of our choice.

SPDX-License-Identifier: MIT
"""
from .accepted import of_maildir
from .machine import Machine

SERVER = """\
pki server.example cert "/etc/server.crt"
pki server.example key "/etc/server.key"
listen on 0.0.0.0 port 25 tls pki server.example hostname server.example
listen on :: port 25 tls pki server.example hostname server.example
smtp max-message-size "50M"
action "keep" maildir "/var/mail/box"
match from any for domain "server.example" action "keep"
"""
CLIENT = """\
listen on 127.0.0.1 port 25 hostname client.example
smtp max-message-size "50M"
action "out" relay host smtp://{relay} helo "{helo}"
match from local for any action "out"
"""


class OpenSMTPD(Machine):
    package = "opensmtpd"
    accounts = {"opensmtpd": 64995, "opensmtpq": 64994, "user": 64998}

    def __init__(self, net, folder, host="server", relay=None,
                 helo="EXCH_01"):
        super().__init__(net, folder, host)
        self.make_certificate()
        (self.etc / "smtpd.conf").write_text(
            CLIENT.format(relay=relay, helo=helo) if relay else SERVER)
        self.own(self.var / "lib/opensmtpd/empty", "root")
        self.own(self.var / "spool/smtpd", "root", 0o711)
        self.own(self.var / "mail/box", "user", 0o700)
        self.start("/usr/sbin/smtpd -dv")
        self.wait("127.0.0.1" if relay else None)

    def log(self):
        return self.errors.read_text(errors="replace")

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
