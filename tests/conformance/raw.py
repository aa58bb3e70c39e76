"""MQTT 3.1.1 byte by byte: packets as they are made, right or wrong, and one TCP connection."""

import socket
import struct
from typing import NamedTuple

# Only what hangs waits this long.
PATIENCE_S = 30

PINGREQ = b"\xc0\x00"
PINGRESP = b"\xd0\x00"
DISCONNECT = b"\xe0\x00"


class Wrong(Exception):
    """The broker did something else than it should."""


def text(value):
    """A string with its length; bytes are taken as they are."""
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(data)) + data


def packet(first, body=b""):
    """Fixed header and body."""
    lengths, rest = bytearray(), len(body)
    while True:
        low, rest = rest % 128, rest // 128
        lengths.append(low | (0x80 if rest else 0))
        if not rest:
            return bytes([first]) + bytes(lengths) + body


class Will(NamedTuple):
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False

    def flags(self):
        return 0x04 | self.qos << 3 | self.retain << 5


def connect(
    client_id,
    user="open",
    password=b"open secret",
    clean=True,
    keep_alive=0,
    will=None,
    protocol=("MQTT", 4),
    flags=0,
    tail=b"",
):
    """CONNECT; `flags` are set in addition, `tail` follows the payload."""
    flags |= 0x02 if clean else 0
    payload = text(client_id)
    if will is not None:
        flags |= will.flags()
        payload += text(will.topic) + text(will.payload)
    if user is not None:
        flags |= 0x80
        payload += text(user)
    if password is not None:
        flags |= 0x40
        payload += text(password)
    name, level = protocol
    head = text(name) + bytes([level, flags]) + struct.pack("!H", keep_alive)
    return packet(0x10, head + payload + tail)


def publish(topic, payload=b"", qos=0, pid=0, dup=False, retain=False):
    return publish_flags(topic, payload, dup << 3 | qos << 1 | retain, pid)


def publish_flags(topic, payload, flags, pid=0):
    """PUBLISH with any flags; the packet id is left out where the QoS says so."""
    pid = struct.pack("!H", pid) if flags & 0x06 else b""
    return packet(0x30 | flags, text(topic) + pid + payload)


def subscribe(pid, *filters):
    """SUBSCRIBE to (filter, QoS)."""
    wishes = b"".join(text(wish) + bytes([qos]) for wish, qos in filters)
    return packet(0x82, struct.pack("!H", pid) + wishes)


def unsubscribe(pid, *filters):
    return packet(0xA2, struct.pack("!H", pid) + b"".join(map(text, filters)))


def ack(first, pid):
    return packet(first, struct.pack("!H", pid))


def puback(pid):
    return ack(0x40, pid)


def pubrec(pid):
    return ack(0x50, pid)


def pubrel(pid):
    return ack(0x62, pid)


def pubcomp(pid):
    return ack(0x70, pid)


def suback(pid, *codes):
    return packet(0x90, struct.pack("!H", pid) + bytes(codes))


def unsuback(pid):
    return ack(0xB0, pid)


class Got(NamedTuple):
    """A PUBLISH that came in."""

    topic: str
    payload: bytes
    qos: int
    pid: int
    dup: bool
    retain: bool


def parse(data):
    """The PUBLISH in a whole packet, or nothing if it is another."""
    if data[0] >> 4 != 3:
        return None
    at = 1
    while data[at] & 0x80:
        at += 1
    body, qos = data[at + 1 :], data[0] >> 1 & 3
    (length,) = struct.unpack_from("!H", body)
    end, pid = 2 + length, 0
    if qos:
        (pid,) = struct.unpack_from("!H", body, end)
        end += 2
    topic = body[2 : 2 + length].decode()
    return Got(topic, body[end:], qos, pid, bool(data[0] & 8), bool(data[0] & 1))


class Client:
    """One TCP connection. Whatever is not expected is `Wrong`."""

    def __init__(self, port, receive_buffer=None):
        self.sock = socket.socket()
        self.sock.settimeout(PATIENCE_S)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        # QoS 2 messages that were accepted and are not released yet.
        self._accepted = set()

    def send(self, *packets):
        self.sock.sendall(b"".join(packets))

    def try_send(self, *packets):
        """Sends what may meet a closed connection."""
        try:
            self.send(*packets)
        except OSError:
            pass

    def cut(self):
        """Closes without DISCONNECT."""
        self.sock.close()

    def leave(self):
        """DISCONNECT, and waits until the broker has closed too."""
        self.send(DISCONNECT)
        self.sock.shutdown(socket.SHUT_WR)
        while self.next() is not None:
            pass
        self.sock.close()

    def next(self):
        """The next whole packet; nothing at the end of the connection."""
        while True:
            size = self._whole()
            if size:
                data, self._buffer = self._buffer[:size], self._buffer[size:]
                return data
            try:
                chunk = self.sock.recv(65536)
            except TimeoutError:
                raise Wrong(f"nothing came for {PATIENCE_S} s") from None
            except OSError:
                return None
            if not chunk:
                return None
            self._buffer += chunk

    def _whole(self):
        """Length of the first packet if all of it is here, else 0."""
        rest = 0
        for at, byte in enumerate(self._buffer[1:5]):
            rest |= (byte & 0x7F) << 7 * at
            if not byte & 0x80:
                size = 2 + at + rest
                return size if len(self._buffer) >= size else 0
        return 0

    def packet(self):
        """The next whole packet; what ends the hand-shake of an accepted message is answered."""
        while True:
            data = self.next()
            if data is None:
                raise Wrong("the connection was closed")
            pid = struct.unpack("!H", data[2:])[0] if data[0] == 0x62 else 0
            if pid not in self._accepted:
                return data
            self._accepted.remove(pid)
            self.send(pubcomp(pid))

    def expect(self, *packets):
        """Exactly these, in this order."""
        for want in packets:
            data = self.packet()
            if data != want:
                raise Wrong(f"{want[:40].hex(' ')} wanted, {data[:40].hex(' ')} came")

    def ask(self, question, answer):
        self.send(question)
        self.expect(answer)

    def got(self):
        """The next packet, which must be a PUBLISH."""
        data = self.packet()
        message = parse(data)
        if message is None:
            raise Wrong(f"a PUBLISH wanted, {data[:40].hex(' ')} came")
        return message

    def expect_end(self):
        data = self.next()
        if data is not None:
            raise Wrong(f"the end wanted, {data[:40].hex(' ')} came")

    def subscribe(self, *filters):
        """Subscribes to (filter, QoS), all to be granted as asked for."""
        self.ask(subscribe(1000, *filters), suback(1000, *(qos for _, qos in filters)))

    def publish(self, topic, payload=b"", qos=0, pid=1, retain=False):
        """Publishes, with the whole hand-shake."""
        self.send(publish(topic, payload, qos, pid if qos else 0, retain=retain))
        if qos == 1:
            self.expect(puback(pid))
        if qos == 2:
            self.expect(pubrec(pid))
            self.ask(pubrel(pid), pubcomp(pid))

    def accept(self, message):
        """Acknowledges a PUBLISH; the rest of its hand-shake goes on by itself."""
        if message.qos == 1:
            self.send(puback(message.pid))
        if message.qos == 2:
            self._accepted.add(message.pid)
            self.send(pubrec(message.pid))
        return message

    def alive(self):
        """Whether the broker still answers, and had nothing else to say."""
        self.ask(PINGREQ, PINGRESP)
