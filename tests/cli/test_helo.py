"""The greeting's flaws and receivers, each as the one key of a policy that
decides about it.

SPDX-License-Identifier: MIT
"""
import json
import re

from cases import TOP, tool, write

VECTORS = TOP / "tests/vectors"
RECEIVERS = ("rfc5321", "postfix", "opensmtpd", "exim")
CLIENT = "192.0.2.1"


def rows():
    """Arguments as the table has them, and what each receiver does."""
    for line in (VECTORS / "helo_receivers.tsv").read_text().split("\n")[1:-1]:
        argument, *columns = line.split("\t")
        yield argument, dict(zip(RECEIVERS,
                                 (column.split()[0] for column in columns)))


def exceptions():
    for line in (VECTORS / "helo_exceptions.tsv").read_text().splitlines():
        if not line.startswith("#"):
            argument, receiver, ours = line.split("\t")[:3]
            yield (argument, receiver), ours


def judged():
    """What the program says of each argument: its flaws, who refuses it."""
    every = list(rows())
    said, _ = tool("helo", "--json", "--client", CLIENT, "-", status=0,
                   stdin="\n".join(argument for argument, _ in every).encode()
                   + b"\n")
    for (argument, columns), line in zip(every, said.splitlines()):
        yield argument, columns, json.loads(line)


def in_yaml(argument):
    """A double-quoted scalar; None where YAML has none: NUL, no UTF-8."""
    octets = re.sub(rb"\\([0-7]{3}|.)", lambda found: {
        b"r": b"\r", b"n": b"\n", b"t": b"\t"}.get(found.group(1)) or (
            bytes([int(found.group(1), 8)]) if len(found.group(1)) == 3
            else found.group(1)), argument.encode())
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else '"' + "".join(
        letter if letter.isascii() and letter.isprintable()
        and letter not in '\\"' else f"\\U{ord(letter):08x}"
        for letter in text) + '"'


def check_key(folder, when, expected):
    """One rule that rejects by one key; `expected`: for each argument whether
    it is refused.  Then the same key the other way round."""
    for word, turned in (("", False), ("not", True)):
        value = when.split(": ", 1)
        condition = when if not word else \
            f"{value[0]}: {{not: {value[1]}}}"
        tests = "".join(
            f"  - {{client: {CLIENT}, helo: {text}, "
            + ("expect: reject, rule: one}\n" if refused != turned
               else "expect: accept}\n")
            for text, refused in expected)
        policy = write(folder, "policy.yaml",
                       f"policy: 1\nhelo:\n  - {{name: one, when: "
                       f"{{{condition}}}, then: reject}}\n"
                       f"default: accept\ntests:\n{tests}")
        said, errors = tool("test", policy)
        assert said.splitlines()[-1] == f"{len(expected)} passed, 0 failed", \
            f"{condition}\n{said}{errors}"


def test_a3_02_a_key_for_each_flaw(folder):
    every = [(in_yaml(argument), set(verdict["flaws"]))
             for argument, _, verdict in judged()]
    every = [(text, flaws) for text, flaws in every if text]
    assert len(every) > 250
    known = set().union(*(flaws for _, flaws in every))
    assert len(known) >= 25, known
    for flaw in sorted(known):
        check_key(folder, f"helo.flaw: {flaw}",
                  [(text, flaw in flaws) for text, flaws in every])


def test_a3_02_a_key_for_each_receiver(folder):
    """Where the receivers differ, helo.refused_by takes either side."""
    excepted = dict(exceptions())
    split = 0
    expected = {receiver: [] for receiver in RECEIVERS}
    for argument, columns in rows():
        said = {receiver: excepted.get((argument, receiver), columns[receiver])
                for receiver in RECEIVERS}
        split += len({v for v in said.values() if v[0] in "ar"}) > 1
        text = in_yaml(argument)
        for receiver, verdict in said.items():
            if text and verdict in ("accept", "reject"):
                expected[receiver].append((text, verdict == "reject"))
    assert split > 50, split
    for receiver, cases in expected.items():
        check_key(folder, f"helo.refused_by: {receiver}", cases)


def test_a3_02_valid_is_rfc5321(folder):
    cases = [(in_yaml(argument), verdict["valid"])
             for argument, _, verdict in judged()]
    check_key(folder, "helo.valid: true",
              [(text, valid) for text, valid in cases if text])
