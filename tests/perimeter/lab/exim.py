"""Debian's Exim with Debian's own configuration: a host on the Internet that
takes mail for `server.example`, delivered to a file.  Nobody is asked about
clients; only with `extras` it has STARTTLS and AUTH.  With `hold` nothing is
delivered: what it accepts stays in its queue, where `accepted()` finds it.

Or, as EximClient with a configuration of ours, a host that sends on what it is
given.

SPDX-License-Identifier: MIT
"""
import re
import shutil

from .accepted import of_exim_queue
from .hop import HELO, Seen, submit
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
# GnuTLS has no other word for versions.
ONLY = "NORMAL:-VERS-ALL:+VERS-TLS"
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

CLIENT = f"""\
primary_hostname = client.example
tls_advertise_hosts =
host_lookup =
acl_smtp_rcpt = accept
smtp_accept_queue_per_connection = 0
keep_environment =
log_selector = +sender_on_delivery +outgoing_port +tls_peerdn
HOP = ${{lookup{{$sender_address}}lsearch{{/etc/exim4/hops}}{{$value}}fail}}

begin routers
hop:
  driver = accept
  transport = hop

begin transports
hop:
  driver = smtp
  hosts = ${{extract{{name}}{{HOP}}}}
  gethostbyname
  port = ${{extract{{port}}{{HOP}}}}
  helo_data = {HELO}
  hosts_require_tls = *
  tls_require_ciphers = {ONLY}${{extract{{version}}{{HOP}}}}
  tls_verify_hosts = *
  tls_verify_certificates = /etc/${{extract{{root}}{{HOP}}}}
"""


class OfExim(Machine):
    package = "exim"
    accounts = {"Debian-exim": 64999, "user": 64998}

    def __init__(self, net, folder, host):
        super().__init__(net, folder, host)
        for name in ("spool/exim4", "log/exim4", "lib/exim4"):
            self.own(self.var / name, "Debian-exim")
        self.config = self.etc / "exim4/exim4.conf"

    def log(self):
        path = self.var / "log/exim4/mainlog"
        return path.read_text() if path.exists() else ""


class Exim(OfExim):
    def __init__(self, net, folder, host="server", extras=False,
                 hold=False, pair=None, ends=()):
        """`ends`: addresses, ports and the one version of TLS that is spoken
        there, with `pair` as certificate and key."""
        super().__init__(net, folder, host)
        self.mailbox = self.var / "mail/user"
        ours = {**OURS, **(HOLD if hold else {})}
        if extras or ends:
            self.make_certificate(pair)
            ours.update(STARTTLS)
        if ends:
            old = ":".join(str(p) for _, p, v in ends if v == "1.2")
            ours["tls_require_ciphers"] = \
                f"{ONLY}${{if inlist{{$received_port}}{{{old}}}{{1.2}}{{1.3}}}}"
        self._configure(ours, extras)
        where = "; ".join(f"[{a}]:{p}" for a, p, _ in ends) or "0.0.0.0 ; ::0"
        self.start(f"/usr/sbin/exim4 -bdf -oX '<; {where}'")
        self.wait(*(ends[0][:2] if ends else ()))

    def _configure(self, ours, extras):
        """Debian's template through Debian's own update-exim4.conf."""
        etc = self.config.parent
        shutil.rmtree(etc, ignore_errors=True)
        shutil.copytree(self.root / "etc/exim4", etc)
        (etc / "update-exim4.conf.conf").write_text(CONFIGURATION)
        self.run("/usr/sbin/update-exim4.conf -o /etc/exim4/exim4.conf")
        kept = "\n".join(line for line in self.config.read_text().splitlines()
                         if line.split("=")[0].strip() not in ours) + "\n"
        if extras:
            kept = kept.replace("\nbegin authenticators\n", AUTHENTICATOR)
        self.config.write_text(
            "".join(f"{k} = {v}\n" for k, v in ours.items()) + kept)

    def received(self):
        """How many messages it took."""
        return sum(" <= " in line for line in self.log().splitlines())

    def accepted(self):
        """With `hold`."""
        return of_exim_queue(self.var / "spool/exim4/input")

    def settled(self):
        return True     # its spool is written before it replies


class EximClient(OfExim):
    """Sends each sender's mail to its hop, if that is who it ought to be; what
    that does not take comes back at once, as no rule has it tried again."""

    def __init__(self, net, folder, port, hops):
        super().__init__(net, folder, "client")
        self.port = port
        self.know(hops)
        shutil.rmtree(self.config.parent, ignore_errors=True)
        self.config.parent.mkdir()
        self.config.write_text(CLIENT)
        (self.config.parent / "hops").write_text("".join(
            f"{h.sender}: name={h.name} port={h.port} version={h.version} "
            f"root={self.root_of(h.root)}\n" for h in hops))
        self.start(f"/usr/sbin/exim4 -bdf -oX '[127.0.0.1]:{port}'")
        self.wait("127.0.0.1", port)

    def send(self, mails):
        submit(self.net, self.host, self.port, mails)

    def seen(self, hop):
        said = re.search(rf" => \S+ F=<{hop.sender}> .* X=TLS([\d.]+):\S+ "
                         r"CV=(\S+)", self.log())
        assert said, self.log()
        return Seen(f"TLSv{said[1]}", said[2] == "yes")
