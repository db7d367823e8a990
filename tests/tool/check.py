"""Runs every suite and counts: what `make check` ends with.

Called after everything is built (see Makefile).  A line per suite, the whole
output of a suite that failed, and as the very last line `N passed, N failed`,
the cases of all suites.  A suite that ran no case, or whose files are not
there, has failed; what was skipped is listed with its reason.  Suites that
share nothing run side by side.

  --only A,B   these suites
  --list       their names

Sessions' records that a suite writes go into the folder that EHLOGATE_LOGS
names, one .jsonl file each; the suite `schema` validates them all.

SPDX-License-Identifier: MIT
"""
import argparse
import concurrent.futures
import dataclasses
import glob
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
LOGS = TOP / "build/logs"
PYTHON = "/usr/bin/python3"

ASAN_ENV = {"ASAN_OPTIONS": "detect_leaks=1",
            "UBSAN_OPTIONS": "print_stacktrace=1"}
VALGRIND = ["valgrind", "-q", "--error-exitcode=9", "--leak-check=full"]
FUZZ_SECONDS = "10"
KILL_AFTER = 10         # seconds that a stopped suite has for cleaning up

COUNT = re.compile(r"^(\d+) passed, (\d+) failed"
                   r"(?:, (\d+) skipped)?$", re.MULTILINE)


@dataclasses.dataclass
class Result:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    output: str = ""
    reasons: list = dataclasses.field(default_factory=list)

    def __add__(self, other):
        return Result(self.passed + other.passed, self.failed + other.failed,
                      self.skipped + other.skipped,
                      self.output + other.output,
                      self.reasons + other.reasons)


def failure(why):
    return Result(failed=1, output=why + "\n")


# --- one command -------------------------------------------------------------


class Commands:
    """Runs commands, each in a process group of its own, so that one that
    takes too long goes with all its children."""

    def __init__(self):
        self._lock = threading.Lock()
        self._running = set()
        self._stopped = False

    def run(self, command, limit, env=None):
        """Status and output; status None: stopped after `limit` seconds."""
        # A file, no pipe: a grandchild that lives on must not be waited for.
        with tempfile.TemporaryFile() as output:
            child = self._start(command, output, env)
            try:
                status, late = child.wait(limit), ""
            except subprocess.TimeoutExpired:
                status, late = None, f"\nstopped after {limit} s\n"
            finally:
                self._end(child)
            output.seek(0)
            return status, output.read().decode(errors="replace") + late

    def _start(self, command, output, env):
        with self._lock:
            if self._stopped:
                raise InterruptedError("stopped")
            child = subprocess.Popen(
                command, cwd=TOP, env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True)
            self._running.add(child)
        return child

    def _end(self, child):
        """Asks what is left of it to end and clean up, then makes it."""
        if child.poll() is None:
            signal_group(child, signal.SIGINT)
            try:
                child.wait(KILL_AFTER)
            except subprocess.TimeoutExpired:
                pass
        signal_group(child, signal.SIGKILL)
        child.wait()
        with self._lock:
            self._running.discard(child)

    def stop(self):
        """Ends what runs, and lets nothing more begin."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for child in running:
            signal_group(child, signal.SIGINT)
        for child in running:
            self._end(child)


def signal_group(child, number):
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        pass


COMMANDS = Commands()


def one(command, limit=120, env=None):
    """A command that is one case."""
    status, output = COMMANDS.run(command, limit, env)
    return Result(int(status == 0), int(status != 0), 0, output)


def counted(command, limit, env=None):
    """A command that ends `N passed, N failed`."""
    status, output = COMMANDS.run(command, limit, env)
    found = COUNT.findall(output)
    if not found:
        return failure(f"{output}\n{' '.join(command)}: status {status}, and "
                       f"no count of its cases")
    result = Result(*(int(number or 0) for number in found[-1]), output,
                    re.findall(r"^skipped: (.*)$", output, re.MULTILINE))
    if status != 0 and result.failed == 0:
        result += failure(f"{' '.join(command)}: status {status}")
    return result


def script(path, *arguments, limit, env=None):
    """A counted script of the tree."""
    if not (TOP / path).exists():
        return failure(f"{path} is not there")
    runner = [PYTHON] if path.endswith(".py") else []
    return counted([*runner, path, *arguments], limit, env)


def files_of(*patterns):
    return sorted(os.path.relpath(path, TOP) for pattern in patterns
                  for path in glob.glob(str(TOP / pattern), recursive=True))


# --- the suites --------------------------------------------------------------


def formatted():
    return one(["clang-format", "--dry-run", "-Werror",
                *files_of(*(f"{folder}/**/*.[ch]" for folder in
                            ("proxy", "policy", "tests")))])


def unit_binary(binary, prefix, limit, env):
    """One cmocka program: its totals; if it died before them, its lines."""
    if not (TOP / binary).exists():
        return failure(f"{binary} is not built")
    status, output = COMMANDS.run([*prefix, binary], limit, env)

    def total(word):
        return sum(map(int, re.findall(
            rf"^\[  {word} *\] (\d+) test", output, re.MULTILINE)))
    result = Result(total("PASSED"), total("FAILED"), total("SKIPPED"))
    if status != 0 and not result.failed:
        result.passed = len(re.findall(r"^\[ +OK \]", output, re.MULTILINE))
        result.failed = 1
    if result.passed + result.failed == 0:
        result.failed = 1
    if result.failed:
        result.output = f"{binary}: status {status}\n{output}\n"
    result.reasons = [f"{binary}: {name}" for name in re.findall(
        r"^\[  SKIPPED \] (\w+)$", output, re.MULTILINE)]
    return result


def units(folder, prefix=(), limit=120, env=None):
    """Every unit test that has a source."""
    return sum((unit_binary(f"{folder}/{pathlib.Path(source).stem}", prefix,
                            limit, env)
                for source in files_of("tests/unit/*_test.c")), Result())


def rules():
    """The policies of the tree: no warning, and their own tests."""
    files = files_of("policy/rules/*.yaml", "tests/bench/policy.yaml")
    return one(["build/ehlogate", "check", "--strict", *files]) \
        + counted(["build/ehlogate", "test", *files], 60)


def config():
    """What is said of a file, in each form."""
    return sum((script(f"tests/config/{name}.py", limit=240)
                for name in ("run", "forms", "schema")), Result())


def dialog(driver, limit, modes=None, env=None, tls=False):
    arguments = ["--driver", driver] + ["--tls"] * tls
    if modes:
        arguments += ["--modes", modes]
    return script("tests/tool/dialog.py", *arguments, limit=limit,
                  env={"EHLOGATE_LOGS": str(LOGS), **(env or {})})


def fuzz():
    built = [f"build/fuzz/{pathlib.Path(source).stem}"
             for source in files_of("tests/fuzz/*_fuzz.c")]
    return script("tests/tool/fuzz", os.environ.get("FUZZ_SHORT",
                                                    FUZZ_SECONDS),
                  *built, limit=60 + 60 * len(built))


def simulate(binary, sessions):
    """Sessions from seeds; the long run is `make simulate`."""
    if not (TOP / binary).exists():
        return failure(f"{binary} is not built")
    return counted([binary, "--sessions", str(sessions)], 300, ASAN_ENV)


def nomemory():
    """Every allocation of every transcript fails once."""
    seeds = "build/seeds"
    made = one([PYTHON, "tests/fuzz/seeds.py", seeds])
    if made.failed:
        return made
    return sum((counted([f"{folder}/tool/nomemory", f"{seeds}/dialog_fuzz"],
                        120, ASAN_ENV)
                for folder in ("build", "build/asan")), Result())


# What the sanitizers are to see of the daemon; mail servers add nothing.
DAEMON = ("path", "trouble", "life", "dead", "record", "resolver", "reload",
          "starttls", "intercept")


def perimeter(files=("tests/perimeter",), env=None):
    if os.geteuid() != 0:
        return Result(skipped=1, reasons=[
            "network namespaces need root: run `make check` as root"])
    if not files_of("tests/perimeter/test_*.py"):
        return failure("tests/perimeter has no test")
    status, output = COMMANDS.run(
        [PYTHON, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider",
         *files], 600, {"EHLOGATE_LOGS": str(LOGS), **(env or {})})
    last = (output.strip().splitlines() or [""])[-1]

    def number(words):
        return sum(map(int, re.findall(rf"(\d+) (?:{words})\b", last)))
    result = Result(number("passed|xpassed"), number("failed|errors?"),
                    number("skipped|xfailed"), output,
                    re.findall(r"^SKIPPED \[\d+\] (.*)$", output,
                               re.MULTILINE))
    if status != 0 and not result.failed:
        result += failure(f"pytest: status {status}")
    return result


def schema():
    logs = files_of("build/logs/*.jsonl")
    if not logs:
        return failure("no suite left a record in build/logs")
    # All fields are shown by the suites together.
    whole = files_of("build/logs/perimeter-*.jsonl") and \
        files_of("build/logs/dialog-*.jsonl")
    return script("tests/tool/validate.py", *(["--fields"] if whole else []),
                  *logs, limit=300)


@dataclasses.dataclass
class Suite:
    run: object
    alone: bool = False     # needs the machine, or what others leave


SUITES = {
    "layers": Suite(lambda: one(["make", "-s", "layers"])),
    "sizes": Suite(lambda: one(["make", "-s", "sizes"])),
    "format": Suite(formatted),
    "unit": Suite(lambda: units("build/unit")),
    "unit-asan": Suite(lambda: units(
        "build/asan/unit",
        env={**ASAN_ENV, "EHLOGATE_PROPERTY_RUNS": "50000"})),
    "unit-valgrind": Suite(lambda: units(
        "build/unit", VALGRIND, 300, {"EHLOGATE_PROPERTY_RUNS": "2000"})),
    "policy": Suite(lambda: script("tests/policy/run.py", limit=120)),
    "rules": Suite(rules),
    "config": Suite(config),
    "threats": Suite(lambda: script("tests/tool/threats.py", limit=60)),
    "manual": Suite(lambda: script("tests/tool/manual.py", limit=60)),
    "cli": Suite(lambda: script("tests/cli/run.py", limit=300)),
    "cli-asan": Suite(lambda: script(
        "tests/cli/run.py", limit=600,
        env={**ASAN_ENV, "EHLOGATE": str(TOP / "build/asan/ehlogate")})),
    "dialog": Suite(lambda: dialog("process", 300)),
    "dialog-asan": Suite(lambda: dialog("process", 600, env={
        **ASAN_ENV, "EHLOGATE_DRIVER": "build/asan/tool/dialog_driver"})),
    "dialog-valgrind": Suite(lambda: dialog("process", 600, "whole", {
        "EHLOGATE_DRIVER_PREFIX": " ".join(VALGRIND)})),
    "dialog-wire": Suite(lambda: dialog("wire", 300)),
    "dialog-tls": Suite(lambda: dialog("wire", 300, "whole,bytes", tls=True)),
    "differential": Suite(lambda: script(
        "tests/tool/differential.py", limit=120)),
    "sequences": Suite(lambda: counted(["build/tool/sequences"], 60)),
    "simulate": Suite(lambda: simulate("build/sim", 150000)),
    "simulate-asan": Suite(lambda: simulate("build/asan/sim", 8000)),
    "nomemory": Suite(nomemory),
    "planted": Suite(lambda: script("tests/tool/planted", "120", limit=600)),
    "fuzz": Suite(fuzz, alone=True),
    "perimeter": Suite(perimeter, alone=True),
    "perimeter-asan": Suite(lambda: perimeter(
        [f"tests/perimeter/test_{name}.py" for name in DAEMON],
        {**ASAN_ENV, "EHLOGATE": str(TOP / "build/asan/ehlogate")}),
        alone=True),
    "schema": Suite(schema, alone=True),
}


# --- all of them -------------------------------------------------------------


class Screen:
    """Colour on a terminal only."""

    def __init__(self):
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def line(self, name, result, took):
        skipped = f", {result.skipped} skipped" if result.skipped else ""
        text = (f"{name:16} {result.passed:6} passed, {result.failed} failed"
                f"{skipped:14} {took:6.1f} s")
        if self._colour and (result.failed or result.passed):
            text = f"\033[{31 if result.failed else 32}m{text}\033[0m"
        print(text, flush=True)

    def show(self, name, result, took):
        self.line(name, result, took)
        if result.failed:
            print(result.output, flush=True)
        elif name == "sizes":
            print("  " + "\n  ".join(result.output.splitlines()[:2]),
                  flush=True)


def run_suite(name):
    start = time.monotonic()
    try:
        result = SUITES[name].run()
    except OSError as error:
        result = failure(str(error))
    if result.passed + result.failed + result.skipped == 0:
        result = failure(f"{result.output}\nno case was run")
    return result, time.monotonic() - start


def run_all(names, screen):
    """Yields each suite's result in the order of the names; those that go
    alone come last."""
    alone = [name for name in names if SUITES[name].alone]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        together = [(name, pool.submit(run_suite, name)) for name in names
                    if name not in alone]
        try:
            for name, future in together:
                result, took = future.result()
                screen.show(name, result, took)
                yield name, result
        except BaseException:
            COMMANDS.stop()
            raise
    for name in alone:
        result, took = run_suite(name)
        screen.show(name, result, took)
        yield name, result


def chosen():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--only", metavar="A,B")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        print("\n".join(SUITES))
        sys.exit(0)
    names = options.only.split(",") if options.only else list(SUITES)
    for name in names:
        if name not in SUITES:
            parser.error(f"no suite `{name}`; there are: {', '.join(SUITES)}")
    return names, options.only is None


def interrupt(_number, _frame):
    raise KeyboardInterrupt


def main():
    names, everything = chosen()
    signal.signal(signal.SIGTERM, interrupt)
    os.chdir(TOP)
    if everything:
        shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    LOGS.chmod(0o1777)  # some records come from who is not root
    total = Result()
    failed = []
    try:
        for name, result in run_all(names, Screen()):
            total += dataclasses.replace(
                result, output="",
                reasons=[f"{name}: {why}" for why in result.reasons])
            if result.failed:
                failed.append(name)
    except KeyboardInterrupt:
        COMMANDS.stop()
        print("check: stopped", file=sys.stderr)
        return 130
    for reason in total.reasons:
        print(f"skipped: {reason}")
    if failed:
        print(f"failed: {', '.join(failed)}")
    print(f"{total.passed} passed, {total.failed} failed"
          + (f", {total.skipped} skipped" if total.skipped else ""))
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
