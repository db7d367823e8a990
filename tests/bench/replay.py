"""`ehlogate replay` over a million sessions: time, memory, and whether it says
exactly what tests/cli/brute.py says of them.

    replay.py [SESSIONS]

The log repeats a smaller one with new references, so that the answer is known
without judging a million sessions in Python.

SPDX-License-Identifier: MIT
"""
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
CLI = TOP / "tests/cli"
PROGRAM = os.environ.get("EHLOGATE", str(TOP / "build/ehlogate"))
DISTINCT = 20000
LIMIT_S = 60            # one core, a million sessions
LIMIT_MB = 64

sys.path.insert(0, str(CLI))

import brute  # noqa: E402
import logs  # noqa: E402

REF = re.compile(r'"session":"[^"]*"')


def write_log(path, lines, count):
    """`count` sessions; their references count from 0."""
    parts = [REF.split(line, maxsplit=1) for line in lines]
    with open(path, "w", encoding="utf-8", buffering=1 << 20) as log:
        for number in range(count):
            head, tail = parts[number % len(parts)]
            log.write(f'{head}"session":"{logs.reference(number)}"{tail}')


def replayed(path):
    """What it says, how long it took, the most memory it held."""
    start = time.monotonic()
    with subprocess.Popen(
            [PROGRAM, "replay", "--json", "-p", str(CLI / "new.yaml"), path],
            stdout=subprocess.PIPE, encoding="utf-8") as run:
        for reference, changes in brute.said(run.stdout):
            yield reference, changes
        status = run.wait()
    yield "", (status, time.monotonic() - start)


def agree(path, lines, answer, count):
    """Compares as it comes; the number of changed sessions, and the end."""
    expected = [answer.get(number) for number in range(len(lines))]
    number, changed = 0, 0
    for reference, changes in replayed(path):
        if reference == "":
            return changed, *changes
        if reference is None:
            while number < count:
                assert expected[number % len(lines)] is None, number
                number += 1
            assert changes["sessions"] == count, changes["sessions"]
            assert changes["changed_sessions"] <= changed
            continue
        while logs.reference(number) != reference:
            assert expected[number % len(lines)] is None, number
            number += 1
            assert number < count, reference
        assert expected[number % len(lines)] == changes, number
        number += 1
        changed += 1
    raise AssertionError("replay came to no end")


def most_memory(pid):
    """MB; None: it has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            found = re.search(r"VmHWM:\s*(\d+) kB", status.read())
    except FileNotFoundError:
        return None
    return found and int(found[1]) / 1024


def plain_time(path):
    """Text output: seconds, seconds of one core, MB at most."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start, memory = time.monotonic(), 0
    with subprocess.Popen(
            [PROGRAM, "replay", "-p", str(CLI / "new.yaml"), path],
            stdout=subprocess.DEVNULL) as run:
        # The kernel's own mark; what getrusage says counts the fork too.
        while run.poll() is None:
            memory = most_memory(run.pid) or memory
            time.sleep(0.05)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (time.monotonic() - start,
            after.ru_utime + after.ru_stime - before.ru_utime
            - before.ru_stime, memory)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000000
    lines = [logs.line(record) for record in
             logs.sessions(min(DISTINCT, count), seed=7)]
    answer = {number: changes for number, line in enumerate(lines)
              for _, changes in brute.answers([line])}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "log.jsonl")
        write_log(path, lines, count)
        size = os.path.getsize(path)
        wall, busy, memory = plain_time(path)
        changed, status, _ = agree(path, lines, answer, count)
    print(f"{count} sessions, {size / 1e6:.0f} MB: {wall:.1f} s, {busy:.1f} s "
          f"of one core, {count / wall:.0f} sessions/s, {memory:.0f} MB; "
          f"{changed} sessions change, as brute.py says")
    if status != 3 or wall > LIMIT_S * max(count, 1e5) / 1e6 \
            or memory > LIMIT_MB:
        print(f"status {status}; the limits are {LIMIT_S} s a million and "
              f"{LIMIT_MB} MB")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
