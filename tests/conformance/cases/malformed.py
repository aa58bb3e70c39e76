"""Packets that no client may send, after a right login: the connection is closed, and nobody
else is harmed."""

import raw
from raw import packet, publish, publish_flags, text
from registry import add, case
from target import Settings


def _sent(t, data):
    """What becomes of a client that sends this."""
    other, client = t.client("other"), t.client("client")
    client.try_send(data, raw.PINGREQ)
    answer = client.next()
    other.alive()
    if answer is None:
        return "closed"
    return "passed over" if answer == raw.PINGRESP else "answered"


def _wish(*body):
    return packet(0x82, b"".join(body))


_ID = b"\x00\x07"

_BROKEN = [
    ("second_connect", "3.1", "a second CONNECT", raw.connect("client")),
    ("publish_qos_3", "3.3.1.2", "PUBLISH with QoS 3", publish_flags("a", b"x", 6, 1)),
    ("publish_dup_qos_0", "3.3.1.1", "PUBLISH with DUP and QoS 0", publish_flags("a", b"x", 8)),
    ("publish_qos_1_id_0", "2.3.1", "PUBLISH with QoS 1 and packet id 0", publish("a", b"x", 1, 0)),
    ("publish_qos_2_id_0", "2.3.1", "PUBLISH with QoS 2 and packet id 0", publish("a", b"x", 2, 0)),
    ("publish_without_id", "3.3.2.2", "PUBLISH cut off before its packet id", packet(0x32, text("a"))),
    ("publish_topic_hash", "3.3.2.1", "PUBLISH to a/#", publish("a/#", b"x", 1, 1)),
    ("publish_topic_plus", "3.3.2.1", "PUBLISH to a/+/b", publish("a/+/b", b"x", 1, 1)),
    ("publish_topic_empty", "4.7.3", "PUBLISH to an empty topic", publish("", b"x", 1, 1)),
    ("publish_topic_nul", "1.5.3", "PUBLISH to a topic with U+0000", publish("a\0b", b"x", 1, 1)),
    ("publish_topic_no_utf8", "1.5.3", "PUBLISH to a topic that is no UTF-8", publish(b"a\xff", b"x", 1, 1)),
    ("publish_topic_overlong_utf8", "1.5.3", "PUBLISH to a topic in overlong UTF-8", publish(b"a\xc0\x80", b"x", 1, 1)),
    ("publish_topic_beyond_packet", "3.3.2.1", "PUBLISH with a topic longer than itself", packet(0x30, b"\x00\x09abc")),
    ("subscribe_flags", "3.8.1", "SUBSCRIBE with flags 0", b"\x80" + raw.subscribe(7, ("a", 0))[1:]),
    ("subscribe_id_0", "2.3.1", "SUBSCRIBE with packet id 0", raw.subscribe(0, ("a", 0))),
    ("subscribe_without_filter", "3.8.3", "SUBSCRIBE without a filter", _wish(_ID)),
    ("subscribe_without_qos", "3.8.3", "SUBSCRIBE without a QoS", _wish(_ID, text("a"))),
    ("subscribe_qos_3", "3.8.3", "SUBSCRIBE with QoS 3", raw.subscribe(7, ("a", 3))),
    ("subscribe_reserved_bits", "3.8.3", "SUBSCRIBE with reserved bits of the QoS", raw.subscribe(7, ("a", 0x81))),
    ("subscribe_empty_filter", "4.7.3", "SUBSCRIBE to an empty filter", raw.subscribe(7, ("", 0))),
    ("subscribe_hash_in_a_level", "4.7.1.2", "SUBSCRIBE to a#", raw.subscribe(7, ("a#", 0))),
    ("subscribe_hash_not_last", "4.7.1.2", "SUBSCRIBE to a/#/b", raw.subscribe(7, ("a/#/b", 0))),
    ("subscribe_plus_in_a_level", "4.7.1.3", "SUBSCRIBE to a/b+", raw.subscribe(7, ("a/b+", 0))),
    ("subscribe_no_utf8", "1.5.3", "SUBSCRIBE to a filter that is no UTF-8", raw.subscribe(7, (b"\xff", 0))),
    ("subscribe_nul", "1.5.3", "SUBSCRIBE to a filter with U+0000", raw.subscribe(7, ("a\0", 0))),
    ("subscribe_good_and_bad_filter", "4.7.1.2", "SUBSCRIBE to a filter and to a#", raw.subscribe(7, ("a", 0), ("a#", 0))),
    ("unsubscribe_flags", "3.10.1", "UNSUBSCRIBE with flags 0", b"\xa0" + raw.unsubscribe(7, "a")[1:]),
    ("unsubscribe_id_0", "2.3.1", "UNSUBSCRIBE with packet id 0", raw.unsubscribe(0, "a")),
    ("unsubscribe_without_filter", "3.10.3", "UNSUBSCRIBE without a filter", packet(0xA2, _ID)),
    ("puback_flags", "2.2.2", "PUBACK with flags", packet(0x41, _ID)),
    ("pubrec_flags", "2.2.2", "PUBREC with flags", packet(0x52, _ID)),
    ("pubrel_flags", "3.6.1", "PUBREL with flags 0", packet(0x60, _ID)),
    ("pubcomp_flags", "2.2.2", "PUBCOMP with flags", packet(0x71, _ID)),
    ("puback_short", "3.4.2", "PUBACK of one byte", packet(0x40, b"\x07")),
    ("pubrel_short", "3.6.2", "PUBREL without a packet id", packet(0x62)),
    ("ping_flags", "2.2.2", "PINGREQ with flags", packet(0xC1)),
    ("disconnect_flags", "3.14.1", "DISCONNECT with flags", packet(0xE1)),
    ("connack_from_client", "2.2.1", "CONNACK, which only a server sends", packet(0x20, b"\0\0")),
    ("suback_from_client", "2.2.1", "SUBACK, which only a server sends", raw.suback(7, 0)),
    ("unsuback_from_client", "2.2.1", "UNSUBACK, which only a server sends", raw.unsuback(7)),
    ("pingresp_from_client", "2.2.1", "PINGRESP, which only a server sends", raw.PINGRESP),
    ("type_0", "2.2.1", "a packet of type 0", packet(0x00)),
    ("type_15", "2.2.1", "a packet of type 15", packet(0xF0)),
    ("length_of_five_bytes", "2.2.3", "a remaining length of five bytes", b"\x30\xff\xff\xff\xff\x01"),
]
for name, section, what, data in _BROKEN:
    title = f"{what[0].upper()}{what[1:]} closes the connection"
    add(name, section, title, lambda t, data=data: _sent(t, data), ["closed"])


@case("4.8", "closed", settings=Settings(max_packet_bytes=10_000))
def oversize_packet(t):
    """A packet above the configured limit closes the connection."""
    return _sent(t, publish("a", b"x" * 20_000, 1, 1))


@case("4.8", settings=Settings(max_packet_bytes=10_000))
def largest_packet(t):
    """A packet as long as the limit passes."""
    client = t.client("client")
    client.subscribe(("a", 0))
    # Not quite: one broker counts the fixed header in.
    client.send(publish("a", b"x" * 9_990))
    if len(client.got().payload) != 9_990:
        return "cut"
