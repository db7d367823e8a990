#!/usr/bin/python3
"""Facts in, verdicts out, without a network.

NAME.yaml is a policy; each line of NAME.in is what `ehlogate explain` is told
of one session (`#` begins a remark); NAME.ref is what it says, line by line.

    run.py [--accept] [NAME...]     --accept writes the NAME.ref anew: read
                                    the change before you commit it

SPDX-License-Identifier: MIT
"""
import difflib
import os
import pathlib
import shlex
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = os.environ.get("EHLOGATE", str(HERE.parents[1] / "build/ehlogate"))


def explain(name, words):
    run = subprocess.run(
        [PROGRAM, "explain", "-p", f"{name}.yaml", *words], cwd=HERE,
        capture_output=True, timeout=20, check=False)
    said = (run.stdout + run.stderr).decode()
    return f"== {shlex.join(words)}\n{said}status {run.returncode}\n"


def blocks(text):
    """The reference, a block for each line of the input."""
    parts = text.split("== ")[1:]
    return {part.split("\n")[0]: "== " + part for part in parts}


def run_policy(name, accept):
    """A complaint, or nothing, for each line of the input."""
    reference = HERE / f"{name}.ref"
    lines = [shlex.split(line) for line in
             (HERE / f"{name}.in").read_text().splitlines()
             if line.strip() and not line.startswith("#")]
    said = [explain(name, words) for words in lines]
    if accept:
        reference.write_text("".join(said))
    expected = blocks(reference.read_text())
    for words, text in zip(lines, said):
        wanted = expected.pop(shlex.join(words), "")
        yield "".join(difflib.unified_diff(
            wanted.splitlines(True), text.splitlines(True),
            f"{name}.ref", "said"))
    for line in expected:
        yield f"{name}.ref: no line of {name}.in is `{line}`"


def main():
    arguments = sys.argv[1:]
    accept = "--accept" in arguments
    names = [a for a in arguments if a != "--accept"] or sorted(
        path.stem for path in HERE.glob("*.in"))
    results = [result for name in names
               for result in run_policy(name, accept)]
    failures = [result for result in results if result]
    print("\n".join(failures))
    print(f"{len(results) - len(failures)} passed, {len(failures)} failed")
    return 1 if failures or not results else 0


if __name__ == "__main__":
    sys.exit(main())
