/*
 * Everything that can be set, on one page: the keys of a policy and of the
 * configuration, and the facts that a rule may ask about.  The parser, its
 * messages and the manual read these tables.
 *
 *   KEY(section, name, built, sentence)     built 0: the language has it, this
 *                                           version does not: an error
 *   FACT(id, name, kind, stage, sentence)   kind: what values it takes
 *
 * Sections: POLICY a policy file; RULE one rule; THEN what stands beside an
 * action; REPLY of reject and tempfail; TEST one test; LIST one list; CONFIG
 * the configuration file; LISTENER one listener; INTERCEPT, TLS, LOG,
 * TIMEOUTS, DNS, LIMITS parts of those.
 *
 * SPDX-License-Identifier: MIT
 */
/* clang-format off */
#ifndef KEY
#define KEY(section, name, built, sentence)
#endif
#ifndef FACT
#define FACT(id, name, kind, stage, sentence)
#endif

KEY(POLICY, "policy",            1, "the language's version: 1, required")
KEY(POLICY, "description",       1, "a sentence for the reader")
KEY(POLICY, "mode",              1, "enforce (default), or monitor: every verdict is logged as `would` and none acts")
KEY(POLICY, "lists",             1, "named lists of addresses or domains")
KEY(POLICY, "connect",           1, "rules for who may connect; first match wins")
KEY(POLICY, "helo",              1, "rules for HELO and EHLO; first match wins")
KEY(POLICY, "default",           1, "the helo stage's verdict where no rule matched; required")
KEY(POLICY, "on_server_refusal", 1, "candidates to try when the server refuses the forwarded name")
KEY(POLICY, "capabilities",      1, "EHLO keywords to allow beyond the default list, or to hide")
KEY(POLICY, "tests",             1, "what `ehlogate test` runs")
KEY(POLICY, "mail",              0, "rules for MAIL")
KEY(POLICY, "rcpt",              0, "rules for RCPT")
KEY(POLICY, "commands",          0, "commands to deny or to require something for")
KEY(POLICY, "protocol",          0, "how strict the protocol is read")
KEY(POLICY, "limits",            0, "counts and rates")
KEY(POLICY, "timeouts",          0, "deadlines")
KEY(POLICY, "include",           0, "other policy files")
KEY(POLICY, "override",          0, "changes to an included rule")

KEY(RULE, "name",    1, "what the log calls it; required, once in a file")
KEY(RULE, "when",    1, "facts that must all match; none: always")
KEY(RULE, "then",    1, "the verdict; required")
KEY(RULE, "mode",    1, "enforce (default), or monitor: this rule only logs")
KEY(RULE, "reason",  1, "for the reader and for explain")
KEY(RULE, "tags",    1, "words for the reader")
KEY(RULE, "expires", 0, "a date after which the rule is dead")
KEY(RULE, "on_temperror", 0, "what a temporary DNS error does")
KEY(RULE, "allow_rfc5321_4_1_4", 0, "the operator knows what RFC 5321 4.1.4 says")

KEY(THEN, "accept",   1, "on; {accept: session}: and no more rules in this session")
KEY(THEN, "reject",   1, "a 5xx reply; or {code:, status:, text:}")
KEY(THEN, "tempfail", 1, "a 4xx reply; or {code:, status:, text:}")
KEY(THEN, "drop",     1, "close without a word; {reset: true}: by RST")
KEY(THEN, "repair",   1, "mend the name: a list of steps, or all")
KEY(THEN, "rewrite",  1, "another name: a template")
KEY(THEN, "splice",   1, "relay blindly from here on")
KEY(THEN, "continue", 1, "log, and look at the next rule")
KEY(THEN, "starttls", 1, "where the name changes: pass or hide STARTTLS")
KEY(THEN, "accept_downgrade", 1, "true, beside starttls: hide")
KEY(THEN, "delay",    0, "answer later")
KEY(THEN, "ban",      0, "keep the client away for a time")
KEY(THEN, "quiet",    0, "no record")
KEY(THEN, "at",       0, "refuse later, at mail or rcpt")

KEY(REPLY, "code",   1, "the reply code")
KEY(REPLY, "status", 1, "the enhanced status code (RFC 3463)")
KEY(REPLY, "text",   1, "the text, a template")

KEY(LIST, "address",      1, "addresses and prefixes")
KEY(LIST, "address_file", 1, "a file of them, one a line")
KEY(LIST, "domain",       1, "names; each stands for all below it too")
KEY(LIST, "domain_file",  1, "a file of them, one a line")

KEY(TEST, "client",   1, "the client's address")
KEY(TEST, "server",   1, "whom it meant to reach, ADDRESS:PORT")
KEY(TEST, "listener", 1, "the listener's name")
KEY(TEST, "helo",     1, "the argument; without it the connect stage is tested")
KEY(TEST, "verb",     1, "ehlo (default) or helo")
KEY(TEST, "tls",      1, "whether the session is encrypted")
KEY(TEST, "fallback", 1, "whether this is a HELO after a refused EHLO")
KEY(TEST, "stage",    1, "connect or helo")
KEY(TEST, "expect",   1, "the verdict; required")
KEY(TEST, "rule",     1, "the rule that gives it; default: none matched")
KEY(TEST, "as",       1, "the name that goes on")
KEY(TEST, "reply",    1, "how the reply begins")
KEY(TEST, "given",    0, "DNS and TLS facts")

KEY(REFUSAL, "repair",   1, "the steps; each candidate is one step more")
KEY(REFUSAL, "starttls", 1, "as in a rule")
KEY(REFUSAL, "accept_downgrade", 1, "as in a rule")

KEY(CAPABILITIES, "allow", 1, "keywords that pass beyond the default list")
KEY(CAPABILITIES, "hide",  1, "keywords that never pass")

KEY(CONFIG, "version",   1, "the configuration's version: 1, required")
KEY(CONFIG, "node",      1, "this gate's name in the log; default: the host's")
KEY(CONFIG, "listeners", 1, "what is intercepted or listened on, by name; required")
KEY(CONFIG, "workers",   1, "auto (default: one a processor), or 1 to 64")
KEY(CONFIG, "user",      1, "who the processes run as when started as root; default ehlogate")
KEY(CONFIG, "log",       1, "where records go")
KEY(CONFIG, "timeouts",  1, "deadlines; defaults follow RFC 5321 4.5.3.2")
KEY(CONFIG, "limits",    1, "how much at once")
KEY(CONFIG, "control",   0, "the control socket")
KEY(CONFIG, "status",    0, "metrics and the status page")
KEY(CONFIG, "dns",       1, "whom DNS is asked for what policies want to know")

KEY(LISTENER, "mode",      1, "tproxy, redirect or explicit; required")
KEY(LISTENER, "intercept", 1, "of tproxy and redirect: which connections")
KEY(LISTENER, "bind",      1, "where to listen: ADDRESS:PORT, a list; of explicit required")
KEY(LISTENER, "upstream",  1, "of explicit: the server, ADDRESS:PORT")
KEY(LISTENER, "policy",    1, "the policy file, relative to this file; required")
KEY(LISTENER, "greeting",  1, "server: no 220 before the server's own")
KEY(LISTENER, "source",    1, "the address the server sees: client, client_port or gate")
KEY(LISTENER, "on_failure", 1, "of tproxy: closed (default) or open, when the gate is not there")
KEY(LISTENER, "on_upstream_failure", 1, "tempfail (default): 421; reset: RST")
KEY(LISTENER, "tls",       1, "what becomes of STARTTLS")
KEY(LISTENER, "require_inspection", 1, "true: a rule that TLS would blind is an error")
KEY(LISTENER, "proxy_protocol", 0, "PROXY v2 and XCLIENT")

KEY(INTERCEPT, "interface", 1, "where connections come in; default any")
KEY(INTERCEPT, "port",      1, "destination ports; default 25")
KEY(INTERCEPT, "from",      1, "client prefixes; default any")
KEY(INTERCEPT, "to",        1, "server prefixes; default any")
KEY(INTERCEPT, "from_host", 1, "of redirect: true: what this host itself sends")

KEY(TLS, "client", 1, "pass (default): the handshake goes through unread; hide: STARTTLS is not offered")
KEY(TLS, "accept_downgrade", 1, "true, required beside client: hide")
KEY(TLS, "server", 0, "the server's leg")

KEY(LOG, "sinks",        1, "a list: stdout, {file: PATH}; required")
KEY(LOG, "events",       1, "which lines: session (always), start, daemon")
KEY(LOG, "on_failure",   1, "refuse (default) sessions while no sink can be written, or continue")
KEY(LOG, "pseudonymise", 0, "keyed hashes in place of addresses")

KEY(TIMEOUTS, "greeting",   1, "the server's 220; default 5m")
KEY(TIMEOUTS, "command",    1, "a command, or the reply to one; default 5m")
KEY(TIMEOUTS, "data_block", 1, "between two blocks of message text; default 3m")
KEY(TIMEOUTS, "data_end",   1, "the reply to the end of data; default 10m")
KEY(TIMEOUTS, "connect",    1, "the connection to the server; default 30s")
KEY(TIMEOUTS, "handshake",  0, "a TLS handshake")

KEY(DNS, "servers", 1, "system (default): those of /etc/resolv.conf when a worker starts; or up to 4 of ADDRESS, ADDRESS:PORT")
KEY(DNS, "timeout", 1, "of a question, all tries together; default 3s")
KEY(DNS, "cache",   1, "answers that a worker remembers; default 10000")

KEY(LIMITS, "sessions", 1, "sessions at once, over all workers; default 8000")
KEY(LIMITS, "sessions_per_client", 0, "sessions of one client")
KEY(LIMITS, "ipv6_prefix",         0, "what counts as one client")
KEY(LIMITS, "rate_per_client",     0, "connections of one client in a time")
KEY(LIMITS, "enforce",             0, "refuse what is over a client's limit")

FACT(CLIENT,      "client",          ADDRESS, CONNECT, "who connects")
FACT(SERVER,      "server",          ADDRESS, CONNECT, "whom the client meant to reach")
FACT(PORT,        "port",            NUMBER,  CONNECT, "the port it meant to reach")
FACT(LISTENER,    "listener",        WORD,    CONNECT, "the listener's name")
FACT(TLS,         "tls",             BOOL,    CONNECT, "the session is encrypted")
FACT(HELO,        "helo",            NAME,    HELO,    "the argument")
FACT(FORM,        "helo.form",       FORM,    HELO,    "its form")
FACT(FLAW,        "helo.flaw",       FLAW,    HELO,    "a flaw it has")
FACT(VALID,       "helo.valid",      BOOL,    HELO,    "it has no syntax flaw")
FACT(VERB,        "helo.verb",       VERB,    HELO,    "helo or ehlo")
FACT(REPEAT,      "helo.repeat",     NUMBER,  HELO,    "greetings before this one in the session")
FACT(FALLBACK,    "helo.fallback",   BOOL,    HELO,    "a HELO after a refused EHLO")
FACT(REFUSED_BY,  "helo.refused_by", RECEIVER, HELO,   "a known receiver that would refuse it")
FACT(LITERAL,     "helo.literal",    RELATION, HELO,   "how a literal relates to the client: client, same_24, private, other")
/* clang-format on */

#undef KEY
#undef FACT
