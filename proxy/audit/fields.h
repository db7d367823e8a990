/*
 * Every field of every line of the log: the one list that the published
 * schema (contrib/session.schema.json) is made from, and the place to look
 * up what a field means.  A unit test fails when a record has a field that is
 * not here, or when a line here appears in no record.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef AUDIT_FIELDS_H
#define AUDIT_FIELDS_H

/*      EVENT(enumerator, name, when it is written) */
#define AUDIT_EVENTS(EVENT)                                          \
	EVENT(START, "start", "a session begins")                    \
	EVENT(SESSION, "session", "a session has ended: its record") \
	EVENT(BAN, "ban", "a rule has a client kept away")           \
	EVENT(DAEMON, "daemon", "the program says something about itself")

enum audit_event {
#define AUDIT_EVENT_ENUM(id, name, text) AUDIT_EVENT_##id,
	AUDIT_EVENTS(AUDIT_EVENT_ENUM)
#undef AUDIT_EVENT_ENUM
	AUDIT_EVENT_COUNT
};

/*
 * What a value can be.  The words of the last six are in policy/helo.h and
 * policy/policy.h.
 *      TYPE(enumerator, as JSON schema has it)
 */
#define AUDIT_TYPES(TYPE)                                                      \
	TYPE(TIME, "\"type\": \"string\", \"pattern\": "                       \
		   "\"^[0-9]{4}-[0-9]{2}-[0-9]{2}T"                            \
		   "[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}[+-][0-9]{4}$\"")     \
	TYPE(EVENT, "\"enum\": [\"start\", \"session\", \"ban\", \"daemon\"]") \
	TYPE(REF,                                                              \
	    "\"type\": \"string\", \"pattern\": \"^[0-9A-HJKMNP-TV-Z]{16}$\"") \
	TYPE(TEXT, "\"type\": \"string\"")                                     \
	TYPE(TEXT_OR_NULL, "\"type\": [\"string\", \"null\"]")                 \
	TYPE(TEXTS, "\"type\": \"array\", \"items\": {\"type\": \"string\"}")  \
	TYPE(                                                                  \
	    PORT, "\"type\": \"integer\", \"minimum\": 0, \"maximum\": 65535") \
	TYPE(NUMBER, "\"type\": \"integer\", \"minimum\": 0")                  \
	TYPE(YES_NO, "\"type\": \"boolean\"")                                  \
	TYPE(OBJECT, "\"type\": \"object\"")                                   \
	TYPE(OBJECT_OR_NULL, "\"type\": [\"object\", \"null\"]")               \
	TYPE(OBJECTS, "\"type\": \"array\"")                                   \
	TYPE(PROTO, "\"enum\": [\"TCP\"]")                                     \
	TYPE(MODE, "\"enum\": [\"tproxy\", \"redirect\", \"explicit\"]")       \
	TYPE(BY, "\"enum\": [\"server\", \"gate\"]")                           \
	TYPE(BY_OR_NULL, "\"enum\": [\"server\", \"gate\", null]")             \
	TYPE(CODE,                                                             \
	    "\"type\": \"string\", \"pattern\": \"^([A-Zcs][A-Z-]|--)$\"")     \
	TYPE(LEG, "\"enum\": [\"none\", \"passed\", \"unseen\", "              \
		  "\"TLSv1.2\", \"TLSv1.3\"]")                                 \
	TYPE(BLIND, "\"enum\": [\"starttls\", \"splice\"]")                    \
	TYPE(AUTH, "\"enum\": [\"accepted\", \"deferred\", \"refused\", "      \
		   "\"unfinished\"]")                                          \
	TYPE(LEVEL,                                                            \
	    "\"enum\": [\"debug\", \"info\", \"notice\", \"warning\", "        \
	    "\"error\"]")                                                      \
	TYPE(AT, "\"enum\": [\"mail\", \"rcpt\"]")                             \
	TYPE(DNS, "\"type\": \"object\"")                                      \
	TYPE(VERB, "\"enum\": [\"HELO\", \"EHLO\"]")                           \
	TYPE(ACTION, NULL)                                                     \
	TYPE(FORM, NULL)                                                       \
	TYPE(FLAWS, NULL)                                                      \
	TYPE(STEPS, NULL)                                                      \
	TYPE(RECEIVERS, NULL)

enum audit_type {
#define AUDIT_TYPE_ENUM(id, schema) AUDIT_TYPE_##id,
	AUDIT_TYPES(AUDIT_TYPE_ENUM)
#undef AUDIT_TYPE_ENUM
	AUDIT_TYPE_COUNT
};

/* Which events have a field. */
#define AUDIT_ALL                                              \
	(1u << AUDIT_EVENT_START | 1u << AUDIT_EVENT_SESSION | \
	    1u << AUDIT_EVENT_BAN | 1u << AUDIT_EVENT_DAEMON)
#define AUDIT_CONN                                             \
	(1u << AUDIT_EVENT_START | 1u << AUDIT_EVENT_SESSION | \
	    1u << AUDIT_EVENT_BAN)
#define AUDIT_BANNED  (1u << AUDIT_EVENT_BAN)
#define AUDIT_RECORD  (1u << AUDIT_EVENT_SESSION)
#define AUDIT_PROGRAM (1u << AUDIT_EVENT_DAEMON)

/*
 * In the order in which they are written: our own words first, what peers
 * said behind them.  `a.b` is b in the object a, `a[].b` b in each object of
 * the list a.
 *
 *      FIELD(events, path, type, required, what it is)
 */
#define AUDIT_FIELDS(FIELD)                                                    \
	FIELD(ALL, "timestamp", TIME, 1,                                       \
	    "when it happened; of a session, when it ended")                   \
	FIELD(ALL, "event_type", EVENT, 1, "what the line is")                 \
	FIELD(CONN, "session", REF, 1,                                         \
	    "the session's reference, as in reply texts; sorts by time")       \
	FIELD(ALL, "seq", NUMBER, 1, "counts the lines of one process")        \
	FIELD(ALL, "node", TEXT, 1, "the gate's name")                         \
	FIELD(CONN, "src_ip", TEXT, 1, "the client's address")                 \
	FIELD(CONN, "src_port", PORT, 1, "the client's port")                  \
	FIELD(CONN, "dest_ip", TEXT, 1,                                        \
	    "the address of the server that the client meant")                 \
	FIELD(CONN, "dest_port", PORT, 1, "the server's port")                 \
	FIELD(CONN, "proto", PROTO, 1, "always TCP")                           \
	FIELD(CONN, "listener", TEXT, 1,                                       \
	    "the listener's name in the configuration")                        \
	FIELD(CONN, "mode", MODE, 1, "how the connection was intercepted")     \
	FIELD(CONN, "policy_version", TEXT, 1,                                 \
	    "which policy judged: of the SHA-256 of its files, 16 digits")     \
	FIELD(CONN, "program_version", TEXT, 1, "of ehlogate")                 \
	FIELD(BANNED, "seconds", NUMBER, 1, "for how long")                    \
	FIELD(BANNED, "rule", TEXT, 1, "the rule that said so")                \
	FIELD(BANNED, "rule_file", TEXT, 1, "its file")                        \
	FIELD(BANNED, "rule_line", NUMBER, 1, "its line")                      \
	FIELD(PROGRAM, "level", LEVEL, 1, "how grave it is")                   \
	FIELD(PROGRAM, "role", TEXT, 1, "which process speaks")                \
	FIELD(PROGRAM, "message", TEXT, 1, "what it says")                     \
	FIELD(RECORD, "started", TIME, 1, "when the client connected")         \
	FIELD(RECORD, "client_sessions", NUMBER, 0,                            \
	    "the client's sessions at its begin, with this one")               \
	FIELD(RECORD, "client_rate", NUMBER, 0,                                \
	    "its connections within the time of limits.rate_per_client")       \
	FIELD(RECORD, "durations_us", OBJECT, 1,                               \
	    "microseconds spent in each phase; they add up to the total")      \
	FIELD(RECORD, "durations_us.connect", NUMBER, 1,                       \
	    "until the connection to the server stood or failed")              \
	FIELD(RECORD, "durations_us.greeting", NUMBER, 1,                      \
	    "until the server's 220")                                          \
	FIELD(RECORD, "durations_us.command", NUMBER, 1,                       \
	    "between transactions: HELO, AUTH, idle")                          \
	FIELD(RECORD, "durations_us.mail", NUMBER, 1,                          \
	    "in transactions, from MAIL to the end of the text")               \
	FIELD(RECORD, "durations_us.accept", NUMBER, 1,                        \
	    "from the end of the text to the reply")                           \
	FIELD(RECORD, "durations_us.blind", NUMBER, 1,                         \
	    "relayed without a look: TLS passed on, or splice")                \
	FIELD(RECORD, "durations_us.total", NUMBER, 1, "from begin to end")    \
	FIELD(RECORD, "bytes", OBJECT, 1, "octets on both legs")               \
	FIELD(RECORD, "bytes.client_in", NUMBER, 1, "from the client")         \
	FIELD(RECORD, "bytes.client_out", NUMBER, 1, "to the client")          \
	FIELD(RECORD, "bytes.server_in", NUMBER, 1, "from the server")         \
	FIELD(RECORD, "bytes.server_out", NUMBER, 1, "to the server")          \
	FIELD(RECORD, "upstream", OBJECT_OR_NULL, 1,                           \
	    "the connection to the server; null where none was made")          \
	FIELD(RECORD, "upstream.local_ip", TEXT, 1,                            \
	    "the address that the server saw")                                 \
	FIELD(RECORD, "upstream.local_port", PORT, 1,                          \
	    "the port that the server saw")                                    \
	FIELD(RECORD, "tls", OBJECT, 1, "encryption of the two legs")          \
	FIELD(RECORD, "tls.client", LEG, 1,                                    \
	    "passed: STARTTLS went through; unseen: nobody looked; or what "   \
	    "the gate spoke with the client")                                  \
	FIELD(RECORD, "tls.server", LEG, 1, "the same for the server's leg")   \
	FIELD(RECORD, "tls.client_cipher", TEXT, 0, "OpenSSL's name")          \
	FIELD(RECORD, "tls.client_sni", TEXT, 0, "whom the client asked for")  \
	FIELD(RECORD, "tls.client_resumed", YES_NO, 0,                         \
	    "it went on with a session from before")                           \
	FIELD(RECORD, "tls.client_verified", TEXT, 0,                          \
	    "of a certificate that the client showed: ok, or what is wrong "   \
	    "with it")                                                         \
	FIELD(RECORD, "tls.client_subject", TEXT, 0, "its owner, where ok")    \
	FIELD(RECORD, "tls.client_fingerprint", TEXT, 0,                       \
	    "SHA-256 of it, in hex")                                           \
	FIELD(RECORD, "tls.client_failed", TEXT, 0,                            \
	    "why the client's handshake failed")                               \
	FIELD(RECORD, "tls.server_cipher", TEXT, 0,                            \
	    "the same for the server's leg")                                   \
	FIELD(RECORD, "tls.server_name", TEXT, 0, "whom the gate asked for")   \
	FIELD(RECORD, "tls.server_resumed", YES_NO, 0,                         \
	    "it went on with a session from before")                           \
	FIELD(RECORD, "tls.server_verified", TEXT, 0,                          \
	    "what the server's certificate is worth: ok, or what is wrong")    \
	FIELD(RECORD, "tls.server_failed", TEXT, 0,                            \
	    "why the server's handshake failed")                               \
	FIELD(RECORD, "inspected", YES_NO, 1,                                  \
	    "false: part of the session was not seen")                         \
	FIELD(RECORD, "uninspected_after", BLIND, 0, "what ended the view")    \
	FIELD(RECORD, "helo_count", NUMBER, 1,                                 \
	    "greetings of the client, those not listed too")                   \
	FIELD(RECORD, "message_count", NUMBER, 1,                              \
	    "messages that got a reply, those not listed too")                 \
	FIELD(RECORD, "violation_count", NUMBER, 1,                            \
	    "violations, those not listed too")                                \
	FIELD(RECORD, "truncated", YES_NO, 1,                                  \
	    "some text was cut or some entry is not listed")                   \
	FIELD(RECORD, "notes", TEXTS, 1, "the gate's own remarks")             \
	FIELD(RECORD, "close", OBJECT, 1, "how the session ended")             \
	FIELD(RECORD, "close.code", CODE, 1, "who ended it, and where")        \
	FIELD(RECORD, "close.reason", TEXT, 1, "why, in one of our words")     \
	FIELD(RECORD, "close.error", TEXT, 0, "the system's own words")        \
	FIELD(RECORD, "connect", OBJECT, 0,                                    \
	    "the verdict of the connect stage, where a rule matched")          \
	FIELD(RECORD, "connect.verdict", ACTION, 1, "what was done")           \
	FIELD(RECORD, "connect.would", ACTION, 0,                              \
	    "what monitor mode kept from being done")                          \
	FIELD(RECORD, "connect.would_rule", TEXT_OR_NULL, 0,                   \
	    "the rule that would have acted")                                  \
	FIELD(RECORD, "connect.would_rule_file", TEXT, 0, "its file")          \
	FIELD(RECORD, "connect.would_rule_line", NUMBER, 0, "its line")        \
	FIELD(RECORD, "connect.rule", TEXT_OR_NULL, 1,                         \
	    "the rule that spoke; null: none")                                 \
	FIELD(RECORD, "connect.rule_file", TEXT, 0, "its file")                \
	FIELD(RECORD, "connect.rule_line", NUMBER, 0, "its line")              \
	FIELD(RECORD, "connect.continued", TEXTS, 0,                           \
	    "rules that matched and only log")                                 \
	FIELD(RECORD, "connect.dns", DNS, 0, "what DNS said of the client")    \
	FIELD(RECORD, "connect.dns_us", NUMBER, 0,                             \
	    "microseconds that the session waited for it")                     \
	FIELD(RECORD, "greeting", TEXT_OR_NULL, 1,                             \
	    "the first reply that the client got")                             \
	FIELD(RECORD, "greeting_by", BY_OR_NULL, 1, "whose greeting it is")    \
	FIELD(RECORD, "server_greeting", TEXT, 0,                              \
	    "what the server greeted with where the client got another one")   \
	FIELD(RECORD, "helo", OBJECTS, 1, "each HELO or EHLO, in order")       \
	FIELD(RECORD, "helo[].verb", VERB, 1, "which of the two")              \
	FIELD(RECORD, "helo[].verdict", ACTION, 1, "what was done")            \
	FIELD(RECORD, "helo[].would", ACTION, 0,                               \
	    "what monitor mode kept from being done")                          \
	FIELD(RECORD, "helo[].would_rule", TEXT_OR_NULL, 0,                    \
	    "the rule that would have acted")                                  \
	FIELD(RECORD, "helo[].would_rule_file", TEXT, 0, "its file")           \
	FIELD(RECORD, "helo[].would_rule_line", NUMBER, 0, "its line")         \
	FIELD(RECORD, "helo[].rule", TEXT_OR_NULL, 1,                          \
	    "the rule that spoke; null: the default")                          \
	FIELD(RECORD, "helo[].rule_file", TEXT, 0, "its file")                 \
	FIELD(RECORD, "helo[].rule_line", NUMBER, 0, "its line")               \
	FIELD(RECORD, "helo[].continued", TEXTS, 0,                            \
	    "rules that matched and only log")                                 \
	FIELD(RECORD, "helo[].at", AT, 0,                                      \
	    "when the refusal is said, if not at once")                        \
	FIELD(                                                                 \
	    RECORD, "helo[].dns", DNS, 0, "what DNS said of client and name")  \
	FIELD(RECORD, "helo[].dns_us", NUMBER, 0,                              \
	    "microseconds that the session waited for it")                     \
	FIELD(RECORD, "helo[].form", FORM, 1, "the argument's form")           \
	FIELD(RECORD, "helo[].valid", YES_NO, 1, "it has no syntax flaw")      \
	FIELD(RECORD, "helo[].flaws", FLAWS, 1, "what is wrong with it")       \
	FIELD(RECORD, "helo[].refused_by", RECEIVERS, 1,                       \
	    "known receivers that refuse it")                                  \
	FIELD(RECORD, "helo[].fallback", YES_NO, 1,                            \
	    "a HELO after a refused EHLO")                                     \
	FIELD(RECORD, "helo[].tls", YES_NO, 0,                                 \
	    "it was said within TLS that ended at the gate")                   \
	FIELD(RECORD, "helo[].tls_lost", YES_NO, 1,                            \
	    "a fallback although the server offered STARTTLS")                 \
	FIELD(RECORD, "helo[].received", TEXT, 1, "the argument as it came")   \
	FIELD(RECORD, "helo[].forwarded", TEXT_OR_NULL, 1,                     \
	    "what went to the server; null: nothing")                          \
	FIELD(RECORD, "helo[].repairs", STEPS, 1, "steps that changed it")     \
	FIELD(RECORD, "helo[].server_reply", TEXT_OR_NULL, 1,                  \
	    "the server's answer to it")                                       \
	FIELD(                                                                 \
	    RECORD, "helo[].reply", TEXT_OR_NULL, 1, "what the client heard")  \
	FIELD(RECORD, "helo[].reply_by", BY_OR_NULL, 1, "whose reply it is")   \
	FIELD(RECORD, "capabilities", OBJECT, 1,                               \
	    "keywords of the server's last EHLO reply")                        \
	FIELD(RECORD, "capabilities.offered", TEXTS, 1,                        \
	    "those that the client got")                                       \
	FIELD(RECORD, "capabilities.masked", TEXTS, 1, "those kept from it")   \
	FIELD(RECORD, "auth", OBJECTS, 1, "each AUTH, in order")               \
	FIELD(RECORD, "auth[].result", AUTH, 1, "what became of it")           \
	FIELD(                                                                 \
	    RECORD, "auth[].mechanism", TEXT_OR_NULL, 1, "as the client said") \
	FIELD(RECORD, "auth[].user", TEXT_OR_NULL, 1,                          \
	    "the name; null where it cannot be read")                          \
	FIELD(RECORD, "auth[].reply", TEXT_OR_NULL, 1, "the final reply")      \
	FIELD(RECORD, "auth[].reply_by", BY_OR_NULL, 1, "whose reply it is")   \
	FIELD(RECORD, "mail", OBJECTS, 1, "each transaction, in order")        \
	FIELD(RECORD, "mail[].rcpt_count", NUMBER, 1,                          \
	    "RCPT commands, those not listed too")                             \
	FIELD(RECORD, "mail[].verdict", ACTION, 0,                             \
	    "what the mail stage did, where a rule matched")                   \
	FIELD(RECORD, "mail[].would", ACTION, 0,                               \
	    "what monitor mode kept from being done")                          \
	FIELD(RECORD, "mail[].would_rule", TEXT_OR_NULL, 0,                    \
	    "the rule that would have acted")                                  \
	FIELD(RECORD, "mail[].would_rule_file", TEXT, 0, "its file")           \
	FIELD(RECORD, "mail[].would_rule_line", NUMBER, 0, "its line")         \
	FIELD(RECORD, "mail[].rule", TEXT_OR_NULL, 0,                          \
	    "the rule that spoke; null: none")                                 \
	FIELD(RECORD, "mail[].rule_file", TEXT, 0, "its file")                 \
	FIELD(RECORD, "mail[].rule_line", NUMBER, 0, "its line")               \
	FIELD(RECORD, "mail[].continued", TEXTS, 0,                            \
	    "rules that matched and only log")                                 \
	FIELD(RECORD, "mail[].declared_size", NUMBER, 0, "SIZE= of MAIL")      \
	FIELD(RECORD, "mail[].size", NUMBER, 0,                                \
	    "octets of the message as received; absent: no text came")         \
	FIELD(RECORD, "mail[].stray_newlines", NUMBER, 0,                      \
	    "bare CR and LF that were mended")                                 \
	FIELD(RECORD, "mail[].from", TEXT_OR_NULL, 1,                          \
	    "the sender; the empty text is the null sender")                   \
	FIELD(                                                                 \
	    RECORD, "mail[].from_reply", TEXT_OR_NULL, 1, "the reply to MAIL") \
	FIELD(RECORD, "mail[].from_reply_by", BY_OR_NULL, 1,                   \
	    "whose reply it is")                                               \
	FIELD(RECORD, "mail[].rcpt", OBJECTS, 1, "the recipients, in order")   \
	FIELD(RECORD, "mail[].rcpt[].verdict", ACTION, 0,                      \
	    "what the rcpt stage did, where a rule matched")                   \
	FIELD(RECORD, "mail[].rcpt[].would", ACTION, 0,                        \
	    "what monitor mode kept from being done")                          \
	FIELD(RECORD, "mail[].rcpt[].would_rule", TEXT_OR_NULL, 0,             \
	    "the rule that would have acted")                                  \
	FIELD(RECORD, "mail[].rcpt[].would_rule_file", TEXT, 0, "its file")    \
	FIELD(RECORD, "mail[].rcpt[].would_rule_line", NUMBER, 0, "its line")  \
	FIELD(RECORD, "mail[].rcpt[].rule", TEXT_OR_NULL, 0,                   \
	    "the rule that spoke; null: none")                                 \
	FIELD(RECORD, "mail[].rcpt[].rule_file", TEXT, 0, "its file")          \
	FIELD(RECORD, "mail[].rcpt[].rule_line", NUMBER, 0, "its line")        \
	FIELD(RECORD, "mail[].rcpt[].continued", TEXTS, 0,                     \
	    "rules that matched and only log")                                 \
	FIELD(RECORD, "mail[].rcpt[].to", TEXT, 1, "the recipient")            \
	FIELD(RECORD, "mail[].rcpt[].reply", TEXT_OR_NULL, 1,                  \
	    "the reply to RCPT; null: none came")                              \
	FIELD(RECORD, "mail[].rcpt[].reply_by", BY_OR_NULL, 1,                 \
	    "whose reply it is")                                               \
	FIELD(RECORD, "mail[].message_id", TEXT_OR_NULL, 0,                    \
	    "of the message's header")                                         \
	FIELD(RECORD, "mail[].queue_id", TEXT, 0,                              \
	    "the server's name for it, out of its reply")                      \
	FIELD(RECORD, "mail[].reply", TEXT_OR_NULL, 1,                         \
	    "the final reply; null: the transaction came to nothing")          \
	FIELD(RECORD, "mail[].reply_by", BY, 0, "whose reply it is")           \
	FIELD(RECORD, "mail[].delivered_to_client", YES_NO, 0,                 \
	    "false: the client was gone before it could hear the reply")       \
	FIELD(RECORD, "violations", OBJECTS, 1, "broken rules of protocol")    \
	FIELD(RECORD, "violations[].kind", TEXT, 1, "in one of our words")     \
	FIELD(RECORD, "violations[].detail", TEXT, 1, "the bytes concerned")

#endif
