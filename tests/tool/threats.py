"""Which test holds which threat: tests/threats.tsv names them, the tests name
their numbers.

    threats.py            a case for each number: some test names it, or the
                          list says why none does; no test names another one;
                          the table in tests/README.md says the same
    threats.py --write    writes that table

SPDX-License-Identifier: MIT
"""
import pathlib
import re
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
LIST = TESTS / "threats.tsv"
README = TESTS / "README.md"
BEGIN, END = "<!-- made: threats -->\n", "<!-- end -->\n"
NUMBER = re.compile(r"\b(A[1-9]-\d\d)\b(?:(?: to |\.\.)(A[1-9]-\d\d)\b)?")
IN_A_NAME = re.compile(r"(?<=_)a([1-9])_(\d\d)(?=_|\b)")     # test_a5_07_...
READ = {".c", ".h", ".py", ".smtp", ".patch"}
NAMED = 3       # tests in a row of the table; the others are counted


def threats():
    """Number: (what, why there is no test or "")."""
    rows = [line.split("\t") for line in LIST.read_text().splitlines()
            if not line.startswith("#")]
    return {row[0]: (row[1], row[2] if len(row) > 2 else "") for row in rows}


def holders():
    """Number: the tests that name it."""
    found = {}
    for path in sorted(TESTS.rglob("*")):
        if path.suffix not in READ or path == pathlib.Path(__file__):
            continue
        text = IN_A_NAME.sub(r" A\1-\2 ", path.read_text(errors="replace"))
        for first, last in NUMBER.findall(text):
            area, begin = first.split("-")
            end = int((last or first).split("-")[1])
            for number in range(int(begin), end + 1):
                tests = found.setdefault(f"{area}-{number:02}", [])
                if path not in tests:
                    tests.append(path)
    return found


def is_within(number, listed):
    """A2-79 is within A2."""
    return number in listed or number.split("-")[0] in listed


def table(listed, held):
    rows = ["| number | what | tests |", "|---|---|---|"]
    for number, (what, why) in listed.items():
        # What is run is named before what it is made with.
        tests = sorted(held.get(number, []), key=lambda path: (
            "lab" in path.relative_to(TESTS).parts, path.parts))
        names = [f"`{path.relative_to(TESTS)}`" for path in tests[:NAMED]]
        if len(tests) > NAMED:
            names.append(f"{len(tests) - NAMED} more")
        rows.append(f"| {number} | {what} | {why or ', '.join(names)} |")
    return "\n".join(rows) + "\n"


def parts():
    """The text before, in and behind the table."""
    before, rest = README.read_text().split(BEGIN)
    made, after = rest.split(END, maxsplit=1)
    return before + BEGIN, made, END + after


def main():
    listed, held = threats(), holders()
    made = table(listed, held)
    before, there, after = parts()
    if sys.argv[1:] == ["--write"]:
        README.write_text(before + made + after)
        return 0
    wrong = [f"{number}: no test names it" for number, (_, why)
             in listed.items() if not why and number not in held]
    wrong += [f"{number}: {held[number][0].relative_to(TESTS)} names it, and "
              f"the list says why nothing does" for number, (_, why)
              in listed.items() if why and number in held]
    wrong += [f"{number}: {tests[0].relative_to(TESTS)} names it, and it is "
              f"not in the list" for number, tests in held.items()
              if not is_within(number, listed)]
    if there != made:
        wrong.append("tests/README.md: the table is not of now: "
                     "tests/tool/threats.py --write")
    print("\n".join(wrong))
    cases = len(listed) + 1
    failed = min(len(wrong), cases)
    print(f"{cases - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
