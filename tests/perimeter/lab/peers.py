"""Peers of our own: a server that records, a client that says what it is told.

SPDX-License-Identifier: MIT
"""
import re
import socket
import threading
import time

from .accepted import Accepted
from .net import SERVER4

# What no byte that leaves the gate may be (THREATS A1-03).
DIRTY = re.compile(rb"(?<!\r)\n|\r(?!\n)|\x00")


class Stub(threading.Thread):
    """A recording ESMTP server: keeps the raw bytes of every connection and
    the messages that it accepted.  It waits `slow` seconds before its
    greeting and before its reply to a message.  `tls`: a context for
    STARTTLS; `raw` then has what was said in TLS, too, and `secret` how many
    octets were said before it."""

    def __init__(self, net, host="server", address=SERVER4, port=25,
                 keywords=("PIPELINING", "8BITMIME", "CHUNKING", "SIZE"),
                 slow=0, tls=None):
        super().__init__(daemon=True)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.keywords, self.slow, self.tls = keywords, slow, tls
        self.secret = []
        self.listener = net.socket(host, family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(100)
        self.raw, self.messages, self.peers = [], [], []
        self.taken = []
        self.start()

    def run(self):
        while True:
            try:
                sock, peer = self.listener.accept()
            except OSError:
                return
            self.peers.append(peer[0])
            threading.Thread(target=self.serve, args=(sock,),
                             daemon=True).start()

    def serve(self, sock):
        raw = bytearray()
        self.raw.append(raw)
        # Or a reply would wait until the one before it is acknowledged.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.talk(sock, raw)
        except OSError:
            pass
        finally:
            sock.close()

    def talk(self, sock, raw):
        pending, tls = b"", self.tls

        def more():
            nonlocal pending
            got = sock.recv(65536)
            if not got:
                raise OSError("closed")
            raw.extend(got)
            pending += got

        def line():
            nonlocal pending
            while b"\r\n" not in pending:
                more()
            text, pending = pending.split(b"\r\n", 1)
            return text
        chunks, sender, recipients = b"", "", []

        def take(text):
            self.messages.append(text)
            self.taken.append(Accepted(
                sender, recipients, text.partition(b"\r\n\r\n")[2]))
        time.sleep(self.slow)
        sock.sendall(b"220 stub ESMTP\r\n")
        while True:
            command = line()
            verb = command[:4].upper()
            if verb == b"EHLO":
                lines = ["stub", *self.keywords,
                         *(["STARTTLS"] if tls else [])]
                sock.sendall("".join(
                    f"250{'-' if i < len(lines) - 1 else ' '}{text}\r\n"
                    for i, text in enumerate(lines)).encode())
            elif verb == b"DATA" and not recipients:
                sock.sendall(b"503 5.5.1 no recipient\r\n")
            elif verb == b"DATA":
                sock.sendall(b"354 go\r\n")
                while not (pending.startswith(b".\r\n")
                           or b"\r\n.\r\n" in pending):
                    more()
                if pending.startswith(b".\r\n"):
                    body, pending = b"", pending[3:]
                else:
                    body, pending = pending.split(b"\r\n.\r\n", 1)
                    body += b"\r\n"
                body = body.replace(b"\r\n..", b"\r\n.")
                take(body[1:] if body.startswith(b"..") else body)
                time.sleep(self.slow)
                sock.sendall(b"250 2.0.0 Ok: queued as STUB%d\r\n"
                             % len(self.messages))
            elif verb == b"BDAT":
                words = command.split()
                size = int(words[1])
                while len(pending) < size:
                    more()
                chunks += pending[:size]
                pending = pending[size:]
                if len(words) > 2:
                    take(chunks)
                    chunks = b""
                sock.sendall(b"250 2.0.0 ok\r\n")
            elif verb == b"STAR" and tls:
                sock.sendall(b"220 go\r\n")
                self.secret.append(len(raw))
                sock, tls = tls.wrap_socket(sock, server_side=True), None
            elif verb == b"STAR":
                sock.sendall(b"220 go\r\n")     # and speaks no TLS
            elif verb == b"QUIT":
                sock.sendall(b"221 bye\r\n")
                return
            else:
                path = command.partition(b"<")[2].partition(b">")[0]
                if verb == b"MAIL":
                    sender, recipients = path.decode("latin-1"), []
                elif verb == b"RCPT":
                    recipients.append(path.decode("latin-1"))
                sock.sendall(b"250 ok\r\n")

    def clean(self):
        """Whether all bytes that came have proper line ends (A1-03)."""
        return not any(DIRTY.search(bytes(raw)) for raw in self.raw)

    def accepted(self):
        return list(self.taken)

    def settled(self):
        return True     # it takes a message before it replies

    def stop(self):
        # Wakes the accept that a plain close would leave waiting.
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()


class Talk:
    """A client that says what it is told."""

    def __init__(self, sock):
        self.sock, self.port = sock, sock.getsockname()[1]
        self.pending = b""

    def reply(self):
        """The next whole reply, its lines joined by newlines."""
        lines = []
        while True:
            while b"\r\n" not in self.pending:
                got = self.sock.recv(65536)
                if not got:
                    raise EOFError("\n".join(lines))
                self.pending += got
            line, self.pending = self.pending.split(b"\r\n", 1)
            lines.append(line.decode("latin-1"))
            if line[3:4] != b"-":
                return "\n".join(lines)

    def say(self, text):
        if isinstance(text, str):
            text = text.encode() + b"\r\n"
        self.sock.sendall(text)
        return self.reply()

    def close(self):
        self.sock.close()


def send(net, address=SERVER4, helo="EXCH_01", body=b"Subject: x\r\n\r\nx\r\n",
         port=25, seconds=10, host="client"):
    """One message, said plainly; the final reply."""
    talk = Talk(net.connect(host, address, port, seconds))
    talk.reply()
    assert talk.say(f"EHLO {helo}").startswith("250"), helo
    assert talk.say("MAIL FROM:<user@server.example>").startswith("250")
    assert talk.say("RCPT TO:<user@server.example>").startswith("250")
    assert talk.say("DATA").startswith("354")
    final = talk.say(body + b".\r\n")
    talk.say("QUIT")
    talk.close()
    return final


def lines_of_mail(size):
    """Lines of many lengths, with dots and 8-bit bytes, `size` octets."""
    lines, made = [], 0
    while made < size:
        number = len(lines)
        line = b"%06d %s" % (number, (b"." * (number % 3) + b"\xfc\xe4x")
                             * (number % 60))
        if number % 7 == 0:
            line = b"." + line
        lines.append(line[:998] + b"\r\n")
        made += len(lines[-1])
    return b"".join(lines)
