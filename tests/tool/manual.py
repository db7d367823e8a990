"""The manual pages: what the tables make of them is current, mandoc finds
nothing to say, and their examples are good files.

SPDX-License-Identifier: MIT
"""
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = re.compile(r"^\.Bd -literal -offset indent\n(.*?)^\.Ed$",
                     re.MULTILINE | re.DOTALL)
# Pages that are not installed here.
FOREIGN = re.compile("STYLE: referenced manual not found|outdated mandoc.db")


def run(*command, folder=TOP):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True,
                          timeout=60, check=False)


def current(page):
    made = run("build/tool/manual", str(page))
    if made.returncode != 0 or made.stdout != page.read_text():
        return f"{page.name}: `make man` has not been run\n{made.stderr}"
    return ""


def lint(page):
    said = run("mandoc", "-T", "lint", "-W", "all", str(page))
    lines = [line for line in (said.stdout + said.stderr).splitlines()
             if not FOREIGN.search(line)]
    return "\n".join(lines)


def completed(example, is_config):
    rest = {"version": "version: 1\n"} if is_config else {
        "policy": "policy: 1\n", "lists": "lists:\n  inside: {address: "
        "10.0.0.0/8}\n", "default": "default: accept\n"}
    said = re.findall(r"^(\w+):", example, re.MULTILINE)
    return example + "".join(text for key, text in rest.items()
                             if key not in said)


def examples(page):
    is_config = page.name == "ehlogate.yaml.5"
    found = EXAMPLE.findall(page.read_text())
    if not found:
        yield f"{page.name}: no example"
    for example in found:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "rules").mkdir()
            for other in (folder / "rules/inbound.yaml",
                          folder / "base.yaml"):
                other.write_text(
                    "policy: 1\nhelo:\n  - {name: not-a-name, when: "
                    "{helo.valid: false}, then: reject}\n"
                    "default: accept\n")
            (folder / "example.yaml").write_text(
                completed(example, is_config))
            said = run(str(TOP / "build/ehlogate"), "check",
                       *(["-c"] if is_config else []), "example.yaml",
                       folder=name)
        yield f"{page.name}: an example:\n{said.stdout}{said.stderr}" \
            if said.returncode else ""


def commands():
    """ehlogate(1) tells of every command that the program has."""
    said = run("build/ehlogate", "--help").stdout
    names = re.findall(r"^  ([a-z-]+) ", said, re.MULTILINE)
    page = (TOP / "contrib/man/ehlogate.1").read_text().replace("\\-", "-")
    return "".join(f"ehlogate.1: no word of `{name}`\n"
                   for name in names or ["--help"]
                   if f".It Cm {name}\n" not in page
                   or f".Nm\n.Cm {name}\n" not in page)


def main():
    pages = sorted((TOP / "contrib/man").glob("*.[15]"))
    results = [check(page) for page in pages for check in (current, lint)]
    results.append(commands())
    for page in pages:
        if page.suffix == ".5":
            results += examples(page)
    failures = [result for result in results if result]
    print("\n".join(failures))
    print(f"{len(results) - len(failures)} passed, {len(failures)} failed")
    return 1 if failures or not pages else 0


if __name__ == "__main__":
    sys.exit(main())
