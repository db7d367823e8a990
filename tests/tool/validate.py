#!/usr/bin/python3
"""Validates logs against contrib/session.schema.json.

    validate.py [--fields] FILE...

Each line must be one JSON object of plain UTF-8, without a duplicate key, and
valid by the published schema; each text of a peer must undo to bytes.  Names
what is wrong as FILE:LINE and ends `N passed, N failed`; no line at all is a
failure.  --fields also fails when the lines together lack a field that the
schema has: for a log that is meant to show them all.
"""
import json
import os
import re
import sys

import jsonschema

SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                      "../../contrib/session.schema.json")
SHOWN = 10
ESCAPE = re.compile(r"\\(\\|x[0-9a-f]{2})")


def load_schema():
    """The schema, and a validator for each kind of line."""
    with open(SCHEMA, encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft7Validator.check_schema(schema)
    return schema, jsonschema.Draft7Validator(schema)


def undo(text):
    """The bytes that a peer sent; ValueError where an escape is none."""
    if "\\" in ESCAPE.sub("", text):
        raise ValueError(f"a backslash alone in {text!r}")
    out = re.sub(rb"\\(\\|x[0-9a-f]{2})",
                 lambda m: b"\\" if m[1] == b"\\" else
                 bytes([int(m[1][1:], 16)]), text.encode("utf-8"))
    return out


def no_twice(pairs):
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError("a key stands twice")
    return dict(pairs)


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def parse(line):
    """One line as a value; ValueError says what is wrong."""
    if not line.endswith(b"\n"):
        raise ValueError("the line has no newline")
    if re.search(rb"[\x00-\x1f\x7f]", line[:-1]):
        raise ValueError("a control character")
    value = json.loads(line.decode("utf-8"), object_pairs_hook=no_twice)
    for text in texts(value):
        undo(text)
    return value


def paths(value, prefix=""):
    """The paths of fields in a line, as in proxy/audit/fields.h."""
    for key, inner in value.items():
        yield prefix + key
        if isinstance(inner, dict):
            yield from paths(inner, f"{prefix}{key}.")
        elif isinstance(inner, list):
            for element in inner:
                if isinstance(element, dict):
                    yield from paths(element, f"{prefix}{key}[].")


def schema_paths(schema, prefix=""):
    for key, inner in schema.get("properties", {}).items():
        yield prefix + key
        yield from schema_paths(inner, f"{prefix}{key}.")
        yield from schema_paths(inner.get("items", {}), f"{prefix}{key}[].")


def check_file(path, validator, seen):
    """Complaints about a file, and how many lines are fine."""
    passed, complaints = 0, []
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                value = parse(line)
                errors = [
                    "/".join(map(str, e.absolute_path)) + ": "
                    + e.message[:200] for e in validator.iter_errors(value)]
                seen.setdefault(value.get("event_type"), set()).update(
                    paths(value))
            except ValueError as error:
                errors = [str(error)[:200]]
            if errors:
                complaints.append(f"{path}:{number}: {'; '.join(errors)}")
            else:
                passed += 1
    return passed, complaints


def main():
    files = [a for a in sys.argv[1:] if a != "--fields"]
    schema, validator = load_schema()
    passed, complaints, seen = 0, [], {}
    for path in files:
        good, bad = check_file(path, validator, seen)
        passed += good
        complaints += bad
    if "--fields" in sys.argv:
        for event, definition in schema["definitions"].items():
            lacking = set(schema_paths(definition)) - seen.get(event, set())
            complaints += [f"no `{event}` line has {path}"
                           for path in sorted(lacking)]
    if passed + len(complaints) == 0:
        complaints.append("no line to validate")
    print("\n".join(complaints[:SHOWN]))
    print(f"{passed} passed, {len(complaints)} failed")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
