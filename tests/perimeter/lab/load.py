"""Much at once: tests/tool/mailsink and tests/tool/mailer in the lab.

SPDX-License-Identifier: MIT
"""
import collections
import os
import pathlib
import re

from .net import SERVER4, TOP

TOOLS = TOP / "build/tool"


class Sink:
    """A server that writes down what it has accepted."""

    def __init__(self, net, folder, port=25):
        self.path = pathlib.Path(folder) / f"accepted-{port}"
        self.process = net.popen("server", str(TOOLS / "mailsink"),
                                 f"{SERVER4}:{port}", str(self.path),
                                 stdout=-1, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def accepted(self):
        """How often each message was accepted."""
        return collections.Counter(self.path.read_text().split())

    def stop(self):
        self.process.kill()
        self.process.wait()


class Mailer:
    """A client that tries again until every message is acknowledged."""

    def __init__(self, net, folder, sessions, messages, each=10, port=25):
        self.path = pathlib.Path(folder) / "acknowledged"
        self.process = net.popen(
            "client", str(TOOLS / "mailer"), f"{SERVER4}:{port}",
            str(sessions), str(messages), str(each), str(self.path),
            stdout=-1, text=True)

    def wait(self, seconds):
        """Acknowledged, broken, refused, seconds."""
        said, _ = self.process.communicate(timeout=seconds)
        assert self.process.returncode == 0, said
        return [float(word) for word in re.findall(r"[\d.]+", said)]

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def told(self):
        """Acknowledged messages, and tries of which nothing is known."""
        lines = self.path.read_text().splitlines()
        return (collections.Counter(line for line in lines
                                    if not line.startswith("?")),
                collections.Counter(line[2:] for line in lines
                                    if line.startswith("?")))


def resident_kib(pid):
    """Of its own: what the kernel calls RssAnon and RssShmem."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return sum(int(number) for number in
               re.findall(r"Rss(?:Anon|Shmem):\s+(\d+)", text))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))
