"""The demo as a user runs it, also one who loses patience."""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from lab import sh

DEMO = pathlib.Path(__file__).with_name("demo.py")


def left(run, folder):
    """What a run has left behind: of its namespaces, its folder and its
    processes."""
    tag = f"eg{run.pid % 100000}"
    mounts = pathlib.Path("/proc/mounts").read_text().splitlines()
    found = [name for name in sh("ip", "netns", "list").stdout.split()
             if name.startswith(tag)]
    found += map(str, pathlib.Path("/etc/netns").glob(tag + "*"))
    found += os.listdir(folder)
    found += [line for line in mounts if tag in line or folder in line]
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if folder.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
    return found


def begin(folder):
    os.chmod(folder, 0o755)
    # Also where the tests are a job in the background, which heeds no SIGINT.
    return subprocess.Popen(["env", "--default-signal=INT,TERM",
                             f"TMPDIR={folder}", sys.executable, str(DEMO)],
                            text=True, start_new_session=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_demo(net, folder):
    started = time.monotonic()
    run = begin(folder)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 0, said
    assert time.monotonic() - started < 20
    for words in ("501 Syntactically invalid EHLO argument(s)",
                  "501 Syntactically invalid HELO argument(s)",
                  "(EXCH-01.corp.example.com) [10.77.1.2]", "Done in "):
        assert words in said
    assert left(run, folder) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [0.1, 0.4, 0.8, 1.2, 1.6])
def test_demo_stopped(net, folder, how, after):
    run = begin(folder)
    time.sleep(after)
    os.killpg(run.pid, how)
    said, _ = run.communicate(timeout=20)
    assert run.returncode in (0, 130, 143) or -run.returncode == how, said
    assert "Traceback" not in said, said
    assert left(run, folder) == []
