/* LINKS: policy/spf.c policy/spf_record.c policy/spf_macro.c policy/spf_mechanism.c policy/reverse.c */
/*
 * SPF by the rules of RFC 7208: a record, a client, what else DNS has, the
 * result.  Each case also with the answers coming one at a time in any order:
 * the result is the same, comes at the latest with the last answer, and stays.
 *
 * Beyond this table the module was held against the 203 cases of the RFC 7208
 * test suite (openspf.org, 2014.04); it differs in the five that ask for names
 * which are no host names (base/dns.h: dns_name_is_askable).
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/spf.h"
#include "tests/unit/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* What most cases find besides their record. */
static const char common[] =
    "a.example A 192.0.2.1\na.example A 192.0.2.2\n"
    "a.example AAAA 2001:db8::1\n"
    "host.t.example A 192.0.2.1\n"
    "m.example MX 10 m1.example\nm.example MX 20 m2.example\n"
    "m1.example A 192.0.2.1\nm2.example A 192.0.2.2\n"
    "m2.example AAAA 2001:db8::1\n"
    "1.2.0.192.in-addr.arpa PTR host.t.example\n"
    "pass.example TXT v=spf1 ip4:192.0.2.1 -all\n"
    "fail.example TXT v=spf1 -all\n"
    "soft.example TXT v=spf1 ~all\n"
    "neutral.example TXT v=spf1 ?all\n"
    "empty.example TXT v=spf1\n"
    "bad.example TXT v=spf1 moo\n"
    "plain.example TXT no spf here\n"
    "down.example TXT !\ndown.example A !\ndown.example MX !\n"
    "void.example TXT v=spf1 -all\n";

struct spf_case {
	const char *record; /* of t.example, C-escaped; NULL: see `zone` */
	const char *client;
	const char *result;
	const char *zone; /* more of DNS; may be NULL */
};

#define V4  "192.0.2.1"
#define V6  "2001:db8::1"
#define L63 "a23456789012345678901234567890123456789012345678901234567890123"
#define L59 "a2345678901234567890123456789012345678901234567890123456789"

static const struct spf_case record_cases[] = {
    /* 4.5: which record */
    {NULL, V4, "none", NULL},
    {NULL, V4, "none", "t.example A 192.0.2.1"},
    {NULL, V4, "temperror", "t.example TXT !"},
    {"", V4, "none", NULL},
    {"v=spf1", V4, "neutral", NULL},
    {"v=spf1 ", V4, "neutral", NULL},
    {"V=SPF1 -ALL", V4, "fail", NULL},
    {"v=spf10 -all", V4, "none", NULL},
    {"v=spf1-all", V4, "none", NULL},
    {"v=spf1\\t-all", V4, "none", NULL},
    {" v=spf1 -all", V4, "none", NULL},
    {"v=spf2 -all", V4, "none", NULL},
    {"v=spf1 -all", V4, "permerror", "t.example TXT v=spf1 -all"},
    {"v=spf1 -all", V4, "permerror", "t.example TXT V=spf1"},
    {"v=spf1 -all", V4, "fail", "t.example TXT \\377\\000other"},
    {"v=spf1 -all", V4, "fail", "t.example TXT v=spf11 +all"},
    /* 4.6: terms */
    {"v=spf1   ip4:192.0.2.1   -all  ", V4, "pass", NULL},
    {"v=spf1 +all", V4, "pass", NULL},
    {"v=spf1 all", V4, "pass", NULL},
    {"v=spf1 -all", V4, "fail", NULL},
    {"v=spf1 ~all", V4, "softfail", NULL},
    {"v=spf1 ?all", V4, "neutral", NULL},
    {"v=spf1 ip4:192.0.2.9", V4, "neutral", NULL},
    {"v=spf1 -all moo", V4, "permerror", NULL},
    {"v=spf1 -all -", V4, "permerror", NULL},
    {"v=spf1 --all", V4, "permerror", NULL},
    {"v=spf1 all.", V4, "permerror", NULL},
    {"v=spf1 all:t.example", V4, "permerror", NULL},
    {"v=spf1 all/8", V4, "permerror", NULL},
    {"v=spf1 a\\tall", V4, "permerror", NULL},
    {"v=spf1 a\\000 -all", V4, "permerror", NULL},
    {"v=spf1 \\303\\244ll", V4, "permerror", NULL},
    {"v=spf1 mo.o-o_1=%{d}/x -all", V4, "fail", NULL},
    {"v=spf1 all=x -all", V4, "fail", NULL},
    {"v=spf1 c=%{c}%{r}%{t} -all", V4, "fail", NULL},
    {"v=spf1 1moo=x -all", V4, "permerror", NULL},
    {"v=spf1 =x -all", V4, "permerror", NULL},
    {"v=spf1 -moo=x -all", V4, "permerror", NULL},
    {"v=spf1 moo=%x -all", V4, "permerror", NULL},
    {"v=spf1 moo=\\303\\244 -all", V4, "permerror", NULL},
    {"v=spf1 moo= -all", V4, "fail", NULL},
    /* 6: modifiers */
    {"v=spf1 redirect=pass.example", V4, "pass", NULL},
    {"v=spf1 redirect=pass.example ?all", V4, "neutral", NULL},
    {"v=spf1 REDIRECT=soft.example a", "192.0.2.9", "softfail",
	"t.example A 192.0.2.1"},
    {"v=spf1 redirect=nowhere.example", V4, "permerror", NULL},
    {"v=spf1 redirect=plain.example", V4, "permerror", NULL},
    {"v=spf1 redirect=bad.example", V4, "permerror", NULL},
    {"v=spf1 redirect=down.example", V4, "temperror", NULL},
    {"v=spf1 redirect=", V4, "permerror", NULL},
    {"v=spf1 redirect=pass", V4, "permerror", NULL},
    {"v=spf1 redirect:pass.example", V4, "permerror", NULL},
    {"v=spf1 redirect=pass.example redirect=pass.example", V4, "permerror",
	NULL},
    {"v=spf1 redirect=t.example", V4, "permerror", NULL},
    {"v=spf1 exp=e.example -all", V4, "fail", "e.example TXT !"},
    {"v=spf1 exp=e.example exp=e.example -all", V4, "permerror", NULL},
    {"v=spf1 exp= -all", V4, "permerror", NULL},
    {"v=spf1 exp=%{c}.example -all", V4, "permerror", NULL},
};

static const struct spf_case mechanism_cases[] = {
    /* 5.6: ip4, ip6 */
    {"v=spf1 ip4:192.0.2.0/24 -all", V4, "pass", NULL},
    {"v=spf1 ip4:192.0.2.77/24 -all", V4, "pass", NULL},
    {"v=spf1 ip4:192.0.2.2/31 -all", V4, "fail", NULL},
    {"v=spf1 ip4:8.8.8.8/0 -all", V4, "pass", NULL},
    {"v=spf1 ip4:0.0.0.0/0 -all", V6, "fail", NULL},
    {"v=spf1 ip4:192.0.2.1/33 -all", V4, "permerror", NULL},
    {"v=spf1 ip4:192.0.2.1/032 -all", V4, "permerror", NULL},
    {"v=spf1 ip4:192.0.2.1/ -all", V4, "permerror", NULL},
    {"v=spf1 ip4:192.0.2.1//24 -all", V4, "permerror", NULL},
    {"v=spf1 ip4:192.0.2.1/-1 -all", V4, "permerror", NULL},
    {"v=spf1 ip4:192.0.2 -all", V4, "permerror", NULL},
    {"v=spf1 ip4:192.0.2.01 -all", V4, "permerror", NULL},
    {"v=spf1 ip4:192.0.2.1:25 -all", V4, "permerror", NULL},
    {"v=spf1 ip4 -all", V4, "permerror", NULL},
    {"v=spf1 ip4: -all", V4, "permerror", NULL},
    {"v=spf1 ip4:2001:db8::1 -all", V4, "permerror", NULL},
    {"v=spf1 ip6:2001:db8::/32 -all", V6, "pass", NULL},
    {"v=spf1 ip6:2001:db8::1 -all", V6, "pass", NULL},
    {"v=spf1 ip6:2001:db8::2 -all", V6, "fail", NULL},
    {"v=spf1 ip6:::/0 -all", V6, "pass", NULL},
    {"v=spf1 ip6:::/0 -all", V4, "fail", NULL},
    {"v=spf1 ip6:::ffff:192.0.2.1 -all", V4, "fail", NULL},
    {"v=spf1 ip6:::ffff:192.0.2.1/0 -all", V6, "pass", NULL},
    {"v=spf1 ip6:2001:db8::1/129 -all", V6, "permerror", NULL},
    {"v=spf1 ip6:2001:db8::1//64 -all", V6, "permerror", NULL},
    {"v=spf1 ip6:192.0.2.1 -all", V4, "permerror", NULL},
    {"v=spf1 ip6:[2001:db8::1] -all", V6, "permerror", NULL},
    {"v=spf1 ip4:192.0.2.1 -all", "::ffff:192.0.2.1", "pass", NULL},
    /* 5.3: a */
    {"v=spf1 a -all", V4, "pass", "t.example A 192.0.2.1"},
    {"v=spf1 A:A.Example -all", V4, "pass", NULL},
    {"v=spf1 a:a.example. -all", V4, "pass", NULL},
    {"v=spf1 a:a.example -all", V6, "pass", NULL},
    {"v=spf1 a:a.example -all", "192.0.2.3", "fail", NULL},
    {"v=spf1 a:a.example/30 -all", "192.0.2.3", "pass", NULL},
    {"v=spf1 a:a.example/30//64 -all", "2001:db8::3", "pass", NULL},
    {"v=spf1 a:a.example/30 -all", "2001:db8::3", "fail", NULL},
    {"v=spf1 a:a.example//64 -all", "2001:db8::3", "pass", NULL},
    {"v=spf1 a:a.example//64 -all", "192.0.2.3", "fail", NULL},
    {"v=spf1 a/0 -all", V4, "fail", NULL},
    {"v=spf1 a/24 -all", V4, "pass", "t.example A 192.0.2.200"},
    {"v=spf1 a:a.example/33 -all", V4, "permerror", NULL},
    {"v=spf1 a:a.example//129 -all", V4, "permerror", NULL},
    {"v=spf1 a:a.example///64 -all", V4, "permerror", NULL},
    {"v=spf1 a:a.example/64//64 -all", V4, "permerror", NULL},
    {"v=spf1 a:a.example//64/24 -all", V4, "permerror", NULL},
    {"v=spf1 a//64//64 -all", V4, "permerror", NULL},
    {"v=spf1 a/ -all", V4, "permerror", NULL},
    {"v=spf1 a:a.example/024 -all", V4, "permerror", NULL},
    {"v=spf1 a: -all", V4, "permerror", NULL},
    {"v=spf1 a:/24 -all", V4, "permerror", NULL},
    {"v=spf1 a:example -all", V4, "permerror", NULL},
    {"v=spf1 a:example. -all", V4, "permerror", NULL},
    {"v=spf1 a:192.0.2.1 -all", V4, "permerror", NULL},
    {"v=spf1 a:a.-example -all", V4, "permerror", NULL},
    {"v=spf1 a:a.exa_mple -all", V4, "permerror", NULL},
    {"v=spf1 a:a.example.. -all", V4, "permerror", NULL},
    {"v=spf1 a:a.ex-4mple -all", V4, "pass", "a.ex-4mple A 192.0.2.1"},
    {"v=spf1 a:a..example -all", V4, "fail", NULL},
    {"v=spf1 a:" L63 "4.example -all", V4, "fail", NULL},
    {"v=spf1 a:down.example -all", V4, "temperror", NULL},
    {"v=spf1 ip4:192.0.2.1 a:down.example -all", V4, "pass", NULL},
    /* 5.4: mx */
    {"v=spf1 mx -all", V4, "pass", "t.example MX 5 m1.example"},
    {"v=spf1 mx:m.example -all", V4, "pass", NULL},
    {"v=spf1 mx:m.example -all", "192.0.2.2", "pass", NULL},
    {"v=spf1 mx:m.example -all", V6, "pass", NULL},
    {"v=spf1 mx:m.example -all", "192.0.2.3", "fail", NULL},
    {"v=spf1 mx:m.example/24//64 -all", "192.0.2.3", "pass", NULL},
    {"v=spf1 mx:a.example -all", V4, "fail", NULL},
    {"v=spf1 mx:m.example/33 -all", V4, "permerror", NULL},
    {"v=spf1 mx:down.example -all", V4, "temperror", NULL},
    {"v=spf1 mx -all", V4, "pass",
	"t.example MX 1 down.example\nt.example MX 2 m1.example"},
    {"v=spf1 mx -all", "192.0.2.3", "temperror",
	"t.example MX 1 down.example\nt.example MX 2 m1.example"},
    {"v=spf1 mx -all", V4, "fail", "t.example MX 0 "},
    /* 5.5: ptr */
    {"v=spf1 ptr -all", V4, "pass", NULL},
    {"v=spf1 PTR:HOST.T.example -all", V4, "pass", NULL},
    {"v=spf1 ptr:ost.t.example -all", V4, "fail", NULL},
    {"v=spf1 ptr:%{d1}.example -all", V4, "fail", NULL},
    {"v=spf1 ptr -all", "192.0.2.2", "fail",
	"2.2.0.192.in-addr.arpa PTR host.t.example"},
    {"v=spf1 ptr -all", "192.0.2.2", "pass",
	"2.2.0.192.in-addr.arpa PTR down.t.example\ndown.t.example A !\n"
	"2.2.0.192.in-addr.arpa PTR b.t.example\nb.t.example A 192.0.2.2"},
    {"v=spf1 ptr/24 -all", V4, "permerror", NULL},
    {"v=spf1 ptr: -all", V4, "permerror", NULL},
    /* not by a temporary error */
    {"v=spf1 ptr -all", "192.0.2.2", "temperror",
	"2.2.0.192.in-addr.arpa PTR !"},
    {"v=spf1 ptr all", "192.0.2.2", "pass", "2.2.0.192.in-addr.arpa PTR !"},
    {"v=spf1 ptr -all", "192.0.2.2", "temperror",
	"2.2.0.192.in-addr.arpa PTR down.t.example\ndown.t.example A !"},
    {"v=spf1 ptr -all", "192.0.2.2", "fail",
	"2.2.0.192.in-addr.arpa PTR down.example"},
    /* 5.7: exists */
    {"v=spf1 exists:a.example -all", V4, "pass", NULL},
    {"v=spf1 exists:a.example -all", "2001:db8::9", "pass", NULL},
    {"v=spf1 exists:six.example -all", V6, "fail",
	"six.example AAAA 2001:db8::1"},
    {"v=spf1 exists:down.example -all", V4, "temperror", NULL},
    {"v=spf1 exists -all", V4, "permerror", NULL},
    {"v=spf1 exists: -all", V4, "permerror", NULL},
    {"v=spf1 exists:a.example/24 -all", V4, "permerror", NULL},
    /* 5.2: include */
    {"v=spf1 include:pass.example -all", V4, "pass", NULL},
    {"v=spf1 ~include:pass.example -all", V4, "softfail", NULL},
    {"v=spf1 include:fail.example ?all", V4, "neutral", NULL},
    {"v=spf1 include:soft.example -all", V4, "fail", NULL},
    {"v=spf1 include:neutral.example -all", V4, "fail", NULL},
    {"v=spf1 include:empty.example -all", V4, "fail", NULL},
    {"v=spf1 include:plain.example -all", V4, "permerror", NULL},
    {"v=spf1 include:nowhere.example -all", V4, "permerror", NULL},
    {"v=spf1 include:bad.example -all", V4, "permerror", NULL},
    {"v=spf1 include:down.example -all", V4, "temperror", NULL},
    {"v=spf1 include:a..example -all", V4, "permerror", NULL},
    {"v=spf1 include -all", V4, "permerror", NULL},
    {"v=spf1 include: -all", V4, "permerror", NULL},
    {"v=spf1 include:pass.example/24 -all", V4, "permerror", NULL},
    {"v=spf1 include:pass.example include:down.example -all", V4, "pass", NULL},
    {"v=spf1 include:down.example include:pass.example -all", V4, "temperror",
	NULL},
};

static const struct spf_case macro_cases[] = {
    {"v=spf1 exists:%{d} -all", V4, "pass", "t.example A 127.0.0.2"},
    {"v=spf1 exists:%{s}.x.example -all", V4, "fail", NULL},
    {"v=spf1 exists:%{l}.%{o}.x.example -all", V4, "pass",
	"postmaster.t.example.x.example A 127.0.0.2"},
    {"v=spf1 exists:%{s1@}.x.example -all", V4, "permerror", NULL},
    {"v=spf1 exists:%{i}.x.example -all", V4, "pass",
	"192.0.2.1.x.example A 127.0.0.2"},
    {"v=spf1 exists:%{ir}.%{v}.x.example -all", V4, "pass",
	"1.2.0.192.in-addr.x.example A 127.0.0.2"},
    {"v=spf1 exists:%{i}.%{v}.x.example -all", V6, "pass",
	"2.0.0.1.0.d.b.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.ip6"
	".x.example A 127.0.0.2"},
    {"v=spf1 exists:%{i3r}.x.example -all", V6, "pass",
	"0.0.2.x.example A 127.0.0.2"},
    {"v=spf1 exists:%{i2}.x.example -all", V4, "pass",
	"2.1.x.example A 127.0.0.2"},
    {"v=spf1 exists:%{iR2}.x.example -all", V4, "permerror", NULL},
    {"v=spf1 exists:%{i2R}.x.example -all", V4, "pass",
	"0.192.x.example A 127.0.0.2"},
    {"v=spf1 exists:%{i9999999999999}.x.example -all", V4, "pass",
	"192.0.2.1.x.example A 127.0.0.2"},
    {"v=spf1 exists:%{i0}.x.example -all", V4, "permerror", NULL},
    {"v=spf1 exists:%{i00}.x.example -all", V4, "permerror", NULL},
    {"v=spf1 exists:%{h}.x.example -all", V4, "pass",
	"t.example.x.example A 127.0.0.2"},
    {"v=spf1 exists:%{l1rt}.x.example -all", V4, "permerror", NULL},
    {"v=spf1 exists:%{v2r-}.x.example -all", V4, "pass",
	"addr.in.x.example A 127.0.0.2"},
    {"v=spf1 exists:%{v1-}.x.example -all", V4, "pass",
	"addr.x.example A 127.0.0.2"},
    {"v=spf1 exists:%{i/-}.x.example -all", V4, "pass",
	"192.0.2.1.x.example A 127.0.0.2"},
    {"v=spf1 a:%{d}.%{d1}/24 -all", "192.0.2.9", "pass",
	"t.example.example A 192.0.2.1"},
    {"v=spf1 a:x.%{d} -all", V4, "pass", "x.t.example A 192.0.2.1"},
    {"v=spf1 a:x%{d}.example -all", V4, "pass",
	"xt.example.example A 192.0.2.1"},
    {"v=spf1 a:%{d}example -all", V4, "permerror", NULL},
    {"v=spf1 a:%{d}. -all", V4, "permerror", NULL},
    {"v=spf1 a:x.%{D} -all", V4, "pass", "x.t.example A 192.0.2.1"},
    /* URL escapes, blanks and percents are in no host name. */
    {"v=spf1 a:%%.example -all", V4, "fail", NULL},
    {"v=spf1 a:x%_.example -all", V4, "fail", NULL},
    {"v=spf1 a:x%-.example -all", V4, "fail", NULL},
    {"v=spf1 a:%{S}.example -all", V4, "fail", NULL},
    {"v=spf1 a:% -all", V4, "permerror", NULL},
    {"v=spf1 a:%x.example -all", V4, "permerror", NULL},
    {"v=spf1 a:%{d -all", V4, "permerror", NULL},
    {"v=spf1 a:%{} -all", V4, "permerror", NULL},
    {"v=spf1 a:%{a}.example -all", V4, "permerror", NULL},
    {"v=spf1 a:%{d!}.example -all", V4, "permerror", NULL},
    {"v=spf1 a:%(d).example -all", V4, "permerror", NULL},
    {"v=spf1 a:%{c}.example -all", V4, "permerror", NULL},
    /* 7.3: left-hand labels go until 253 octets are left. */
    {"v=spf1 exists:cut." L63 "." L63 "." L63 "." L63 ".xx -all", V4, "pass",
	L63 "." L63 "." L63 ".xx A 127.0.0.2\n"
	    "cut." L63 "." L63 "." L63 "." L63 ".xx A -"},
    {"v=spf1 exists:b." L63 "." L63 "." L63 "." L59 " -all", V4, "pass",
	"b." L63 "." L63 "." L63 "." L59 " A 127.0.0.2"},
    {"v=spf1 exists:bb." L63 "." L63 "." L63 "." L59 " -all", V4, "pass",
	L63 "." L63 "." L63 "." L59 " A 127.0.0.2"},
    /* %{p} */
    {"v=spf1 exists:%{p}.x.example -all", V4, "pass",
	"host.t.example.x.example A 127.0.0.2"},
    {"v=spf1 exists:%{p}.x.example -all", "192.0.2.9", "pass",
	"unknown.x.example A 127.0.0.2"},
    {"v=spf1 exists:%{p}.x.example -all", "192.0.2.9", "temperror",
	"9.2.0.192.in-addr.arpa PTR !"},
    {"v=spf1 exists:%{p}.x.example -all", "192.0.2.9", "pass",
	"9.2.0.192.in-addr.arpa PTR o.example\no.example A 192.0.2.9\n"
	"9.2.0.192.in-addr.arpa PTR b.t.example\nb.t.example A 192.0.2.9\n"
	"9.2.0.192.in-addr.arpa PTR t.example\nt.example A 192.0.2.8\n"
	"b.t.example.x.example A 127.0.0.2"},
    {"v=spf1 exists:%{p2}.x.example -all", "192.0.2.9", "pass",
	"9.2.0.192.in-addr.arpa PTR a.b.o.example\n"
	"a.b.o.example A 192.0.2.9\no.example.x.example A 127.0.0.2"},
    {"v=spf1 include:%{p1}.org -all", V4, "pass",
	"example.org TXT v=spf1 ip4:192.0.2.1"},
    {"v=spf1 ptr:%{p2} -all", V4, "pass", NULL},
    {"v=spf1 redirect=%{p1}.org", V4, "softfail",
	"example.org TXT v=spf1 ~all"},
    {"v=spf1 a:x.example redirect=%{p1}.org", V4, "softfail",
	"example.org TXT v=spf1 ~all"},
    /* The implicit domain is the included one's. */
    {"v=spf1 include:i.example -all", V4, "pass",
	"i.example TXT v=spf1 exists:%{d}.%{o}.x.example\n"
	"i.example.t.example.x.example A 127.0.0.2"},
};

static const struct spf_case limit_cases[] = {
    /* 4.6.4: ten terms that ask */
    {"v=spf1 a:a.example a:a.example a:a.example a:a.example a:a.example"
     " a:a.example a:a.example a:a.example a:a.example a:a.example -all",
	"192.0.2.9", "fail", NULL},
    {"v=spf1 a:a.example a:a.example a:a.example a:a.example a:a.example"
     " a:a.example a:a.example a:a.example a:a.example a:a.example"
     " a:a.example -all",
	"192.0.2.9", "permerror", NULL},
    {"v=spf1 a:a.example a:a.example a:a.example a:a.example a:a.example"
     " a:a.example a:a.example a:a.example a:a.example a:a.example"
     " redirect=pass.example",
	"192.0.2.9", "permerror", NULL},
    {"v=spf1 a:a.example a:a.example a:a.example a:a.example a:a.example"
     " a:a.example a:a.example a:a.example a:a.example a:a.example"
     " a:a.example -all",
	V4, "pass", NULL},
    {"v=spf1 include:t.example -all", V4, "permerror", NULL},
    {"v=spf1 ip4:192.0.2.1 include:t.example -all", V4, "pass", NULL},
    {"v=spf1 include:five.example include:four.example -all", "192.0.2.9",
	"permerror",
	"five.example TXT v=spf1 a:a.example a:a.example a:a.example "
	"a:a.example a:a.example\n"
	"four.example TXT v=spf1 a:a.example a:a.example a:a.example "
	"a:a.example"},
    {"v=spf1 include:four.example include:four.example -all", "192.0.2.9",
	"fail",
	"four.example TXT v=spf1 a:a.example a:a.example a:a.example "
	"a:a.example"},
    /* two void ones */
    {"v=spf1 a:x.example a:y.example ?all", V4, "neutral", NULL},
    {"v=spf1 a:x.example mx:y.example exists:z.example ?all", V4, "permerror",
	NULL},
    {"v=spf1 mx:void.example a:void.example ptr:z.example -all", "192.0.2.9",
	"permerror", NULL},
    {"v=spf1 include:inner.example a:z.example -all", V4, "permerror",
	"inner.example TXT v=spf1 a:x.example a:y.example"},
    {"v=spf1 a:x.example a:y.example a:a.example -all", V4, "pass", NULL},
    /* ten hosts of an mx */
    {"v=spf1 mx -all", "192.0.2.9", "pass",
	"t.example MX 1 a.example\nt.example MX 1 a.example\n"
	"t.example MX 1 a.example\nt.example MX 1 a.example\n"
	"t.example MX 1 a.example\nt.example MX 1 a.example\n"
	"t.example MX 1 a.example\nt.example MX 1 a.example\n"
	"t.example MX 1 a.example\nt.example MX 1 z.example\n"
	"z.example A 192.0.2.9"},
    {"v=spf1 mx -all", V4, "permerror",
	"t.example MX 1 a.example\nt.example MX 1 a.example\n"
	"t.example MX 1 a.example\nt.example MX 1 a.example\n"
	"t.example MX 1 a.example\nt.example MX 1 a.example\n"
	"t.example MX 1 a.example\nt.example MX 1 a.example\n"
	"t.example MX 1 a.example\nt.example MX 1 a.example\n"
	"t.example MX 1 z.example"},
    /* the first ten names of a client */
    {"v=spf1 ptr:z.example -all", "192.0.2.9", "fail",
	"9.2.0.192.in-addr.arpa PTR 1.z.example\n"
	"9.2.0.192.in-addr.arpa PTR 2.z.example\n"
	"9.2.0.192.in-addr.arpa PTR 3.z.example\n"
	"9.2.0.192.in-addr.arpa PTR 4.z.example\n"
	"9.2.0.192.in-addr.arpa PTR 5.z.example\n"
	"9.2.0.192.in-addr.arpa PTR 6.z.example\n"
	"9.2.0.192.in-addr.arpa PTR 7.z.example\n"
	"9.2.0.192.in-addr.arpa PTR 8.z.example\n"
	"9.2.0.192.in-addr.arpa PTR 9.z.example\n"
	"9.2.0.192.in-addr.arpa PTR 10.z.example\n"
	"9.2.0.192.in-addr.arpa PTR 11.z.example\n"
	"11.z.example A 192.0.2.9"},
};

static const char *const names[] = {
#define RESULT_NAME(id, name) name,
    SPF_RESULTS(RESULT_NAME)
#undef RESULT_NAME
};

/* seed 0: all answers at once; else one at a time. */
static enum spf_result
run(const struct spf_sender *sender, const char *zone, uint64_t seed)
{
	static struct zone_waiting waiting;
	struct dns_book *book = dns_book_new();
	enum spf_result result, again;
	uint64_t rest = seed + 1;

	waiting.count = waiting.taken = 0;
	while ((result = spf_check(book, sender)) == SPF_PENDING) {
		zone_take(&waiting, book);
		if (waiting.count == 0)
			fail_msg("pending without a question");
		if (seed == 0)
			zone_answer_all(&waiting, zone, book);
		else
			zone_answer_one(&waiting, zone, book, &seed);
	}
	zone_take(&waiting, book);
	assert_true(waiting.taken <= SPF_QUESTIONS_MAX);
	while (zone_answer_one(&waiting, zone, book, &rest))
		;
	again = spf_check(book, sender);
	if (again != result)
		fail_msg("%s became %s", names[result], names[again]);
	dns_book_free(&book);
	return result;
}

static struct spf_sender
sender_of(const char *client, const char *helo)
{
	struct spf_sender sender = {.local = SLICE("postmaster"),
	    .domain = slice_str(helo),
	    .helo = slice_str(helo)};

	assert_true(addr_parse(slice_str(client), &sender.client));
	return sender;
}

static void
check_cases(const struct spf_case *cases, size_t count)
{
	unsigned orders = random_runs(40);
	char zone[8192];

	for (size_t i = 0; i < count; i++) {
		const struct spf_case *c = &cases[i];
		struct spf_sender sender = sender_of(c->client, "t.example");
		snprintf(zone, sizeof(zone), "%s%s%s\n%s",
		    c->record == NULL ? "" : "t.example TXT ",
		    c->record == NULL ? "" : c->record, "\n", common);
		if (c->zone != NULL)
			snprintf(zone + strlen(zone),
			    sizeof(zone) - strlen(zone), "%s\n", c->zone);
		enum spf_result result = run(&sender, zone, 0);
		if (strcmp(names[result], c->result) != 0)
			fail_msg("%s for %s: %s, not %s",
			    c->record == NULL ? "(none)" : c->record, c->client,
			    names[result], c->result);
		for (unsigned seed = 1; seed <= orders; seed++)
			if (run(&sender, zone, seed * 7919) != result)
				fail_msg("%s: not in any order", c->record);
	}
}

static void
records(void **state)
{
	(void)state;
	check_cases(record_cases, sizeof(record_cases) / sizeof(*record_cases));
}

static void
mechanisms(void **state)
{
	(void)state;
	check_cases(mechanism_cases,
	    sizeof(mechanism_cases) / sizeof(*mechanism_cases));
}

static void
macros(void **state)
{
	(void)state;
	check_cases(macro_cases, sizeof(macro_cases) / sizeof(*macro_cases));
}

static void
limits(void **state)
{
	(void)state;
	check_cases(limit_cases, sizeof(limit_cases) / sizeof(*limit_cases));
}

/* 4.3: what is no name of several labels has no record, and nobody is
 * asked. */
static void
domains(void **state)
{
	static const char *const bad[] = {"", "localhost", "[192.0.2.1]",
	    "a..example", ".example", "a b.example", "t.example.",
	    L63 "4.example"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct spf_sender sender = sender_of(V4, bad[i]);
		struct dns_book *book = dns_book_new();
		assert_int_equal(spf_check(book, &sender), SPF_NONE);
		assert_int_equal(dns_book_pending(book), 0);
		dns_book_free(&book);
	}
}

/* What stands behind a term that waits is asked for with it. */
static void
asks_ahead(void **state)
{
	struct spf_sender sender = sender_of(V4, "t.example");
	struct dns_book *book = dns_book_new();
	struct dns_question question = {SLICE("t.example"), DNS_TXT};

	(void)state;
	zone_answer("t.example TXT v=spf1 a mx ip4:192.0.2.9 include:i.example"
		    " exists:e.example ptr redirect=r.example\n",
	    &question, book);
	assert_int_equal(spf_check(book, &sender), SPF_PENDING);
	assert_int_equal(dns_book_pending(book), 6);
	dns_book_free(&book);
	/* But nothing behind `all`, nor more than may be asked. */
	book = dns_book_new();
	zone_answer("t.example TXT v=spf1 a mx -all exists:e.example"
		    " redirect=r.example\n",
	    &question, book);
	assert_int_equal(spf_check(book, &sender), SPF_PENDING);
	assert_int_equal(dns_book_pending(book), 2);
	dns_book_free(&book);
	book = dns_book_new();
	zone_answer("t.example TXT v=spf1 a:a.b a:b.b a:c.b a:d.b a:e.b a:f.b"
		    " a:g.b a:h.b a:i.b a:j.b a:k.b redirect=r.example\n",
	    &question, book);
	assert_int_equal(spf_check(book, &sender), SPF_PENDING);
	assert_int_equal(dns_book_pending(book), 10);
	dns_book_free(&book);
}

/* A record of nothing but macros costs little, since the name is what its
 * last 253 octets say: 26 labels of 9, and the 17 of the end. */
static void
many_macros(void **state)
{
	struct spf_sender sender = sender_of(V4, "t.example");
	static char zone[DNS_TEXT_MAX + 400];
	size_t len = (size_t)snprintf(
	    zone, sizeof(zone), "t.example TXT v=spf1 exists:");

	(void)state;
	while (len < DNS_TEXT_MAX - 40)
		len +=
		    (size_t)snprintf(zone + len, sizeof(zone) - len, "%%{d}");
	len += (size_t)snprintf(
	    zone + len, sizeof(zone) - len, ".x.example -all\n");
	assert_int_equal(run(&sender, zone, 0), SPF_FAIL);
	for (unsigned i = 0; i < 26; i++)
		len += (size_t)snprintf(
		    zone + len, sizeof(zone) - len, "examplet.");
	snprintf(
	    zone + len, sizeof(zone) - len, "example.x.example A 127.0.0.2\n");
	assert_int_equal(run(&sender, zone, 0), SPF_PASS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(records),
	    cmocka_unit_test(mechanisms), cmocka_unit_test(macros),
	    cmocka_unit_test(limits), cmocka_unit_test(domains),
	    cmocka_unit_test(asks_ahead), cmocka_unit_test(many_macros)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
