"""Bulk mail over a hop beyond the gate that is narrower than all others
(THREATS A6-16)."""
import pytest

from lab import FAR4, FAR6, Gate, Stub, lines_of_mail, send

# What tells the gate of the narrow hop; without it the kernel must find out.
NO_ICMP = ("add table inet filter ; add chain inet filter out "
           "{ type filter hook output priority 0 ; } ; "
           "add rule inet filter out icmp type destination-unreachable drop")


@pytest.fixture
def far(net):
    net.add_far(1280)
    yield
    net.remove_far()


@pytest.mark.parametrize("address", [FAR4, FAR6])
@pytest.mark.parametrize("mode", ["tproxy", "redirect"])
def test_mtu_1280_beyond_the_gate(net, folder, far, mode, address):
    """With `tproxy` the ICMP message goes to the client's address; the divert
    rule brings it to the socket (PRODUCT 1)."""
    stub, gate = Stub(net, "far", address), Gate(net, folder, mode)
    body = b"Subject: bulk\r\n\r\n" + lines_of_mail(1024 * 1024)
    try:
        assert send(net, address, body=body.replace(b"\r\n.", b"\r\n.."))[:3] \
            == "250"
        told = net.run("gate", "ip", "route", "get", address).stdout
    finally:
        gate.stop()
        stub.stop()
    assert stub.messages == [body]
    assert "mtu 1280" in told


def test_mtu_1280_and_no_icmp(net, folder, far):
    net.run("server", "nft", NO_ICMP)
    net.sysctl("gate", "net.ipv4.tcp_mtu_probing", "1")
    stub, gate = Stub(net, "far", FAR4), Gate(net, folder)
    body = b"Subject: bulk\r\n\r\n" + lines_of_mail(1024 * 1024)
    try:
        final = send(net, FAR4, body=body.replace(b"\r\n.", b"\r\n.."),
                     seconds=60)
        told = net.run("gate", "ip", "route", "get", FAR4).stdout
    finally:
        gate.stop()
        stub.stop()
        net.run("server", "nft", "delete table inet filter")
        net.sysctl("gate", "net.ipv4.tcp_mtu_probing", "0")
    assert final[:3] == "250" and stub.messages == [body]
    assert "mtu 1280" not in told
