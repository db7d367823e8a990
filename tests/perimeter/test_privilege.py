"""What each process of a running gate may do: read from the kernel, and tried
(THREATS A4-09).  There is no seccomp filter yet."""
import ctypes
import os
import pathlib
import re
import socket

import pytest

from lab import SERVER4, Gate, Talk, descriptors, send, wait_for

NOBODY = 65534
CAPABILITIES = {"CAP_NET_BIND_SERVICE": 10, "CAP_NET_ADMIN": 12,
                "CAP_NET_RAW": 13, "CAP_SYS_ADMIN": 21}


@pytest.fixture(params=["tproxy", "redirect"])
def gate(request, net, folder):
    os.chown(folder, NOBODY, NOBODY)
    gate = Gate(net, folder, request.param)
    yield gate
    gate.stop()


def status(pid):
    """Fields of /proc/PID/status."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return dict(line.split(":\t", 1) for line in text.splitlines()
                if ":\t" in line)


def held(pid, kind="CapEff"):
    """The capabilities, by name; others than ours by number."""
    names = {number: name for name, number in CAPABILITIES.items()}
    mask = int(status(pid)[kind], 16)
    return {names.get(bit, bit) for bit in range(64) if mask >> bit & 1}


def logger_of(gate):
    rest = set(gate.pids()[1:]) - set(gate.workers())
    assert len(rest) == 1, rest
    return rest.pop()


def test_a4_09_workers(gate, stub):
    """No root, CAP_NET_RAW alone (a transparent source address needs it), no
    new privileges, not even through a program that has some."""
    workers = gate.workers()
    assert workers
    for pid in workers:
        fields = status(pid)
        assert fields["Uid"].split() == [str(NOBODY)] * 4
        assert fields["Gid"].split() == [str(NOBODY)] * 4
        assert fields["Groups"].strip() == ""
        assert fields["NoNewPrivs"] == "1"
        for kind in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
            assert held(pid, kind) <= {"CAP_NET_RAW"}, (kind, held(pid, kind))


def test_a4_09_logger(gate, stub):
    """No capability at all; beside it only the monitor, who has to start
    another one some day, has the log open."""
    pid = logger_of(gate)
    fields = status(pid)
    assert fields["Uid"].split() == [str(NOBODY)] * 4
    assert fields["NoNewPrivs"] == "1"
    for kind in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
        assert held(pid, kind) == set(), kind
    for other in gate.workers():
        links = [os.readlink(link) for link in
                 pathlib.Path(f"/proc/{other}/fd").glob("*")
                 if link.is_symlink()]
        assert str(gate.log) not in links


def test_a4_09_monitor(gate, stub):
    """What it needs for the table, the route and low ports, and no more."""
    assert held(gate.process.pid) <= {
        "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE", 5, 6, 7}


def in_its_place(pid, attempt):
    """Runs the attempt with the identity, the capabilities and the namespace
    of that process; the number of the error, 0 where it works."""
    fields = status(pid)
    uid = int(fields["Uid"].split()[0])
    wanted = int(fields["CapEff"], 16)
    end, result = os.pipe()
    child = os.fork()
    if child == 0:
        error = 255
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f"/proc/{pid}/ns/net", "rb") as there:
                libc.setns(there.fileno(), 0x40000000)
            for bit in range(41):
                if not wanted >> bit & 1:
                    libc.prctl(24, bit, 0, 0, 0)        # PR_CAPBSET_DROP
            libc.prctl(8, 1, 0, 0, 0)                   # PR_SET_KEEPCAPS
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            keep_only(libc, wanted)
            libc.prctl(38, 1, 0, 0, 0)                  # PR_SET_NO_NEW_PRIVS
            attempt()
            error = 0
        except OSError as failed:
            error = failed.errno
        finally:
            os.write(result, bytes([error]))
            os._exit(0)
    os.close(result)
    os.waitpid(child, 0)
    error = os.read(end, 1)[0]
    os.close(end)
    return error


def keep_only(libc, mask):
    """capset(2): effective, permitted, inheritable."""
    head = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)(mask & 0xffffffff, mask & 0xffffffff, 0,
                                 mask >> 32, mask >> 32, 0)
    if libc.capset(head, data) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def test_a4_09_tried(net, gate, stub):
    """What a worker's rights are good for: the log cannot be opened, no port
    below 1024 taken, no root changed or become, no file made in /etc."""
    worker = gate.workers()[0]
    os.chmod(gate.log, 0o600)
    os.chown(gate.log, 0, 0)

    def bind():
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 24))

    assert send(net).startswith("250")
    for attempt in (lambda: open(gate.log, "ab"), bind,
                    lambda: os.chroot("/tmp"), lambda: os.setuid(0),
                    lambda: os.mkdir("/etc/ehlogate-was-here")):
        assert in_its_place(worker, attempt) in (1, 13)
    assert gate.process.poll() is None


def own_kib(pid):
    """Without what it shares: the ring of records fills page by page."""
    return int(re.match(r"\d+", status(pid)["RssAnon"].strip())[0])


def test_a4_08_all_is_given_back(net, folder, stub):
    """After sessions of every kind descriptors and memory are what they were
    before."""
    gate = Gate(net, folder)

    def turn():
        assert send(net).startswith("250")
        left = Talk(net.connect("client", SERVER4))
        left.reply()
        left.say("EHLO a_b")
        left.close()                                # after a name
        left = Talk(net.connect("client", SERVER4))
        left.reply()
        for line in ("EHLO client.example", "MAIL FROM:<a@client.example>",
                     "RCPT TO:<b@server.example>", "DATA"):
            left.say(line)
        left.sock.sendall(b"x" * 100000)
        left.close()                                # in its text
        assert Talk(net.connect("client", "10.77.1.1", 12525)).reply() \
            .startswith("421")                      # never served
    try:
        for _ in range(20):
            turn()
        gate.wait_records(80)
        worker = gate.workers()[0]
        files, memory = descriptors(worker), own_kib(worker)
        for _ in range(60):
            turn()
        gate.wait_records(320)
        wait_for("the descriptors", lambda: descriptors(worker) <= files)
        assert own_kib(worker) <= memory + 64
    finally:
        gate.stop()
