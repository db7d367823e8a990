"""A session with both of its ends in the hands of the test: it says what the
client sends and what the server does, and when.

SPDX-License-Identifier: MIT
"""
import socket
import struct

from .net import SERVER4


class End:
    """One socket: lines are read whole, and what is behind them is kept."""

    def __init__(self, sock):
        sock.settimeout(10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.pending = sock, b""

    def send(self, octets):
        self.sock.sendall(octets)

    def line(self):
        while b"\r\n" not in self.pending:
            got = self.sock.recv(65536)
            if not got:
                raise EOFError(self.pending)
            self.pending += got
        line, self.pending = self.pending.split(b"\r\n", 1)
        return line

    def rest(self):
        """All that comes until the end, and whether that was a reset."""
        reset = False
        while True:
            try:
                got = self.sock.recv(65536)
            except ConnectionResetError:
                reset = True
                break
            if not got:
                break
            self.pending += got
        rest, self.pending = self.pending, b""
        return rest, reset

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes by RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()


class Ends:
    """`client` and `server` of the newest session through the gate."""

    def __init__(self, net, address=SERVER4, port=25):
        self.net, self.address, self.port = net, address, port
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = net.socket("server", family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(20)
        self.listener.settimeout(10)
        self.client = self.server = None

    def connect(self, sock=None):
        """A client's socket that is connected; the server has greeted it."""
        self.client = End(sock or self.net.connect("client", self.address,
                                                   self.port))
        self.server = End(self.listener.accept()[0])
        self.server.send(b"220 mx.test ESMTP\r\n")
        assert self.client.line() == b"220 mx.test ESMTP"
        return self

    def exchange(self, command, reply=b"250 ok"):
        """Through the gate and back, unchanged."""
        self.client.send(command + b"\r\n")
        assert self.server.line() == command
        self.server.send(reply + b"\r\n")
        for line in reply.split(b"\r\n"):
            assert self.client.line() == line

    def greeted(self):
        self.connect()
        self.exchange(b"EHLO client.example.com",
                      b"250-mx.test\r\n250-PIPELINING\r\n250 CHUNKING")
        return self

    def envelope(self):
        self.greeted()
        self.exchange(b"MAIL FROM:<a@client.example>")
        self.exchange(b"RCPT TO:<b@server.example>")
        return self

    def data(self):
        self.envelope()
        self.exchange(b"DATA", b"354 go")
        return self

    def close(self):
        for end in (self.client, self.server):
            if end:
                end.close()
        self.listener.close()
