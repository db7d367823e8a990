"""Haraka, a server in JavaScript, from npm: only where HARAKA=1 asks for it.

SPDX-License-Identifier: MIT
"""
import json
import os
import pathlib
import shutil
import signal

from .accepted import Accepted
from .net import SERVER4, TOP, sh, wait_for

# This one ends a message at LF dot CR LF.
VERSION = "3.1.6"
INSTALLED = TOP / "build/mta/haraka"
CONFIG = {"smtp.ini": "listen=0.0.0.0:25\nnodes=0\n",
          "me": "server.example\n", "plugins": "keep\n",
          "log.ini": "[main]\nlevel=notice\n"}
PLUGIN = """\
const fs = require('fs')
exports.hook_mail = (next) => next(OK)
exports.hook_rcpt = (next) => next(OK)
exports.hook_queue = (next, connection) => {
    const t = connection.transaction
    t.message_stream.get_data((data) => {
        fs.appendFileSync(process.env.KEEP, JSON.stringify([
            t.mail_from.address(), t.rcpt_to.map((r) => r.address()),
            data.toString('latin1')]) + '\\n')
        next(OK)
    })
}
"""


class Haraka:
    asked_for = os.environ.get("HARAKA") == "1"

    def __init__(self, net, folder, host="server"):
        if not (INSTALLED / "node_modules/Haraka").exists():
            INSTALLED.mkdir(parents=True, exist_ok=True)
            sh("npm", "install", "--no-audit", "--no-fund", "--omit=optional",
               "--ignore-scripts", "--prefix", str(INSTALLED),
               f"Haraka@{VERSION}")
        folder = pathlib.Path(folder)
        self.taken, self.errors = folder / "taken.jsonl", folder / "out.txt"
        shutil.copytree(INSTALLED / "node_modules/Haraka/config",
                        folder / "config")
        (folder / "plugins").mkdir()
        for name, text in CONFIG.items():
            (folder / "config" / name).write_text(text)
        (folder / "plugins/keep.js").write_text(PLUGIN)
        with open(self.errors, "wb") as said:
            self.process = net.popen(
                host, "node", str(INSTALLED / "node_modules/Haraka/bin/haraka"),
                "-c", str(folder), stdout=said, stderr=said,
                env={**os.environ, "KEEP": str(self.taken)})
        wait_for("Haraka", lambda: self.process.poll() is not None
                 or net.listens(host, SERVER4, 25), 30)
        assert self.process.poll() is None, self.errors.read_text()

    def accepted(self):
        if not self.taken.exists():
            return []
        return [Accepted(sender, recipients,
                         text.encode("latin-1").partition(b"\r\n\r\n")[2])
                for sender, recipients, text in
                map(json.loads, self.taken.read_text().split("\n")[:-1])]

    def settled(self):
        return True     # it writes before it replies

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
