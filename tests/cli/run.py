#!/usr/bin/python3
"""The tools that read logs and policies: replay, suggest, session, diff.

    run.py [--accept] [NAME...]    tests whose name has NAME in it;
                                   --accept writes golden/*.out anew: read the
                                   change before you commit it

Golden outputs are in golden/; everything else is a property.  Each test gets
a folder of its own.

SPDX-License-Identifier: MIT
"""
import pathlib
import sys
import tempfile
import traceback

sys.dont_write_bytecode = True

import cases  # noqa: E402
import test_diff  # noqa: E402
import test_doctor  # noqa: E402
import test_helo  # noqa: E402
import test_replay  # noqa: E402
import test_session  # noqa: E402
import test_suggest  # noqa: E402
import test_test  # noqa: E402

MODULES = (test_replay, test_suggest, test_session, test_diff,
           test_doctor, test_helo, test_test)


def tests(names):
    for module in MODULES:
        for name, test in vars(module).items():
            whole = f"{module.__name__}.{name}"
            if name.startswith("test_") and callable(test) \
                    and (not names or any(part in whole for part in names)):
                yield whole, test


def run(name, test):
    with tempfile.TemporaryDirectory() as folder:
        try:
            test(pathlib.Path(folder))
        except Exception:       # a test may fail in any way
            print(f"{name}\n{traceback.format_exc()}")
            return False
    return True


def main():
    arguments = sys.argv[1:]
    cases.ACCEPT = "--accept" in arguments
    chosen = list(tests([a for a in arguments if a != "--accept"]))
    results = [run(name, test) for name, test in chosen]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
