"""One laboratory for the whole run; every test brings its own gate."""
import shutil

import pytest

from lab import (ANOTHER4, ANOTHER6, CLIENT6, NEIGHBOUR6, SERVER4, SERVER6,
                 Authority, Ends, Exim, Gate, Haraka, Namespaces, Stub, temporary)

BEFORE_SERVER = (f"    bind: [\"10.77.1.1:2525\"]\n"
                 f"    upstream: \"{SERVER4}:25\"\n")


@pytest.fixture(scope="session")
def net():
    namespaces = Namespaces()
    yield namespaces
    namespaces.close()


@pytest.fixture
def folder():
    path = temporary()
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """Whom the peers of a test trust."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def pair(authority):
    """The gate's certificate and key, where TLS ends there."""
    return authority.issue("mx.test")


@pytest.fixture
def tls_gate(net, folder):
    """Starts gates whose listener has that in its `tls`."""
    made = []

    def start(tls, **more):
        made.append(Gate(net, folder, more=f"    tls: {{{tls}}}\n", **more))
        return made[-1]
    yield start
    for gate in made:
        gate.stop()


@pytest.fixture
def ends(net):
    both = Ends(net)
    yield both
    both.close()


@pytest.fixture(scope="module")
def gates(request, net, tmp_path_factory):
    """A gate for each value of protocol.bare_newline (THREATS A1-08), with the
    module's POLICY, and whom the client calls to speak through it."""
    def start(value, *how, **more):
        return Gate(net, tmp_path_factory.mktemp(value), *how,
                    policy=f"{request.module.POLICY}"
                    f"protocol: {{bare_newline: {value}}}\n", **more)
    both = {"normalize": (start("normalize"), (SERVER4, 25)),
            "reject": (start("reject", "explicit", more=BEFORE_SERVER),
                       ("10.77.1.1", 2525))}
    yield both
    for gate, _ in both.values():
        gate.stop()


@pytest.fixture
def stub(net):
    server = Stub(net)
    yield server
    server.stop()


@pytest.fixture
def stub6(net):
    server = Stub(net, address=SERVER6)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def addresses(net):
    """More of the client's host: one in the /64 of CLIENT6, one beyond."""
    more = [f"{ANOTHER4}/24", f"{NEIGHBOUR6}/64", f"{ANOTHER6}/64"]
    for address in more:
        net.run("client", "ip", "addr", "add", address, "dev", "eth0")
    back = ("route", "add", "fd77:9::/64", "via", CLIENT6)
    net.run("gate", "ip", "-6", *back)
    yield
    net.run("gate", "ip", "-6", "route", "del", *back[2:])
    for address in more:
        net.run("client", "ip", "addr", "del", address, "dev", "eth0")


@pytest.fixture(scope="module")
def exim_folder():
    path = temporary()
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def exim(net, exim_folder):
    server = Exim(net, exim_folder)
    yield server
    server.stop()


def pytest_terminal_summary(terminalreporter):
    if not Haraka.asked_for:
        terminalreporter.write_line(
            "Haraka was not asked for: `make haraka` does")
