/*
 * Every diagnostic code on one page, and the page that `ehlogate
 * explain-code` shows of it.
 *
 *   CODE(code, severity, title, meaning, example, mend)
 *           severity: ERROR, WARNING, or EITHER as the case may be.  example:
 *           what provokes it, at the top level of a policy (Y, P) or of a
 *           configuration (C), where the rest of the file is in order
 *           (tests/config tries it).
 *
 * Codes are stable: one that is no longer said is not given to something
 * else.  Y: the file as YAML; P: a policy, and what both files have in common;
 * C: the configuration; from 100 on: what is legal and probably not meant.
 *
 * SPDX-License-Identifier: MIT
 */
/* clang-format off */

CODE(Y001, ERROR, "not YAML",
    "The file breaks the syntax of YAML, and nothing behind the place was read. Often the mistake is in the line before: a missing quote, bracket, comma or colon, a tab, or another depth of indentation.",
    "helo: [{name: one, then: accept}\n",
    "Close what is open and indent with spaces, entries of one list to the same column. The file must be UTF-8. Further mistakes show only when this one is mended.")
CODE(Y002, ERROR, "a key stands twice",
    "Two values for one key: which of them would count differs between YAML readers, so neither does.",
    "default: accept\ndefault: reject\n",
    "Remove one of them, or merge the two.")
CODE(Y003, ERROR, "anchor or alias",
    "YAML's `&name` and `*name` are not allowed: a rule must be readable where it stands.",
    "lists:\n  a: &hosts {address: [192.0.2.1]}\n",
    "Write the value out, or make it a named list and use its name. A glob or text that begins with `*` or `&` needs quotes.")
CODE(Y004, ERROR, "tag",
    "YAML's `!tag` is not allowed: every key knows the type of its value.",
    "description: !!str perimeter\n",
    "Remove the tag. A text that begins with `!` needs quotes.")
CODE(Y005, ERROR, "merge key",
    "YAML's `<<` is not allowed: what a rule says stands in the rule.",
    "<<: {mode: monitor}\n",
    "Write the keys out. To share rules between files, see `include`.")
CODE(Y006, ERROR, "a second document",
    "A line `---` begins another document, which would not be read.",
    "description: one\n---\ndescription: two\n",
    "Put the second document into a file of its own, or remove the line.")
CODE(Y007, ERROR, "a key that is no word",
    "A list or map stands where a key must stand.",
    "? [a, b]\n: 1\n",
    "A key is one plain word followed by a colon. A value that begins with `{` or `[` and is meant as text needs quotes.")
CODE(Y008, ERROR, "nested too deep",
    "The file has more than 16 levels of lists and maps; no key of the language needs half of that.",
    "helo: [[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]\n",
    "Look for brackets or indentation that are not meant.")
CODE(Y009, ERROR, "larger than 1 MiB",
    "A policy or configuration of that size is a mistake; long lists have files of their own.",
    NULL,
    "Move the entries of lists into files, one entry a line, and name them by `address_file` or `domain_file`: those may have millions of lines.")
CODE(Y010, ERROR, "an empty file",
    "The file holds nothing, or comments alone.",
    NULL,
    "The least policy is `policy: 1` and `default: accept`. If the file was just written, its editor may not have finished.")
CODE(Y011, ERROR, "a file that cannot be read",
    "The system did not open the file; the message has its reason.",
    NULL,
    "Check the path, which is relative to the folder in which the command runs, and the rights of the user that it runs as.")

CODE(P012, ERROR, "unknown key",
    "No key of that name belongs there. Nothing is ignored: a misspelt key would be a rule without effect.",
    "helo:\n  - {name: scanner, when: {helo: {glob: \"masscan*\"}}, tehn: drop}\n",
    "Take the suggestion, or see ehlogate-policy(5) or ehlogate.yaml(5) for the keys of the place. A key one level too deep or too high belongs elsewhere.")
CODE(P013, ERROR, "not built in this version",
    "The language has the word, this version of the program does not act on it, and a key without effect would mislead.",
    "capabilities: {allow: BINARYMIME}\n",
    "Remove it, or use a version that has it.")
CODE(P014, ERROR, "a word out of place",
    "The value must be one of a few words, and is not.",
    "mode: monitr\n",
    "Write one of the words that the message names, in lower case.")
CODE(P015, ERROR, "neither true nor false",
    "The key takes `true` or `false`; `yes`, `on` and quoted words mean different things to different readers of YAML.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: reject, allow_rfc5321_4_1_4: yes}\n",
    "Write `true` or `false`, without quotes.")
CODE(P016, ERROR, "not a map",
    "Keys and values must stand there: `key: value` a line, or `{key: value}`.",
    "lists: [a, b]\n",
    "Give each entry its key, and indent the keys below the word that they belong to.")
CODE(P017, ERROR, "not a value or a list of values",
    "One plain value, or a list of plain values, must stand there.",
    "capabilities: {hide: {XCLIENT: true}}\n",
    "Write `[one, two]`, or one entry a line, each behind `- `.")
CODE(P018, ERROR, "not a day",
    "`expires` of a rule and `date` of a test take a day of the calendar.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: reject, expires: soon}\n",
    "Write the year, month and day as in 2027-01-31. The rule lives until that day ends, in UTC.")
CODE(P019, ERROR, "a reason that is no sentence",
    "`reason` is text for whoever reads the policy, the log or `explain`.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: reject, reason: [old, hosts]}\n",
    "Write one sentence; in quotes where it has a colon or begins with a bracket.")
CODE(P020, ERROR, "two rules of one name",
    "The log, tests and overrides call a rule by its name, so a name stands once in a policy with all that it includes, whatever the stage.",
    "helo:\n  - {name: one, when: {helo: a.example}, then: reject}\n  - {name: one, when: {helo: b.example}, then: reject}\n",
    "Give one of them another name. To change an included rule, write `override: NAME` in place of `name`.")
CODE(P021, ERROR, "a rule without a name",
    "The log names the rule that decided, so every rule has a name: 1 to 64 letters, digits, `-`, `_` and `.`.",
    "helo:\n  - {when: {helo.valid: false}, then: reject}\n",
    "Add `name:`, without blanks in it.")
CODE(P022, ERROR, "a rule without a verdict",
    "The rule says when it matches, and not what happens then.",
    "helo:\n  - {name: one, when: {helo.valid: false}}\n",
    "Add `then:` with an action: accept, reject, tempfail, drop, repair, rewrite, splice or continue. It stands beside `when`, not in it.")
CODE(P023, ERROR, "a stage that is no list",
    "`connect`, `helo`, `mail` and `rcpt` hold rules in the order in which they are tried.",
    "helo: {name: one, then: accept}\n",
    "Begin each rule with `- ` and indent its keys alike.")
CODE(P024, ERROR, "no candidates for a refused name",
    "`on_server_refusal` tries other names when the server refuses the forwarded one, and needs to know how to make them.",
    "on_server_refusal: {starttls: pass}\n",
    "Add `repair: [...]`; each candidate is made by one step more.")
CODE(P025, ERROR, "not an EHLO keyword",
    "A keyword has letters, digits and hyphens (RFC 5321 4.1.1.1), and no parameters.",
    "capabilities: {hide: [\"AUTH LOGIN\"]}\n",
    "Write the keyword alone, as in `hide: [AUTH]`.")
CODE(P026, ERROR, "no default",
    "What happens to a name that no rule matches must be said, not assumed.",
    "description: no default\n",
    "Add `default: accept` or `default: reject` at the left margin.")
CODE(P027, ERROR, "a default that does not decide",
    "`continue` logs and looks at the next rule; behind the default there is none.",
    "default: continue\n",
    "Write `default: accept`, or another action that ends the stage.")
CODE(P028, ERROR, "no version, or an unknown one",
    "The file says for which version of the language it was written, so that a later program can tell.",
    "policy: 2\n",
    "Write `policy: 1`, without quotes.")
CODE(P029, ERROR, "not a mode of a rule",
    "A rule enforces, only logs, or acts on a share of the sessions.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: reject, mode: {sample: 101}}\n",
    "Write `enforce`, `monitor` or `{sample: N}` with N from 0 to 100 percent.")
CODE(P030, ERROR, "an entry that the list cannot hold",
    "Lists of addresses hold addresses and prefixes whose host bits are zero; lists of domains hold names.",
    "lists:\n  inside: {address: [10.1.2.3/8]}\n",
    "Write the network's own address, as in 10.0.0.0/8, or the host without a length. Quote an IPv6 prefix within braces.")
CODE(P031, ERROR, "a list's file cannot be read",
    "The file that `address_file` or `domain_file` names is not there or not readable.",
    "lists:\n  partners: {domain_file: lists/nowhere.txt}\n",
    "The path is relative to the folder of the policy file. The user that the gate runs as must be able to read it.")
CODE(P032, ERROR, "a list of nothing, or of both kinds",
    "A list holds addresses or domain names: one kind, so that it is known what a rule compares.",
    "lists:\n  both: {address: [10.0.0.0/8], domain: [example.com]}\n",
    "Make two lists of it; a rule can name both where each fits.")
CODE(P033, ERROR, "a name that a list cannot have",
    "In a rule a word with a dot is a domain name, and `none`, `temperror`, `null` and `any` have meanings of their own.",
    "lists:\n  our.hosts: {address: [10.0.0.0/8]}\n",
    "Choose another name, with `-` or `_` in place of dots.")
CODE(P034, ERROR, "an unknown list",
    "In a rule a bare word without a dot is the name of a list, and no list of this policy, or of a file that it includes, has that name.",
    "lists:\n  inside: {address: [10.0.0.0/8]}\nhelo:\n  - {name: one, when: {client: insid}, then: accept}\n",
    "Take the suggestion, or add the list under `lists`. A host name without a dot is written {is: NAME}.")
CODE(P035, ERROR, "a list of the other kind",
    "An address is compared with a list of names, or a name with a list of addresses: that can never match.",
    "lists:\n  ours: {domain: [example.com]}\nhelo:\n  - {name: one, when: {client: ours}, then: accept}\n",
    "Name a list of the right kind, or ask another fact: `helo` for names, `client` for addresses.")
CODE(P036, ERROR, "not an address",
    "An IPv4 or IPv6 address, a prefix whose host bits are zero, or the name of a list must stand there.",
    "helo:\n  - {name: one, when: {client: 10.1.2.3/8}, then: accept}\n",
    "Write the network's own address, as in 10.0.0.0/8, or the host without a length.")
CODE(P037, ERROR, "not a number",
    "The fact or key takes a number, in plain digits or with k, M or G behind it.",
    "mail:\n  - {name: big, when: {mail.size: {over: \"50M\"}}, then: reject}\n",
    "Write the number without quotes, as in {over: 50M}.")
CODE(P038, ERROR, "a value of the wrong shape",
    "A fact takes a plain value, a list of values, or one of the maps that the message names; each of those maps has one key.",
    "helo:\n  - {name: one, when: {helo: {is: a, under: b.example}}, then: reject}\n",
    "Write one map for each: [{is: a}, {under: b.example}]. A list means any of its entries.")
CODE(P039, ERROR, "an unknown fact",
    "No fact of that name can be asked for.",
    "helo:\n  - {name: one, when: {helo.vaild: false}, then: reject}\n",
    "Take the suggestion; ehlogate-policy(5) has all facts and where each is known.")
CODE(P040, ERROR, "a fact that is not yet known",
    "The rule stands at a stage that comes before what it asks about: nobody has said a name when a client connects.",
    "connect:\n  - {name: one, when: {helo.valid: false}, then: reject}\n",
    "Move the rule to the stage that the message names, or to a later one.")
CODE(P041, ERROR, "`not` beside something else",
    "`not` turns the whole condition around; beside another key its reach would be unclear.",
    "helo:\n  - {name: one, when: {helo: {not: a.example, is: b}}, then: reject}\n",
    "Put all values into it, as in {not: [a.example, {is: b}]}, or write a rule before this one.")
CODE(P042, ERROR, "`any` that cannot be read",
    "`any` takes a list of maps, one of which must match whole, and does not nest.",
    "helo:\n  - {name: one, when: {any: {helo.valid: false}}, then: reject}\n",
    "Write {any: [{...}, {...}]}. For more levels write two rules.")
CODE(P043, ERROR, "a sender or recipient without @",
    "`mail.from` and `rcpt.to` are whole mailboxes, so a bare domain would never match.",
    "mail:\n  - {name: one, when: {mail.from: example.com}, then: reject}\n",
    "Write {under: example.com} for every mailbox of the domain and what is below it, or the whole mailbox.")
CODE(P044, ERROR, "not a DNS list",
    "`client.dnsbl` and `helo.rhsbl` take the zone of a list, with or without the answers that count.",
    "connect:\n  - {name: one, when: {client.dnsbl: spamhaus}, then: reject}\n",
    "Write the zone's whole name, or {zone: NAME, answer: [127.0.0.2]}.")
CODE(P045, ERROR, "not a regular expression",
    "PCRE2 cannot read the pattern; the message counts its characters from 1.",
    "helo:\n  - {name: one, when: {helo: {regex: \"mail[0-9\"}}, then: reject}\n",
    "Mend the pattern. It must match the whole name, without regard to case, so `^` and `$` are not needed. For a simple pattern {glob: \"mail*\"} is easier.")
CODE(P046, ERROR, "`same_organisation` of something else",
    "The domain of the sender can be compared with the name said, and with nothing else.",
    "mail:\n  - {name: one, when: {mail.from: {same_organisation: client}}, then: reject}\n",
    "Write {same_organisation: helo}.")
CODE(P047, ERROR, "a value that a fact never has",
    "Some facts are one of few words, or have a form of their own; a rule that asks for anything else never fires.",
    "helo:\n  - {name: one, when: {tls.version: SSLv3}, then: reject}\n",
    "TLSv1.2, TLSv1.3 or none; a fingerprint as `openssl x509 -noout -fingerprint -sha256` has it, without colons.")
CODE(P050, ERROR, "a step with or without its name",
    "`append_domain` and `replace` need a name; the other steps take none.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: {repair: [append_domain], starttls: pass}}\n",
    "Write {append_domain: corp.example.com} where a name is needed, the bare word elsewhere.")
CODE(P051, ERROR, "not a domain name",
    "The name that a step appends or puts in place must itself be valid in HELO.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: {repair: [{replace: my_host}], starttls: pass}}\n",
    "Use letters, digits, hyphens and dots; the full name of a host is best.")
CODE(P052, ERROR, "repairs that cannot be read",
    "`repair` takes `all`, or a list of steps in the order in which they are to run.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: {repair: [], starttls: pass}}\n",
    "Write `repair: all` or `repair: [underscore, client_literal]`.")
CODE(P053, ERROR, "encryption taken away silently",
    "`starttls: hide` lets mail of this client go in clear text that could have been encrypted.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: {repair: all, starttls: hide}}\n",
    "Write `accept_downgrade: true` beside it if that is meant; else `starttls: uplift`, or `starttls: pass`.")
CODE(P054, ERROR, "a reply code of the wrong class",
    "`reject` is final and answers 5xx; `tempfail` asks for another try and answers 4xx; an answer of 2xx would accept what is refused. When a client connects, only 554 and 421 are possible (RFC 5321 3.1).",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: {reject: {code: 250}}}\n",
    "Write a code of the class, without quotes, or leave `code` out: the gate has a fitting one.")
CODE(P055, ERROR, "an enhanced status of the wrong form or class",
    "The enhanced status code (RFC 3463) has three numbers, and begins with the digit of its reply.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: {reject: {status: 4.7.1}}}\n",
    "Write 5.x.y in a reject and 4.x.y in a tempfail, or leave `status` out.")
CODE(P056, ERROR, "a text that is not one line",
    "A reply's text goes over the wire as one line of printable ASCII; a line end in it would be a second reply.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: {reject: {text: \"accès refusé\"}}}\n",
    "Use 1 to 400 printable ASCII characters without line ends; the gate adds the code, the status and the reference.")
CODE(P057, ERROR, "an unknown word in a template",
    "Between braces only {helo}, {client}, {client.ptr}, {server}, {rule} and {ref} are known.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: {reject: {text: \"{user} is not welcome\"}}}\n",
    "Use one of those, or no braces.")
CODE(P058, ERROR, "a rewrite to an invalid name",
    "The text that is to replace the name would itself be refused by the next server.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: {rewrite: my_host, starttls: pass}}\n",
    "Use letters, digits, hyphens and dots; the full name of a host is best.")
CODE(P059, ERROR, "an action that takes no value",
    "`splice` and `continue` stand alone, and `accept` alone or as {accept: session}.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: {splice: all}}\n",
    "Write the action's word alone.")
CODE(P060, ERROR, "an action that has nothing to change",
    "`repair` and `rewrite` change the HELO name: at connect none was said, and at mail and rcpt the server has it already.",
    "connect:\n  - {name: one, when: {client: 192.0.2.1}, then: {repair: all, starttls: pass}}\n",
    "Move the rule to `helo`, or choose another action.")
CODE(P061, ERROR, "an action without its steps or template",
    "`repair` must know which steps to take, `rewrite` what to write.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: repair}\n",
    "Write {repair: all}, {repair: [...]} or {rewrite: \"...\"}.")
CODE(P062, ERROR, "two actions",
    "A rule has one action.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: {accept: , reject: }}\n",
    "Remove one. To only log and go on, use `continue` in a rule of its own before this one.")
CODE(P063, ERROR, "no action",
    "`then` has modifiers and no action that they belong to.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: {delay: 5s}}\n",
    "Add the action, as in {reject: {delay: 5s}}.")
CODE(P064, ERROR, "`starttls` beside an action that keeps the name",
    "`starttls` says what becomes of encryption where a name changes; here none does.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: {accept: , starttls: pass}}\n",
    "Remove it. To hide STARTTLS from everybody, see `capabilities`.")
CODE(P065, ERROR, "a modifier said twice",
    "The modifier stands in the action's map and beside the action, and the two could differ.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: {drop: {ban: 1h}, ban: 2h}}\n",
    "Keep one of them.")
CODE(P066, ERROR, "a duration out of range",
    "The modifier takes a time in the range that the message names.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: {reject: {delay: 10m}}}\n",
    "Write digits and a unit, s, m, h or d, without quotes, as in 30s.")
CODE(P067, ERROR, "`at` where nothing is put off",
    "`at` says a refusal of the name later, at MAIL or RCPT; only reject and tempfail of helo rules can be put off.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: {accept: {at: mail}}}\n",
    "Remove it, or write the rule for the later stage.")
CODE(P068, ERROR, "a ban without a refusal",
    "A client that is let in cannot be kept away by the same rule.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: {accept: {ban: 1h}}}\n",
    "Use `ban` with reject, tempfail or drop.")
CODE(P070, ERROR, "a list where a test takes one value",
    "A test is one case; several names or clients are several tests.",
    "tests:\n  - {helo: [a.example, b.example], expect: accept}\n",
    "Write a test for each value.")
CODE(P071, ERROR, "a test's address",
    "`client` of a test is an address, `server` an address and a port.",
    "tests:\n  - {client: mx.example.com, helo: a.example, expect: accept}\n",
    "Write an address, as in 192.0.2.1, and \"[2001:db8::1]:25\" for a server.")
CODE(P072, ERROR, "a test of a rule that is not there",
    "The test expects the verdict of a rule that no rule of this policy is called.",
    "tests:\n  - {helo: a.example, expect: reject, rule: won}\n",
    "Correct the name; without `rule` the test expects that none matches.")
CODE(P073, ERROR, "a test that expects nothing",
    "A test without `expect` could not fail.",
    "tests:\n  - {helo: a.example}\n",
    "Add `expect:` with the verdict, as in `expect: accept`.")
CODE(P074, ERROR, "tests that are no list",
    "`tests` holds one map for each test.",
    "tests: {helo: a.example, expect: accept}\n",
    "Begin each test with `- `.")
CODE(P075, ERROR, "an answer that DNS cannot give",
    "`given` says what DNS would answer in this test: facts that come from DNS, and values that they can have.",
    "tests:\n  - {helo: a.example, expect: accept, given: {helo.dns: missing}}\n",
    "Correct the fact or its value; ehlogate-policy(5) has the words of each.")
CODE(P080, ERROR, "an override that cannot be read",
    "`override` stands in place of `name`, and takes the name of one included rule.",
    "helo:\n  - {override: one, name: two, then: reject}\n",
    "Remove `name`; beside `override` write only the fields that change.")
CODE(P081, ERROR, "an override of nothing",
    "No included file has a rule of that name at this stage.",
    "helo:\n  - {override: no-such-rule, then: reject}\n",
    "Correct the name or the stage, and see that the file is under `include`.")
CODE(P082, ERROR, "an included file that cannot be read",
    "The file is not there, or not readable.",
    "include: nowhere.yaml\n",
    "The path is relative to the folder of the file that includes it.")
CODE(P083, ERROR, "an include loop",
    "A file includes itself, directly or through others, or files include one another more than 8 deep.",
    "include: example.yaml  # in example.yaml\n",
    "Remove one `include`. What two files share belongs into a third that both include; it is read once.")
CODE(P084, ERROR, "two lists of one name",
    "Lists of included files have one space of names, and this name is taken.",
    NULL,
    "Give one of them another name.")
CODE(P086, ERROR, "a limit out of range",
    "A limit takes a number from 1 on, a size at least 64K: a server must take messages of that size (RFC 5321 4.5.3.1.7).",
    "limits: {errors: 0}\n",
    "Write the number without quotes. To have no limit, leave the key out.")
CODE(P087, ERROR, "a limit that waits for DNS",
    "Limits are asked for in the middle of a session, where nothing waits for an answer.",
    "limits:\n  - {when: {client.fcrdns: pass}, recipients: 1000}\n",
    "Ask other facts, as `client`, or write a rule at mail or rcpt.")
CODE(P088, ERROR, "a verb that requires what comes after it",
    "HELO, EHLO, STARTTLS and AUTH come before authentication; no client could ever meet the requirement.",
    "commands: {EHLO: {require: auth}}\n",
    "Require it of MAIL.")

CODE(P089, ERROR, "a deadline out of range",
    "A deadline of a policy is a duration from a second to a day.",
    "timeouts: {command: 0s}\n",
    "Write a duration, as in 30s or 5m. Without the key the configuration's deadline holds.")

CODE(P101, WARNING, "a rule that can never fire",
    "An earlier rule of the stage decides whatever this one would: the first match wins. That is proven, not guessed.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: reject}\n  - {name: two, when: {helo.valid: false}, then: accept}\n",
    "Move the narrower rule before the wider one, or remove it.")
CODE(P102, WARNING, "a list that no rule uses",
    "The list is read, takes memory, and decides nothing; perhaps a rule names another one.",
    "lists:\n  inside: {address: [10.0.0.0/8]}\n",
    "Use it or remove it.")
CODE(P103, WARNING, "a rule without a test",
    "No entry of `tests` expects this rule's verdict, so a change that breaks it would go unnoticed.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: reject}\n",
    "Add a test, as in {helo: a_b, expect: reject, rule: one}, and run `ehlogate test`.")
CODE(P104, WARNING, "repairs that may not suffice",
    "Some arguments are still invalid after all steps of the list, and the client is then refused with the flaw's reply.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: {repair: [underscore], starttls: pass}}\n",
    "If that is not meant, end the list with `client_literal`: the client's address in brackets is always valid.")
CODE(P105, EITHER, "a changed name, and nothing said of STARTTLS",
    "After STARTTLS the client greets again inside TLS, where the gate cannot change the name: the server would refuse the old one there. On a listener with `tls: {client: pass}` this is an error.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: {repair: all}}\n",
    "Write `starttls: uplift`, `starttls: pass` for clients that never use TLS, or `starttls: hide` with `accept_downgrade: true`.")
CODE(P106, ERROR, "an inspection that TLS would blind",
    "The listener has `require_inspection: true` and lets TLS pass unread; what a client says inside TLS no rule sees.",
    NULL,
    "Let TLS end at the gate (`client: terminate`, `intercept`), hide STARTTLS on the listener, or do without `require_inspection`.")
CODE(P107, WARNING, "fewer than 100 recipients",
    "A server must take at least 100 recipients a message (RFC 5321 4.5.3.1.8); clients rely on it.",
    "limits: {recipients: 10}\n",
    "Allow 100, or give the limit a `when` for those whom it is meant for.")

CODE(P108, WARNING, "a rule that makes no difference",
    "Without it the same would happen: a later rule of the same verdict matches all that it does, or the default does the same.",
    "helo:\n  - {name: one, when: {client: 10.0.0.0/8}, then: accept}\n",
    "Remove it, or give it the verdict that is meant.")
CODE(P109, WARNING, "a rule that can never apply",
    "Its conditions contradict each other: nothing can meet them all.",
    "helo:\n  - {name: one, when: {helo.valid: true, helo.flaw: underscore}, then: reject}\n",
    "All keys of `when` must match; where one is enough, list the values of one key, or use `any`.")
CODE(P110, WARNING, "an expired rule",
    "The last day of the rule is past; it does nothing any more.",
    "helo:\n  - {name: one, when: {helo.valid: false}, then: reject, expires: 2020-12-31}\n",
    "Remove the rule, or give it another day.")
CODE(P111, WARNING, "a refusal for DNS alone",
    "RFC 5321 4.1.4 forbids refusing mail only because the HELO name does not lead to the client; many honest servers have such names.",
    "helo:\n  - {name: one, when: {helo.dns: [none, nxdomain]}, then: reject}\n",
    "Add another condition, as `client.dnsbl`, or write `allow_rfc5321_4_1_4: true` if that is meant.")
CODE(P112, WARNING, "a final reply that is not waited for",
    "A server may take ten minutes for its reply to the end of data (RFC 5321 4.5.3.2.6). Who gives up before sends the message again, and the server may have taken it twice.",
    "timeouts: {data_end: 1m}\n",
    "Leave the ten minutes of the configuration.")
CODE(P113, WARNING, "rules that STARTTLS blinds",
    "The listener lets TLS pass unread: of a client that uses it the gate sees neither MAIL nor RCPT, and the rules of these stages judge nothing.",
    NULL,
    "Hide STARTTLS on the listener, or know that the rules hold for clear sessions alone. `require_inspection: true` makes it an error.")
CODE(P114, WARNING, "a rule that waits for TLS where none ends",
    "The rule asks what a handshake with the gate brought, and the listener has none: TLS passes unread there, or is not offered. The rule never fires.",
    NULL,
    "Let TLS end at the gate, `tls: {client: terminate}` or `intercept`, or take the condition out.")

CODE(C013, ERROR, "not built in this version",
    "The configuration has the word, this version of the program does not act on it.",
    "log: {sinks: [syslog]}\n",
    "Remove it, or use a version that has it.")
CODE(C028, ERROR, "no version, or an unknown one",
    "The file says for which version of the configuration it was written.",
    "version: 2\n",
    "Write `version: 1`, without quotes.")
CODE(C029, ERROR, "no listeners, or too many",
    "Without a listener the gate has nothing to do; 64 are the most.",
    "listeners: {}\n",
    "Add a listener: a name, and below it its `mode` and `policy`.")
CODE(C030, ERROR, "no place for the log, or one that cannot be used",
    "Every session leaves a record, so `log` needs `sinks`: 1 to 8, each `stdout` or a file by its absolute path.",
    "log: {sinks: [{file: session.jsonl}]}\n",
    "Write `log: {sinks: [{file: /var/log/ehlogate/session.jsonl}]}`.")
CODE(C031, ERROR, "a deadline out of range",
    "A deadline is a duration from 1s to 1d. Those of RFC 5321 4.5.3.2 are the defaults; shorter ones duplicate mail.",
    "timeouts: {command: 300}\n",
    "Write digits and a unit, s, m, h or d, without quotes, as in 5m.")
CODE(C032, ERROR, "a number of sessions out of range",
    "`sessions` is how many may be open at once, over all workers: 1 to 1000000.",
    "limits: {sessions: 0}\n",
    "Write the number without quotes.")
CODE(C033, ERROR, "a number of workers out of range",
    "`workers` is `auto`, one a processor, or a number from 1 to 64.",
    "workers: many\n",
    "Write `auto`, or the number without quotes.")
CODE(C034, ERROR, "not a word",
    "`node` and `user` take one word of at most 255 characters.",
    "user: [ehlogate, mail]\n",
    "Write one word.")
CODE(C036, ERROR, "not an address or prefix",
    "`from` and `to` take `any`, addresses, and prefixes whose host bits are zero.",
    "listeners:\n  inbound:\n    mode: tproxy\n    intercept: {from: [10.1.2.3/8]}\n    policy: inbound.yaml\n",
    "Write the network's own address, as in 10.0.0.0/8, or the host without a length.")
CODE(C037, ERROR, "not a port",
    "A port is a number from 1 to 65535.",
    "listeners:\n  inbound:\n    mode: tproxy\n    intercept: {port: [smtp]}\n    policy: inbound.yaml\n",
    "Write the number without quotes, as in [25, 587].")
CODE(C038, ERROR, "not the name of an interface",
    "The kernel's names of interfaces have 1 to 15 characters.",
    "listeners:\n  inbound:\n    mode: tproxy\n    intercept: {interface: [averyverylongname]}\n    policy: inbound.yaml\n",
    "Write the name as `ip link` shows it.")
CODE(C039, ERROR, "`from_host` without redirect",
    "Only `mode: redirect` can catch what this host itself sends.",
    "listeners:\n  inbound:\n    mode: tproxy\n    intercept: {from_host: true}\n    policy: inbound.yaml\n",
    "Remove it, or make the listener a redirect.")
CODE(C040, ERROR, "not ADDRESS:PORT",
    "`bind` and `upstream` take an address and a port; names are not looked up.",
    "listeners:\n  front:\n    mode: explicit\n    bind: 2525\n    upstream: 127.0.0.1:2600\n    policy: inbound.yaml\n",
    "Write `127.0.0.1:2525`, and IPv6 in brackets and quotes: \"[::1]:2525\".")
CODE(C041, ERROR, "two listeners in one place",
    "Another listener of this file is on the same address and port.",
    "listeners:\n  a: {mode: explicit, bind: 127.0.0.1:2525, upstream: 127.0.0.1:2600, policy: inbound.yaml}\n  b: {mode: explicit, bind: 127.0.0.1:2525, upstream: 127.0.0.1:2601, policy: inbound.yaml}\n",
    "Give one of them another port.")
CODE(C042, ERROR, "a listener that leads to itself",
    "`upstream` is where this listener listens: every connection would come back.",
    "listeners:\n  a: {mode: explicit, bind: 127.0.0.1:2525, upstream: 127.0.0.1:2525, policy: inbound.yaml}\n",
    "Write the server's address and port.")
CODE(C043, ERROR, "encryption taken away silently",
    "`client: hide` lets mail of every session go in clear text that could have been encrypted.",
    "listeners:\n  inbound:\n    mode: tproxy\n    tls: {client: hide}\n    policy: inbound.yaml\n",
    "Write `accept_downgrade: true` beside it if that is meant; else leave `client: pass`.")
CODE(C044, ERROR, "a source that only tproxy can give",
    "Only `mode: tproxy` connects to the server from the client's address.",
    "listeners:\n  a: {mode: explicit, bind: 127.0.0.1:2525, upstream: 127.0.0.1:2600, source: client, policy: inbound.yaml}\n",
    "Remove `source`, or use `source: gate`.")
CODE(C045, ERROR, "no policy, or one that cannot be read",
    "Every listener has a policy file.",
    "listeners:\n  inbound: {mode: tproxy, policy: nowhere.yaml}\n",
    "Add `policy: FILE`; the path is relative to the folder of this file.")
CODE(C046, ERROR, "`on_failure` without tproxy",
    "Only the tproxy ruleset can guard connections when the gate is not there.",
    "listeners:\n  a: {mode: explicit, bind: 127.0.0.1:2525, upstream: 127.0.0.1:2600, on_failure: closed, policy: inbound.yaml}\n",
    "Remove it.")
CODE(C047, ERROR, "an explicit listener without `bind`",
    "In this mode clients connect to the gate, so it must be said where.",
    "listeners:\n  a: {mode: explicit, upstream: 127.0.0.1:2600, policy: inbound.yaml}\n",
    "Add `bind: 127.0.0.1:2525` or whatever fits.")
CODE(C048, ERROR, "`upstream` missing or out of place",
    "An explicit listener has one server behind it; tproxy and redirect connect to whom the client meant.",
    "listeners:\n  a: {mode: explicit, bind: 127.0.0.1:2525, policy: inbound.yaml}\n",
    "Add `upstream: ADDRESS:PORT` to an explicit listener; remove it elsewhere.")
CODE(C049, ERROR, "`intercept` in an explicit listener",
    "Nothing is intercepted there: clients connect to the gate.",
    "listeners:\n  a: {mode: explicit, bind: 127.0.0.1:2525, upstream: 127.0.0.1:2600, intercept: {port: [25]}, policy: inbound.yaml}\n",
    "Remove it, or change the mode to tproxy or redirect.")
CODE(C050, ERROR, "a listener without a mode",
    "How connections come in must be said.",
    "listeners:\n  inbound: {policy: inbound.yaml}\n",
    "Add `mode: tproxy`, `redirect` or `explicit`.")
CODE(C051, ERROR, "listeners that differ in `on_failure`",
    "All tproxy listeners share one nftables table, which stays or goes as a whole.",
    "listeners:\n  a: {mode: tproxy, on_failure: open, intercept: {port: 25}, policy: inbound.yaml}\n  b: {mode: tproxy, intercept: {port: 587}, policy: inbound.yaml}\n",
    "Give them the same `on_failure`.")
CODE(C052, ERROR, "no DNS servers, or too many",
    "`servers` of `dns` is `system`, or a list of 1 to 4.",
    "dns: {servers: []}\n",
    "Leave it out to ask the servers of /etc/resolv.conf.")
CODE(C053, ERROR, "not a DNS server",
    "A server is an address, or an address and a port; names are not looked up.",
    "dns: {servers: [dns.example.com]}\n",
    "Write `192.0.2.53`, or with a port `192.0.2.53:5353`; IPv6 in quotes.")
CODE(C054, ERROR, "a time-out of DNS out of range",
    "A question may take 1s to 30s, all tries together; the client waits meanwhile.",
    "dns: {timeout: 5m}\n",
    "Write digits and a unit, without quotes, as in 3s.")
CODE(C055, ERROR, "a cache of DNS out of range",
    "`cache` is how many answers a worker remembers: 0 to 1000000.",
    "dns: {cache: many}\n",
    "Write the number without quotes.")
CODE(C101, WARNING, "the server sees the gate's address",
    "A server that trusts that address, as an inside one often does, is an open relay for everybody who reaches the gate.",
    "listeners:\n  a: {mode: explicit, bind: 127.0.0.1:2525, upstream: 127.0.0.1:2600, policy: inbound.yaml}\n",
    "Take the gate's address out of what the server trusts (mynetworks, relay_from_hosts), or use tproxy with `source: client`.")
CODE(C056, ERROR, "rates over too many different times",
    "Each length of time that a `rate_per_client` names, here or in a policy, is counted for every client; four are the most.",
    NULL,
    "Give some of the rates the same time: 600/10m is much the same as 60/1m.")
CODE(C057, ERROR, "TLS with servers that the gate does not speak",
    "`server` in `tls` says how the gate encrypts the server's leg; with `pass` the handshake is the client's own, with `hide` there is none, and no rule of the policy says `starttls: uplift`. Or it says the contrary of `uplift`.",
    "listeners:\n  inbound:\n    mode: tproxy\n    tls: {client: pass, server: require}\n    policy: inbound.yaml\n",
    "Write `client: uplift`, `terminate` or `intercept` beside it, or `starttls: uplift` in the policy, or take `server` out.")
CODE(C058, ERROR, "nothing to speak TLS with",
    "Where TLS ends at the gate, it shows the client a certificate: of `terminate` one of `certificates`, of `intercept` one that `authority` signs.",
    "listeners:\n  inbound:\n    mode: tproxy\n    tls: {client: terminate}\n    policy: inbound.yaml\n",
    "Write `certificates: [{chain: mx.pem, key: mx.key}]`, or `authority: {chain: ca.pem, key: ca.key}`.")
CODE(C059, ERROR, "a key of `tls` that has no effect",
    "It belongs to a mode that neither the listener nor a rule of its policy asks for, and whoever wrote it expects something of it.",
    "listeners:\n  inbound:\n    mode: tproxy\n    tls: {client: pass, ciphers: AES128-GCM-SHA256}\n    policy: inbound.yaml\n",
    "Take it out, or write the mode that it belongs to.")
CODE(C060, ERROR, "a bad path of certificates and keys",
    "A pair is a file with the certificate and those that lead to its root, and a file with its key, both PEM.",
    "listeners:\n  inbound:\n    mode: tproxy\n    tls: {client: terminate, certificates: mx.pem}\n    policy: inbound.yaml\n",
    "Write `certificates: [{chain: mx.pem, key: mx.key}]`.")
CODE(C061, ERROR, "certificates and keys that cannot be used",
    "A file cannot be read, a key does not fit its certificate, or OpenSSL does not know a cipher or a group: the gate would not start.",
    "listeners:\n  inbound:\n    mode: tproxy\n    tls: {client: terminate, certificates: [{chain: none.pem, key: none.key}]}\n    policy: inbound.yaml\n",
    "Check as root, who can read keys. `openssl x509 -in mx.pem -noout -text` and `openssl pkey -in mx.key -noout` show what the files are.")
/* clang-format on */
#undef CODE
