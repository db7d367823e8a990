"""What the tests of the tools share.

SPDX-License-Identifier: MIT
"""
import difflib
import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
PROGRAM = os.environ.get("EHLOGATE", str(TOP / "build/ehlogate"))
ACCEPT = False


def tool(*words, stdin=b"", status=None, cwd=HERE, limit=120):
    """Runs the program: standard output and error as text."""
    run = subprocess.run([PROGRAM, *map(str, words)], input=stdin, cwd=cwd,
                         capture_output=True, timeout=limit, check=False)
    said, errors = run.stdout.decode(), run.stderr.decode()
    if status is not None:
        assert run.returncode == status, \
            f"{words}: status {run.returncode}\n{said}{errors}"
    assert "Sanitizer" not in errors, errors
    return said, errors


def golden(name, text):
    """The text is what golden/NAME.out holds."""
    path = HERE / "golden" / f"{name}.out"
    if ACCEPT:
        path.write_text(text)
    wanted = path.read_text()
    assert text == wanted, "".join(difflib.unified_diff(
        wanted.splitlines(True), text.splitlines(True), path.name, "said"))


def write(folder, name, text):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path
