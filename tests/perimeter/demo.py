"""`make demo`: a real Exim refuses EXCH_01; behind the gate its mail arrives.

Client, gate and server are network namespaces on this machine; nothing
outside them is touched, and nothing stays, also after Ctrl-C.
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import sys
import time

from lab import (SERVER4, TOP, Exim, Gate, Namespaces, Talk, need_root,
                 stops_wait, temporary, wait_for)

COLOUR = sys.stdout.isatty()


def title(text):
    print(f"\n\033[1m{text}\033[0m" if COLOUR else f"\n{text}")


def narrate(talk, line):
    """Says a line as the client; shows it and the answer."""
    reply = talk.say(line)
    print(f"    client  {line}")
    for text in reply.splitlines():
        print(f"    server  {text}")
    return reply


def check(holds, what):
    if not holds:
        sys.exit(f"demo: {what}: that should not be")


def without_gate(net):
    title("1. Without the gate: the old server EXCH_01 talks to a real Exim")
    talk = Talk(net.connect("client", SERVER4))
    print(f"    server  {talk.reply()}")
    check(narrate(talk, "EHLO EXCH_01") ==
          "501 Syntactically invalid EHLO argument(s)", "Exim took EHLO")
    check(narrate(talk, "HELO EXCH_01") ==
          "501 Syntactically invalid HELO argument(s)", "Exim took HELO")
    talk.close()
    print("    The old server gives up; a user gets a non-delivery report.")


def with_gate(net):
    title("2. With the gate on the path, nothing else changed")
    talk = Talk(net.connect("client", SERVER4))
    print(f"    server  {talk.reply()}")
    for line in ("EHLO EXCH_01", "MAIL FROM:<user@server.example>",
                 "RCPT TO:<user@server.example>"):
        check(narrate(talk, line).startswith("250"), line)
    check(narrate(talk, "DATA").startswith("354"), "DATA")
    reply = talk.say(b"From: user@server.example\r\nSubject: it arrives\r\n"
                     b"\r\nSent by EXCH_01.\r\n.\r\n")
    print(f"    client  (the message)\n    server  {reply}")
    check(reply.startswith("250 OK id="), "the message was not taken")
    narrate(talk, "QUIT")
    talk.close()


def show_delivery(exim):
    title("3. What Exim says: the client's own address, the mended name")
    wait_for("delivery", exim.mailbox.exists)
    for line in exim.log().splitlines():
        if " <= " in line or " => " in line:
            print("    " + line)
    arrived = [l for l in exim.log().splitlines() if " <= " in l]
    check("[10.77.1.2]" in arrived[-1], "Exim saw another client")
    check("EXCH-01.corp.example.com" in arrived[-1], "the name is not mended")
    check("it arrives" in exim.mailbox.read_text(), "no mail in the mailbox")
    print(f"    The mailbox holds: {exim.mailbox.read_text().count(chr(10))} "
          "lines, Subject: it arrives")


def show_record(gate):
    title("4. What the gate recorded: one JSON line, here laid out")
    record = gate.wait_records(1)[0]
    print("    " + json.dumps(record, indent=2).replace("\n", "\n    "))
    check(record["helo"][0]["received"] == "EXCH_01", "the record differs")


def set_up(at_end):
    """The three hosts and a folder; `at_end` takes them away again."""
    with stops_wait():
        folder = pathlib.Path(temporary())
        at_end.callback(shutil.rmtree, folder, ignore_errors=True)
        net = Namespaces()
        at_end.callback(net.close)
        at_end.callback(signal.signal, signal.SIGINT, signal.SIG_IGN)
    for name in ("exim", "gate", "tmp"):
        (folder / name).mkdir()
    folder.chmod(0o755)
    # What a tool of Debian's was about when it was stopped goes, too.
    (folder / "tmp").chmod(0o1777)
    os.environ["TMPDIR"] = str(folder / "tmp")
    return folder, net


def show(at_end):
    started = time.monotonic()
    folder, net = set_up(at_end)
    exim = Exim(net, folder / "exim")
    without_gate(net)
    policy = (TOP / "policy/rules/outbound-legacy.yaml").read_text()
    gate = Gate(net, folder / "gate", policy=policy)
    with_gate(net)
    show_delivery(exim)
    show_record(gate)
    gate.stop()
    title(f"Done in {time.monotonic() - started:.0f} s. The policy was "
          "policy/rules/outbound-legacy.yaml.")


def show_patiently(at_end):
    """A signal for all of us may end a peer of ours before it is ours."""
    try:
        show(at_end)
    except (Exception, SystemExit):
        time.sleep(0.5)
        raise


def main():
    need_root()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with contextlib.ExitStack() as at_end:
            show_patiently(at_end)
    except KeyboardInterrupt:
        print("\ndemo: stopped; nothing is left behind")
        sys.exit(130)


if __name__ == "__main__":
    main()
