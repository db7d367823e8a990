"""Message text, random and full of what is almost a line end, by the gate and by
a reading of our own (THREATS A4-02): RFC 5321 4.1.1.4 and 4.5.2, RFC 3030 2 and
what the manual says of protocol.bare_newline, in a few regular expressions.
Both must agree on where the text ends, on what the server gets of it, and on
what the client hears; nothing that leaves the gate has a stray line end or a
NUL.

    differential.py [--cases N] [--seed N]    ends `N passed, N failed`
    differential.py --seed N --case K         one, with all that was said

SPDX-License-Identifier: MIT
"""
import argparse
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
DRIVER = os.environ.get("EHLOGATE_DRIVER",
                        str(TOP / "build/tool/dialog_driver"))
PIECES = [b"\r", b"\n", b"\r\n", b".", b"..", b"\r\n.\r\n", b"\n.\n",
          b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\r\n", b".\r", b"x", b"text",
          b"\xfc", b"\r\n", b"QUIT\r\n", b"MAIL FROM:<evil@x>\r\n",
          b"BDAT 3 LAST\r\n", b"Subject: s\r\n\r\n"]
END = re.compile(rb"(?:\A|(?<=\r\n))\.\r\n")
DIRTY = re.compile(rb"(?<!\r)\n|\r(?!\n)|\x00")
STRAY = re.compile(rb"(?<!\r)\n|\r(?!\n)")
EHLO = b"250-mx.test\r\n250-PIPELINING\r\n250 CHUNKING\r\n"


def mended(text):
    """Line ends as they have to leave."""
    return re.sub(rb"\r\n|\r|\n", lambda found: b" " if found[0] == b"\r"
                  else b"\r\n", text)


def unstuffed(text):
    return re.sub(rb"(\A|\r\n)\.", rb"\1", text)


class Case:
    """What is said, and what must come of it."""

    def __init__(self, seed, number, rejects):
        self.number, self.rejects = number, rejects
        chance = random.Random(f"{seed} {number}")
        text = b"".join(chance.choice(PIECES) for _ in
                        range(chance.randrange(1, 14)))
        if chance.random() < 0.05:
            text = text.replace(b"x", b"\0")
        self.lines = []         # of the driver's language
        self.replies = [b"220", b"250", b"250", b"250"]
        self.say("open 192.0.2.1:40000 198.51.100.25:25 -", "connected")
        self.serve(b"220 mx.test\r\n")
        for command, reply in ((b"EHLO client.example\r\n", EHLO),
                               (b"MAIL FROM:<a@client.example>\r\n",
                                b"250 ok\r\n"),
                               (b"RCPT TO:<b@mx.test>\r\n", b"250 ok\r\n")):
            self.send(command)
            self.serve(reply)
        self.cut = chance.choice([1, 1, 2, 3, 7, 1000])
        if chance.random() < 0.5:
            self.by_data(text)
        else:
            self.by_chunks(text, chance)
        self.send(b"NOOP\r\n")
        if self.taken:
            self.serve(b"252 noop\r\n")
        self.replies.append(b"252" if self.taken else b"250")
        self.say("end")

    def say(self, *lines):
        self.lines += lines

    def send(self, octets):
        self.say(f"c {octets.hex()}")

    def serve(self, octets):
        self.say(f"s {octets.hex()}")

    def send_cut(self, octets):
        for at in range(0, len(octets), self.cut):
            self.send(octets[at:at + self.cut])

    def refuses(self, text):
        return b"\0" in text or (self.rejects and STRAY.search(text))

    def by_data(self, text):
        text += b"\r\n.\r\n"
        end = END.search(text)
        body = unstuffed(text[:end.start()])
        self.send(b"DATA\r\n")
        self.serve(b"354 go\r\n")
        self.send_cut(text[:end.end()])
        self.taken = not self.refuses(body)
        if self.taken:
            self.serve(b"250 taken\r\n")
        self.replies += [b"354", b"250" if self.taken else b"550"]
        self.wanted = mended(body)

    def by_chunks(self, text, chance):
        places = sorted(chance.randrange(len(text) + 1)
                        for _ in range(chance.randrange(0, 4)))
        parts = [text[a:b] for a, b in zip([0, *places],
                                           [*places, len(text)])]
        self.taken, before, gone = True, b"", b""
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            self.send_cut(b"BDAT %d%s\r\n" % (
                len(part), b" LAST" if last else b"") + part)
            if not self.taken:
                self.replies.append(b"503")
                continue
            # A CR at the end says what it is when its successor is known; a
            # chunk of nothing else does not go on, and the gate answers it.
            before += part
            known = before[:-1] if before.endswith(b"\r") and not last \
                else before
            self.taken = not self.refuses(known)
            if self.taken and (known != gone or not part or last):
                self.serve(b"250 taken\r\n")
            gone = known
            self.replies.append(b"250" if self.taken else b"550")
        self.wanted = mended(text)

    def check(self, answers):
        """What is wrong; None: nothing."""
        heard, got = b"", b""
        for answer in answers:
            side, _, octets = answer.partition(" ")
            if side == "C":
                heard += bytes.fromhex(octets)
            elif side == "S":
                got += bytes.fromhex(octets)
            elif side == "error":
                return answer
        # A leg that is cut ends anywhere.
        if DIRTY.search(got if self.taken else got.rstrip(b"\r")):
            return f"a stray line end or NUL left the gate: {got!r}"
        codes = [line[:3] for line in heard.split(b"\r\n")[:-1]
                 if line[3:4] != b"-"]
        if codes != self.replies:
            return f"the client heard {codes}, not {self.replies}"
        text, taken = read(got)
        if taken != self.taken:
            return f"the server {'took' if taken else 'did not take'} it"
        if taken and text != self.wanted:
            return f"the server took {text!r}, not {self.wanted!r}"
        return None


def read(got):
    """A server's reading: the text of the message, and whether it ended."""
    head, _, rest = got.partition(b"RCPT TO:<b@mx.test>\r\n")
    assert head.count(b"\r\n") == 2, got
    if rest.startswith(b"DATA\r\n"):
        rest = rest[6:]
        end = END.search(rest)
        if not end:
            return rest, False
        assert rest[end.end():] == b"NOOP\r\n", got
        return unstuffed(rest[:end.start()]), True
    text, last = b"", False
    while rest and not last and rest != b"NOOP\r\n":
        line, _, rest = rest.partition(b"\r\n")
        found = re.fullmatch(rb"BDAT (\d+)( LAST)?", line)
        assert found, got
        size = int(found[1])
        text, rest, last = text + rest[:size], rest[size:], bool(found[2])
    assert not last or rest == b"NOOP\r\n", got
    return text, last


def play(cases, rejects):
    """Each case with the answers to it."""
    word = "reject" if rejects else "normalize"
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as policy:
        policy.write("policy: 1\nlimits: {junk: 1000}\nprotocol: "
                     f"{{bare_newline: {word}}}\nhelo: []\n"
                     "default: accept\n")
        policy.flush()
        said = [f"policy {policy.name}"]
        for case in cases:
            said += case.lines
        ended = subprocess.run([DRIVER], input="\n".join(said) + "\n",
                               capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    lines = iter(ended.stdout.split("\n"))

    def answers_of(count):
        answers = []
        while count > 0:
            line = next(lines)
            count -= line == "."
            answers.append(line)
        return answers
    answers_of(1)
    for case in cases:
        yield case, answers_of(len(case.lines))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=40000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int)
    options = parser.parse_args()
    numbers = range(options.cases) if options.case is None \
        else [options.case]
    passed = failed = 0
    for rejects in (False, True):
        cases = [Case(options.seed, number, rejects) for number in numbers
                 if number % 2 == rejects]
        for case, answers in play(cases, rejects):
            wrong = case.check(answers)
            passed += wrong is None
            if wrong is None and options.case is None:
                continue
            failed += wrong is not None
            if failed < 10:
                print(f"--seed {options.seed} --case {case.number}: {wrong}")
            if options.case is not None:
                print("\n".join(case.lines), *answers, sep="\n")
    print(f"{passed} passed, {failed} failed")
    return int(failed > 0 or passed == 0)


if __name__ == "__main__":
    sys.exit(main())
