"""Where a client of the lab brings a message, and what it says of it.

SPDX-License-Identifier: MIT
"""
import collections

from .peers import Talk

RECIPIENT = "user@server.example"
HELO = "EXCH_01"

# What comes from `sender` goes to the host `name` at `address`:`port`, over TLS
# of `version` ("1.2").  With `verify` the client goes by the authority whose
# certificate is the file `root`, and holds the host to its name.
Hop = collections.namedtuple("Hop",
                             "sender name address port version root verify")

# What a client says of the TLS that it spoke: the version, whether the
# certificate was verified, and where it tells it the certificate's SHA-256, as
# hex digits, and who signed it.
Seen = collections.namedtuple("Seen", "version verified fingerprint issuer",
                              defaults=(None, None))


def submit(net, host, port, mails):
    """Gives a queue on its own host what it is to send: pairs of a sender and
    a text."""
    talk = Talk(net.connect(host, "127.0.0.1", port, 30))
    talk.reply()
    assert talk.say("EHLO client.example")[:3] == "250"
    for sender, text in mails:
        for line, code in ((f"MAIL FROM:<{sender}>", "250"),
                           (f"RCPT TO:<{RECIPIENT}>", "250"),
                           ("DATA", "354"),
                           (stuffed(text) + b".\r\n", "250")):
            said = talk.say(line)
            assert said[:3] == code, said
    talk.say("QUIT")
    talk.close()


def stuffed(text):
    return text.replace(b"\r\n.", b"\r\n..")
