#!/usr/bin/python3
"""The editors' schemas agree with the loader.

contrib/policy.schema.json and contrib/config.schema.json are what the table
of keys makes.  Over the files of the tree, and over variants of the good ones
in which one value or key is another: what the loader takes the schema takes,
and what the loader refuses for its keys and shapes alone the schema refuses.

SPDX-License-Identifier: MIT
"""
import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import jsonschema
import yaml

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
PROGRAM = os.environ.get("EHLOGATE", str(TOP / "build/ehlogate"))
TOOL = TOP / "build/tool/editor_schema"

# What a schema can know: every case of these codes.
SHAPES = set("P012 P016 P019 P022 P024 P026 P027 P028 P029 P032 P033 "
             "P038 P039 P040 P041 P042 P046 P052 P053 P056 P057 P059 "
             "P060 P061 P062 P063 P070 P073 P074 "
             "C028 C029 C030 C032 C033 C037 C038 C043 C046 C047 C048 "
             "C049 C050".split())
# ... and what else it says no to in the files of this folder: the word, the
# number or the date is wrong by its form.
FORMS = {"P014", "P015", "P017", "P018", "P021", "P023", "P025", "P037",
         "P043", "P071", "P086", "C013", "C031", "C034", "C040", "C044",
         "C045"}



class Loader(yaml.SafeLoader):
    """YAML 1.2's core types, as editors' servers read them: no dates, no
    sexagesimal numbers, `yes` and `on` are words."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in (
        ("null", r"^(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
        ("bool", r"^(true|True|TRUE|false|False|FALSE)$", list("tTfF")),
        ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
        ("float", r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$",
         list("-+.0123456789"))):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}",
                                 re.compile(pattern), first)


class Dumper(yaml.SafeDumper):
    """What Loader reads again as it was."""

    def ignore_aliases(self, data):
        return True


Dumper.yaml_implicit_resolvers = Loader.yaml_implicit_resolvers


def schema_of(kind):
    text = (TOP / f"contrib/{kind}.schema.json").read_text()
    schema = json.loads(text)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


VALIDATORS = {}


def is_config(tree):
    return isinstance(tree, dict) and ("version" in tree
                                       or "listeners" in tree)


def schema_errors(tree):
    kind = "config" if is_config(tree) else "policy"
    if kind not in VALIDATORS:
        VALIDATORS[kind] = schema_of(kind)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
            for error in VALIDATORS[kind].iter_errors(tree)]


def loader_says(files, folder):
    """Per file the codes of its errors; one run for all policies."""
    said = {name: set() for name, _ in files}
    policies = [name for name, tree in files if not is_config(tree)]
    runs = [policies[i:i + 200] for i in range(0, len(policies), 200)]
    runs += [["-c", name] for name, tree in files if is_config(tree)]
    for arguments in runs:
        run = subprocess.run([PROGRAM, "check", "--format", "json",
                              *arguments], cwd=folder, capture_output=True,
                             timeout=60, check=False)
        for item in json.loads(run.stdout):
            name = item["file"] if item["file"] in said else arguments[-1]
            if item["severity"] == "error":
                said[name].add(item["code"])
    return said


def disagreement(what, codes, tree, knowable):
    errors = schema_errors(tree)
    if not codes and errors:
        return f"{what}: good, and the schema says {errors[0]}"
    if codes and codes <= knowable and not errors:
        return f"{what}: {', '.join(sorted(codes))}, and the schema is silent"
    return ""


# --- the files of the tree -----------------------------------------------------


def corpus():
    """All that is one YAML document without what strictness refuses."""
    for pattern in ("policy/rules/*.yaml", "tests/policy/**/*.yaml",
                    "tests/bench/*.yaml", "tests/config/*.yaml",
                    "tests/config/mistakes/*.yaml",
                    "tests/config/good/*.yaml"):
        for path in sorted(TOP.glob(pattern)):
            if path.name[0] == "Y":
                continue
            try:
                yield path, yaml.load(path.read_text(), Loader)
            except yaml.YAMLError:
                pass


def run_corpus():
    for path, tree in corpus():
        codes = loader_says([(path.name, tree)], path.parent)[path.name]
        yield disagreement(path.relative_to(TOP), codes, tree,
                           SHAPES | FORMS)


# --- variants ------------------------------------------------------------------

# One file that has every key.
WHOLE = {
    "policy": 1, "description": "all", "mode": "enforce",
    "lists": {"inside": {"address": ["10.0.0.0/8", "fd00::/8"]},
              "ours": {"domain": ["example.com"]}},
    "connect": [
        {"name": "c1", "when": {"client": "inside", "port": 25},
         "then": {"drop": {"reset": True, "ban": "1h", "delay": "5s"}}},
        {"name": "c2", "when": {"client.fcrdns": ["fail", "none"],
                                "client.dnsbl": "zen.example.org"},
         "then": {"tempfail": {"code": 421, "status": "4.7.1",
                               "text": "not now, {client}"}}}],
    "helo": [
        {"name": "h1", "when": {"any": [{"helo": {"glob": ["a*", "b*"]}},
                                        {"helo.flaw": "underscore"}],
                                "client": {"not": "inside"}},
         "then": {"reject": {"at": "rcpt"}}, "mode": {"sample": 10},
         "reason": "because", "tags": ["a", "b"], "expires": "2030-01-31",
         "on_temperror": "tempfail"},
        {"name": "h2", "when": {"helo": ["a.example", {"under": "b.example"},
                                         {"is": "c"}, "ours"],
                                "helo.repeat": {"up_to": 3}, "tls": False},
         "then": {"repair": ["underscore", {"append_domain": "a.example"},
                             "client_literal"],
                  "starttls": "hide", "accept_downgrade": True}},
        {"name": "h3", "when": {"helo.valid": False, "listener": "inbound",
                                "helo.dns": {"not": "pass"}},
         "then": {"rewrite": "gate.example.com", "starttls": "pass",
                  "quiet": True}, "allow_rfc5321_4_1_4": True},
        {"name": "h4", "when": {"helo.form": "bare_address"},
         "then": {"accept": "session"}}],
    "mail": [{"name": "m1", "when": {"mail.from": [None, {"under": "a.b"}],
                                     "mail.size": {"over": "50M"}},
              "then": "reject"}],
    "rcpt": [{"name": "r1", "when": {"rcpt.to": "user@example.com",
                                     "rcpt.count": 100},
              "then": "splice"}],
    "default": "accept",
    "on_server_refusal": {"repair": ["client_literal"], "starttls": "pass"},
    "capabilities": {"allow": ["X-OURS"], "hide": "DSN"},
    "commands": {"deny": ["VRFY", "EXPN"], "MAIL": {"require": "tls"}},
    "limits": [{"when": {"client": "inside"}, "errors": 5,
                "recipients": 1000, "messages": 10, "size": "50M",
                "junk": 5, "commands": 100, "data_rate": 10},
               {"rate_per_client": "60/1m", "sessions_per_client": 5}],
    "protocol": {"bare_newline": "reject", "early_talker": "log",
                 "pipelining": "hold", "banner": "gw for {client}"},
    "timeouts": {"greeting": "5m", "command": "5m", "data_block": "3m",
                 "data_end": "10m", "connect": "30s"},
    "tests": [{"client": "192.0.2.1", "server": "192.0.2.2:25",
               "helo": "a.example", "verb": "ehlo", "tls": False,
               "expect": "reject", "reply": "550",
               "given": {"helo.dns": "none"}, "at": "rcpt", "size": 10,
               "date": "2029-01-01", "stage": "helo"}]}
CONFIG = {
    "version": 1, "node": "gate", "workers": 4, "user": "ehlogate",
    "listeners": {
        "in": {"mode": "tproxy", "policy": "inbound.yaml",
               "intercept": {"interface": ["eth0"], "port": [25, 587],
                             "from": ["any"], "to": "192.0.2.0/24"},
               "greeting": "server", "source": "client_port",
               "on_failure": "closed", "on_upstream_failure": "reset",
               "tls": {"client": "hide", "accept_downgrade": True},
               "require_inspection": False},
        "out": {"mode": "redirect", "policy": "inbound.yaml",
                "intercept": {"from_host": True}},
        "front": {"mode": "explicit", "bind": ["127.0.0.1:2525"],
                  "upstream": "127.0.0.1:2600", "policy": "inbound.yaml"}},
    "log": {"sinks": ["stdout", {"file": "/var/log/x"}],
            "events": ["session", "daemon"], "on_failure": "continue"},
    "timeouts": {"greeting": "5m", "command": "5m", "data_block": "3m",
                 "data_end": "10m", "connect": "30s"},
    "limits": {"sessions": 8000, "sessions_per_client": 50,
               "rate_per_client": "60/1m", "ipv6_prefix": 64,
               "enforce": True, "never": ["192.0.2.0/24"]}}
LEAST = {"version": 1, "log": {"sinks": ["stdout"]},
         "listeners": {"in": {"mode": "tproxy", "policy": "inbound.yaml"}}}
PROBES = ["x", "", 0, 7, 100000000, True, [], ["x"], [["x"]], {}, {"x": 1},
          "5s", "50M", "192.0.2.7", "{user}", "accept"]


def places(tree, at=()):
    """Every place of a tree, as keys from its root."""
    yield at
    pairs = tree.items() if isinstance(tree, dict) else \
        enumerate(tree) if isinstance(tree, list) else ()
    for key, value in pairs:
        yield from places(value, (*at, key))


def changed(tree, at, change):
    tree = copy.deepcopy(tree)
    node = tree
    for key in at[:-1]:
        node = node[key]
    change(node, at[-1])
    return tree


def put(value):
    def change(node, key):
        node[key] = value
    return change


def rename(node, key):
    node["x" + str(key)] = node.pop(key)


def remove(node, key):
    del node[key]


def pieces(whole, base, split):
    """Small files that together have all of the whole, each with the place
    that is to vary: of what is in `split` an entry at a time."""
    for key, value in whole.items():
        entries = [value]
        if key in split:
            entries = [[entry] for entry in value] if isinstance(
                value, list) else [{name: entry}
                                   for name, entry in value.items()]
        for entry in entries:
            yield {**base, key: entry}, key


def variants(tree, part):
    yield "as it is", tree
    for at in places(tree):
        if at[:1] != (part,):
            continue
        where = "/".join(map(str, at))
        for probe in PROBES:
            yield f"{where} = {probe!r}", changed(tree, at, put(probe))
        yield f"no {where}", changed(tree, at, remove)
        if isinstance(at[-1], str):
            yield f"{where} renamed", changed(tree, at, rename)


def run_variants(kind, cases):
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "inbound.yaml").write_text(
            "policy: 1\ndefault: accept\n")
        files, whats = [], {}
        for number, (what, variant) in enumerate(cases):
            name = f"{number:05}.yaml"
            text = yaml.dump(variant, Dumper=Dumper, sort_keys=False)
            assert yaml.load(text, Loader) == variant, what
            (pathlib.Path(folder) / name).write_text(text)
            files.append((name, variant))
            whats[name] = f"{kind}: {what}"
        said = loader_says(files, folder)
        for name, variant in files:
            if whats[name].endswith(" as it is") and said[name]:
                yield f"{whats[name]}: {variant}: {said[name]}"
            yield disagreement(whats[name], said[name], variant, SHAPES)


def cases_of(whole, base, split):
    for tree, part in pieces(whole, base, split):
        yield from variants(tree, part)


# --- the schemas ---------------------------------------------------------------


def run_current():
    for kind in ("policy", "config"):
        path = TOP / f"contrib/{kind}.schema.json"
        made = subprocess.run([TOOL, kind], capture_output=True, check=False)
        yield "" if path.read_bytes() == made.stdout else \
            f"{path}: `make {path.relative_to(TOP)}` has not been run"


def main():
    base = {key: WHOLE[key] for key in ("policy", "lists", "default")}
    stages = ("connect", "helo", "mail", "rcpt")
    results = [*run_current(), *run_corpus(),
               *run_variants("policy", cases_of(WHOLE, base, stages)),
               *run_variants("config", cases_of(CONFIG, LEAST, "listeners"))]
    failures = [result for result in results if result]
    print("\n".join(failures))
    print(f"{len(results) - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
