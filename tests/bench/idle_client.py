"""Opens COUNT sessions to ADDRESS, greets on each, and then says nothing.

Usage: idle_client.py ADDRESS COUNT.  Prints `ready COUNT` once every server
has answered EHLO, and holds the sessions until standard input ends.

SPDX-License-Identifier: MIT
"""
import select
import socket
import sys

AT_ONCE = 100    # connections under way at a time: no listen queue overflows
WAIT = 20        # seconds without any progress until it gives up
EHLO = b"EHLO mail.bench.example.com\r\n"


def last_reply_line(text):
    """The first word of a reply that is complete, else nothing."""
    if not text.endswith(b"\r\n"):
        return b""
    line = text[:-2].rsplit(b"\r\n", 1)[-1]
    return line[:3] if line[3:4] == b" " else b""


class Session:
    def __init__(self, address):
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.connect_ex((address, 25))
        self.text = b""
        self.greeted = False

    def step(self):
        """Reads; true once the EHLO is answered."""
        got = self.sock.recv(4096)
        if not got:
            raise EOFError(f"closed after {self.text!r}")
        self.text += got
        code = last_reply_line(self.text)
        if code not in (b"", b"220", b"250"):
            raise EOFError(f"answered {self.text!r}")
        if code == b"220" and not self.greeted:
            self.greeted = True
            self.text = b""
            self.sock.send(EHLO)
        return code == b"250" and self.greeted


def open_sessions(address, count):
    poll = select.epoll()
    pending, done = {}, []
    while len(done) < count:
        while len(pending) < AT_ONCE and len(pending) + len(done) < count:
            session = Session(address)
            pending[session.sock.fileno()] = session
            poll.register(session.sock, select.EPOLLIN)
        events = poll.poll(WAIT)
        if not events:
            raise EOFError(f"{len(pending)} sessions without an answer")
        for number, _ in events:
            if pending[number].step():
                poll.unregister(number)
                done.append(pending.pop(number))
    return done


def main():
    address, count = sys.argv[1], int(sys.argv[2])
    try:
        sessions = open_sessions(address, count)
    except (OSError, EOFError) as error:
        print(f"idle client: {error}", flush=True)
        return 1
    print(f"ready {len(sessions)}", flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
