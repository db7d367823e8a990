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


# What a line of the comparison may speak of beside its rule.
LISTS = {"badhelo": "{domain: [bad.example]}", "ours": "{domain: [example.com]}",
         "badnets": "{address: [198.51.100.0/24]}"}
ROFF = {"\\(aq": "'", "\\(ha": "^", "\\(ti": "~", "\\e": "\\"}


def plain(text):
    for escape, character in ROFF.items():
        text = text.replace(escape, character)
    return text


def compared():
    """(product: check, lines of its rules) of the section COMPARISON."""
    page = (TOP / "contrib/man/ehlogate-policy.5").read_text()
    section = page.split(".Sh COMPARISON\n")[1].split("\n.Sh ")[0]
    for part in section.split(".Ss ")[1:]:
        product = part.split("\n")[0]
        for item, rules in re.findall(
                r"^\.It (?:Ic )?([^\n]*)\n\.Bd -literal -compact\n(.*?)^\.Ed$",
                part, re.MULTILINE | re.DOTALL):
            yield f"{product}: {plain(item)}", plain(rules)


def cases():
    """What each of them does, by tests/manual/comparison.txt."""
    found = {}
    for line in (TOP / "tests/manual/comparison.txt").read_text().split("\n"):
        if line.startswith("  "):
            found[name].append(line.strip())
        elif line and not line.startswith("#"):
            name = line
            found[name] = []
    return found


def converses(policy, conversation):
    """The commands of a session, and how its last reply begins."""
    words, wanted = conversation.split(" -> ")
    said = subprocess.run(
        ["build/ehlogate", "session", "-p", policy, "--client",
         "203.0.113.9"], input=words.replace(" | ", "\n") + "\n",
        cwd=TOP, capture_output=True, text=True, timeout=60, check=False)
    replies = [line for line in said.stdout.splitlines()
               if re.match(r"\d{3}[- ]", line)]
    starts = [i for i, line in enumerate(replies) if line[3] == " "]
    first = starts[-2] + 1 if len(starts) > 1 else 0
    return "" if replies and replies[first].startswith(wanted) else \
        f"{conversation}:\n{said.stdout}{said.stderr}"


def comparison():
    """Each line of the comparison does what its check does."""
    known, seen = cases(), []
    for name, rules in compared():
        seen.append(name)
        tests = [t for t in known.get(name, []) if t.startswith("{")]
        talks = [t for t in known.get(name, []) if not t.startswith("{")]
        lists = "".join(f"  {key}: {value}\n" for key, value in LISTS.items()
                        if re.search(rf"\b{key}\b", rules))
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as policy:
            policy.write(
                "policy: 1\n" + (f"lists:\n{lists}" if lists else "")
                + "helo:\n" + re.sub("^", "  ", rules, flags=re.MULTILINE)
                .rstrip() + "\ndefault: accept\n"
                + ("tests:\n" if tests else "")
                + "".join(f"  - {test}\n" for test in tests))
            policy.flush()
            said = run("build/ehlogate", "test", policy.name)
            wrong = [converses(policy.name, talk) for talk in talks]
        if not tests + talks:
            wrong.append("no test")
        if tests and said.returncode != 0:
            wrong.append(said.stdout + said.stderr)
        yield "\n".join(f"{name}: {one}" for one in wrong if one)
    yield "".join(f"comparison.txt: `{name}` is in no manual\n"
                  for name in known if name not in seen)


def main():
    pages = sorted((TOP / "contrib/man").glob("*.[15]"))
    results = [check(page) for page in pages for check in (current, lint)]
    results.append(commands())
    for page in pages:
        if page.suffix == ".5":
            results += examples(page)
    results += comparison()
    failures = [result for result in results if result]
    print("\n".join(failures))
    print(f"{len(results) - len(failures)} passed, {len(failures)} failed")
    return 1 if failures or not pages else 0


if __name__ == "__main__":
    sys.exit(main())
