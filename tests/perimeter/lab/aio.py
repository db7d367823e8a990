"""Debian's aiosmtpd, a server in Python, as a process of its own.

SPDX-License-Identifier: MIT
"""
import json
import pathlib
import signal

from .accepted import Accepted
from .net import SERVER4, wait_for

PROGRAM = pathlib.Path(__file__).with_name("aio_server.py")


class Aiosmtpd:
    def __init__(self, net, folder, host="server"):
        self.taken = pathlib.Path(folder) / "taken.jsonl"
        self.errors = pathlib.Path(folder) / "stderr.txt"
        with open(self.errors, "wb") as said:
            # -I: its folder is not where Python looks for modules.
            self.process = net.popen(
                host, "/usr/bin/python3", "-I", str(PROGRAM), "0.0.0.0", "25",
                str(self.taken), stderr=said)
        wait_for("aiosmtpd", lambda: self.process.poll() is not None
                 or net.listens(host, SERVER4, 25))
        assert self.process.poll() is None, self.errors.read_text()

    def accepted(self):
        if not self.taken.exists():
            return []
        return [Accepted(sender, recipients, body.encode("latin-1"))
                for sender, recipients, body in
                map(json.loads, self.taken.read_text().split("\n")[:-1])]

    def settled(self):
        return True     # it writes before it replies

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
