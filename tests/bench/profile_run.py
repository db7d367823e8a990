"""Where a proxy's time goes: `perf` over one run, `strace -c` over another.

Only for `bench.py --perf`.  perf counts time by the CPU clock, since virtual
machines seldom show their cycle counters.

SPDX-License-Identifier: MIT
"""
import re
import shutil
import signal
import subprocess
import time

import loads

SYMBOLS = 30
TRACED_SHARE = 4    # strace is slow: a part of the run's messages


def busiest(path, load):
    """The process that does the work: of the gate, the worker."""
    cost = loads.measure(path, load, load.first)
    return max(cost.parts, key=cost.parts.get)


def watch(path, load, count, *command):
    """Sends `count` messages while `command` watches; what it said."""
    watcher = subprocess.Popen(command, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    time.sleep(1)
    try:
        loads.send(path, load, count)
    finally:
        watcher.send_signal(signal.SIGINT)
        said, _ = watcher.communicate(timeout=60)
    return said


def symbols(path, load, count, pid):
    data = path.folder / "perf.data"
    said = watch(path, load, count, "perf", "record", "-q", "-e", "cpu-clock",
                 "-F", "2000", "-o", str(data), "-p", str(pid))
    # The parts as a whole, then what is not the kernel, symbol by symbol.
    report = ["perf", "report", "-i", str(data), "--stdio"]
    parts = run_report(report + ["--sort", "dso", "--percent-limit", "0.3"])
    own = run_report(report + ["--sort", "dso,symbol"])
    own = [line for line in own if "[k]" not in line]
    return "\n".join([*parts, "  --", *own[:SYMBOLS]]) if parts else said


def run_report(command):
    done = subprocess.run(command, capture_output=True, text=True,
                          check=False)
    return [line.rstrip(" -") for line in done.stdout.splitlines()
            if re.match(r"\s+\d", line)]


def system_calls(path, load, count, pid):
    said = watch(path, load, count, "strace", "-f", "-c", "-p", str(pid))
    out = []
    for line in said.splitlines():
        found = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(\d+ )?\s*(\w+)$",
                         line)
        if found:
            errors = f"  ({int(found[2]) / count:.2f} failed)" \
                if found[2] else ""
            out.append(f"  {int(found[1]) / count:8.2f} {found[3]}{errors}")
    return "\n".join(out) or said


def profile(path, load, count):
    pid = busiest(path, load)
    text = [f"--- {path.name}, {load.title}"]
    if shutil.which("perf"):
        text += ["samples of the CPU clock:", symbols(path, load, count, pid)]
    if shutil.which("strace"):
        part = max(load.first, count // TRACED_SHARE)
        text += [f"system calls a message, over {part}:",
                 system_calls(path, load, part, pid)]
    return "\n".join(text)
