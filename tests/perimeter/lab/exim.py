"""Debian's Exim with Debian's own configuration: a host on the Internet that
takes mail for `server.example`, delivered to a file.  Nobody is asked about
clients; only with `extras` it has STARTTLS and AUTH.  With `hold` nothing is
delivered: what it accepts stays in its queue, where `accepted()` finds it.

SPDX-License-Identifier: MIT
"""
import shutil

from .accepted import of_exim_queue
from .machine import Machine

CONFIGURATION = """\
dc_eximconfig_configtype='internet'
dc_other_hostnames='server.example'
dc_local_interfaces=''
dc_readhost=''
dc_relay_domains=''
dc_minimaldns='false'
dc_relay_nets=''
dc_smarthost=''
CFILEMODE='644'
dc_use_split_config='false'
dc_hide_mailname=''
dc_mailname_in_oh='true'
dc_localdelivery='mail_spool'
"""
OURS = {"primary_hostname": "server.example", "host_lookup": "",
        "rfc1413_hosts": ""}
STARTTLS = {"tls_advertise_hosts": "*", "tls_certificate": "/etc/server.crt",
            "tls_privatekey": "/etc/server.key"}
HOLD = {"queue_only": "true", "smtp_accept_max": "100",
        "smtp_accept_queue": "0"}
AUTHENTICATOR = """
begin authenticators

plain_server:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${if and{{eq{$auth2}{user}}{eq{$auth3}{secret}}}}
  server_set_id = $auth2
  server_prompts = :
  server_advertise_condition = yes
"""


class Exim(Machine):
    package = "exim"
    accounts = {"Debian-exim": 64999, "user": 64998}

    def __init__(self, net, folder, host="server", extras=False,
                 hold=False):
        super().__init__(net, folder, host)
        self.mailbox = self.var / "mail/user"
        for name in ("spool/exim4", "log/exim4", "lib/exim4"):
            self.own(self.var / name, "Debian-exim")
        if extras:
            self.make_certificate()
        self._configure({**OURS, **(STARTTLS if extras else {}),
                         **(HOLD if hold else {})}, extras)
        self.start("/usr/sbin/exim4 -bdf -oX '<; 0.0.0.0 ; ::0'")
        self.wait()

    def _configure(self, ours, extras):
        """Debian's template through Debian's own update-exim4.conf."""
        etc = self.etc / "exim4"
        shutil.rmtree(etc, ignore_errors=True)
        shutil.copytree(self.root / "etc/exim4", etc)
        (etc / "update-exim4.conf.conf").write_text(CONFIGURATION)
        made = etc / "exim4.conf"
        self.run("/usr/sbin/update-exim4.conf -o /etc/exim4/exim4.conf")
        kept = "\n".join(line for line in made.read_text().splitlines()
                         if line.split("=")[0].strip() not in ours) + "\n"
        if extras:
            kept = kept.replace("\nbegin authenticators\n", AUTHENTICATOR)
        made.write_text("".join(f"{k} = {v}\n" for k, v in ours.items())
                        + kept)

    def log(self):
        path = self.var / "log/exim4/mainlog"
        return path.read_text() if path.exists() else ""

    def received(self):
        """How many messages it took."""
        return sum(" <= " in line for line in self.log().splitlines())

    def accepted(self):
        """With `hold`."""
        return of_exim_queue(self.var / "spool/exim4/input")

    def settled(self):
        return True     # its spool is written before it replies
