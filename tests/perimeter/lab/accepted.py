"""Which messages a server accepted: what its mailbox or queue says.

Every server of the lab has `accepted()`, a list of `Accepted` in no order, and
`settled()`: whether that list is whole, which it is soon after the sessions
are over.

SPDX-License-Identifier: MIT
"""
import collections
import re

# The envelope, and the text behind the header.  Its lines end as the server
# keeps them: `plain()` makes them alike.
Accepted = collections.namedtuple("Accepted", "sender recipients body")


def plain(body):
    return body.replace(b"\r\n", b"\n")


def split(text):
    """Header and body of a text with LF."""
    header, _, body = text.partition(b"\n\n")
    return header.decode("latin-1"), body


def field(header, name):
    """The values of a header field."""
    return re.findall(rf"^{name}:\s*<?([^>\n]*)>?", header,
                      re.MULTILINE | re.IGNORECASE)


def of_mailbox(path):
    """An mbox file: the sender stands in the line that begins a message, the
    recipient in what the delivery added."""
    if not path.exists():
        return []
    taken = []
    for text in re.split(rb"(?:\A|(?<=\n))From ", path.read_bytes())[1:]:
        first, _, rest = text.partition(b"\n")
        header, body = split(rest)
        taken.append(Accepted(first.split()[0].decode("latin-1"),
                              field(header, "X-Original-To"),
                              body[:-1]))     # an empty line ends it
    return taken


def of_maildir(path):
    taken = []
    for mail in path.glob("*"):
        header, body = split(mail.read_bytes())
        taken.append(Accepted("".join(field(header, "Return-Path")[:1]),
                              field(header, "Delivered-To")[:1], body))
    return taken


def of_exim_queue(path):
    """Exim's spool, as its specification has it: NAME-H is the envelope and
    the header, NAME-D a line with the name and the body."""
    taken = []
    for data in path.glob("*-D"):
        lines = data.with_name(data.name[:-1] + "H").read_text(
            "latin-1").split("\n\n", 1)[0].splitlines()
        # Its recipients are what stands last, behind their number.
        count = max(i for i, line in enumerate(lines) if line.isdigit())
        taken.append(Accepted(lines[2].strip("<>"), lines[count + 1:],
                              data.read_bytes().partition(b"\n")[2]))
    return taken
