"""The demo as a user runs it, also one who loses patience."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from lab import sh

DEMO = pathlib.Path(__file__).with_name("demo.py")


def left():
    """What a run could leave behind on this machine."""
    return (sorted(sh("ip", "netns", "list").stdout.split()),
            sorted(map(str, pathlib.Path("/etc/netns").glob("*"))),
            sorted(map(str, pathlib.Path("/tmp").glob("ehlogate-lab-*"))),
            pathlib.Path("/proc/mounts").read_text(),
            sh("pgrep", "-f", "exim4 -bdf", check=False).stdout)


def begin():
    return subprocess.Popen([sys.executable, str(DEMO)], text=True,
                            start_new_session=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)


def test_demo(net):
    before, started = left(), time.monotonic()
    run = begin()
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 0, said
    assert time.monotonic() - started < 20
    for words in ("501 Syntactically invalid EHLO argument(s)",
                  "501 Syntactically invalid HELO argument(s)",
                  "(EXCH-01.corp.example.com) [10.77.1.2]", "Done in "):
        assert words in said
    assert left() == before


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [0.1, 0.4, 0.8, 1.2, 1.6])
def test_demo_stopped(net, how, after):
    before, run = left(), begin()
    time.sleep(after)
    os.killpg(run.pid, how)
    said, _ = run.communicate(timeout=20)
    assert run.returncode in (0, 130, 143) or -run.returncode == how, said
    assert "Traceback" not in said, said
    assert left() == before
