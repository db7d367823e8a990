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
 * action; PROTOCOL and DEADLINES of a policy; REPLY of reject and tempfail; MODIFIER what may
 * stand in any action's own map; DROP of drop; LIMIT limits of a policy; COMMAND
 * one verb of `commands`; TEST one test; LIST one list; CONFIG
 * the configuration file; LISTENER one listener; INTERCEPT, TLS, LOG,
 * TIMEOUTS, DNS, LIMITS parts of those; PAIR a certificate and its key.
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
KEY(POLICY, "protocol",          MAY,   MAP(PROTOCOL),             NULL,      "how strict the protocol is read")
KEY(POLICY, "timeouts",          MAY,   MAP(DEADLINES),            NULL,      "deadlines; of the configuration's and these the shorter holds")

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
KEY(THEN, "starttls",         MAY, ONE_OF("pass|terminate|intercept|uplift|hide|refuse"), NULL, "where the name changes: what becomes of STARTTLS; uplift: it is not offered, and the server's leg is encrypted, or refused with 421 where that cannot be; terminate, intercept, hide, refuse: as in `tls` of a listener; pass: as the listener has it")
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
KEY(TEST, "tls_version", MAY, TEXT,                    NULL,            "with which version; and then it is")
KEY(TEST, "tls_cipher", MAY, TEXT,                     NULL,            "with which cipher")
KEY(TEST, "tls_sni",  MAY,  TEXT,                      NULL,            "whom the client asked for")
KEY(TEST, "tls_client_subject", MAY, TEXT,             NULL,            "who its certificate says it is")
KEY(TEST, "tls_client_fingerprint", MAY, TEXT,         NULL,            "its certificate")
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
KEY(REFUSAL, "starttls",         MAY,  ONE_OF("pass|terminate|intercept|uplift|hide|refuse"), NULL, "as in a rule")
KEY(REFUSAL, "accept_downgrade", MAY,  BOOL,                "false", "as in a rule")

KEY(LIMIT, "when",                MAY,   WHEN,               NULL, "for whom; without it: for all")
KEY(LIMIT, "errors",              MAY,   NUMBER(1, 1000000), "20", "refused commands before 421")
KEY(LIMIT, "recipients",          MAY,   NUMBER(1, 1000000), NULL, "of one message")
KEY(LIMIT, "messages",            MAY,   NUMBER(1, 1000000), NULL, "of one session")
KEY(LIMIT, "size",                MAY,   SIZE("64K"),        NULL, "octets of one message")
KEY(LIMIT, "junk",                MAY,   NUMBER(1, 1000000), "100", "commands that lead to no message (NOOP, RSET, VRFY, EXPN, HELP, ETRN, another greeting, a chunk under 64 octets) since the last one that the server took; then 421")
KEY(LIMIT, "commands",            MAY,   NUMBER(1, 1000000), NULL, "of one session, before 421")
KEY(LIMIT, "data_rate",           MAY,   NUMBER(1, 1000000), "100", "octets of message text a second, on the average, that a client must send once `data_block` is over; time in which the server does not read is not the client's")
KEY(LIMIT, "sessions_per_client", MAY,   NUMBER(1, 1000000), NULL, "sessions of one client at once, over all workers and listeners; with it `when` knows what the connect stage knows")
KEY(LIMIT, "rate_per_client",     MAY,   RATE,               NULL, "connections of one client within a time; likewise")

KEY(PROTOCOL, "bare_newline", MAY, ONE_OF("normalize|reject"), "normalize", "a line feed or carriage return of its own in message text: normalize makes CRLF of a line feed and a blank of a carriage return, behind the framing; reject refuses the message with 550 5.5.2 behind its end")
KEY(PROTOCOL, "early_talker", MAY, ONE_OF("reject|log"),       "reject",    "who speaks before the 220: reject greets with 554 5.5.0; log only notes it")
KEY(PROTOCOL, "pipelining",   MAY, ONE_OF("reject|hold"),      NULL,        "what follows a command that must end a group (RFC 2920) before its reply: reject answers 554 5.5.0 and closes, hold keeps it until the reply; without it reject where PIPELINING was not offered, else hold")
KEY(PROTOCOL, "banner",       MAY, TEMPLATE,                   NULL,        "the text behind 220 in place of the server's own")

KEY(DEADLINES, "greeting",   MAY, DURATION("1s", "1d"), NULL, "the server's 220")
KEY(DEADLINES, "command",    MAY, DURATION("1s", "1d"), NULL, "a whole command, or the reply to one")
KEY(DEADLINES, "data_block", MAY, DURATION("1s", "1d"), NULL, "between two blocks of message text")
KEY(DEADLINES, "data_end",   MAY, DURATION("1s", "1d"), NULL, "the reply to the end of data")
KEY(DEADLINES, "connect",    MAY, DURATION("1s", "1d"), NULL, "the connection to the server")

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
KEY(LISTENER, "greeting",            MAY,   ONE_OF("server|gate"),     "server",   "server: no 220 before the server's own; gate: the gate greets, and connects when a HELO or EHLO was accepted")
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

KEY(TLS, "client",           MAY,   ONE_OF("pass|terminate|intercept|uplift|hide|refuse"), "pass",  "pass: the handshake goes through unread; terminate: it ends here, with certificates of the gate's; intercept: with one that is made for the server; uplift: STARTTLS is not offered, and the server's leg is encrypted; hide: it is not offered; refuse: it is offered and answered 454")
KEY(TLS, "accept_downgrade", MAY,   BOOL,                "false", "needed beside client: hide")
KEY(TLS, "server",           MAY,   ONE_OF("mirror|require|verify|opportunistic|none"), NULL, "TLS of the gate with servers; mirror: where the client speaks it; require: no mail in the clear; verify: and the certificate must be the server's; opportunistic: where the server offers it. Of uplift, also of a rule's, require, else mirror")
KEY(TLS, "certificates",     MAY,   MAPS(PAIR),          NULL,    "of terminate: chosen by the name that the client asks for, else the first")
KEY(TLS, "authority",        MAY,   MAP(PAIR),           NULL,    "of intercept: who signs, and clients must trust")
KEY(TLS, "bypass",           MAY,   ADDRESSES,           NULL,    "of intercept: servers whose handshake passes unread")
KEY(TLS, "implicit",         MAY,   BOOL,                "false", "of terminate and intercept: TLS begins with the connection (port 465), on the server's leg too where there is TLS")
KEY(TLS, "min_version",      MAY,   ONE_OF("1.2|1.3"),   "1.2",   "the lowest version, on both legs")
KEY(TLS, "ciphers",          MAY,   TEXT,                NULL,    "of TLS 1.2, in the words of openssl-ciphers(1), on both legs; else Mozilla's intermediate profile")
KEY(TLS, "groups",           MAY,   TEXT,                "X25519:P-256:P-384", "for the key exchange, on both legs")
KEY(TLS, "ask_certificate",  MAY,   BOOL,                "false", "clients are asked for a certificate, which rules may look at")
KEY(TLS, "client_roots",     MAY,   PATH,                NULL,    "PEM of who vouches for clients; else the system's")
KEY(TLS, "roots",            MAY,   PATH,                NULL,    "PEM of who vouches for servers; else the system's")
KEY(TLS, "server_name",      MAY,   TEXT,                NULL,    "who every server of this listener ought to be")

KEY(PAIR, "chain", MUST, PATH, NULL, "PEM: the certificate, then those that lead to its root")
KEY(PAIR, "key",   MUST, PATH, NULL, "PEM, not encrypted; readable for root alone")

KEY(LOG, "sinks",        MUST,  SINKS,                     NULL,                "1 to 8 of: stdout, {file: /ABSOLUTE/PATH}")
KEY(LOG, "events",       MAY,   SOME_OF("session|start|daemon|ban"), "[session, daemon]", "which lines; session is always there")
KEY(LOG, "on_failure",   MAY,   ONE_OF("refuse|continue"), "refuse",            "what becomes of new sessions while no sink can be written")
KEY(LOG, "pseudonymise", LATER, TEXT,                      NULL,                "keyed hashes in place of addresses")

KEY(TIMEOUTS, "greeting",   MAY,   DURATION("1s", "1d"), "5m",  "the server's 220")
KEY(TIMEOUTS, "command",    MAY,   DURATION("1s", "1d"), "5m",  "a command, or the reply to one")
KEY(TIMEOUTS, "data_block", MAY,   DURATION("1s", "1d"), "3m",  "between two blocks of message text")
KEY(TIMEOUTS, "data_end",   MAY,   DURATION("1s", "1d"), "10m", "the reply to the end of data")
KEY(TIMEOUTS, "connect",    MAY,   DURATION("1s", "1d"), "30s", "the connection to the server")
KEY(TIMEOUTS, "handshake",  MAY,   DURATION("1s", "1d"), "30s", "a TLS handshake, on either leg")

KEY(DNS, "servers", MAY, SERVERS,                "system", "system: those of /etc/resolv.conf when a worker starts")
KEY(DNS, "timeout", MAY, DURATION("1s", "30s"),  "3s",     "of a question, all tries together")
KEY(DNS, "cache",   MAY, NUMBER(0, 1000000),     "10000",  "answers that a worker remembers")

KEY(LIMITS, "sessions",            MAY,   NUMBER(1, 1000000), "8000", "sessions at once, over all workers")
KEY(LIMITS, "sessions_per_client", MAY,   NUMBER(1, 1000000), "50",   "sessions of one client at once, over all workers")
KEY(LIMITS, "rate_per_client",     MAY,   RATE,               "60/1m", "connections of one client within a time")
KEY(LIMITS, "ipv6_prefix",         MAY,   NUMBER(1, 128),     "64",   "bits of an IPv6 address that are one client")
KEY(LIMITS, "enforce",             MAY,   BOOL,               "false", "true: a client that is over its limits here gets 421; false: the record says `would_limit_...`. What a policy limits holds in any case")
KEY(LIMITS, "never",               MAY,   ADDRESSES,          NULL,   "clients that no limit per client touches, of a policy neither")

FACT(CLIENT,      "client",          ADDRESS, CONNECT, "who connects")
FACT(SERVER,      "server",          ADDRESS, CONNECT, "whom the client meant to reach")
FACT(PORT,        "port",            NUMBER,  CONNECT, "the port it meant to reach")
FACT(LISTENER,    "listener",        WORD,    CONNECT, "the listener's name")
FACT(TLS,         "tls",             BOOL,    CONNECT, "the session is encrypted")
FACT(TLS_VERSION, "tls.version",     TEXT,    CONNECT, "TLSv1.2, TLSv1.3 or none")
FACT(TLS_CIPHER,  "tls.cipher",      TEXT,    CONNECT, "OpenSSL's name, or none")
FACT(TLS_SNI,     "tls.sni",         NAME,    CONNECT, "the name that the client asked for in its handshake; {is: none}: for none")
FACT(TLS_SUBJECT, "tls.client_subject", TEXT, CONNECT, "of a client's certificate that leads to a root, as RFC 2253 writes it (`ask_certificate`); or none")
FACT(TLS_FINGERPRINT, "tls.client_fingerprint", TEXT, CONNECT, "SHA-256 of a client's certificate, whoever signed it: 64 hex digits, or none")
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
