"""THREATS A1-01 to A1-04, A1-08: no end of message but CR LF dot CR LF, in
front of a recording server and of real ones: how many messages there are is one
number, at the server, in the record, and in the replies to the client.

The sessions of a server run side by side, once; each test looks at what came of
its own.  EOD_FULL=1 (`make matrix`) has every server play what is otherwise
for three of them; HARAKA=1 (`make haraka`) adds Haraka, from npm.
"""
import collections
import itertools
import os
import shutil

import pytest

from lab import (SERVER4, Aiosmtpd, Exim, Haraka, OpenSMTPD, Postfix,
                 Stub, Unread, eod, plain, temporary)

FULL = os.environ.get("EOD_FULL") == "1"


def postfix(forbid):
    return lambda net, folder: Postfix(
        net, folder, settings=f"smtpd_forbid_bare_newline = {forbid}\n"
        f"smtpd_forbid_bare_newline_exclusions =\n")


def exim(net, folder):
    return Exim(net, folder, hold=True)


SERVERS = {"stub": lambda net, folder: Stub(net), "exim": exim,
           "postfix-no": postfix("no"), "postfix-normalize":
           postfix("normalize"), "postfix-reject": postfix("reject"),
           "opensmtpd": OpenSMTPD, "aiosmtpd": Aiosmtpd}
if Haraka.asked_for:
    SERVERS["haraka"] = Haraka
# With these a variant is cut at each of its offsets; with the others at one.
# EOD_FULL has them all cut the whole text at each offset.
EACH_OFFSET = {"normalize": ("stub", "exim", "postfix-no"),
               "reject": ("stub",)}
MODES = pytest.mark.parametrize("mode", EACH_OFFSET)
POLICY = "policy: 1\nhelo: []\ndefault: accept\n"

# What is known to be split without the gate: how the first header line ends,
# by which verb the smuggled text comes, the variants.
SPLITS = {
    "exim": [("LF", "BDAT", [r"\n.\n", r"\n.\r\n", r"\r\n.\n",
                             r"\r\000\n.\r\n"])],
    "postfix-no": [(header, "DATA", [r"\n.\n", r"\n.\r\n", r"\r\n.\n",
                                     r"\r\n.\r\r\n"])
                   for header in ("LF", "CRLF")],
    "haraka": [(header, "DATA", [r"\n.\r\n"]) for header in ("LF", "CRLF")],
}
HEADERS = {"LF": eod.LF, "CRLF": eod.CRLF}
VARIANTS = {text: (octets, expected)
            for text, octets, expected in eod.variants()}

Played = collections.namedtuple("Played", "job replies record taken")


@pytest.fixture(scope="module", params=SERVERS)
def server(request, net):
    folder = temporary()
    machine = SERVERS[request.param](net, folder)
    yield request.param, machine
    machine.stop()
    shutil.rmtree(folder)


def ways(mode, name, header, octets):
    """Where the text is cut."""
    cuts = eod.cuts(header, octets)
    if FULL:
        return [None, eod.BYTES, *eod.all_cuts(header, octets)]
    if name in EACH_OFFSET[mode]:
        return [None, *([eod.BYTES] if name == "stub" else []), *cuts]
    return [None, cuts[len(cuts) // 2]]


def jobs_of(mode, name):
    """By variant and header line."""
    jobs = {}
    for text, (octets, expected) in VARIANTS.items():
        for header, line in HEADERS.items():
            jobs[text, header] = [eod.Job(next(NUMBERS), line, octets, way)
                                  for way in ways(mode, name, line, octets)]
            if expected == "not-EOD":
                jobs[text, header].append(eod.Job(
                    next(NUMBERS), line, octets, None, "BDAT"))
    return jobs


NUMBERS = itertools.count(1)


def play_mode(net, mode, server, gates):
    """All sessions of a server behind a gate of that mode."""
    name, machine = server
    gate, target = gates[mode]
    grouped = jobs_of(mode, name)
    jobs = sum(grouped.values(), [])
    before, recorded = len(machine.accepted()), len(gate.records())
    unread = Unread(net, "gate")
    replies = eod.play_all(lambda: net.connect("client", *target), jobs,
                           unread)
    unread.close()
    records = eod.records_by_session(gate, recorded + len(jobs))
    count = sum(final[0] == "2" for said in replies
                for final in eod.finals(said))
    taken = eod.accepted_by_session(machine, before + count)
    sessions = {job.number: Played(job, said, records[job.number],
                                   taken[job.number])
                for job, said in zip(jobs, replies)}
    return {(mode, *key): [sessions[job.number] for job in group]
            for key, group in grouped.items()}


@pytest.fixture(scope="module")
def played(net, server, gates):
    """What came of every session, by mode, variant and header line."""
    return {key: group for mode in gates
            for key, group in play_mode(net, mode, server, gates).items()}


def wanted(mode, message):
    return not message.nul and (mode == "normalize" or not message.strays)


def judge(mode, session):
    """One number, thrice; and the text is what the reference has."""
    messages, finals = eod.messages(session.job), eod.finals(session.replies)
    if "PIPELINING" not in session.replies[1]:
        # The second came without waiting: it need not be taken, and where its
        # text was there before the 354 the session ends of that.
        finals = [final for final in finals
                  if not final.startswith("554 5.5.0 you did not wait")]
        messages = messages[:max(1, len(finals))]
    good = [m for m in messages if wanted(mode, m)]
    mails = [mail for mail in session.record["mail"] if mail["reply"]]
    assert len(finals) == len(messages), session
    assert [mail["reply"] for mail in mails] == \
        [final.replace("\n", "\r\n") for final in finals], session
    assert [mail["from"] for mail in mails] == \
        [m.sender for m in messages], session
    assert [mail["stray_newlines"] for mail, m in zip(mails, messages)
            if not m.nul] == [m.strays for m in messages if not m.nul]
    assert sum(final[0] == "2" for final in finals) == len(good), session
    assert sorted((mail.sender, mail.recipients, plain(mail.body))
                  for mail in session.taken) == \
        sorted((m.sender, ["user@server.example"],
                plain(eod.body_of(m.text))) for m in good), session


@MODES
@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a1_01_a1_02_a1_04_a1_08_one_number(played, mode, variant, header):
    for session in played[mode, variant, header]:
        judge(mode, session)
        if VARIANTS[variant][1] == "not-EOD":
            assert len(session.record["mail"]) == 1, session


def test_a1_03_no_stray_byte_leaves_the_gate(server, played):
    name, machine = server
    if name == "stub":
        assert len(machine.raw) >= len(played)
        assert machine.clean()


def test_a1_02_without_the_gate_it_splits(net, server):
    """So that what stands above can fail: past the gate, from its own host."""
    name, machine = server
    jobs = [eod.Job(next(NUMBERS), HEADERS[header], VARIANTS[variant][0], None,
                    verb)
            for header, verb, variants in SPLITS.get(name, [])
            for variant in variants]
    before = len(machine.accepted())
    eod.play_all(lambda: net.connect("gate", SERVER4), jobs)
    taken = eod.accepted_by_session(machine, before + 2 * len(jobs))
    for job in jobs:
        assert sorted(mail.sender for mail in taken[job.number]) == \
            sorted(eod.senders(job.number)), job
