"""Seeds for the fuzzers, made from the tests' own data: seeds.py FOLDER makes
FOLDER/NAME for each target that has any, and a dictionary FOLDER/NAME.dict
where the target reads keys and words.

SPDX-License-Identifier: MIT
"""
import pathlib
import re
import shutil
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/tool"))
sys.path.insert(0, str(TOP / "tests/perimeter/lab"))
sys.path.insert(0, str(TOP / "tests/cli"))

import dialog  # noqa: E402
import dns  # noqa: E402
import logs  # noqa: E402

CLIENT, SERVER, EOF, TIMEOUT = 0, 3, 6, 7
EVENTS = {"wait": (TIMEOUT, b""), "drain": (TIMEOUT, b"x")}
ANSWERS = (TIMEOUT, b"xxx")
ENVELOPE, DNS, GUARD = 4, 5, 6        # the policies that are about these


def happening(what, data):
    return bytes([what]) + len(data).to_bytes(2, "big") + data


def of_transcript(path):
    """As tests/fuzz/dialog_fuzz.c reads it."""
    transcript = dialog.Transcript(path)
    name = pathlib.Path(path).name
    policy = DNS if transcript.dns else ENVELOPE if name.startswith("13") \
        else GUARD if name.startswith("15") else 0
    made = bytes([4 * policy + (transcript.listener == "hide")
                  + 2 * (transcript.listener == "gate")])
    for _, kind, text, data in transcript.steps:
        if kind in EVENTS:
            made += happening(*EVENTS[kind])
        elif kind in ("C>", "S>") and text == "close":
            made += happening(EOF, b"" if kind == "C>" else b"x")
        elif kind in ("C>S", "C>", "C!"):
            made += happening(CLIENT, data[:65535])
            if policy == DNS:
                made += happening(*ANSWERS)
        elif kind in ("S>C", "S>"):
            made += happening(SERVER, data[:65535])
    return made


def client_of(path):
    """The client's part alone, as tests/fuzz/session_fuzz.c reads it."""
    name = pathlib.Path(path).name
    policy = 3 if dialog.Transcript(path).dns else \
        2 if name.startswith("13") else 4 if name.startswith("15") else 0
    return bytes([policy]) + b"\0\0\0\0\0\0\0" \
        + said(path, "C>S", "C>", "C!")


def said(path, *kinds):
    return b"".join(data for _, kind, text, data in
                    dialog.Transcript(path).steps
                    if kind in kinds and text != "close")


def of_texts():
    """As tests/fuzz/text_fuzz.c reads it: the rows of the tables, as DATA
    and as BDAT, with stray line ends mended and refused."""
    rows = [line.split("\t")[0] for name in
            ("data_terminator_units", "smuggling_eod_variants")
            for line in (TOP / f"tests/vectors/{name}.tsv").read_text()
            .splitlines()[1:]]
    texts = [dialog.unescape(row.encode()) for row in rows]
    texts += [b"Message-ID: <a@b>\r\n\r\nx" + text + b"y\r\n.\r\n"
              for text in texts]
    return {f"{n}-{how}": bytes([how, 0, n % 7]) + text
            for n, text in enumerate(texts) for how in range(4)}


def of_dns():
    """As tests/fuzz/dns_fuzz.c reads it: one answer of each type."""
    kinds = ["A", "AAAA", "PTR", "MX", "NS", "TXT", "TLSA"]
    values = ["192.0.2.1", "2001:db8::1", "a.example", (10, "mx.example"),
              "ns.example", ["v=spf1 ", "-all"], (3, 1, 1, bytes(32))]
    owner, alias = b"\xc0\x0c", b"\x01c\xc0\x0e"
    soa = dns.record(owner, "SOA", 300, 300)
    seeds = {}
    for number, (kind, value) in enumerate(zip(kinds, values)):
        seeds[kind] = bytes([number, 1, 0x80, 2, 0]) \
            + dns.record(owner, kind, 300, value) * 2
        seeds[f"{kind}-alias"] = bytes([number, 1, 0x80, 2, 0]) \
            + dns.record(owner, "CNAME", 300, alias) \
            + dns.record(alias, kind, 300, value)
        seeds[f"{kind}-none"] = bytes([number, 1, 0x83, 0, 1]) + soa
    query = dns.Query(b"\0\0", "q.example", "A",
                      dns.encode_name("q.example") + b"\0\1\0\1", False)
    seeds["whole"] = b"\x08" + dns.reply(
        query, [dns.record(owner, "A", 300, "192.0.2.1")])
    return seeds


def write(folder, seeds):
    folder.mkdir(parents=True)
    for name, seed in seeds.items():
        (folder / name).write_bytes(seed)


def keys():
    """A dictionary of the words of the table of keys, in the form of
    libFuzzer's."""
    table = (TOP / "policy/config_keys.h").read_text()
    words = set(re.findall(r'^(?:KEY|FACT)\(\w+, +"([\w.]+)"', table,
                           re.MULTILINE))
    for listed in re.findall(r'(?:ONE_OF|SOME_OF|COMMANDS)\("([^"]+)"',
                             table):
        words |= set(listed.split("|"))
    for listed in re.findall(r'^FACT\(.*: ([\w, ]+)"\)$', table,
                             re.MULTILINE):
        words |= set(listed.split(", "))
    shapes = ["not: ", "any: ", "is: ", "under: ", "glob: ", "regex: ",
              "over: ", "up_to: ", "same_organisation: ", "zone: ",
              "answer: ", "sample: ", "{", "}", "[", "]", ", ", "- ", ": ",
              "{helo}", "{client.ptr}", "10.0.0.0/8", "127.0.0.1:25"]
    return "".join(f'"{word}"\n' for word in
                   [*(f"{word}: " for word in sorted(words)),
                    *sorted(words), *shapes])


def files(*patterns):
    return {path.name: path.read_bytes() for pattern in patterns
            for path in sorted(TOP.glob(pattern))}


# What records of our own do not show of log_fuzz.
ODD_LINES = [
    b'{"helo":[{"dns":{"client.ptr":["a.test"],"client.dnsbl":{"z.test":'
    b'["127.0.0.2"],"y":"temperror"},"helo.dns":"pass"},"tls":true}]}',
    b'{"mail":[{"verdict":"reject","rule":"a","would":"drop","would_rule":'
    b'null,"utf8":true,"rcpt":[{"verdict":"accept","to":"\\u00e4"}]}]}',
    b'{"helo":[{"dns":{"helo.spf":4,"helo.dns":"pass","client.dnsbl":{},'
    b'"helo.spf":"fail"}}],"x":[{"a\\u0000":1}]}',
    b'{"auth":[{"result":"accepted","user":"\\\\x41"}],"tls":{"client":'
    b'"TLSv1.3"},"connect":{"dns":{}},"a":[1,-2,true,false,null,{}],"b":1e9}',
]


REGEXES = {str(n): line for n, line in enumerate([
    b"(?i)(dsl|dial).*[.]example[.]net\nDSL-7.example.net",
    b"[][A-Za-z0-9._#:-]+\nEXCH_01", b"(a+)+$\naaaaaaaaaaaaaaaaaaaaaaaa!",
    b"(?:(a)|b)(?(1)c|d)\nac", b"(?<n>.)(?&n)\\1\\k<n>\naba",
    b"(?>a|ab)c(?=x)(?<!y)\nabc", b"\\d{3,}+[^[:alpha:]]*?\n1234",
    b"(*LIMIT_MATCH=5)(*UTF)a\na", b"(?R)?a(?|b|c)\\Q.\\E\nab.",
    b"((((((((((a*)*)*)*)*)*)*)*)*)*)b\n" + b"a" * 200])}


def main():
    target = pathlib.Path(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    transcripts = sorted(TOP.glob("tests/dialog/*.smtp"))
    # Longer ones teach a fuzzer nothing that the short ones do not.
    short = {path: of_transcript(path) for path in transcripts}
    short = {path: seed for path, seed in short.items() if len(seed) < 4096}
    seeds = {f"{path.stem}-{more}": bytes([seed[0] ^ more]) + seed[1:]
             for path, seed in short.items() for more in range(4)}
    write(target / "dialog_fuzz", seeds)
    write(target / "session_fuzz",
          {path.stem: client_of(path) for path in short})
    write(target / "command_fuzz",
          {path.stem: b"\6" + said(path, "C>S", "C>", "C!")
           for path in short})
    write(target / "reply_fuzz",
          {path.stem: said(path, "S>C", "S>") for path in short})
    write(target / "text_fuzz", of_texts())
    names = (TOP / "tests/vectors/helo_receivers.tsv").read_text()
    write(target / "helo_fuzz",
          {str(n): re.sub(rb"\\([0-7]{3}|x..|.)", b"_",
                          line.split("\t")[0].encode())
           for n, line in enumerate(names.splitlines()[1:])})
    write(target / "regex_fuzz", REGEXES)
    write(target / "list_fuzz",
          {"v4": b"+10.0.0.0/8\n+10.128.0.0/9\n+11.0.0.0/9\n+11.128.0.0/9\n"
                 b"?10.0.0.0/7\n?9.255.255.255\n+192.0.2.1\n+0.0.0.0",
           "v6": b"+2001:db8::/65\n+2001:db8:0:0:8000::/65\n+fd00::/8\n+::"
                 b"\n?2001:db8::/64\n?::ffff:10.0.0.1\n?fe00::",
           "many": b"\n".join(b"+10.%d.%d.0/24" % (n % 3, n)
                              for n in range(90)),
           "names": b"+Example.COM.\n+a_b.example.org\n+xn--9ca.test\n"
                    b"?mail.example.com\n?.example.com\n?a..b\n?com."})
    write(target / "policy_fuzz",
          files("policy/rules/*.yaml", "tests/config/[YP]*.yaml",
                "tests/config/mistakes/*.yaml",
                "tests/policy/*.yaml"))
    write(target / "dns_fuzz", of_dns())
    records = [logs.line(record) for record in logs.sessions(20)]
    write(target / "log_fuzz",
          {f"record{n}": line.encode() for n, line in enumerate(records)}
          | {f"odd{n}": line for n, line in enumerate(ODD_LINES)})
    write(target / "config_fuzz", files("tests/config/C*.yaml"))
    for name in ("policy_fuzz", "config_fuzz"):
        (target / f"{name}.dict").write_text(keys())
    records = re.findall(r"v=spf1 ([^\"]*)",
                         (TOP / "tests/unit/spf_test.c").read_text())
    records.append(" ".join(f"a:{n}.b" for n in range(400)))
    # The record, and lines that answer what it asks.
    more = "a.example\nip4:192.0.2.1 -all\nt.example\nmx a ptr ?all\n"
    write(target / "spf_fuzz",
          {str(n): f"{n % 2}{record}\n{more}".encode()
           for n, record in enumerate(records)})


if __name__ == "__main__":
    main()
