#!/usr/bin/python3
"""Full load for SOAK_SECONDS (1800): what the gate holds must not grow, and
nothing may fail (`make soak`).

A hundred sessions at once send through two workers as fast as they can; beside
them one client after another breaks off in a message.  The log is moved away
each minute, as logrotate would, and read.  Every ten seconds the resident size
and the descriptors of all processes are looked at: over the last half they are
those of the first, but for a few percent that caches and free lists may take.

SPDX-License-Identifier: MIT
"""
import json
import os
import shutil
import signal
import sys
import time

import lab

SECONDS = int(os.environ.get("SOAK_SECONDS", "1800"))
EVERY = 10
ROTATE = 60
BATCH = 20000
SESSIONS = 100
POLICY = "policy: 1\nhelo: []\ndefault: accept\n"
SETTINGS = "limits: {sessions: 8000, never: 10.0.0.0/8}\n"


class Log:
    """Counts what the log has, and throws it away."""

    def __init__(self, gate):
        self.gate, self.messages, self.sessions, self.odd = gate, 0, 0, []
        self.records = 0

    def read(self, path):
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                if record["event_type"] != "session":
                    continue
                self.records += 1
                for mail in record["mail"]:
                    self.messages += (mail["reply"] or "").startswith("250")
                if record["close"]["code"] not in ("--", "CD"):
                    self.odd.append(record["close"])

    def rotate(self):
        old = self.gate.log.with_suffix(".1")
        os.rename(self.gate.log, old)
        self.gate.process.send_signal(signal.SIGUSR1)
        lab.wait_for("another log", self.gate.log.exists)
        # What was under way to the old one is in it a moment later.
        time.sleep(1)
        self.read(old)
        old.unlink()


def abort(net):
    """A message that is broken off."""
    talk = lab.Talk(net.connect("client", lab.SERVER4))
    talk.reply()
    for command in ("EHLO client.example.com", "MAIL FROM:<a@client.example>",
                    "RCPT TO:<b@server.example>", "DATA"):
        talk.say(command)
    talk.sock.sendall(b"half a line")
    talk.close()


def state(gate):
    """Kibibytes and descriptors of all processes."""
    pids = gate.pids()
    return (sum(map(lab.resident_kib, pids)),
            sum(map(lab.descriptors, pids)), len(pids))


def soak(net, folder):
    sink = lab.Sink(net, folder)
    # The logger, who is nobody, makes the next log.
    shutil.chown(folder, "nobody")
    gate = lab.Gate(net, folder, policy=POLICY, settings=SETTINGS)
    gate.change("workers: 1", "workers: 2")
    gate.reload()
    lab.wait_for("two workers", lambda: len(gate.workers()) == 2)
    log, samples, sent, aborted, failed = Log(gate), [], 0, 0, 0
    begin = sampled = rotated = time.monotonic()
    mailer = None
    try:
        while time.monotonic() - begin < SECONDS or mailer is not None:
            now = time.monotonic()
            if mailer is None:
                mailer = lab.Mailer(net, folder, SESSIONS, BATCH, each=50)
            elif mailer.process.poll() is not None:
                acknowledged, broken, refused, _ = mailer.wait(5)
                sent += int(acknowledged)
                failed += int(broken + refused)
                mailer = None
            if now - sampled >= EVERY:
                sampled = now
                samples.append((now - begin, *state(gate)))
                print("%6.0f s  %8d messages  %7d KiB  %5d descriptors" % (
                    samples[-1][0], sent, *samples[-1][1:3]), flush=True)
            if now - rotated >= ROTATE:
                rotated = now
                log.rotate()
            abort(net)
            aborted += 1
            time.sleep(0.05)
        lab.wait_for("the end of all sessions", lambda: all(
            lab.descriptors(pid) < 100 for pid in gate.workers()))
        samples.append((time.monotonic() - begin, *state(gate)))
        log.rotate()
        said = gate.said()
    finally:
        if mailer is not None:
            mailer.stop()
        gate.stop()
        sink.stop()
    return samples, sent, aborted, failed, log, sum(
        sink.accepted().values()), said


def judge(samples, sent, aborted, failed, log, accepted, said):
    """What is wrong, in words."""
    wrong = []
    loaded = samples[:-1]
    half = len(loaded) // 2
    first = [kib for _, kib, _, _ in loaded[1:half + 1]]
    last = [kib for _, kib, _, _ in loaded[half + 1:]]
    if first and last:
        growth = sum(last) / len(last) - sum(first) / len(first)
        print(f"resident: {sum(first) / len(first):.0f} KiB in the first "
              f"half, {sum(last) / len(last):.0f} in the second")
        if growth > 0.03 * sum(first) / len(first) + 1024:
            wrong.append(f"{growth:.0f} KiB more in the second half")
    if max(count for _, _, _, count in samples) != 4:
        wrong.append("a process was replaced")
    if samples[-1][2] > 200:
        wrong.append(f"{samples[-1][2]} descriptors at the end")
    if failed:
        wrong.append(f"{failed} tries of the client failed")
    if log.odd:
        wrong.append(f"sessions that ended oddly: {log.odd[:5]}")
    if not sent == accepted == log.messages:
        wrong.append(f"{sent} messages acknowledged, {accepted} accepted, "
                     f"{log.messages} in the log")
    if "error" in said or "lost" in said:
        wrong.append(said)
    print(f"{sent} messages in {samples[-1][0]:.0f} s "
          f"({sent / samples[-1][0]:.0f} a second), {aborted} broken off, "
          f"{log.records} records")
    return wrong


def main():
    lab.need_root()
    folder = lab.temporary()
    net = lab.Namespaces()
    try:
        wrong = judge(*soak(net, folder))
    finally:
        net.close()
        shutil.rmtree(folder)
    for line in wrong:
        print(f"soak: {line}")
    print(f"{0 if wrong else 1} passed, {1 if wrong else 0} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
