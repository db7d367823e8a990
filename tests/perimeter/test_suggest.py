"""From a look at the traffic to a policy: what `suggest` makes of a log."""
import subprocess

from lab import GATE, SERVER4, Gate, Talk, sh

MONITOR = """\
policy: 1
mode: monitor
helo:
  - {name: look, when: {helo.valid: false}, then: reject}
default: accept
"""
HOSTS = 50
# Two hosts of each kind; Exim with Debian's defaults refuses all of them.
BROKEN = ["EXCH_%02d", "", "mail server %d", "mail%d!.corp.example.com",
          "[10.77.1.%d", "m\u00e4il%d.corp.example.com"]


def name_of(number):
    """Which host says what; every fourth is broken until there are 12."""
    if number % 4 == 3 and number // 4 < 2 * len(BROKEN):
        kind = BROKEN[number // 4 % len(BROKEN)]
        return kind % number if "%" in kind else kind
    return f"mail{number:02}.corp.example.com"


def address_of(number):
    return f"10.77.1.{101 + number}"


def greet(net, number):
    """Whether host and server come as far as a recipient: EHLO, then HELO."""
    sock = net.socket("client")
    sock.settimeout(10)
    sock.bind((address_of(number), 0))
    sock.connect((SERVER4, 25))
    talk = Talk(sock)
    talk.reply()
    taken = False
    for verb in ("EHLO", "HELO"):
        if talk.say(f"{verb} {name_of(number)}".rstrip().encode()
                    + b"\r\n").startswith("250"):
            talk.say("MAIL FROM:<user@server.example>")
            taken = talk.say("RCPT TO:<user@server.example>") \
                .startswith("250")
            break
    talk.say("QUIT")
    talk.close()
    return taken


def test_suggested_policy_lets_all_through(net, folder, exim):
    device = ["ip", "-n", net.names["client"], "addr"]
    for number in range(HOSTS):
        sh(*device, "add", f"{address_of(number)}/32", "dev", "eth0")
    gate = Gate(net, folder, policy=MONITOR)
    try:
        refused = {n for n in range(HOSTS) if not greet(net, n)}
        assert refused == {n for n in range(HOSTS)
                           if not name_of(n).startswith("mail")
                           or "!" in name_of(n) or " " in name_of(n)}
        assert len(refused) == 12
        gate.wait_records(HOSTS)
        said = subprocess.run([GATE, "suggest", "--yaml", str(gate.log)],
                              check=True, capture_output=True, text=True)
        policy = gate.folder / "policy.yaml"
        policy.write_text(said.stdout)
        for command in (["check", "--strict"], ["test"]):
            run = subprocess.run([GATE, *command, str(policy)], text=True,
                                 check=False, capture_output=True)
            assert run.returncode == 0, run.stdout + run.stderr + said.stdout
        gate.reload()
        refused = {name_of(n) for n in range(HOSTS) if not greet(net, n)}
        assert not refused, said.stdout
    finally:
        gate.stop()
        for number in range(HOSTS):
            sh(*device, "del", f"{address_of(number)}/32", "dev", "eth0")
