"""Runs aiosmtpd: aio_server.py ADDRESS PORT FILE.  Every message that it takes
is a line of JSON in FILE before its reply leaves.

SPDX-License-Identifier: MIT
"""
import json
import signal
import sys

from aiosmtpd.controller import Controller


class Keep:
    def __init__(self, path):
        self.path = path

    async def handle_DATA(self, _server, _session, envelope):
        _, _, body = envelope.original_content.partition(b"\r\n\r\n")
        with open(self.path, "a", encoding="ascii") as file:
            print(json.dumps([envelope.mail_from, envelope.rcpt_tos,
                              body.decode("latin-1")]), file=file)
        return "250 2.0.0 kept"


def main():
    address, port, path = sys.argv[1:]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    controller = Controller(Keep(path), hostname=address, port=int(port),
                            server_hostname="server.example")
    controller.start()
    signal.sigwait({signal.SIGTERM})
    controller.stop()


if __name__ == "__main__":
    main()
