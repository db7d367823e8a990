"""HAProxy and the gate on the same path, and what one costs of the other.

What `make bench` runs, as root.  Client, gate and server are network
namespaces; in the gate's stands HAProxy (TCP mode, transparent, one thread) or
ehlogate (one worker, twenty rules, records to a file), by turns, with the same
nftables rules; Postfix's smtp-source sends to its smtp-sink.  Prints the
medians and the ratios.  Every message is accounted for, or the run has failed
and so has the bench.

  --seconds N   length of one run (4)
  --runs N      runs of each proxy under each load (5)
  --load NAME   small, kept, large, idle: one of the loads
  --only NAME   haproxy, gate, direct: one of the paths
  --perf        then also: where the proxy's time goes, and its system calls
  --verbose     every run's figures

SPDX-License-Identifier: MIT
"""
import argparse
import os
import platform
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import time

from paths import PATHS, POSTFIX, TOP, BenchError, lab
import loads
import profile_run

BY_TURNS = ("haproxy", "gate")
IDLE_SESSIONS, IDLE_RUNS = 4000, 2
BUSY = 0.05


class Bench:
    """The runs asked for, and what they gave."""

    def __init__(self, options):
        self.options = options
        self.costs = {}         # (load, path): [Cost]
        self.idle = {}          # path: [KiB]
        self.failures = []

    def paths(self, candidates):
        only = self.options.only
        return [name for name in candidates if only in (None, name)]

    def note(self, text):
        """Progress: for a terminal, or where it was asked for."""
        if self.options.verbose:
            print(text, flush=True)
        elif sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def attempt(self, name, what, work):
        """A run on a path of its own; None when it failed."""
        try:
            with PATHS[name]() as path:
                return work(path)
        except BenchError as error:
            self.failures.append(f"{name}, {what}: {error}")
            self.note(self.failures[-1])
            return None

    def run_load(self, load):
        everyone = self.paths(("haproxy", "gate", "direct"))
        count = self.attempt(everyone[0], load.name, lambda path:
                             loads.count_for(path, load,
                                             self.options.seconds))
        if count is None:
            return
        turns = self.paths(BY_TURNS) * self.options.runs \
            + self.paths(("direct",))
        for number, name in enumerate(turns, 1):
            self.note(f"{load.title}: run {number} of {len(turns)}, {name}, "
                      f"{count} messages")
            cost = self.attempt(name, load.name,
                                lambda path: loads.measure(path, load, count))
            if cost is not None:
                self.costs.setdefault((load.name, name), []).append(cost)
                self.note(f"  {name:8} {cost.cpu:8.1f} us  "
                          f"{cost.system:8.1f} us system  "
                          f"{cost.rate:8.1f}/s  " + shares(cost))
        if self.options.perf:
            for name in self.paths(BY_TURNS):
                text = self.attempt(name, "perf", lambda path:
                                    profile_run.profile(path, load, count))
                print(text or f"{name}: no profile")

    def run_idle(self):
        for number in range(IDLE_RUNS):
            for name in self.paths(BY_TURNS):
                self.note(f"{IDLE_SESSIONS} idle sessions: run {number + 1} "
                          f"of {IDLE_RUNS}, {name}")
                kib = self.attempt(name, "idle", lambda path:
                                   loads.idle(path, IDLE_SESSIONS))
                if kib is not None:
                    self.idle.setdefault(name, []).append(kib)

    def run(self):
        for load in loads.LOADS:
            if self.options.load in (None, load.name):
                self.run_load(load)
        if self.options.load in (None, "idle"):
            self.run_idle()
        if not self.options.verbose and sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def shares(cost):
    """Which process of the proxy took which part, the largest first."""
    parts = sorted(cost.parts.values(), reverse=True)
    return " + ".join(f"{part:.0%}" for part in parts) if len(parts) > 1 \
        else ""


# --- the table ---------------------------------------------------------------

HEAD = ("load", "", "HAProxy", "gate", "gate/HAProxy", "of the runs", "direct")
WIDTHS = (22, 24, 11, 11, 13, 15, 10)


def row(*cells):
    print("".join(f"{cell:{'<' if i < 2 else '>'}{width}}" for i, (cell, width)
                  in enumerate(zip(cells, WIDTHS))).rstrip())


def figures_row(title, label, values, digits):
    """`values`: what each path gave, run by run."""
    middle = {name: statistics.median(v) for name, v in values.items() if v}

    def cell(name):
        return f"{middle[name]:.{digits}f}" if name in middle else "-"
    ratio = spread = "-"
    if all(middle.get(name) for name in BY_TURNS):
        ratio = f"{middle['gate'] / middle['haproxy']:.2f}"
        pairs = sorted(g / h for g, h in zip(values["gate"],
                                             values["haproxy"]))
        spread = f"{pairs[0]:.2f}..{pairs[-1]:.2f}"
    row(title, label, cell("haproxy"), cell("gate"), ratio, spread,
        cell("direct"))


def print_table(bench):
    row(*HEAD)
    for load in loads.LOADS:
        def of(field):
            return {name: [getattr(c, field) for c in
                           bench.costs.get((load.name, name), [])]
                    for name in PATHS}
        if any((load.name, name) in bench.costs for name in PATHS):
            values = of("cpu")
            values["direct"] = []
            figures_row(load.title, "proxy CPU, us/message", values, 1)
            figures_row("", "system CPU, us/message", of("system"), 1)
            figures_row("", "messages/s", of("rate"), 0)
    if bench.idle:
        figures_row(f"{IDLE_SESSIONS} idle sessions", "KiB/session",
                    {name: bench.idle.get(name, []) for name in PATHS}, 2)


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().split("\n")[0]


def print_machine(options, busy):
    haproxy = re.search(r"version (\S+)", first_line("haproxy", "-v"))
    cpu = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read())
    print(f"Linux {platform.release()}, {os.cpu_count()} processors"
          f"{f' ({cpu[1].strip()})' if cpu else ''}; "
          f"HAProxy {haproxy[1] if haproxy else '?'}, one thread; "
          f"ehlogate {first_line(lab.GATE, '--version').split()[-1]}, "
          f"one worker")
    print(f"medians of {options.runs} runs of about {options.seconds:g} s "
          f"each, by turns; direct: routed, no proxy, one run")
    if busy > BUSY:
        print(f"the machine was {busy:.0%} busy with other work before the "
              f"first run: what is said of system CPU includes it")
    print()


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--load", choices=[load.name for load in loads.LOADS]
                        + ["idle"])
    parser.add_argument("--only", choices=sorted(PATHS))
    parser.add_argument("--perf", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def prepare():
    """What must be there; a sentence about what is not."""
    if os.geteuid() != 0:
        return "network namespaces need root: sudo make bench"
    if not os.access(lab.GATE, os.X_OK):
        return f"no program at {lab.GATE}: make"
    if shutil.which("haproxy") is None:
        return "no haproxy: apt-get install haproxy"
    done = subprocess.run([TOP / "tests/tool/mta", "postfix"], text=True,
                          capture_output=True, check=False)
    if done.returncode != 0 or not (POSTFIX / "usr/sbin/smtp-sink").exists():
        return f"no Postfix under {POSTFIX}: {done.stderr.strip()}"
    # Thousands of sessions; children inherit it.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return None


def stop(_number, _frame):
    raise KeyboardInterrupt


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, stop)
    missing = prepare()
    if missing:
        print(f"bench: {missing}", file=sys.stderr)
        return 1
    start = time.monotonic()
    busy = loads.other_work()
    bench = Bench(options)
    try:
        bench.run()
    except KeyboardInterrupt:
        print("\nbench: stopped; what it had made is removed",
              file=sys.stderr)
        return 130
    print_machine(options, busy)
    print_table(bench)
    print(f"\n{time.monotonic() - start:.0f} s")
    for failure in bench.failures:
        print(f"FAILED: {failure}")
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
