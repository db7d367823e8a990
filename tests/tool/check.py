"""Runs every suite and counts: what `make check` ends with.

Called after everything is built (see Makefile).  A line per suite, the whole
output of a suite that failed, and as the very last line `N passed, N failed`.
A suite that ran no test has failed.  `--only A,B` runs some, `--list` names
them.
"""
import glob
import os
import re
import subprocess
import sys
import time

ASAN_ENV = {"EHLOGATE_PROPERTY_RUNS": "50000",
            "ASAN_OPTIONS": "detect_leaks=1"}
VALGRIND_ENV = {"EHLOGATE_PROPERTY_RUNS": "2000"}
VALGRIND = ["valgrind", "-q", "--error-exitcode=9", "--leak-check=full"]


def run(command, limit, env=None):
    """Status and output of one command; 124 when it took too long."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=limit,
                              env={**os.environ, **(env or {})})
    except subprocess.TimeoutExpired as late:
        return 124, (late.stdout or b"").decode(errors="replace") + \
            f"\nstopped after {limit} s\n"
    return done.returncode, (done.stdout + done.stderr).decode(
        errors="replace")


def one(command, limit=120, env=None):
    """A command that is one case."""
    status, output = run(command, limit, env)
    return int(status == 0), int(status != 0), 0, output


def counted(command, limit, env=None):
    """A command whose last line that counts is `N passed, N failed`."""
    status, output = run(command, limit, env)
    found = re.findall(r"(\d+) passed(?:, (\d+) failed)?(?:, (\d+) skipped)?",
                       output)
    passed, failed, skipped = (0, 1, 0)
    if found:
        passed, failed, skipped = (int(n or 0) for n in found[-1])
    if "pytest" in " ".join(command):
        failed = sum(int(n) for n in re.findall(
            r"(\d+) (?:failed|errors?)\b", output.splitlines()[-1]))
        skipped = sum(int(n) for n in re.findall(
            r"(\d+) skipped", output.splitlines()[-1]))
    if status != 0 and failed == 0:
        failed = 1
    return passed, failed, skipped, output


def units(folder, prefix=(), env=None):
    """Every cmocka binary of a folder."""
    passed = failed = 0
    text = []
    for source in sorted(glob.glob("tests/unit/*_test.c")):
        name = os.path.basename(source)[:-2]
        status, output = run([*prefix, f"{folder}/{name}"], 300, env)
        good = re.findall(r"\[  PASSED  \] (\d+) test", output)
        bad = re.findall(r"\[  FAILED  \] (\d+) test", output)
        passed += sum(map(int, good))
        failed += sum(map(int, bad))
        if status != 0 or not good:
            failed += not bad
            text.append(f"{name} ended with status {status}\n{output}")
    return passed, failed, 0, "\n".join(text)


def rules():
    """The shipped policies: no warning, and their own tests."""
    files = sorted(glob.glob("policy/rules/*.yaml"))
    checked = one(["build/ehlogate", "check", "--strict", *files])
    tested = counted(["build/ehlogate", "test", *files], 60)
    return (checked[0] + tested[0], checked[1] + tested[1], 0,
            checked[3] + tested[3])


def formatted():
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.c", "*.h"],
        capture_output=True, text=True, check=True).stdout.split()
    return one(["clang-format", "--dry-run", "-Werror", *files])


def fuzz():
    targets = sorted(glob.glob("tests/fuzz/*_fuzz.c"))
    built = ["build/fuzz/" + os.path.basename(t)[:-2] for t in targets]
    return counted(["tests/tool/fuzz", os.environ.get("FUZZ_SHORT", "10"),
                    *built], 60 * len(built) + 60)


def perimeter():
    if os.geteuid() != 0:
        return 0, 0, 1, "needs root: it makes network namespaces"
    return counted([sys.executable, "-m", "pytest", "-q", "-p",
                    "no:cacheprovider", "tests/perimeter"], 900)


SUITES = {
    "layers": lambda: one(["make", "-s", "layers"]),
    "sizes": lambda: one(["make", "-s", "sizes"]),
    "format": formatted,
    "unit": lambda: units("build/unit"),
    "unit asan": lambda: units("build/asan/unit", env=ASAN_ENV),
    "unit valgrind": lambda: units("build/unit", VALGRIND, VALGRIND_ENV),
    "rules": rules,
    "fuzz": fuzz,
    "perimeter": perimeter,
}


def main():
    wanted = list(SUITES)
    if "--list" in sys.argv:
        print("\n".join(SUITES))
        return 0
    if "--only" in sys.argv:
        wanted = sys.argv[sys.argv.index("--only") + 1].split(",")
    total_passed = total_failed = total_skipped = 0
    skips = []
    for name in wanted:
        start = time.monotonic()
        passed, failed, skipped, output = SUITES[name]()
        if passed + failed + skipped == 0:
            failed, output = 1, output + "\nno test was run\n"
        took = time.monotonic() - start
        print(f"{name:16} {passed:6} passed, {failed} failed"
              f"{f', {skipped} skipped' if skipped else ''}  {took:.1f} s",
              flush=True)
        if failed:
            print(output, flush=True)
        if skipped:
            skips.append(f"{name}: {output.strip().splitlines()[-1]}")
        if name == "sizes" and not failed:
            print("  " + "\n  ".join(output.splitlines()[:2]), flush=True)
        total_passed += passed
        total_failed += failed
        total_skipped += skipped
    for skip in skips:
        print("skipped:", skip)
    print(f"{total_passed} passed, {total_failed} failed"
          + (f", {total_skipped} skipped" if total_skipped else ""))
    return 1 if total_failed else 0


if __name__ == "__main__":
    sys.exit(main())
