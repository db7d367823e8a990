#!/usr/bin/python3
"""What `ehlogate check` prints for machines and terminals, and the pages of
`ehlogate explain-code`: every example of a page provokes its code.

SPDX-License-Identifier: MIT
"""
import json
import os
import pathlib
import pty
import re
import subprocess
import sys
import tempfile

import jsonschema

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
PROGRAM = os.environ.get("EHLOGATE", str(TOP / "build/ehlogate"))

# What SARIF 2.1.0 requires of what is used here, and no property besides
# those that it knows.


def sarif_object(required, **properties):
    return {"type": "object", "required": required.split(),
            "properties": properties, "additionalProperties": False}


MESSAGE = sarif_object("text", text={"type": "string", "minLength": 1})
POSITIVE = {"type": "integer", "minimum": 1}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
SARIF = sarif_object(
    "version runs", version={"const": "2.1.0"},
    **{"$schema": {"type": "string", "format": "uri"}},
    runs={"type": "array", "items": sarif_object(
        "tool", columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        tool=sarif_object("driver", driver=sarif_object(
            "name", name={"type": "string"}, version={"type": "string"},
            rules={"type": "array", "uniqueItems": True,
                   "items": sarif_object(
                       "id", id={"type": "string"}, shortDescription=MESSAGE,
                       fullDescription=MESSAGE, help=MESSAGE,
                       defaultConfiguration=sarif_object("", level=LEVEL))})),
        results={"type": "array", "items": sarif_object(
            "message", message=MESSAGE, level=LEVEL,
            ruleId={"type": "string"},
            ruleIndex={"type": "integer", "minimum": 0},
            locations={"type": "array", "items": sarif_object(
                "", physicalLocation=sarif_object(
                    "artifactLocation",
                    artifactLocation=sarif_object("uri", uri={
                        "type": "string",
                        "pattern": r"^([\w./~-]|%[0-9A-F]{2})+$"}),
                    region=sarif_object("startLine", startLine=POSITIVE,
                                        startColumn=POSITIVE,
                                        endColumn=POSITIVE)))})})})


def run(*arguments, folder=HERE):
    done = subprocess.run([PROGRAM, *arguments], cwd=folder,
                          capture_output=True, timeout=20, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def terminal(*arguments, **env):
    """What a terminal is shown."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([PROGRAM, *arguments], cwd=HERE, stdout=theirs,
                          stderr=subprocess.DEVNULL,
                          env={**os.environ, "TERM": "xterm", "NO_COLOR": "",
                               **env}):
        os.close(theirs)
        shown = b""
        try:
            while more := os.read(ours, 65536):
                shown += more
        except OSError:         # nobody holds the other end any more
            pass
    os.close(ours)
    return shown


# --- the forms -----------------------------------------------------------------


def json_form():
    status, out, _ = run("check", "--format", "json", "P012.yaml")
    assert status == 1
    assert json.loads(out) == [{
        "file": "P012.yaml", "line": 3, "column": 1, "end_column": 6,
        "severity": "error", "code": "P012",
        "message": "unknown key `hello` in the policy",
        "hint": "did you mean `helo`?"}]
    status, out, _ = run("check", "--format", "json", "Y010.yaml")
    assert [(item["line"], item["column"], item["end_column"])
            for item in json.loads(out)] == [(0, 0, 0)]


def sarif_form():
    folder = pathlib.Path(tempfile.mkdtemp())
    odd = folder / "a b%\u00fc:[].yaml"
    odd.write_text("policy: 1\nmode: x\ndefault: accept\n")
    files = [path.name for path in HERE.glob("[YP]*.yaml")]
    status, out, _ = run("check", "--format", "sarif", *files, str(odd))
    odd.unlink()
    folder.rmdir()
    assert status == 1
    log = json.loads(out)
    jsonschema.Draft7Validator(SARIF).validate(log)
    part = log["runs"][0]
    rules = part["tool"]["driver"]["rules"]
    assert len(part["results"]) > 100
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"]
               for result in part["results"])
    places = [result["locations"][0]["physicalLocation"]
              for result in part["results"]]
    assert all(place["region"]["endColumn"] > place["region"]["startColumn"]
               for place in places if "region" in place)
    assert any(place["artifactLocation"]["uri"].endswith(
        "/a%20b%25%C3%BC%3A%5B%5D.yaml") for place in places)


def nothing_wrong():
    for form, empty in (("json", "[]\n"), ("text", "")):
        status, out, err = run("check", "--format", form, "good/policy.yaml")
        assert (status, out, err) == (0, empty, "good/policy.yaml: fine\n")


def statuses():
    assert run("check", "P103.yaml")[0] == 0
    assert run("check", "--strict", "P103.yaml")[0] == 2
    assert run("check", "--strict", "P103.yaml", "P012.yaml")[0] == 1
    assert run("check", "--format", "xml", "P012.yaml")[0] == 2
    assert run("check", "--no-such")[0] == 2
    assert run("check", "-c", "no-such.yaml")[0] == 1


def count_line():
    _, out, err = run("check", "P012.yaml", "P103.yaml")
    assert "tells more" not in out
    assert err.endswith(
        "\n1 error, 1 warning; `ehlogate explain-code P012` tells more\n")


def said_once():
    """Two listeners with one policy: its warnings are not said twice."""
    status, out, err = run("check", "-c", "two-listeners.conf")
    assert status == 0 and out.count("[P103]") == 1, out
    assert "\n0 errors, 1 warning; " in "\n" + err


def colour():
    assert b"\033[1;31merror[P012]\033[0m" in terminal("check", "P012.yaml")
    assert b"\033" not in terminal("check", "P012.yaml", NO_COLOR="1")
    assert b"\033" not in terminal("check", "P012.yaml", TERM="dumb")
    assert b"\033" not in terminal("check", "--format", "json", "P012.yaml")
    assert "\033" not in run("check", "P012.yaml")[1]


# --- the pages -----------------------------------------------------------------


def pages():
    status, out, _ = run("explain-code", "--json", "--list")
    assert status == 0
    return json.loads(out)


def page_text():
    status, out, err = run("explain-code", "p104")
    assert (status, err) == (0, "") and out.startswith("P104, warning: ")
    assert all(len(line) <= 78 or line.startswith("    ")
               for line in out.splitlines())
    status, out, _ = run("explain-code", "--json", "P012")
    assert status == 0 and json.loads(out)["code"] == "P012"
    status, out, _ = run("explain-code", "--list")
    assert status == 0 and len(out.splitlines()) == len(pages())


def page_unknown():
    status, out, err = run("explain-code", "P1004")
    assert (status, out) == (2, "") and "did you mean `P104`?" in err
    status, _, err = run("explain-code", "xyz")
    assert status == 2 and "did you mean" not in err
    assert run("explain-code")[0] == 2
    assert run("explain-code", "--list", "P012")[0] == 2


POLICY = {"policy": "policy: 1\n", "default": "default: accept\n"}
CONFIG = {"version": "version: 1\n", "log": "log: {sinks: [stdout]}\n",
          "listeners": "listeners:\n  l: {mode: tproxy, policy: "
                       "inbound.yaml}\n"}
# What the example leaves out on purpose.
LACKS = {"P026": "default"}


def completed(page):
    """The example with the rest of its file."""
    said = re.findall(r"^(\w+):", page["example"], re.MULTILINE)
    rest = CONFIG if page["code"].startswith("C") else POLICY
    before, after = [], []
    for key, text in rest.items():
        if key not in said and LACKS.get(page["code"]) != key:
            (after if key == "default" else before).append(text)
    # A document that is broken in its middle is broken anyway.
    return "".join([*before, page["example"], *after])


def example_of(page):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "example.yaml"
        path.write_text(completed(page))
        (path.parent / "inbound.yaml").write_text(
            "policy: 1\ndefault: accept\n")
        option = ["-c"] if page["code"].startswith("C") else []
        _, out, _ = run("check", *option, path.name, folder=folder)
    assert f"[{page['code']}]" in out, \
        f"the example of {page['code']} provokes:\n{out}"


# What takes another file, or more than a page holds.
WITHOUT = {"C056", "Y009", "Y010", "Y011", "P084", "P106", "P113", "P114"}


def examples_are_there():
    assert {page["code"] for page in pages()
            if page["example"] is None} == WITHOUT


def main():
    cases = [json_form, sarif_form, nothing_wrong, statuses, count_line,
             said_once, colour, page_text, page_unknown, examples_are_there]
    calls = [(case.__name__, case, ()) for case in cases]
    calls += [(page["code"], example_of, (page,)) for page in pages()
              if page["example"] is not None]
    failed = 0
    for name, case, arguments in calls:
        try:
            case(*arguments)
        except (AssertionError, ValueError,
                jsonschema.ValidationError) as error:
            failed += 1
            print(f"{name}: {error!r}" if not str(error) else
                  f"{name}: {error}")
    print(f"{len(calls) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
