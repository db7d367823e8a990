"""Which lines of proxy/smtp and policy the quick suites run (`make coverage`).

Runs them with the binaries of VARIANT=cov, asks gcov, and prints a line a file
and the two totals, of which each has to be LIMIT per cent.  Every place that is
not covered (lines that follow one another in a function) is listed with its
reason from tests/coverage.txt:

    FILE: FUNCTION: TEXT OF ITS FIRST LINE: REASON

A place without a reason, and a reason without a place, fail the run.  Not part
of `make check`.

    --show       only what the counters of the last run say
    --missing    likewise, the places without a reason alone, as lines to fill

SPDX-License-Identifier: MIT
"""
import argparse
import collections
import glob
import json
import os
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
OBJECTS = TOP / "build/obj-cov"
COV = TOP / "build/cov"
REASONS = TOP / "tests/coverage.txt"
PYTHON = "/usr/bin/python3"
FOLDERS = ("proxy/smtp", "policy")
LIMIT = 95

Place = collections.namedtuple("Place", "path function text first last")


def suites():
    """Commands that end with status 0."""
    for test in sorted((COV / "unit").glob("*_test")):
        yield [str(test)]
    dialog = ["tests/tool/dialog.py", "--driver", "process", "--modes"]
    yield [PYTHON, *dialog, "whole,bytes"]
    yield [str(COV / "tool/sequences")]
    yield [str(COV / "sim"), "--sessions", "30000"]
    yield [PYTHON, "tests/tool/differential.py", "--cases", "4000"]
    yield [PYTHON, "tests/policy/run.py"]
    for name in ("run", "forms"):
        yield [PYTHON, f"tests/config/{name}.py"]
    yield [PYTHON, "tests/cli/run.py"]
    rules = sorted(glob.glob(str(TOP / "policy/rules/*.yaml")))
    for word in ("check", "test"):
        yield [str(COV / "ehlogate"), word, *rules]
    yield [PYTHON, "tests/fuzz/seeds.py", "build/seeds"]
    yield [str(COV / "tool/nomemory"), "build/seeds/dialog_fuzz"]


def run_suites():
    for counts in OBJECTS.rglob("*.gcda"):
        counts.unlink()
    env = {**os.environ, "EHLOGATE": str(COV / "ehlogate"),
           "EHLOGATE_DRIVER": str(COV / "tool/dialog_driver"),
           "EHLOGATE_PROPERTY_RUNS": "20000"}
    for command in suites():
        ended = subprocess.run(command, cwd=TOP, env=env, text=True,
                               stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, check=False)
        if ended.returncode != 0:
            print(ended.stdout[-3000:])
            sys.exit(f"{' '.join(command)}: status {ended.returncode}")


def counts_of(source):
    """Line: (times, function)."""
    counts = OBJECTS / source.with_suffix(".gcda")
    notes = counts if counts.exists() else counts.with_suffix(".gcno")
    said = subprocess.run(["gcov", "--json-format", "--stdout", str(notes)],
                          cwd=TOP, capture_output=True, text=True,
                          check=True).stdout
    lines = {}
    for file in json.loads(said.splitlines()[0])["files"]:
        if file["file"] != str(source):
            continue
        for line in file["lines"]:
            number = line["line_number"]
            before = lines.get(number, (0, ""))[0]
            lines[number] = (before + line["count"],
                             line.get("function_name", ""))
    return lines


def places_of(source, lines):
    """Runs of lines that were not run, each within one function."""
    text = (TOP / source).read_text().splitlines()
    found = []
    before = None
    for number, (times, function) in sorted(lines.items()):
        if times > 0:
            before = None
            continue
        if before and before.function == function:
            before = before._replace(last=number)
            found[-1] = before
        else:
            before = Place(str(source), function,
                           re.sub(r"\s+", " ", text[number - 1]).strip(),
                           number, number)
            found.append(before)
    return found


def reasons():
    """(path, function, text): reason."""
    found = {}
    for number, line in enumerate(REASONS.read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        words = re.fullmatch(r"([^:]+): (\w+): (.*): ([^:]+)", line)
        if not words or words.groups()[:3] in found:
            sys.exit(f"tests/coverage.txt:{number}: cannot be read, or stands "
                     "there twice")
        found[words.groups()[:3]] = words.group(4)
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--missing", action="store_true")
    options = parser.parse_args()
    if not options.show and not options.missing:
        run_suites()
    known, used, missing, low = reasons(), set(), [], []
    for folder in FOLDERS:
        run = total = 0
        for path in sorted((TOP / folder).glob("*.c")):
            source = path.relative_to(TOP)
            lines = counts_of(source)
            covered = sum(times > 0 for times, _ in lines.values())
            run, total = run + covered, total + len(lines)
            if not options.missing:
                print(f"{100 * covered / max(len(lines), 1):6.1f} % "
                      f"{source}")
            for place in places_of(source, lines):
                key = place[:3]
                used.add(key)
                if key not in known:
                    missing.append(place)
                elif not options.missing:
                    print(f"         {place.first}-{place.last} "
                          f"{place.function}: {known[key]}")
        if not options.missing:
            print(f"{100 * run / total:6.2f} % {folder}: {run} of {total} "
                  "lines\n")
        if 100 * run < LIMIT * total:
            low.append(folder)
    for place in missing:
        print(f"{place.path}: {place.function}: {place.text}: "
              if options.missing else
              f"{place.path}:{place.first}: {place.function}: not covered, "
              f"and no reason: {place.text}")
    stale = sorted(set(known) - used)
    if options.missing:
        return 0
    for path, function, text in stale:
        print(f"tests/coverage.txt: {path}: {function}: `{text}` is covered, "
              "or gone")
    for folder in low:
        print(f"{folder}: less than {LIMIT} %")
    print(f"places without a reason: {len(missing)}, reasons without a place: "
          f"{len(stale)}")
    return int(bool(missing or stale or low))


if __name__ == "__main__":
    sys.exit(main())
