#!/usr/bin/python3
"""Every diagnostic, each provoked by a file of this folder.

NAME.yaml is a policy (a configuration where NAME begins with C, or where its
first key is `version`).  NAME.out is what `ehlogate check` says of it, to the
letter.  NAME begins with the code that it provokes, and NAME.out has it with
its place.  Every code that the program can say has a file here and a row in
policy/codes.h, and nothing else has.  Files beyond the reach of a folder are
made on the spot: see MADE.  What an operator typically gets wrong is in
mistakes/: each file there gives one message.

    run.py [--accept] [NAME...]     --accept writes the NAME.out anew: read
                                    the change before you commit it

SPDX-License-Identifier: MIT
"""
import difflib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
PROGRAM = os.environ.get("EHLOGATE", str(TOP / "build/ehlogate"))
CODE = re.compile(r'"([YPC]\d{3})"')
ROW = re.compile(r'^CODE\(([YPC]\d{3}), (\w+),', re.MULTILINE)
TABLE = dict(ROW.findall((TOP / "policy/codes.h").read_text()))
SEVERITIES = {"ERROR": "error", "WARNING": "warning",
              "EITHER": "(?:error|warning)"}

# What cannot be a file of the tree: its text; None: no file at all.
def big(head, line, tail=""):
    """As many lines as 1 MiB holds."""
    room = (1 << 20) - len(head) - len(tail)
    return (head + line * (room // len(line)) + tail).encode()


# ... and what takes long where a mistake costs a search: each has its time.
LONG = {
    "a key a line": (b"policy: 1\ndefault: accept\n" + b"".join(
        b"k%d: 1\n" % i for i in range(100000)), "P012"),
    "one key": (big("policy: 1\ndefault: accept\n", "a: 1\n"), "Y002"),
    "one rule": (big("policy: 1\nhelo:\n", " - {name: r, then: reject}\n",
                     "default: accept\n"), "P020"),
    "one line": (big("policy: 1\nhelo: [", "{nam: 1},",
                     "]\ndefault: accept\n"), "P022"),
    "brackets": (big("policy: 1\nhelo: ", "["), "Y008"),
}
LONG_SECONDS = 10
MADE = {
    "Y009": b"# " + b"x" * (1 << 20) + b"\npolicy: 1\n",
    "Y011": None,
}


def check(path, folder):
    text = path.read_text(errors="replace") if path.exists() else ""
    is_config = re.search(r"^(version|listeners|policy|helo):", text,
                          re.MULTILINE)
    option = ["-c"] if is_config and is_config[1] in (
        "version", "listeners") else []
    run = subprocess.run([PROGRAM, "check", *option, path.name], cwd=folder,
                         capture_output=True, timeout=20, check=False)
    said = (run.stdout + run.stderr).decode(errors="replace")
    return f"{said}status {run.returncode}\n"


def compare(name, said, expected):
    """Complaints about one case."""
    code = name.split("-")[0]
    severity = SEVERITIES[TABLE.get(code, "EITHER")]
    # An empty file has no line.
    place = "" if code == "Y010" else r":\d+:\d+"
    if not re.search(rf"^[\w./-]+{place}: {severity}\[{code}\]: ", said,
                     re.MULTILINE):
        yield f"{name}: does not provoke {code} in its place:\n{said}"
    if said != expected:
        yield "".join(difflib.unified_diff(
            expected.splitlines(True), said.splitlines(True),
            f"{name}.out", "said"))


def run_files(names, accept):
    for name in names:
        said = check(HERE / f"{name}.yaml", HERE)
        out = HERE / f"{name}.out"
        if accept:
            out.write_text(said)
        expected = out.read_text() if out.exists() else ""
        yield from [("\n".join(compare(name, said, expected)))]


def run_mistakes(accept):
    """What an operator gets wrong: one message, and all of it expected."""
    folder = HERE / "mistakes"
    for path in sorted(folder.glob("*.yaml")):
        said = check(path, folder)
        out = path.with_suffix(".out")
        if accept:
            out.write_text(said)
        expected = out.read_text() if out.exists() else ""
        one = said.endswith("tells more\nstatus 1\n") and \
            "\n1 error, 0 warnings; " in said
        yield "".join(difflib.unified_diff(
            expected.splitlines(True), said.splitlines(True),
            str(out), "said")) + (
                "" if one else f"{path}: more or less than one message\n")


def run_made():
    with tempfile.TemporaryDirectory() as folder:
        for name, text in MADE.items():
            path = pathlib.Path(folder) / f"{name}.yaml"
            if text is not None:
                path.write_bytes(text)
            said = check(path, folder)
            good = f"{name}.yaml: error[{name}]: " in said \
                and said.endswith("status 1\n")
            yield "" if good else f"{name}: {said}"


def run_long():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "long.yaml"
        for what, (text, code) in LONG.items():
            path.write_bytes(text)
            try:
                run = subprocess.run(
                    [PROGRAM, "check", path.name], cwd=folder,
                    capture_output=True, timeout=LONG_SECONDS, check=False)
            except subprocess.TimeoutExpired:
                yield f"{what}: takes more than {LONG_SECONDS} s"
                continue
            yield "" if run.returncode == 1 and \
                f"[{code}]".encode() in run.stdout else f"{what}: no {code}"


def run_codes():
    """The codes of the sources, of the files and of the table are the same."""
    said = {code for folder in ("policy", "proxy")
            for path in (TOP / folder).glob("**/*.[ch]")
            for code in CODE.findall(path.read_text())}
    shown = {path.name[:4] for path in HERE.glob("*.yaml")} | set(MADE)
    yield "".join(f"no file of tests/config provokes {code}\n"
                  for code in sorted(said - shown))
    yield "".join(f"{code}: no such code in the sources\n"
                  for code in sorted(shown - said))
    yield "".join(f"{code}: no row in policy/codes.h\n"
                  for code in sorted(said - TABLE.keys()))
    yield "".join(f"{code}: the row in policy/codes.h is never said\n"
                  for code in sorted(TABLE.keys() - said))


def main():
    arguments = sys.argv[1:]
    accept = "--accept" in arguments
    names = [a for a in arguments if a != "--accept"]
    results = list(run_files(names or sorted(
        path.stem for path in HERE.glob("*.yaml")), accept))
    if not names:
        results += [*run_mistakes(accept), *run_made(), *run_long(),
                    *run_codes()]
    failures = [result for result in results if result]
    print("\n".join(failures))
    print(f"{len(results) - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
