/*
 * Everything that can be set, on one page: the keys of a policy and of the
 * configuration, and the facts that a rule may ask about.  The parser, its
 * messages, the editor's schema and the manual read these tables.
 *
 *   KEY(section, name, need, type, default, sentence)
 *           need: MUST be there, MAY be there, or comes LATER: the language
 *           has it, this version does not: an error.  type: one of keys.h.
 *           default: as it would be written; NULL: none
 *   FACT(id, name, kind, stage, sentence)
 *           kind: what values it takes
 *
 * Sections: POLICY a policy file; RULE one rule; THEN what stands beside an
 * action; REPLY of reject and tempfail; MODIFIER what may
 * stand in any action's own map; DROP of drop; LIMIT limits of a policy; COMMAND
 * one verb of `commands`; TEST one test; LIST one list; CONFIG
 * the configuration file; LISTENER one listener; INTERCEPT, TLS, LOG,
 * TIMEOUTS, DNS, LIMITS parts of those.
 *
 * SPDX-License-Identifier: MIT
 */
/* clang-format off */
#ifndef KEY
#define KEY(section, name, need, type, fallback, sentence)
#endif
#ifndef FACT
#define FACT(id, name, kind, stage, sentence)
#endif

KEY(POLICY, "policy",            MUST,  VERSION,                   NULL,      "the language's version: 1")
KEY(POLICY, "description",       MAY,   TEXT,                      NULL,      "a sentence for the reader")
KEY(POLICY, "mode",              MAY,   ONE_OF("enforce|monitor"), "enforce", "monitor: every verdict is logged as `would` and none acts")
KEY(POLICY, "lists",             MAY,   NAMED(LIST),               NULL,      "named lists of addresses or domains")
KEY(POLICY, "connect",           MAY,   RULES,                     NULL,      "rules for who may connect; first match wins")
KEY(POLICY, "helo",              MAY,   RULES,                     NULL,      "rules for HELO and EHLO; first match wins")
KEY(POLICY, "default",           MUST,  THEN,                      NULL,      "the helo stage's verdict where no rule matched")
KEY(POLICY, "on_server_refusal", MAY,   MAP(REFUSAL),              NULL,      "candidates to try when the server refuses the forwarded name")
KEY(POLICY, "capabilities",      MAY,   MAP(CAPABILITIES),         NULL,      "EHLO keywords to allow beyond the default list, or to hide")
KEY(POLICY, "tests",             MAY,   MAPS(TEST),                NULL,      "what `ehlogate test` runs")
KEY(POLICY, "mail",              MAY,   RULES,                     NULL,      "rules for MAIL; first match wins")
KEY(POLICY, "rcpt",              MAY,   RULES,                     NULL,      "rules for each RCPT; first match wins")
KEY(POLICY, "commands",          MAY,   COMMANDS("HELO|EHLO|MAIL|RCPT|DATA|AUTH|STARTTLS|VRFY|EXPN|HELP|NOOP|ETRN"), NULL,      "verbs to deny, or to require something for")
KEY(POLICY, "limits",            MAY,   MAP_OR_MAPS(LIMIT),        NULL,      "how much of what; of several, the first whose `when` holds and that says it")
KEY(POLICY, "include",           MAY,   PATHS,                     NULL,      "other policy files: their lists, and their rules behind this file's own")
KEY(POLICY, "protocol",          LATER, TEXT,                      NULL,      "how strict the protocol is read")
KEY(POLICY, "timeouts",          LATER, TEXT,                      NULL,      "deadlines")

KEY(RULE, "name",                MAY, RULE_NAME,               NULL,      "what the log calls it; once in a policy. A rule has `name` or `override`")
KEY(RULE, "override",            MAY, TEXT,                    NULL,      "in place of `name`: an included rule whose fields change")
KEY(RULE, "when",                MAY, WHEN,                    NULL,      "facts that must all match; none: always")
KEY(RULE, "then",                MAY, THEN,                    NULL,      "the verdict. A rule with a `name` needs it")
KEY(RULE, "mode",                MAY, RULE_MODE,               "enforce", "monitor: this rule only logs; {sample: N}: it acts on N percent of the sessions")
KEY(RULE, "reason",              MAY, TEXT,                    NULL,      "for the reader and for explain")
KEY(RULE, "tags",                MAY, WORDS,                   NULL,      "words for the reader")
KEY(RULE, "expires",             MAY, DAY,                     NULL,      "the last day (UTC) on which the rule lives")
KEY(RULE, "on_temperror",        MAY, ONE_OF("skip|tempfail"), "skip",    "what a temporary DNS error does to the rule")
KEY(RULE, "allow_rfc5321_4_1_4", MAY, BOOL,                    "false",   "true: this rule may refuse mail only because the name does not lead to the client")

KEY(THEN, "accept",           MAY, ACCEPT,                NULL,    "on; {accept: session}: and no more rules in this session")
KEY(THEN, "reject",           MAY, ACTION(REPLY),         NULL,    "a 5xx reply; of its own: {code:, status:, text:}")
KEY(THEN, "tempfail",         MAY, ACTION(REPLY),         NULL,    "a 4xx reply; of its own: {code:, status:, text:}")
KEY(THEN, "drop",             MAY, ACTION(DROP),          NULL,    "close without a word; {reset: true}: by RST")
KEY(THEN, "repair",           MAY, STEPS,                 NULL,    "mend the name")
KEY(THEN, "rewrite",          MAY, TEMPLATE,              NULL,    "another name")
KEY(THEN, "splice",           MAY, NOTHING,               NULL,    "relay blindly from here on")
KEY(THEN, "continue",         MAY, NOTHING,               NULL,    "log, and look at the next rule")
KEY(THEN, "starttls",         MAY, ONE_OF("pass|hide"),   NULL,    "where the name changes: what becomes of STARTTLS")
KEY(THEN, "accept_downgrade", MAY, BOOL,                  "false", "needed beside starttls: hide")
KEY(THEN, "delay",            MAY, DURATION("1s", "5m"),  NULL,    "answer that much later")
KEY(THEN, "ban",              MAY, DURATION("1s", "30d"), NULL,    "of reject, tempfail and drop: keep the client away for a time")
KEY(THEN, "quiet",            MAY, BOOL,                  "false", "no record of the session")
KEY(THEN, "at",               MAY, ONE_OF("mail|rcpt"),   NULL,    "of a refusal at helo: say it later, at mail or at rcpt")

KEY(MODIFIER, "delay", MAY, DURATION("1s", "5m"),  NULL,    "as beside the action")
KEY(MODIFIER, "ban",   MAY, DURATION("1s", "30d"), NULL,    "as beside the action")
KEY(MODIFIER, "quiet", MAY, BOOL,                  "false", "as beside the action")
KEY(MODIFIER, "at",    MAY, ONE_OF("mail|rcpt"),   NULL,    "as beside the action")

KEY(DROP, "reset", MAY, BOOL, "false", "close by RST")

KEY(REPLY, "code",   MAY, NUMBER(400, 599), NULL, "the reply code: 5xx of reject, 4xx of tempfail; at connect 554 and 421")
KEY(REPLY, "status", MAY, STATUS,           NULL, "the enhanced status code (RFC 3463)")
KEY(REPLY, "text",   MAY, TEMPLATE,         NULL, "what the client is told; the gate adds the session's reference")

KEY(LIST, "address",      MAY, ADDRESSES, NULL, "addresses and prefixes")
KEY(LIST, "address_file", MAY, PATHS,     NULL, "a file of them, one a line; or several")
KEY(LIST, "domain",       MAY, DOMAINS,   NULL, "names; each stands for all below it too")
KEY(LIST, "domain_file",  MAY, PATHS,     NULL, "a file of them, one a line; or several")

KEY(TEST, "client",   MAY,  ADDRESS,                   "192.0.2.1",     "the client's address")
KEY(TEST, "server",   MAY,  ENDPOINT,                  "192.0.2.25:25", "whom it meant to reach")
KEY(TEST, "listener", MAY,  TEXT,                      NULL,            "the listener's name")
KEY(TEST, "helo",     MAY,  TEXT,                      NULL,            "the argument; without it the connect stage is tested")
KEY(TEST, "verb",     MAY,  ONE_OF("ehlo|helo"),       "ehlo",          "the verb")
KEY(TEST, "tls",      MAY,  BOOL,                      "false",         "whether the session is encrypted")
KEY(TEST, "fallback", MAY,  BOOL,                      "false",         "whether this is a HELO after a refused EHLO")
KEY(TEST, "mail",     MAY,  TEXT,                      NULL,            "the sender of MAIL, null for the null sender: the mail stage is tested")
KEY(TEST, "size",     MAY,  SIZE("0"),                 NULL,            "SIZE= of MAIL")
KEY(TEST, "utf8",     MAY,  BOOL,                      "false",         "whether MAIL says SMTPUTF8")
KEY(TEST, "rcpt",     MAY,  TEXT,                      NULL,            "the recipient of RCPT: the rcpt stage is tested")
KEY(TEST, "rcpt_count", MAY,  NUMBER(0, 4294967295),     "0",             "recipients before this one")
KEY(TEST, "auth",     MAY,  TEXT,                      "false",         "as whom the client has authenticated, or true")
KEY(TEST, "date",     MAY,  DAY,                       NULL,            "the day on which it happens; without it: before anything expires")
KEY(TEST, "stage",    MAY,  ONE_OF("connect|helo|mail|rcpt"), NULL,            "the stage, where the keys do not tell")
KEY(TEST, "expect",   MUST, ONE_OF("accept|accept_session|repair|rewrite|reject|tempfail|splice|drop"), NULL,            "the verdict")
KEY(TEST, "rule",     MAY,  TEXT,                      NULL,            "the rule that gives it; without it: none matched")
KEY(TEST, "as",       MAY,  TEXT,                      NULL,            "the name that goes on")
KEY(TEST, "reply",    MAY,  TEXT,                      NULL,            "how the reply begins")
KEY(TEST, "at",       MAY,  ONE_OF("mail|rcpt"),       NULL,            "when a refusal is said")
KEY(TEST, "continues", MAY,  WORDS,                     NULL,            "rules that match on the way and only log")
KEY(TEST, "given",    MAY,  FACTS,                     NULL,            "what DNS says: a map of facts")

KEY(REFUSAL, "repair",           MUST, STEPS,               NULL,    "the steps; each candidate is one step more")
KEY(REFUSAL, "starttls",         MAY,  ONE_OF("pass|hide"), NULL,    "as in a rule")
KEY(REFUSAL, "accept_downgrade", MAY,  BOOL,                "false", "as in a rule")

KEY(LIMIT, "when",                MAY,   WHEN,               NULL, "for whom; without it: for all")
KEY(LIMIT, "errors",              MAY,   NUMBER(1, 1000000), "20", "refused commands before 421")
KEY(LIMIT, "recipients",          MAY,   NUMBER(1, 1000000), NULL, "of one message")
KEY(LIMIT, "messages",            MAY,   NUMBER(1, 1000000), NULL, "of one session")
KEY(LIMIT, "size",                MAY,   SIZE("64K"),        NULL, "octets of one message")
KEY(LIMIT, "sessions_per_client", LATER, TEXT,               NULL, "sessions of one client")
KEY(LIMIT, "rate_per_client",     LATER, TEXT,               NULL, "connections of one client in a time")

KEY(COMMAND, "require", MAY, SOME_OF("tls|auth"), NULL, "what the session must have first")

KEY(CAPABILITIES, "allow", MAY, KEYWORDS, NULL, "keywords that pass beyond the default list")
KEY(CAPABILITIES, "hide",  MAY, KEYWORDS, NULL, "keywords that never pass")

KEY(CONFIG, "version",   MUST,  VERSION,         NULL,              "the configuration's version: 1")
KEY(CONFIG, "node",      MAY,   WORD,            "the host's name", "this gate's name in the log")
KEY(CONFIG, "listeners", MUST,  NAMED(LISTENER), NULL,              "what is intercepted or listened on, by name: 1 to 64 of them")
KEY(CONFIG, "workers",   MAY,   AUTO_OR(1, 64),  "auto",            "how many processes take sessions; auto: one a processor")
KEY(CONFIG, "user",      MAY,   WORD,            "ehlogate",        "who the processes run as when started as root")
KEY(CONFIG, "log",       MUST,  MAP(LOG),        NULL,              "where records go")
KEY(CONFIG, "timeouts",  MAY,   MAP(TIMEOUTS),   NULL,              "deadlines; they follow RFC 5321 4.5.3.2")
KEY(CONFIG, "limits",    MAY,   MAP(LIMITS),     NULL,              "how much at once")
KEY(CONFIG, "never_ban", MAY,   ADDRESSES,       NULL,              "clients that no `ban` keeps away: monitoring, backup servers")
KEY(CONFIG, "control",   LATER, TEXT,            NULL,              "the control socket")
KEY(CONFIG, "status",    LATER, TEXT,            NULL,              "metrics and the status page")
KEY(CONFIG, "dns",       MAY,   MAP(DNS),        NULL,              "whom DNS is asked for what policies want to know")

KEY(LISTENER, "mode",                MUST,  ONE_OF("tproxy|redirect|explicit"), NULL,       "how connections come in")
KEY(LISTENER, "intercept",           MAY,   MAP(INTERCEPT),            NULL,       "of tproxy and redirect: which connections")
KEY(LISTENER, "bind",                MAY,   ENDPOINTS,                 NULL,       "where to listen; of explicit required")
KEY(LISTENER, "upstream",            MAY,   ENDPOINT,                  NULL,       "of explicit, required there: the server")
KEY(LISTENER, "policy",              MUST,  PATH,                      NULL,       "the policy file, relative to this file")
KEY(LISTENER, "greeting",            MAY,   ONE_OF("server"),          "server",   "no 220 before the server's own")
KEY(LISTENER, "source",              MAY,   ONE_OF("client|client_port|gate"), NULL,       "the address the server sees: of tproxy client (with client_port its port too), else gate")
KEY(LISTENER, "on_failure",          MAY,   ONE_OF("closed|open"),     "closed",   "of tproxy: what becomes of connections when the gate is not there")
KEY(LISTENER, "on_upstream_failure", MAY,   ONE_OF("tempfail|reset"),  "tempfail", "what the client gets: tempfail a 421, reset RST")
KEY(LISTENER, "tls",                 MAY,   MAP(TLS),                  NULL,       "what becomes of STARTTLS")
KEY(LISTENER, "require_inspection",  MAY,   BOOL,                      "false",    "a rule that TLS would blind is an error")
KEY(LISTENER, "proxy_protocol",      LATER, TEXT,                      NULL,       "PROXY v2 and XCLIENT")

KEY(INTERCEPT, "interface", MAY, INTERFACES, "any",   "where connections come in")
KEY(INTERCEPT, "port",      MAY, PORTS,      "25",    "destination ports")
KEY(INTERCEPT, "from",      MAY, PREFIXES,   "any",   "client prefixes")
KEY(INTERCEPT, "to",        MAY, PREFIXES,   "any",   "server prefixes")
KEY(INTERCEPT, "from_host", MAY, BOOL,       "false", "of redirect: what this host itself sends")

KEY(TLS, "client",           MAY,   ONE_OF("pass|hide"), "pass",  "pass: the handshake goes through unread; hide: STARTTLS is not offered")
KEY(TLS, "accept_downgrade", MAY,   BOOL,                "false", "needed beside client: hide")
KEY(TLS, "server",           LATER, TEXT,                NULL,    "the server's leg")

KEY(LOG, "sinks",        MUST,  SINKS,                     NULL,                "1 to 8 of: stdout, {file: /ABSOLUTE/PATH}")
KEY(LOG, "events",       MAY,   SOME_OF("session|start|daemon|ban"), "[session, daemon]", "which lines; session is always there")
KEY(LOG, "on_failure",   MAY,   ONE_OF("refuse|continue"), "refuse",            "what becomes of new sessions while no sink can be written")
KEY(LOG, "pseudonymise", LATER, TEXT,                      NULL,                "keyed hashes in place of addresses")

KEY(TIMEOUTS, "greeting",   MAY,   DURATION("1s", "1d"), "5m",  "the server's 220")
KEY(TIMEOUTS, "command",    MAY,   DURATION("1s", "1d"), "5m",  "a command, or the reply to one")
KEY(TIMEOUTS, "data_block", MAY,   DURATION("1s", "1d"), "3m",  "between two blocks of message text")
KEY(TIMEOUTS, "data_end",   MAY,   DURATION("1s", "1d"), "10m", "the reply to the end of data")
KEY(TIMEOUTS, "connect",    MAY,   DURATION("1s", "1d"), "30s", "the connection to the server")
KEY(TIMEOUTS, "handshake",  LATER, TEXT,                 NULL,  "a TLS handshake")

KEY(DNS, "servers", MAY, SERVERS,                "system", "system: those of /etc/resolv.conf when a worker starts")
KEY(DNS, "timeout", MAY, DURATION("1s", "30s"),  "3s",     "of a question, all tries together")
KEY(DNS, "cache",   MAY, NUMBER(0, 1000000),     "10000",  "answers that a worker remembers")

KEY(LIMITS, "sessions",            MAY,   NUMBER(1, 1000000), "8000", "sessions at once, over all workers")
KEY(LIMITS, "sessions_per_client", LATER, TEXT,               NULL,   "sessions of one client")
KEY(LIMITS, "ipv6_prefix",         LATER, TEXT,               NULL,   "what counts as one client")
KEY(LIMITS, "rate_per_client",     LATER, TEXT,               NULL,   "connections of one client in a time")
KEY(LIMITS, "enforce",             LATER, TEXT,               NULL,   "refuse what is over a client's limit")

FACT(CLIENT,      "client",          ADDRESS, CONNECT, "who connects")
FACT(SERVER,      "server",          ADDRESS, CONNECT, "whom the client meant to reach")
FACT(PORT,        "port",            NUMBER,  CONNECT, "the port it meant to reach")
FACT(LISTENER,    "listener",        WORD,    CONNECT, "the listener's name")
FACT(TLS,         "tls",             BOOL,    CONNECT, "the session is encrypted")
FACT(AUTH,        "auth",            BOOL,    CONNECT, "the client has authenticated")
FACT(AUTH_USER,   "auth.user",       TEXT,    CONNECT, "as whom, where the mechanism shows it")
FACT(PTR,         "client.ptr",      NAMES,   CONNECT, "a confirmed reverse name of the client; none; temperror")
FACT(FCRDNS,      "client.fcrdns",   LOOKUP,  CONNECT, "whether a reverse name leads back: pass, fail, none, temperror")
FACT(DNSBL,       "client.dnsbl",    ZONE,    CONNECT, "a zone that lists the client: ZONE, or {zone: ZONE, answer: PREFIXES}")
FACT(HELO,        "helo",            NAME,    HELO,    "the argument")
FACT(FORM,        "helo.form",       FORM,    HELO,    "its form")
FACT(FLAW,        "helo.flaw",       FLAW,    HELO,    "a flaw it has")
FACT(VALID,       "helo.valid",      BOOL,    HELO,    "it has no syntax flaw")
FACT(VERB,        "helo.verb",       VERB,    HELO,    "helo or ehlo")
FACT(REPEAT,      "helo.repeat",     NUMBER,  HELO,    "greetings before this one in the session")
FACT(FALLBACK,    "helo.fallback",   BOOL,    HELO,    "a HELO after a refused EHLO")
FACT(REFUSED_BY,  "helo.refused_by", RECEIVER, HELO,   "a known receiver that would refuse it")
FACT(LITERAL,     "helo.literal",    RELATION, HELO,   "how a literal relates to the client: client, same_24, private, other")
FACT(HELO_DNS,    "helo.dns",        LOOKUP,  HELO,    "whether its addresses are the client: pass, exists, none, nxdomain, temperror")
FACT(HELO_PTR,    "helo.ptr",        LOOKUP,  HELO,    "whether it is a reverse name of the client: exact, organisation, none, temperror")
FACT(HELO_SPF,    "helo.spf",        LOOKUP,  HELO,    "RFC 7208 for the HELO identity: pass, fail, softfail, neutral, none, permerror, temperror")
FACT(HELO_ADDRESS, "helo.address",   ADDRESSES, HELO,  "an address of it; none; temperror")
FACT(HELO_MX,     "helo.mx_address", ADDRESSES, HELO,  "an address of its mail exchangers; none; temperror")
FACT(HELO_NS,     "helo.ns_address", ADDRESSES, HELO,  "an address of its name servers; none; temperror")
FACT(RHSBL,       "helo.rhsbl",      ZONE,    HELO,    "a zone that lists it: ZONE, or {zone: ZONE, answer: PREFIXES}")
FACT(MAIL_FROM,   "mail.from",       MAILBOX, MAIL,    "the sender; null: the null sender")
FACT(MAIL_SIZE,   "mail.size",       NUMBER,  MAIL,    "SIZE= of MAIL, 0 where it is not said")
FACT(MAIL_UTF8,   "mail.utf8",       BOOL,    MAIL,    "MAIL says SMTPUTF8")
FACT(RCPT_TO,     "rcpt.to",         MAILBOX, RCPT,    "the recipient")
FACT(RCPT_COUNT,  "rcpt.count",      NUMBER,  RCPT,    "recipients before this one in the message")
/* clang-format on */

#undef KEY
#undef FACT
