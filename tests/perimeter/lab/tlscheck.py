"""What a TLS port admits that it should not, asked with openssl as an auditor
would, and octet by octet for what Debian's openssl does not offer any more.

SPDX-License-Identifier: MIT
"""
import os
import re
import struct

from .peers import Talk

# Each must not be agreed upon.
OLD = {"TLSv1": "-tls1", "TLSv1.1": "-tls1_1"}
WEAK = ("eNULL", "aNULL", "MD5", "kRSA", "CAMELLIA", "ARIA", "SHA1:!TLSv1.3",
        "AES128-SHA256:AES256-SHA256")
SSL3, TLS12 = 0x0300, 0x0303
# ECDHE with AES-GCM, for both kinds of key.
DECENT = (0xc02f, 0xc02b)
# By their numbers (RFC 5246 A.5, 4346 A.5, 4492 6): 0.9.8 knew all of them.
SUITES = {"NULL": (0x0001, 0x0002, 0x003b, 0xc006, 0xc010),
          "EXPORT": (0x0003, 0x0006, 0x0008, 0x000e, 0x0011, 0x0014, 0x0017),
          "RC4": (0x0004, 0x0005, 0x0018, 0xc007, 0xc011),
          "DES": (0x0009, 0x000c, 0x000f, 0x0012, 0x0015),
          "3DES": (0x000a, 0x000d, 0x0010, 0x0013, 0x0016, 0xc008, 0xc012),
          "IDEA": (0x0007,), "SEED": (0x0096, 0x0099, 0x009a),
          "anonymous": (0x001b, 0x0034, 0x003a, 0x006c, 0x00a6, 0xc018)}
# secp256r1 and x25519; points as they are; RSA and ECDSA with SHA-1 and -256.
EXTENSIONS = {10: b"\0\4\0\x17\0\x1d", 11: b"\1\0",
              13: b"\0\x0a\4\1\4\3\2\1\2\3\x08\4", 0xff01: b"\0"}


def hello(version, suites, compressions):
    """A ClientHello in its record (RFC 5246 7.4.1.2)."""
    offered = b"".join(struct.pack("!H", suite) for suite in suites)
    body = struct.pack("!H32sBH", version, os.urandom(32), 0,
                       len(offered)) + offered
    body += bytes([len(compressions), *compressions])
    if version > SSL3:
        more = b"".join(struct.pack("!HH", number, len(text)) + text
                        for number, text in EXTENSIONS.items())
        body += struct.pack("!H", len(more)) + more
    whole = b"\1" + len(body).to_bytes(3, "big") + body
    return struct.pack("!BHH", 22, min(version, 0x0301), len(whole)) + whole


def server_hello(got):
    """Version, suite and compression, if that is what begins `got`."""
    if len(got) < 44 or got[0] != 22 or got[5] != 2:
        return None
    after = 44 + got[43]
    return (struct.unpack_from("!H", got, 9)[0],
            *struct.unpack_from("!HB", got, after))


class Auditor:
    """Talks to `address`:`port` from the client's host."""

    def __init__(self, net, address, port=25, starttls=True):
        self.net, self.starttls = net, starttls
        self.address, self.port = address, port
        self.words = ["openssl", "s_client", "-connect", f"{address}:{port}",
                      "-servername", "mx.test"]
        if starttls:
            self.words += ["-starttls", "smtp"]

    def ask(self, *more, text="QUIT\r\n"):
        run = self.net.run("client", "timeout", "10", *self.words, *more,
                           input=text, check=False)
        return run.stdout + run.stderr

    def agrees(self, *more):
        """The protocol and the cipher that came of it, or None."""
        found = re.search(r"New, (\S+), Cipher is (\S+)", self.ask(*more))
        return None if not found or found[2] == "(NONE)" else found.groups()

    def answer(self, version, suites, compressions=(0,)):
        """What the port chooses of these, or None."""
        talk = Talk(self.net.connect("client", self.address, self.port))
        try:
            if self.starttls:
                talk.reply()
                for line in ("EHLO auditor.test", "STARTTLS"):
                    assert talk.say(line)[0] == "2"
            talk.sock.sendall(hello(version, suites, compressions))
            got = b""
            while len(got) < 5 or len(got) < 5 + int.from_bytes(got[3:5],
                                                                "big"):
                more = talk.sock.recv(4096)
                if not more:
                    break
                got += more
            return server_hello(got)
        except OSError:
            return None
        finally:
            talk.close()

    def relics(self):
        """Faults that only the octets of a ClientHello find."""
        found = []
        decent = self.answer(TLS12, DECENT, (1, 0))
        if not decent or decent[1] not in DECENT:
            return [f"a decent hello is answered {decent}"]
        if decent[2] != 0:
            found.append("compression is agreed upon")
        if self.answer(SSL3, [s for suites in SUITES.values()
                              for s in suites] + [0x002f, 0x0035]):
            found.append("SSLv3 is spoken")
        return found + [f"weak cipher of {name}" for name, suites in
                        SUITES.items() if self.answer(TLS12, suites)]

    def faults(self):
        """In words; none: the port is as it should be."""
        found = []
        for name, option in OLD.items():
            if self.agrees(option, "-cipher", "ALL:@SECLEVEL=0"):
                found.append(f"{name} is spoken")
        for ciphers in WEAK:
            agreed = self.agrees("-tls1_2", "-cipher",
                                 f"{ciphers}:@SECLEVEL=0")
            if agreed:
                found.append(f"weak cipher {agreed[1]} of {ciphers}")
        said = self.ask("-tls1_2")
        if "Secure Renegotiation IS supported" not in said:
            found.append("no secure renegotiation indication")
        if "Compression: NONE" not in said:
            found.append("compression")
        again = self.ask("-tls1_2", text="R\n")
        if "no renegotiation" not in again and \
                "handshake failure" not in again and "depth" in \
                again.split("RENEGOTIATING", 1)[-1]:
            found.append("renegotiation")
        found += [f"no resumption with {version}" for version in
                  ("-tls1_2", "-tls1_3") if not self.resumes(version)]
        return found + self.relics()

    def resumes(self, version):
        """By the ticket of a first connection."""
        where = f"/tmp/tls-session-{id(self)}"
        script = (f"(sleep 0.5; echo QUIT) | {' '.join(self.words)} {version} "
                  f"-sess_out {where} >/dev/null 2>&1; echo QUIT | "
                  f"{' '.join(self.words)} {version} -sess_in {where}; "
                  f"rm -f {where}")
        return "Reused, " in self.net.run("client", "sh", "-c", script,
                                          check=False).stdout
