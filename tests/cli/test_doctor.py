"""`ehlogate doctor`, as far as it needs no kernel: certificates and DNS.  All
of it is in tests/perimeter/test_doctor.py.

SPDX-License-Identifier: MIT
"""
import hashlib
import importlib.util
import re
import ssl
import subprocess

from cases import TOP, golden, tool, write

CONFIG = """\
version: 1
listeners:
  front:
    mode: explicit
    bind: ["127.0.0.1:2525"]
    upstream: "127.0.0.1:2600"
    policy: policy.yaml
    tls: {client: terminate, certificates: [{chain: one.pem, key: one.key}, \
{chain: two.pem, key: two.key}], server_name: in.example}
  old:
    mode: explicit
    bind: ["127.0.0.1:2526"]
    upstream: "127.0.0.1:2600"
    policy: policy.yaml
    tls: {client: hide, accept_downgrade: true}
log: {sinks: [stdout]}
dns: {servers: ["ADDRESS"], timeout: 2s}
"""
POLICY = """\
policy: 1
lists: {ours: {domain: [a.example, b.example]}}
rcpt:
  - {name: foreign, when: {rcpt.to: {not: ours}}, then: reject}
  - name: others
    when: {any: [{rcpt.to: {under: c.example}}, \
{rcpt.to: x@d.example, mail.from: null}]}
    then: continue
default: accept
"""


def part(name):
    """A file of the perimeter's lab: it needs no lab."""
    path = TOP / f"tests/perimeter/lab/{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def certificate(folder, name, *names, kind="rsa:2048"):
    chain, key = folder / f"{name}.pem", folder / f"{name}.key"
    more = ["-pkeyopt", "ec_paramgen_curve:prime256v1"] * (kind == "ec")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", kind, *more, "-nodes",
         "-subj", "/CN=x", "-days", "9", "-keyout", key, "-out", chain,
         "-addext", "subjectAltName=" + ",".join(f"DNS:{n}" for n in names)],
        check=True, capture_output=True)
    return chain


def digest_of(chain):
    der = ssl.PEM_cert_to_DER_cert(chain.read_text())
    return hashlib.sha256(der).digest()


def said_of(folder, dns, status):
    write(folder, "policy.yaml", POLICY)
    config = write(folder, "ehlogate.yaml",
                   CONFIG.replace("ADDRESS", dns.address)
                   .replace(": one.", f": {folder}/one.")
                   .replace(": two.", f": {folder}/two."))
    said, _ = tool("doctor", "-c", config, status=status)
    said = "".join(f"{line}\n" for line in said.splitlines()
                   if "  listener `" in line)
    return re.sub(r"[0-9a-f]{32,}", "DIGEST", said.replace(f"{folder}/", ""))


def test_certificates_and_promises(folder):
    one = certificate(folder, "one", "mx.example", "*.example")
    certificate(folder, "two", "mx.example", "*.example", kind="ec")
    with part("dns").Dns() as dns:
        dns.validates = True
        dns.add("_25._tcp.mx.example", "TLSA", (3, 0, 1, digest_of(one)),
                (1, 1, 1, bytes(32)), (3, 1, 1, b"short"))
        dns.add("_mta-sts.a.example", "TXT", "v=STSv1; id=1")
        dns.add("b.example", "MX", (5, "mx.example"))
        golden("doctor", said_of(folder, dns, 1))


def test_nothing_is_published(folder):
    certificate(folder, "one", "mx.example")
    certificate(folder, "two", "mx.example", kind="ec")
    with part("dns").Dns() as dns:
        golden("doctor-none", said_of(folder, dns, 0))


def test_live_is_not_built(_):
    _, errors = tool("doctor", "--live", "mx.example", status=2)
    assert "--live is not built in this version" in errors
