"""`ehlogate replay`

SPDX-License-Identifier: MIT
"""
import json
import os
import pty
import shutil
import subprocess

import brute
import jsonschema
import logs
from cases import HERE, PROGRAM, TOP, golden, tool, write

SESSIONS = 2000


def made_log(folder, count=SESSIONS, seed=1):
    return write(folder, "log.jsonl", "".join(
        logs.line(record) for record in logs.sessions(count, seed)))


def test_the_generated_log_is_valid(_):
    schema = json.loads((TOP / "contrib/session.schema.json").read_text())
    # What DNS said is not yet in the schema of this version.
    for record in logs.sessions(50):
        for helo in record["helo"]:
            helo.pop("dns", None)
        jsonschema.validate(record, schema)


def test_same_policy_changes_nothing(folder):
    said, errors = tool("replay", "-p", "old.yaml", made_log(folder),
                        status=0)
    assert " 0 verdicts change in 0 sessions, 0 in 0 cannot" in said, said
    assert errors == ""


def test_brute_force(folder):
    log = made_log(folder)
    said, _ = tool("replay", "--json", "-p", "new.yaml", log, status=3)
    found = dict(brute.said(said.splitlines()))
    summary = found.pop(None)
    with open(log, encoding="utf-8") as lines:
        expected = dict(brute.answers(lines))
    assert found == expected
    assert len(expected) > SESSIONS / 4
    grouped = {}
    for group in summary["groups"]:
        old, new = group["old"], group.get("new")
        key = (group["stage"], old["verdict"], old["rule"],
               *((new["verdict"], new["rule"]) if new else
                 ("unknown", group["unknown"])))
        grouped[key] = group["count"]
    assert grouped == dict(brute.groups(expected.values()))
    unknown = [change for changes in expected.values() for change in changes
               if change[4] == "unknown"]
    assert summary["sessions"] == SESSIONS
    assert summary["unknown_verdicts"] == len(unknown) > 0
    assert summary["changed_verdicts"] == \
        sum(map(len, expected.values())) - len(unknown)


def explained(client, helo, fallback):
    words = ["explain", "--json", "-p", "new.yaml", "--client", client,
             "--helo", "".join(f"\\{byte:03o}" for byte in helo)]
    said, _ = tool(*words, *(["--fallback"] if fallback else []), status=0)
    return json.loads(said)


def test_explain_says_the_same(folder):
    """Connect and the first greeting of each session, by the gate's own
    decision."""
    said, _ = tool("replay", "--json", "-p", "new.yaml",
                   made_log(folder, 300, 5), status=3)
    changes = dict(brute.said(said.splitlines()))
    seen = set()
    for record in logs.sessions(300, 5):
        if not record["helo"]:
            continue
        helo = record["helo"][0]
        name = brute.peer(helo["received"])
        key = record["src_ip"], name
        if key in seen or b"gone" in name:
            continue
        seen.add(key)
        says = explained(record["src_ip"], name, False)
        if "helo" not in says:
            continue
        new = says["helo"]["would"]
        told = [change[4] for change in changes.get(record["session"], ())
                if change[:2] == ("helo", 0)]
        was = helo.get("would", helo["verdict"])
        assert told == ([new] if new != was else []) or \
            new == was == "repair", (record["session"], told, was, new)
    assert len(seen) > 60


def story():
    """A small log with everything that the text can show."""
    dns = {"helo.dns": "nxdomain"}
    yield logs.session(1, "10.200.1.1", [
        logs.helo("EXCH_01", verdict=("repair", "mend"),
                  forwarded="EXCH-01")])
    yield logs.session(2, "10.1.2.3", [
        logs.helo("EXCH_01", verdict=("repair", "mend"),
                  forwarded="EXCH-01")])
    yield logs.session(3, "203.0.113.9", [
        logs.helo("a.gone.test", dns=dns), logs.helo("b.gone.test")])
    yield logs.session(4, "203.0.113.9", [
        logs.helo("dyn-1.test", verdict=("accept", None, "reject",
                                         "watched"))])
    yield logs.session(5, "198.51.100.7", connect=("reject", "blocked"))
    yield logs.session(6, "203.0.113.9", [logs.helo("a.test")], [
        logs.mail("x@bad.test", ["u@a.test"]),
        logs.mail("x@good.test", ["u@a.test", "v@nobody.test"])],
        starttls=True)
    yield logs.session(7, "203.0.113.9", [logs.helo(b"\xff\\\x00a")],
                       truncated=True, helo_count=9)
    yield logs.session(8, "203.0.113.9", [logs.helo(b"scan\x80\\")])


def story_log(folder):
    return write(folder, "story.jsonl", "".join(map(logs.line, story())))


def test_text(folder):
    log = story_log(folder)
    golden("replay", tool("replay", "-p", "new.yaml", log, status=3)[0])


def test_all_witnesses(folder):
    log = story_log(folder)
    golden("replay-all", tool("replay", "--all-witnesses", "-p", "new.yaml",
                              log, status=3)[0])


def test_json(folder):
    log = story_log(folder)
    golden("replay-json", tool("replay", "--json", "-p", "new.yaml", log,
                               status=3)[0])


def test_standard_input_and_several_logs(folder):
    log = story_log(folder)
    one = tool("replay", "-p", "new.yaml", log, status=3)[0]
    assert tool("replay", "-p", "new.yaml", "-", stdin=log.read_bytes(),
                status=3)[0] == one
    two = tool("replay", "-p", "new.yaml", log, log, status=3)[0]
    assert two.startswith("16 sessions"), two


def test_server_refusal_is_no_change(folder):
    """A candidate of on_server_refusal went on in place of the name."""
    policy = write(folder, "p.yaml", """
policy: 1
helo:
  - name: mend
    when: {helo.flaw: underscore}
    then: {repair: [underscore, client_literal], starttls: pass}
default: accept
on_server_refusal: {repair: [lowercase, client_literal], starttls: pass}
""")
    for forwarded, status in (("[10.1.2.3]", 0), ("EXCH-01", 0),
                              ("other.test", 3)):
        log = write(folder, "log", logs.line(logs.session(1, "10.1.2.3", [
            logs.helo("EXCH_01", verdict=("repair", "mend"),
                      forwarded=forwarded)])))
        tool("replay", "-p", policy, log, status=status)


# --- wrong input --------------------------------------------------------------


def test_lines_that_are_no_records(folder):
    good = logs.line(logs.session(1, "192.0.2.1", [logs.helo("a.test")]))
    text = (good + '{"event_type":"start"}\n\n' + good[:400] + "\n"
            + "garbage\n" + good + good[:200])
    log = write(folder, "log", text)
    said, errors = tool("replay", "-p", "old.yaml", log, status=1)
    assert said.startswith("2 sessions"), said
    lines = errors.splitlines()
    assert [line.split(": no JSON")[0] for line in lines[:-1]] == [
        f"{log}:{number}" for number in (4, 5, 7)], errors
    assert lines[-1] == "ehlogate replay: 3 lines are no JSON"
    said, _ = tool("replay", "--json", "-p", "old.yaml", log, status=1)
    summary = json.loads(said)["summary"]
    assert (summary["other_lines"], summary["bad_lines"]) == (1, 3)


def test_old_and_empty_records(folder):
    """Fields that are not there, or are no such thing."""
    log = write(folder, "log", "\n".join((
        '{"event_type":"session"}',
        '{"event_type":"session","src_ip":7,"helo":[{}],"mail":[{}]}',
        '{"event_type":"session","src_ip":"192.0.2.1","helo":[{"verb":"EHLO",'
        '"received":"a.test"}]}',
        '{"event_type":"session","src_ip":"x","helo":{},"mail":null,'
        '"connect":[],"auth":"x"}')))
    said, errors = tool("replay", "--json", "-p", "new.yaml", log, status=3)
    assert errors == ""
    changes = dict(brute.said(said.splitlines()))
    assert changes.pop(None)["sessions"] == 4
    # Who connected is not known, and new.yaml asks.
    assert changes[""][0] == ("connect", None, "accept", None, "unknown",
                              "client")


def test_binary_and_long_lines(folder):
    binary = os.urandom(300000).replace(b"\n", b"") + b"\x1b[31m\n"
    log = write(folder, "log", b"[\x1b[31m]\n" + binary
                + b"x" * 3000000 + b"\n" + b'{"event_type":"start"}\n')
    _, errors = tool("replay", "-p", "old.yaml", log, status=1)
    assert "longer than 1 MiB" in errors, errors
    assert all(" " <= char <= "~" or char == "\n" for char in errors), errors


def test_missing_file_and_folder(folder):
    good = story_log(folder)
    said, errors = tool("replay", "-p", "new.yaml", folder / "none", folder,
                        good, status=1)
    assert said.startswith("8 sessions")
    assert "none: No such file" in errors and "Is a directory" in errors


def test_bad_usage(folder):
    tool("replay", "-p", "old.yaml", status=2)
    tool("replay", story_log(folder), status=2)
    tool("replay", "--frob", status=2)
    tool("replay", "-p", "none.yaml", story_log(folder), status=1)
    assert "Exit status" in tool("replay", "--help", status=0)[0]


def test_closed_pipe_is_quiet(folder):
    log = made_log(folder)
    run = subprocess.run(
        ["bash", "-c", '"$0" replay --json -p new.yaml "$1" | head -1',
         PROGRAM, str(log)], cwd=HERE, capture_output=True, timeout=60,
        check=False)
    assert run.stdout.count(b"\n") == 1 and run.stderr == b"", run


def test_closed_pipe_with_the_signal_ignored(folder):
    log = made_log(folder)
    run = subprocess.run(
        ["bash", "-c", 'trap "" PIPE; "$0" replay --json -p new.yaml "$1" '
         '| head -1', PROGRAM, str(log)], cwd=HERE, capture_output=True,
        timeout=60, check=False)
    assert run.stdout.count(b"\n") == 1 and run.stderr == b"", run


def test_progress_on_a_terminal_only(folder):
    log = made_log(folder, 200)
    big = folder / "big"
    with open(big, "wb") as out:
        for _ in range(500):
            with open(log, "rb") as part:
                shutil.copyfileobj(part, out)
    primary, secondary = pty.openpty()
    with subprocess.Popen([PROGRAM, "replay", "-p", "old.yaml", str(big)],
                          cwd=HERE, stdout=subprocess.DEVNULL,
                          stderr=secondary) as run:
        os.close(secondary)
        shown = b""
        while True:
            try:
                part = os.read(primary, 4096)
            except OSError:
                break
            if not part:
                break
            shown += part
        assert run.wait() == 0
    os.close(primary)
    assert b" lines, " in shown and shown.endswith(b"\r\x1b[K"), shown
    assert tool("replay", "-p", "old.yaml", big, status=0)[1] == ""
