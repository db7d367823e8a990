"""Certificates of a test run: one authority, and what it signs.

SPDX-License-Identifier: MIT
"""
import pathlib
import ssl
import subprocess

KEYS = {"rsa": ["rsa:2048"], "ec": ["ec", "-pkeyopt",
                                    "ec_paramgen_curve:prime256v1"]}


def openssl(*words, **more):
    return subprocess.run(["openssl", *map(str, words)], check=True,
                          capture_output=True, **more)


class Authority:
    """Signs; `root` is the certificate that peers trust, `key` its key."""

    def __init__(self, folder, name="Test authority"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.root, self.key = self.folder / "root.pem", self.folder / "root.key"
        self.made = 0
        openssl("req", "-x509", "-newkey", *KEYS["ec"], "-nodes", "-subj",
                f"/CN={name}", "-days", "30", "-addext",
                "basicConstraints=critical,CA:TRUE", "-addext",
                "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self.key,
                "-out", self.root)
        self.key.chmod(0o600)

    def issue(self, *names, kind="rsa", days=10, client=False):
        """Paths of a chain and its key; a name is a DNS name or an address."""
        self.made += 1
        stem = self.folder / f"{self.made}-{names[0].replace('*', 'any')}"
        chain, key = stem.with_suffix(".chain"), stem.with_suffix(".key")
        request, extra = stem.with_suffix(".csr"), stem.with_suffix(".ext")
        named = ",".join(("IP:" if n[0].isdigit() or ":" in n else "DNS:") + n
                         for n in names)
        usage = "clientAuth" if client else "serverAuth"
        extra.write_text(f"subjectAltName={named}\nextendedKeyUsage={usage}\n"
                         "basicConstraints=CA:FALSE\n")
        openssl("req", "-new", "-newkey", *KEYS[kind], "-nodes", "-subj",
                f"/CN={names[0]}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.root, "-CAkey",
                self.key, "-set_serial", self.made + 1, "-days", days,
                "-extfile", extra, "-out", chain)
        key.chmod(0o600)
        return chain, key

    def server(self, *names, version=None, **more):
        """What a server of Python's speaks TLS with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(*names, **more))
        return at_version(context, version)

    def client(self, version=None, name=True):
        """What a client that trusts this authority does."""
        context = ssl.create_default_context(cafile=str(self.root))
        context.check_hostname = name
        return at_version(context, version)


def anybody(version=None):
    """What a client does that trusts whoever answers."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return at_version(context, version)


def at_version(context, version):
    if version is not None:
        context.minimum_version = context.maximum_version = \
            ssl.TLSVersion[version.replace(".", "_")]
    return context
