"""The loads, and what a proxy costs under each of them.

CPU is counted by the scheduler in nanoseconds (/proc/PID/task/*/schedstat),
where the kernel has it not in ticks; the whole system's in ticks (/proc/stat).

SPDX-License-Identifier: MIT
"""
import dataclasses
import glob
import os
import subprocess
import sys
import time

from paths import HERE, BenchError, lab, postfix_tool

SETTLE = 0.3            # seconds for a logger to write what is under way
TICK = os.sysconf("SC_CLK_TCK")
CALIBRATION = 0.5       # seconds; below that a rate says little
KEPT_FOR = 200          # messages of a kept session
IDLE_WAIT = 60


@dataclasses.dataclass
class Load:
    """What smtp-source is told to send."""
    name: str
    title: str
    at_once: int
    size: int
    first: int              # messages of the first, calibrating run
    kept: bool = False      # the session is kept for the next message


LOADS = [Load("small", "2 KB, one a session", 20, 2048, 200),
         Load("kept", "2 KB, kept sessions", 20, 2048, 400, kept=True),
         Load("large", "1 MB, one a session", 5, 1024 * 1024, 20)]


@dataclasses.dataclass
class Cost:
    """One run's figures."""
    cpu: float          # of the proxy, microseconds a message
    system: float       # of all processors, microseconds a message
    rate: float         # messages a second
    parts: dict         # process: share of the proxy's CPU


def task_seconds(pid):
    """CPU time of one process."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path, encoding="ascii") as file:
            total += int(file.read().split()[0])
    if total:
        return total / 1e9
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK


def busy_seconds():
    """CPU time of all processors that was not idle, and not stolen."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, softirq = map(
            int, file.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / TICK


def other_work(seconds=1.0):
    """Which share of the machine is busy without us."""
    before = busy_seconds()
    time.sleep(seconds)
    return (busy_seconds() - before) / seconds / os.cpu_count()


def send(path, load, count):
    """Sends `count` messages; how long that took.  Every one must have been
    answered 250, and its bytes must have reached the server's interface."""
    before = received_bytes(path)
    start = time.monotonic()
    most = load.at_once * KEPT_FOR if load.kept else count
    for sent in range(0, count, most):
        send_part(path, load, min(most, count - sent))
    took = time.monotonic() - start
    missing = count * load.size - (received_bytes(path) - before)
    if missing > 0:
        raise BenchError(f"messages lost: the server got {missing} bytes "
                         f"less than {count} messages have")
    return took


def send_part(path, load, count):
    """One smtp-source.  It ends at the first reply that is no success."""
    arguments = ["-s", min(load.at_once, count), "-l", load.size, "-m", count,
                 "-M", "mail.bench.example.com", "-f", "a@bench.example.com",
                 "-t", "b@example.net", *(["-d"] if load.kept else [])]
    source = path.popen("client", *postfix_tool(
        "smtp-source", *arguments, f"{lab.SERVER4}:25"))
    status = source.wait()
    if status != 0:
        raise BenchError(
            f"smtp-source ended with {status}: {path.errors('client')}"
            f"{path.errors('server')}{path.errors('gate')}".strip())


def received_bytes(path):
    return int(path.net.run(
        "server", "cat", "/sys/class/net/eth0/statistics/rx_bytes").stdout)


def count_for(path, load, seconds):
    """How many messages take about that long on this path."""
    count = load.first
    while True:
        took = send(path, load, count)
        if took > CALIBRATION:
            return max(load.first, round(count * seconds / took))
        count *= 3


def measure(path, load, count, pids=None):
    """The cost of `count` messages, after a short warm-up."""
    send(path, load, max(load.at_once, load.first // 4))
    pids = pids or path.pids()
    time.sleep(SETTLE)
    records = path.delivered()
    cpu, busy = {pid: task_seconds(pid) for pid in pids}, busy_seconds()
    took = send(path, load, count)
    time.sleep(SETTLE)
    busy = busy_seconds() - busy
    cpu = {pid: task_seconds(pid) - cpu[pid] for pid in pids}
    if pids != path.pids():
        raise BenchError(f"a process of it died: {path.errors('gate')}")
    if records is not None and path.delivered() - records != count:
        raise BenchError(f"{count} messages, but the records tell of "
                         f"{path.delivered() - records}")
    total = sum(cpu.values())
    return Cost(total / count * 1e6, busy / count * 1e6, count / took,
                {pid: part / total for pid, part in cpu.items() if total})


# --- idle sessions -----------------------------------------------------------


def own_kib(pids):
    """Memory of processes in KiB, shared pages divided among the sharers."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file
                         if line.startswith("Pss:"))
    return total


def idle(path, count):
    """KiB that one session takes which has greeted and says nothing."""
    pids = path.pids()
    before = own_kib(pids)
    client = path.popen(
        "client", sys.executable, str(HERE / "idle_client.py"), lab.SERVER4,
        str(count), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        said = client.stdout.readline().decode().strip()
        if said != f"ready {count}":
            raise BenchError(f"{said}; {path.errors('client')}"
                             f"{path.errors('gate')}".strip())
        time.sleep(SETTLE)
        return (own_kib(pids) - before) / count
    finally:
        client.stdin.close()
        client.wait(IDLE_WAIT)
