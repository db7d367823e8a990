"""A raw client: bytes in the segments that the test gives, each read by the
gate alone, and every reply that came.

SPDX-License-Identifier: MIT
"""
import array
import fcntl
import socket
import struct
import termios
import threading

from .net import wait_for


def unacknowledged(sock):
    """Octets that the peer's kernel does not have yet (SIOCOUTQ)."""
    count = array.array("i", [0])
    fcntl.ioctl(sock, termios.TIOCOUTQ, count)
    return count[0]


def replies_of(received):
    """Whole replies, of many lines each maybe, as lists of texts."""
    replies, lines = [], []
    for line in received.decode("latin-1").split("\r\n")[:-1]:
        lines.append(line)
        if line[3:4] != "-":
            replies.append("\n".join(lines))
            lines = []
    assert not lines, received
    return replies


class Unread:
    """How much a process of another host has not read yet of what a socket of
    ours sent: its kernel is asked for that one connection (sock_diag(7)), as
    the list of all takes milliseconds."""
    REQUEST = struct.Struct("=IHHII BBBxI HH 16s 16s III")
    BY_FAMILY, F_REQUEST, ANY = 20, 1, 0xffffffff

    def __init__(self, net, host):
        self.sock = net.socket(host, socket.AF_NETLINK, socket.SOCK_RAW, 4)
        self.lock = threading.Lock()

    def of(self, sock):
        ours, theirs = sock.getsockname(), sock.getpeername()
        request = self.REQUEST.pack(
            self.REQUEST.size, self.BY_FAMILY, self.F_REQUEST, 0, 0,
            sock.family, socket.IPPROTO_TCP, 0, self.ANY,
            socket.htons(theirs[1]), socket.htons(ours[1]),
            socket.inet_pton(sock.family, theirs[0]),
            socket.inet_pton(sock.family, ours[0]), 0, self.ANY, self.ANY)
        with self.lock:
            self.sock.send(request)
            answer = self.sock.recv(4096)
        if answer[4:6] != request[4:6]:
            return 0    # there is no such connection any more
        return struct.unpack_from("=I", answer, 16 + 4 + 48 + 4)[0]

    def close(self):
        self.sock.close()


class Wire:
    """One session."""

    def __init__(self, sock, unread=None):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.unread = sock, unread
        self.received = b""

    def reply(self, count=1):
        """Waits until there are so many replies in all; the last."""
        while True:
            end = self.received.rfind(b"\r\n") + 2
            whole = self.received[:end]
            last = whole[:-2].rpartition(b"\r\n")[2]
            if end > 1 and last[3:4] != b"-":
                replies = replies_of(whole)
                if len(replies) >= count:
                    return replies[-1]
            got = self.sock.recv(65536)
            if not got:
                raise EOFError(self.received)
            self.received += got

    def send(self, parts):
        """Each part is a segment of its own: the next one leaves when the
        other side has acknowledged this one and has read it."""
        for number, part in enumerate(parts):
            self.sock.sendall(part)
            if number + 1 < len(parts):
                wait_for("its arrival", self._arrived, pause=0.0005)

    def _arrived(self):
        return unacknowledged(self.sock) == 0 and (
            self.unread is None or self.unread.of(self.sock) == 0)

    def finish(self):
        """All replies, when the other side has closed."""
        while True:
            try:
                got = self.sock.recv(65536)
            except ConnectionResetError:
                break
            if not got:
                break
            self.received += got
        self.sock.close()
        return replies_of(self.received)
