"""Clients that bring one message and are gone: swaks, and Python's smtplib.

SPDX-License-Identifier: MIT
"""
import hashlib
import pathlib
import re
import smtplib
import ssl

from .certificates import at_version
from .hop import HELO, RECIPIENT, Seen


def fingerprint(der):
    return hashlib.sha256(der).hexdigest()


class Swaks:
    """Debian's."""

    def __init__(self, net, folder):
        self.net, self.folder = net, pathlib.Path(folder)
        self.said = {}

    def send(self, hop, text):
        """It makes CRLF of the LF that it reads, stuffs dots, and ends the
        last line."""
        mail = self.folder / f"{hop.sender}.txt"
        mail.write_bytes(text.replace(b"\r\n", b"\n"))
        run = self.net.run(
            "client", "swaks", "--server", hop.address,
            *(["-6"] if ":" in hop.address else []), "--port", str(hop.port),
            "--from", hop.sender, "--to", RECIPIENT, "--helo", HELO, "--tls",
            "--tls-protocol", "tlsv" + hop.version.replace(".", "_"),
            "--tls-verify", "--tls-ca-path", str(hop.root), "--tls-sni",
            hop.name, "--tls-get-peer-cert", str(self._certificate(hop)),
            "--data", f"@{mail}", check=False, encoding="latin-1")
        self.said[hop.sender] = run.stdout + run.stderr

    def _certificate(self, hop):
        return self.folder / f"{hop.sender}.pem"

    def seen(self, hop):
        said = self.said[hop.sender]
        version = re.search(r"TLS started with cipher (TLSv[\d.]+):", said)
        assert version, said
        der = ssl.PEM_cert_to_DER_cert(self._certificate(hop).read_text())
        return Seen(version[1], hop.verify, fingerprint(der))

    def said_of(self, hop):
        return self.said[hop.sender]


class InNamespace(smtplib.SMTP):
    """From the client's host."""

    def __init__(self, net, hop):
        self.net, self.hop = net, hop
        super().__init__(hop.name, hop.port, HELO, 30)

    def _get_socket(self, host, port, timeout):
        return self.net.connect("client", self.hop.address, port, timeout)


class Smtplib:
    def __init__(self, net):
        self.net = net
        self.shown, self.errors = {}, {}

    def send(self, hop, text):
        """It stuffs dots, and ends the last line."""
        context = at_version(
            ssl.create_default_context(cafile=str(hop.root)),
            f"TLSv{hop.version}")
        try:
            with InNamespace(self.net, hop) as smtp:
                smtp.starttls(context=context)
                self.shown[hop.sender] = (smtp.sock.version(),
                                          smtp.sock.getpeercert(True),
                                          smtp.sock.getpeercert())
                smtp.sendmail(hop.sender, RECIPIENT, text, ["BODY=8BITMIME"])
        except (OSError, smtplib.SMTPException) as error:
            self.errors[hop.sender] = error

    def seen(self, hop):
        version, der, told = self.shown[hop.sender]
        issuer = dict(pair for part in told["issuer"] for pair in part)
        return Seen(version, hop.verify, fingerprint(der),
                    issuer["commonName"])

    def said_of(self, hop):
        return str(self.errors.get(hop.sender))
