/*
 * The SMTP conversation as ehlogate understands it.  All of it.
 *
 * A session is always in exactly one SMTP_STATE.  A command of the client
 * moves it only when the server has answered: the row names the state that
 * follows each class of final reply.  A command whose row does not list the
 * current state is answered 503 by the gate and never reaches the server; a
 * verb without a row is answered 500.  The first row that has both verb and
 * state wins.  In a pipelined group "current" means: as if everything that is
 * still awaited had succeeded (RFC 2920 3.1); the server refuses the rest.
 *
 * DOT, CONT and LASTBDAT are no verbs on the wire: DOT is the end of data,
 * CONT a line of a SASL exchange, LASTBDAT a BDAT that says LAST.
 *
 * KEEP: the state stays.  NEVER: such a reply breaks the protocol and ends
 * the session.  Flags: LAST must end a pipelined group, what follows is held
 * until its reply has come (RFC 2920 3.1).  ASK: the policy is asked first.
 * VOID: a success ends an open transaction.
 *
 * This header is read several times with different macros; nothing else in
 * the tree may assign a state.
 *
 * SPDX-License-Identifier: MIT
 */
/* clang-format off */
#ifndef SMTP_STATE
#define SMTP_STATE(name, text)
#endif
#ifndef SMTP_COMMAND
#define SMTP_COMMAND(verb, legal, args, on2, on3, on45, flags, rfc)
#endif
#ifndef SMTP_EVENT
#define SMTP_EVENT(name, from, to, rfc, text)
#endif

SMTP_STATE(CONNECT, "connected, the server has not greeted yet")
SMTP_STATE(GREETED, "220 seen, the client has not introduced itself")
SMTP_STATE(READY,   "EHLO or HELO accepted, no transaction open")
SMTP_STATE(SASL,    "334 seen: lines of the client are SASL responses")
SMTP_STATE(MAIL,    "MAIL accepted, no recipient yet")
SMTP_STATE(RCPT,    "at least one RCPT accepted")
SMTP_STATE(BODY,    "354 seen: octets of the client are the message")
SMTP_STATE(CHUNK,   "BDAT accepted, the last chunk has not come")
SMTP_STATE(FAILED,  "BDAT refused: the transaction is dead until RSET")
SMTP_STATE(TLS,     "220 to STARTTLS: a handshake; or it is not ours to read, nor what was spliced")
SMTP_STATE(REFUSED, "greeted with 554: only QUIT is left")
SMTP_STATE(CUT,     "bad message text: the server's leg is cut, 421 is next")
SMTP_STATE(CLOSING, "QUIT answered, 421, or cut: flush and close")

/*           verb      legal in                                       args    2xx      3xx    4/5xx    flags           RFC */
SMTP_COMMAND(EHLO,     GREETED|READY|MAIL|RCPT|CHUNK|FAILED,          NAME,   READY,   NEVER, KEEP,    ASK|LAST|VOID,  "5321 4.1.1.1")
SMTP_COMMAND(HELO,     GREETED|READY|MAIL|RCPT|CHUNK|FAILED,          NAME,   READY,   NEVER, KEEP,    ASK|LAST|VOID,  "5321 4.1.1.1")
SMTP_COMMAND(MAIL,     READY|FAILED,                                  PATH,   MAIL,    NEVER, KEEP,    0,              "5321 4.1.1.2")
SMTP_COMMAND(RCPT,     MAIL|RCPT,                                     PATH,   RCPT,    NEVER, KEEP,    0,              "5321 4.1.1.3")
SMTP_COMMAND(DATA,     MAIL|RCPT,                                     NONE,   NEVER,   BODY,  KEEP,    LAST,           "5321 4.1.1.4")
SMTP_COMMAND(DOT,      BODY,                                          NONE,   READY,   NEVER, READY,   LAST|VOID,      "5321 4.1.1.4")
SMTP_COMMAND(BDAT,     RCPT|CHUNK,                                    CHUNK,  CHUNK,   NEVER, FAILED,  0,              "3030 2")
SMTP_COMMAND(LASTBDAT, RCPT|CHUNK,                                    CHUNK,  READY,   NEVER, FAILED,  LAST|VOID,      "3030 2")
SMTP_COMMAND(RSET,     GREETED,                                       NONE,   GREETED, NEVER, KEEP,    0,              "5321 4.1.1.5")
SMTP_COMMAND(RSET,     READY|MAIL|RCPT|CHUNK|FAILED,                  NONE,   READY,   NEVER, KEEP,    VOID,           "5321 4.1.1.5")
SMTP_COMMAND(STARTTLS, READY,                                         NONE,   TLS,     NEVER, KEEP,    LAST,           "3207 4")
SMTP_COMMAND(AUTH,     READY,                                         SASL,   READY,   SASL,  KEEP,    LAST,           "4954 4")
SMTP_COMMAND(CONT,     SASL,                                          LINE,   READY,   SASL,  READY,   LAST,           "4954 4")
SMTP_COMMAND(VRFY,     GREETED|READY|MAIL|RCPT|CHUNK|FAILED,          TEXT,   KEEP,    NEVER, KEEP,    LAST,           "5321 4.1.1.6")
SMTP_COMMAND(EXPN,     GREETED|READY|MAIL|RCPT|CHUNK|FAILED,          TEXT,   KEEP,    NEVER, KEEP,    LAST,           "5321 4.1.1.7")
SMTP_COMMAND(HELP,     GREETED|READY|MAIL|RCPT|CHUNK|FAILED,          TEXT,   KEEP,    NEVER, KEEP,    LAST,           "5321 4.1.1.8")
SMTP_COMMAND(NOOP,     GREETED|READY|MAIL|RCPT|CHUNK|FAILED,          TEXT,   KEEP,    NEVER, KEEP,    LAST,           "5321 4.1.1.9")
SMTP_COMMAND(ETRN,     READY,                                         TEXT,   KEEP,    NEVER, KEEP,    LAST,           "1985 5")
SMTP_COMMAND(QUIT,     GREETED|READY|MAIL|RCPT|CHUNK|FAILED|REFUSED|CUT, NONE,  CLOSING, NEVER, CLOSING, LAST,           "5321 4.1.1.10")

/*         name           from                                       to       RFC            what happened */
SMTP_EVENT(GREETS,        CONNECT,                                   GREETED, "5321 3.1",    "the server greets with 220")
SMTP_EVENT(TURNS_AWAY,    CONNECT|GREETED|READY|FAILED,              REFUSED, "5321 3.1",    "the server, or the policy, greets with 554")
SMTP_EVENT(TEXT_REFUSED,  BODY,                                      READY,   "5321 4.1.1.4", "the message text cannot go on: its leg is cut")
SMTP_EVENT(CHUNK_REFUSED, MAIL|RCPT|CHUNK,                           FAILED,  "3030 2",      "the same of a chunk; or one that came without a recipient")
SMTP_EVENT(TEXT_BAD,      BODY|RCPT|CHUNK,                           CUT,     "5321 4.1.1.4", "the same, and no other leg can take its place")
SMTP_EVENT(ENDS,          ANYWHERE,                                  CLOSING, "5321 3.8",    "421 at any time, a lost peer, a broken protocol")
SMTP_EVENT(SECURED,       TLS,                                       GREETED, "3207 4.2",    "the handshake is done that ends here: what was said before it is forgotten")
SMTP_EVENT(HANDED_OVER,   ANYWHERE,                                  TLS,     "3207 4",      "the policy says splice: what follows is not ours to read")
/* clang-format on */

#undef SMTP_STATE
#undef SMTP_COMMAND
#undef SMTP_EVENT
