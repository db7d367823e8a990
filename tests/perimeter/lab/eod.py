"""The ends of data that are none: what a client sends, what must come of it by
a reference of our own, and many such sessions side by side.

Each session has a number, which its senders carry: so a server may be asked
afterwards which session each message came from.

SPDX-License-Identifier: MIT
"""
import collections
import concurrent.futures
import pathlib
import re

from .net import wait_for
from .wire import Wire

VECTORS = pathlib.Path(__file__).parents[2] / \
    "vectors/smuggling_eod_variants.tsv"
SESSIONS_AT_ONCE = 16

# A session: its number, the first header line, the variant, and where the text
# is cut: None, an offset into it, or BYTES; `smuggled` is the verb by which the
# second message has its text.
Job = collections.namedtuple("Job", "number header variant cut smuggled",
                             defaults=("DATA",))
# What must come of a message: who sent it, its text as a server takes it, how
# many stray newlines it has, whether it has a NUL.
Message = collections.namedtuple("Message", "sender text strays nul")
BYTES = "bytes"
LF, CRLF = b"Subject: s\n", b"Subject: s\r\n"
SECOND = b"Subject: s\r\n\r\nx\r\n"


def unescape(found):
    word = found.group(1)
    if len(word) == 3:
        return bytes([int(word, 8)])
    return {b"r": b"\r", b"n": b"\n", b"t": b"\t"}.get(word, word)


def octets_of(text):
    """What a C-escaped text of the tables stands for."""
    return re.sub(rb"\\([0-7]{3}|.)", unescape, text.encode())


def variants():
    """As they stand in the table, octets, and what they are."""
    for line in VECTORS.read_text().splitlines()[1:]:
        text, expected = line.split("\t")[:2]
        yield text, octets_of(text), expected


# --- what is sent ------------------------------------------------------------


def senders(number):
    return f"a-{number}@client.example", f"evil-{number}@x.example"


def text_of(job):
    verb = {"DATA": b"DATA", "BDAT": b"BDAT %d LAST" % len(SECOND)}
    return (job.header + b"\r\nbody" + job.variant + b"MAIL FROM:<"
            + senders(job.number)[1].encode()
            + b">\r\nRCPT TO:<user@server.example>\r\n"
            + verb[job.smuggled] + b"\r\n" + SECOND + b".\r\n")


def parts_of(job):
    text = text_of(job)
    if job.cut is None:
        return [text]
    if job.cut == BYTES:
        return [text[i:i + 1] for i in range(len(text))]
    return [text[:job.cut], text[job.cut:]]


def cuts(header, octets):
    """The offsets at which a variant, and what stands before and behind it,
    comes apart."""
    start = len(header) + len(b"\r\nbody")
    return list(range(start, start + len(octets) + 1))


def all_cuts(header, octets):
    """The offsets of a whole text."""
    return list(range(1, len(text_of(Job(1, header, octets, None)))))


# --- what must come of it ----------------------------------------------------


def frame(text):
    """RFC 5321 4.5.2: a message as its lines are, and what follows it."""
    if text.startswith(b".\r\n"):
        return b"", text[3:]
    whole, end, rest = text.partition(b"\r\n.\r\n")
    assert end, text
    lines = (whole + b"\r\n").split(b"\r\n")
    return b"\r\n".join(line[line.startswith(b"."):] for line in lines), rest


def messages(job):
    """The messages that the session has by its CR LF dot CR LF alone."""
    first, second = senders(job.number)
    text, rest = frame(text_of(job))
    found = [message(first, text)]
    if rest.startswith(b"MAIL"):
        found.append(message(second, frame(rest.partition(b"DATA\r\n")[2])[0]))
    return found


def message(sender, text):
    blanks = re.sub(rb"\r(?!\n)", b" ", text)
    mended = re.sub(rb"(?<!\r)\n", b"\r\n", blanks)
    strays = len(re.findall(rb"(?<!\r)\n|\r(?!\n)", text))
    return Message(sender, mended, strays, b"\0" in text)


def body_of(text):
    return text.partition(b"\r\n\r\n")[2]


# --- sessions ----------------------------------------------------------------


def play(connect, job, unread=None):
    """One session; all replies."""
    wire = Wire(connect(), unread)
    wire.reply(1)
    for count, command in enumerate(
            ("EHLO client.example.com",
             f"MAIL FROM:<{senders(job.number)[0]}>",
             "RCPT TO:<user@server.example>", "DATA"), 2):
        wire.sock.sendall(command.encode() + b"\r\n")
        said = wire.reply(count)
        assert said[0] in "23", (command, said)
    try:
        wire.send(parts_of(job))
        wire.sock.sendall(b"QUIT\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass    # OpenSMTPD closes when it is told something too early
    return wire.finish()


def play_all(connect, jobs, unread=None):
    """The replies of every session, in the order of the jobs."""
    with concurrent.futures.ThreadPoolExecutor(SESSIONS_AT_ONCE) as pool:
        return list(pool.map(lambda job: play(connect, job, unread), jobs))


def finals(replies):
    """The replies to ends of data: each stands behind a 354."""
    return [final for before, final in zip(replies, replies[1:])
            if before.startswith("354")]


def number_of(sender):
    return int(re.match(r"(?:a|evil)-(\d+)@", sender).group(1))


def accepted_by_session(server, count):
    """What the server took, by the numbers of the sessions; `count` messages
    at least are expected."""
    wait_for("the server's deliveries",
             lambda: server.settled() and len(server.accepted()) >= count, 30)
    taken = collections.defaultdict(list)
    for mail in server.accepted():
        taken[number_of(mail.sender)].append(mail)
    return taken


def records_by_session(gate, count):
    return {number_of(record["mail"][0]["from"]): record
            for record in gate.wait_records(count, 30)}
