"""`ehlogate diff`

SPDX-License-Identifier: MIT
"""
import json

import logs
from cases import golden, tool, write


def differences(old, new, *words, status=3):
    said, _ = tool("diff", "--json", *words, old, new, status=status)
    return json.loads(said)


def test_text(_):
    golden("diff", tool("diff", "old.yaml", "new.yaml", status=3)[0])


def test_json(_):
    golden("diff-json",
           tool("diff", "--json", "old.yaml", "new.yaml", status=3)[0])


def test_same_policy(_):
    said, _ = tool("diff", "new.yaml", "new.yaml", status=0)
    assert "no difference found.  This is a search, no proof." in said
    assert differences("old.yaml", "old.yaml", status=0) \
        ["differences"] == []


def test_another_name_goes_on(folder):
    policy = ("policy: 1\nhelo:\n  - name: mend\n"
              "    when: {helo.flaw: single_label}\n    then: {repair: "
              "[{append_domain: a.test}, client_literal], starttls: pass}\n"
              "default: accept\n")
    old = write(folder, "old.yaml", policy)
    new = write(folder, "new.yaml", policy.replace("a.test", "b.test"))
    [found] = differences(old, new)["differences"]
    assert (found["newly"], found["old"]["forwarded"],
            found["new"]["forwarded"]) == ("changed", "host.a.test",
                                           "host.b.test")


def test_other_rule_same_verdict_is_no_difference(folder):
    one = write(folder, "one.yaml", BASE)
    two = write(folder, "two.yaml", BASE.replace("name: bad", "name: worse"))
    assert differences(one, two, status=0)["differences"] == []


def explained(policy, found):
    """The verdict that explain comes to for the witness."""
    witness = found["witness"]
    words = ["explain", "--json", "-p", policy, "--client", witness["client"]]
    if "helo" in witness:
        words += ["--helo", witness["helo"].replace("\\x", "\\\\x")]
    if witness.get("helo.verb"):
        words += ["--verb", "helo"]
    if witness.get("helo.fallback"):
        words += ["--fallback"]
    for fact, value in witness.items():
        if fact.startswith("helo.") and isinstance(value, str):
            words += ["--given", f"{fact}={value}"]
    if "mail.from" in witness or found["stage"] in ("mail", "rcpt"):
        words += ["--mail", witness.get("mail.from", "user@sender.invalid")]
        if witness.get("mail.size"):
            words += ["--size", str(witness["mail.size"])]
    if "rcpt.to" in witness:
        words += ["--rcpt", witness["rcpt.to"]]
    said, _ = tool(*words, status=0)
    return json.loads(said).get(found["stage"], {})


def test_explain_confirms_each_witness(_):
    found = differences("old.yaml", "new.yaml")["differences"]
    confirmed = 0
    for one in found:
        if one["witness"].get("helo.repeat") or "rcpt.count" in \
                one["witness"] and one["witness"]["rcpt.count"]:
            continue        # explain has no option for these
        for policy, side in (("old.yaml", one["old"]),
                             ("new.yaml", one["new"])):
            says = explained(policy, one)
            if side["rule"] == "trusted" or not says:
                continue    # decided by the stage before
            assert says.get("verdict") == side["verdict"] or \
                says.get("would") == side["verdict"], (one, policy, says)
            confirmed += 1
    assert confirmed > 20, confirmed


BASE = """policy: 1
lists:
  inside: {address: [10.0.0.0/8, "2001:db8::/32"]}
  ours: {domain: [example.com, example.org]}
connect:
  - name: bad
    when: {client: 198.51.100.0/24, port: [25, 587]}
    then: reject
helo:
  - name: flawed
    when: {client: {not: inside}, helo.flaw: [underscore, single_label]}
    then: reject
  - name: odd
    when: {helo: {glob: "scan*.test"}, helo.verb: helo}
    then: drop
  - name: literal
    when: {helo.literal: other, listener: front}
    then: tempfail
  - name: ours
    when: {helo: ours, client: {not: inside}}
    then: reject
  - name: late
    when: {helo.repeat: {over: 5}}
    then: tempfail
  - name: dns
    when: {helo.dns: [nxdomain, none], tls: false}
    then: reject
    allow_rfc5321_4_1_4: true
  - name: listed
    when: {client.dnsbl: zen.test}
    then: reject
mail:
  - name: sender
    when: {mail.from: {under: bad.test}}
    then: reject
  - name: big
    when: {mail.size: {over: 50M}}
    then: reject
rcpt:
  - name: many
    when: {rcpt.count: {over: 100}}
    then: tempfail
default: accept
"""

# What is changed, into what, and what the first difference is about.
EDITS = [
    ("10.0.0.0/8", "10.0.0.0/9", "refused"),
    ("198.51.100.0/24", "198.51.100.0/25", "accepted"),
    ("198.51.100.0/24", "198.51.100.0/23", "refused"),
    ('"2001:db8::/32"', '"2001:db8::/33"', "refused"),
    ("[25, 587]", "[25, 465]", "accepted|refused"),
    ("[25, 587]", "25", "accepted"),
    ("example.org]", "example.org, deep.example.net]", "refused"),
    ("example.org]", "www.example.org]", "accepted"),
    ("[underscore, single_label]", "[underscore]", "accepted"),
    ("[underscore, single_label]", "[underscore, single_label, hyphen_edge]",
     "refused"),
    ("scan*.test", "scan?.test", "accepted"),
    ("helo.verb: helo", "helo.verb: ehlo", "accepted|refused"),
    ("helo.literal: other", "helo.literal: same_24", "accepted|refused"),
    ("listener: front", "listener: back", "accepted|refused"),
    ("{over: 5}", "{over: 6}", "accepted"),
    ("[nxdomain, none]", "[nxdomain]", "accepted"),
    ("tls: false", "tls: true", "accepted|refused"),
    ("zen.test", "xbl.test", "accepted|refused"),
    ("bad.test", "worse.test", "accepted|refused"),
    ("{over: 50M}", "{over: 40M}", "refused"),
    ("{over: 100}", "{over: 10}", "refused"),
    ("default: accept", "default: tempfail", "refused"),
    ("then: drop", "then: reject", "changed"),
    ("mail:\n", "mail:\n  - name: null\n    when: {mail.from: null}\n"
     "    then: reject\n", "refused"),
]


def test_each_small_edit_is_found(folder):
    old = write(folder, "old.yaml", BASE)
    for was, becomes, newly in EDITS:
        assert BASE.count(was) == 1, was
        new = write(folder, "new.yaml", BASE.replace(was, becomes))
        found = differences(old, new)["differences"]
        kinds = {one["newly"] for one in found}
        if newly != "changed":
            kinds.discard("changed")
        assert kinds == set(newly.split("|")), (was, becomes, found)


def test_one_entry_in_a_large_list(folder):
    names = [f"host{n}.example.net" for n in range(50000)]
    write(folder, "one.txt", "\n".join(names))
    write(folder, "two.txt", "\n".join(names + ["odd.example.org"]))
    policy = ("policy: 1\nlists:\n  bad: {domain_file: FILE}\nhelo:\n"
              "  - name: bad\n    when: {helo: bad}\n    then: reject\n"
              "default: accept\n")
    old = write(folder, "old.yaml", policy.replace("FILE", "one.txt"))
    new = write(folder, "new.yaml", policy.replace("FILE", "two.txt"))
    said = differences(old, new)
    assert not said["partial"]
    assert [one["witness"]["helo"] for one in said["differences"]] == \
        ["odd.example.org"]


def test_included_files(folder):
    write(folder, "lists.yaml",
          "policy: 1\nlists:\n  inside: {address: [10.1.0.0/16]}\n")
    policy = ("policy: 1\ninclude: [FILE]\nconnect:\n  - name: inside\n"
              "    when: {client: inside}\n    then: reject\n"
              "default: accept\n")
    old = write(folder, "old.yaml", policy.replace("FILE", "lists.yaml"))
    write(folder, "more.yaml",
          "policy: 1\nlists:\n"
          "  inside: {address: [10.1.0.0/16, 10.9.0.0/16]}\n")
    new = write(folder, "new.yaml", policy.replace("FILE", "more.yaml"))
    found = differences(old, new)["differences"]
    assert [one["witness"]["client"] for one in found] == ["10.9.0.0"]


def test_regex_is_said(folder):
    policy = ("policy: 1\nhelo:\n  - name: x\n    when: {helo: {regex: "
              "'x[0-9]{3}'}}\n    then: reject\ndefault: accept\n")
    old = write(folder, "old.yaml", policy)
    new = write(folder, "new.yaml", policy.replace("{3}", "{4}"))
    said, _ = tool("diff", old, new, status=0)
    assert "No names are made for {regex" in said, said
    tests = "tests:\n  - {helo: x123, expect: reject, rule: x}\n"
    old = write(folder, "old.yaml", policy + tests)
    assert differences(old, new)["differences"][0]["witness"]["helo"] == \
        "x123"
    log = write(folder, "log", logs.line(logs.session(
        1, "192.0.2.9", [logs.helo("x1234")])))
    found = differences(write(folder, "old.yaml", policy), new, "--log", log)
    assert found["differences"][0]["witness"] == {
        "client": "192.0.2.9", "helo": "x1234"}


def test_stage_that_nobody_comes_to(folder):
    """Everybody is refused at connect: helo is looked at all the same."""
    policy = BASE.replace("client: 198.51.100.0/24, port: [25, 587]",
                          "client: [0.0.0.0/0, '::/0']")
    old = write(folder, "old.yaml", policy)
    new = write(folder, "new.yaml", policy.replace("{over: 5}", "{over: 4}"))
    said, _ = tool("diff", old, new, status=3)
    assert "No witness comes to the helo stage" in said
    assert "helo.repeat 5" in said, said


def test_monitor_compares_what_would_be(folder):
    old = write(folder, "old.yaml", BASE)
    new = write(folder, "new.yaml", BASE + "mode: monitor\n")
    said, _ = tool("diff", old, new, status=0)
    assert said.startswith("NEW is in monitor mode"), said


def test_shipped_policies(_):
    rules = "../../policy/rules"
    said, _ = tool("diff", f"{rules}/inbound.yaml",
                   f"{rules}/outbound-legacy.yaml", status=3)
    assert "newly refused" in said and "newly accepted" in said
    assert "could not be judged" not in said


def test_wrong_input(folder):
    tool("diff", "old.yaml", status=2)
    tool("diff", "old.yaml", folder / "none", status=1)
    tool("diff", "--log", folder / "none", "old.yaml", "old.yaml", status=1)
    tool("diff", write(folder, "x", b"\0\xff"), "old.yaml", status=1)
    tool("diff", "--help", status=0)
