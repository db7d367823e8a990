"""The gate, as one of the tests' hosts runs it.

SPDX-License-Identifier: MIT
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

from .net import TOP, sh, wait_for

GATE = os.environ.get("EHLOGATE", str(TOP / "build/ehlogate"))

POLICY = """\
policy: 1
lists:
  inside: {address: [10.0.0.0/8, "fd00::/8", 127.0.0.0/8, "::1"]}
helo:
  - name: mend
    when: {client: inside, helo.flaw: [underscore, single_label, missing]}
    then:
      repair: [underscore, {append_domain: corp.example.com}, client_literal]
      starttls: pass
  - name: not-a-name
    when: {helo.valid: false}
    then: reject
default: accept
"""


class Gate:
    """One `ehlogate run` in the gate's namespace."""

    def __init__(self, net, folder, mode="tproxy", policy=POLICY, more="",
                 port=25, settings="", user="nobody", intercept="",
                 before=(), log=None, events=None, others=""):
        """`intercept` replaces the interface; `before` are words that run the
        program; `others` are more listeners, whole."""
        self.net, self.before = net, before
        self.folder = pathlib.Path(folder)
        os.chmod(self.folder, 0o755)
        self.log = log or self.folder / "session.jsonl"
        (self.folder / "policy.yaml").write_text(policy)
        self.config = self.folder / "ehlogate.yaml"
        if mode != "explicit":
            where = intercept or "interface: [gc]"
            more += f"    intercept: {{{where}, port: [{port}]}}\n"
        chosen = f", events: [{', '.join(events)}]" if events else ""
        self.config.write_text(
            f"version: 1\nnode: gate\nlisteners:\n  inbound:\n"
            f"    mode: {mode}\n    policy: policy.yaml\n{more}{others}"
            f"workers: 1\nuser: {user}\n"
            f"log: {{sinks: [{{file: {self.log}}}]{chosen}}}\n{settings}")
        self.errors = self.folder / "stderr.txt"
        self.process = None
        self.start()

    def start(self):
        before = len(self.said()) if self.errors.exists() else 0
        with open(self.errors, "ab") as errors:
            self.process = self.net.popen(
                "gate", *self.before, GATE, "run", "-c", str(self.config),
                stderr=errors)
        wait_for("the gate", lambda: "ready" in self.said()[before:]
                 or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()

    def change(self, old, new, path=None):
        """Puts one text in the place of another, in the configuration."""
        path = path or self.config
        text = path.read_text()
        assert text.count(old) == 1, (old, text)
        path.write_text(text.replace(old, new))

    def reload(self, works=True):
        """SIGHUP; what the gate says of it, until no connection goes to the
        workers that were."""
        before = len(self.said())
        self.process.send_signal(signal.SIGHUP)
        word = "accepts no more" if works else "the reload failed"
        wait_for(f"the word '{word}'",
                 lambda: re.search(word + ".*\n", self.said()[before:]))
        return self.said()[before:]

    def said(self):
        return self.errors.read_text()

    def pids(self):
        """The monitor first, then its children."""
        monitor = self.process.pid
        children = sh("pgrep", "-P", str(monitor), check=False).stdout
        return [monitor, *map(int, children.split())]

    def workers(self):
        """The children that do not hold the log."""
        def is_log(fd):
            # Not by its path, which is another one under chroot.
            try:
                return fd.samefile(self.log)
            except OSError:
                return False

        def holds_log(pid):
            return any(map(is_log,
                           pathlib.Path(f"/proc/{pid}/fd").glob("*")))
        return [pid for pid in self.pids()[1:] if not holds_log(pid)]

    def records(self, kind="session"):
        if not self.log.exists():
            return []
        # What has no newline yet is being written.
        lines = [json.loads(line) for line in
                 self.log.read_text().splitlines(True)
                 if line.endswith("\n")]
        return [r for r in lines if r["event_type"] == kind]

    def wait_records(self, count, seconds=10):
        wait_for(f"{count} records",
                 lambda: len(self.records()) >= count, seconds)
        return self.records()

    def command(self, *words, check=True):
        return self.net.run("gate", GATE, *words, check=check)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGTERM)
                self.process.wait(5)
        self.command("nft", "remove")
        self.keep_log()
        assert "Sanitizer" not in self.said(), self.said()

    def keep_log(self):
        """For the suite that validates every record."""
        folder = os.environ.get("EHLOGATE_LOGS")
        if folder and self.log.exists():
            name = "-".join(self.log.parts[-2:])
            shutil.copy(self.log, pathlib.Path(folder) /
                        f"perimeter-{os.getpid()}-{name}")
