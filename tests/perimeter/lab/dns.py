"""A server of DNS that tells the truth, or lies as it is told: a table of
names, UDP and TCP on one port of the loopback.  It counts what it is asked.

SPDX-License-Identifier: MIT
"""
import collections
import ipaddress
import socket
import struct
import threading

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15,
         "TXT": 16, "AAAA": 28, "TLSA": 52}
NAMES = {number: name for name, number in TYPES.items()}
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, REFUSED = 0, 1, 2, 3, 5
QR, AA, TC, RD, RA, AD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020

Query = collections.namedtuple(
    "Query", "id name type question tcp edns client ad",
    defaults=(False, None, False))


# --- the wire ----------------------------------------------------------------


def encode_name(name):
    """A name; bytes are taken as they are."""
    if isinstance(name, bytes):
        return name
    return b"".join(bytes([len(label)]) + label.encode("latin-1")
                    for label in name.split(".") if label) + b"\0"


def encode_data(kind, value):
    if isinstance(value, bytes):
        return value
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    if kind == "MX":
        return struct.pack("!H", value[0]) + encode_name(value[1])
    if kind == "TLSA":
        return bytes(value[:3]) + value[3]
    if kind == "TXT":
        strings = [value] if isinstance(value, str) else value
        return b"".join(bytes([len(s)]) + s.encode("latin-1")
                        for s in strings)
    if kind == "SOA":
        return encode_name("ns.example") + encode_name("root.example") \
            + struct.pack("!5I", 1, 3600, 600, 86400, value)
    return encode_name(value)


def record(owner, kind, ttl, value):
    data = encode_data(kind, value)
    return encode_name(owner) + struct.pack(
        "!HHIH", TYPES[kind], 1, ttl, len(data)) + data


def parse(packet, tcp, client=None):
    at, labels = 12, []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
        at += 1 + packet[at]
    kind = struct.unpack_from("!H", packet, at + 1)[0]
    return Query(packet[:2], ".".join(labels).lower(),
                 NAMES.get(kind, str(kind)), packet[12:at + 5], tcp,
                 packet[10:12] != b"\0\0", client,
                 bool(packet[3] & AD))


def reply(query, answers=(), rcode=NOERROR, authority=(), flags=0):
    return query.id + struct.pack(
        "!5H", QR | RD | RA | flags | rcode, 1, len(answers),
        len(authority), 0) + query.question + b"".join(answers) \
        + b"".join(authority)


# --- the server --------------------------------------------------------------


class Dns:
    """What a name has, it says; of any other name it says NXDOMAIN."""

    def __init__(self, soa_ttl=300, soa_minimum=300, host="127.0.0.1"):
        self._host = host
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.asked = collections.Counter()
        self.over_tcp = collections.Counter()
        self.ids, self.ports = [], set()
        self._stopped = False
        self.soa = record("example", "SOA", soa_ttl, soa_minimum)
        self._records = {}      # name: {type: [(ttl, value)]}
        self._special = {}      # name: function of a query, to packets
        self.validates = False  # whether it says AD, to who says AD
        self._open()
        for work in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=work, daemon=True).start()

    def _open(self):
        """One port for both: the kernel's choice for UDP, if TCP has it."""
        while True:
            self._udp = socket.socket(self._family, socket.SOCK_DGRAM)
            self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            self._udp.bind((self._host, 0))
            self.port = self._udp.getsockname()[1]
            self._tcp = socket.socket(self._family, socket.SOCK_STREAM)
            self._stopped = False
            try:
                self._tcp.bind((self._host, self.port))
            except OSError:
                self.stop()
                continue
            self._tcp.listen(64)
            return

    @property
    def address(self):
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self.port}"

    def stop(self):
        self._stopped = True
        for sock in (self._udp, self._tcp):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass            # it only wakes who waits there
            sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # what it knows

    def add(self, name, kind, *values, ttl=300):
        self._records.setdefault(name, {}).setdefault(kind, []).extend(
            (ttl, value) for value in values)

    def special(self, name, packets):
        """`packets`: a function of the query: the packets that answer it;
        None among them: over TCP half a packet and the end."""
        self._special[name] = packets

    def rcode(self, name, code):
        self.special(name, lambda query: [reply(query, rcode=code)])

    def silent(self, *names):
        for name in names:
            self.special(name, lambda query: [])

    def truncated(self, name):
        """Over UDP it says only that there is more."""
        def packets(query):
            if query.tcp:
                return [self.answer(query)]
            return [reply(query, flags=TC)]
        self.special(name, packets)

    def later(self, query, seconds, packet):
        """Sends it when that time is over; to be called by a special."""
        def send():
            data = len(packet).to_bytes(2, "big") + packet
            try:
                if query.tcp:
                    query.client.sendall(data)
                else:
                    self._udp.sendto(packet, query.client)
            except OSError:
                pass            # nobody waits any more
        timer = threading.Timer(seconds, send)
        timer.daemon = True
        timer.start()
        return []

    # how it answers

    def answer(self, query):
        answers, name = [], query.name
        vouch = AD if self.validates and query.ad else 0
        for _ in range(20):
            known = self._records.get(name)
            if known is None:
                return reply(query, answers, NXDOMAIN, [self.soa], vouch)
            if query.type in known or "CNAME" not in known:
                break
            ttl, target = known["CNAME"][0]
            answers.append(record(name, "CNAME", ttl, target))
            name = target.lower()
        answers += [record(name, query.type, ttl, value)
                    for ttl, value in known.get(query.type, [])]
        return reply(query, answers, NOERROR,
                     [] if answers else [self.soa], vouch)

    def _packets(self, packet, tcp, client):
        query = parse(packet, tcp, client)
        (self.over_tcp if tcp else self.asked)[query.name, query.type] += 1
        self.ids.append(int.from_bytes(query.id, "big"))
        if query.name in self._special:
            return self._special[query.name](query)
        return [self.answer(query)]

    def _serve_udp(self):
        while True:
            try:
                packet, client = self._udp.recvfrom(4096)
                if self._stopped:
                    return
                self.ports.add(client[1])
                for answer in self._packets(packet, False, client):
                    self._udp.sendto(answer, client)
            except OSError:
                if self._stopped:
                    return
                # A client that is gone: ICMP says so here.

    def _serve_tcp(self):
        while True:
            try:
                client, _ = self._tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(client,),
                             daemon=True).start()

    def _talk(self, client):
        with client, client.makefile("rb") as received:
            while len(head := received.read(2)) == 2:
                packet = received.read(int.from_bytes(head, "big"))
                for answer in self._packets(packet, True, client):
                    if answer is None:
                        client.sendall(b"\x01\x00" + packet[:20])
                        return
                    client.sendall(
                        len(answer).to_bytes(2, "big") + answer)
