"""CONNECT: who gets in, and what the others are told."""

import concurrent.futures
import time

import raw
from cases.helpers import answer, same
from raw import Client, Will, Wrong, connect
from registry import add, case
from target import Settings


@case("3.2")
def login(t):
    """A right login gets CONNACK 0 without a session."""
    t.client("someone").alive()


@case("3.2.2.3", "CONNACK 4", "CONNACK 5")
def wrong_password(t):
    """A wrong password is answered, then the connection is closed."""
    return answer(t, connect("someone", "open", b"wrong"))


@case("3.2.2.3", "CONNACK 4", "CONNACK 5")
def unknown_user(t):
    """An unknown user is answered like a wrong password."""
    return answer(t, connect("someone", "nobody", b"open secret"))


@case("3.2.2.3", "CONNACK 4", "CONNACK 5")
def missing_login(t):
    """No login is answered, where one is needed."""
    return answer(t, connect("someone", None, None))


@case("3.2.2.3", "CONNACK 4", "CONNACK 5")
def missing_password(t):
    """A user name without a password is answered."""
    return answer(t, connect("someone", "open", None))


@case("3.1.3.5", "accepted")
def binary_password(t):
    """A password is bytes, not text."""
    return answer(t, connect("someone", "binary", b"\xff\xfe\x80\x01"))


@case("3.1.2.10", "accepted")
def keep_alive_zero(t):
    """Keep-alive 0 is none at all, and allowed."""
    return answer(t, connect("someone", keep_alive=0))


@case("3.1.3.1", "accepted")
def id_of_23_characters(t):
    """A client id of 23 letters and digits must be taken."""
    return answer(t, connect("abcxyzABCXYZ01234567890"))


@case("3.1.3.1", "accepted", "CONNACK 2")
def id_of_200_characters(t):
    """Longer client ids may be taken."""
    return answer(t, connect("x" * 200))


@case("3.1.3.1", "accepted", "CONNACK 2")
def id_with_signs_of_topics(t):
    """Client ids with signs that mean something in topics may be taken."""
    return answer(t, connect("pile/+/#/$01"))


@case("3.1.3.1")
def odd_ids_twice_harm_nobody(t):
    """Whatever an id with signs of topics gets, it gets again, and others are served."""
    for odd in ("pile/01", "a+b", "a#b", "$a"):
        same(answer(t, connect(odd)), answer(t, connect(odd)))
    t.client("someone").alive()


@case("3.1.3.1", "accepted", "CONNACK 2")
def empty_id(t):
    """Without a client id but with clean session, one may be given."""
    return answer(t, connect(""))


@case("3.1.3.1", "CONNACK 2")
def empty_id_with_a_session(t):
    """Without a client id there is no session to keep."""
    return answer(t, connect("", clean=False))


@case("3.1.2.2", "CONNACK 1")
def level_6(t):
    """An unknown level of the protocol is answered."""
    return answer(t, connect("someone", protocol=("MQTT", 6)))


@case("3.1.2.2", "CONNACK 1", "accepted")
def mqtt_5(t):
    """Another version that a broker may know: MQTT 5."""
    # No properties: length 0 behind the keep-alive, and so in front of the client id.
    head = raw.text("MQTT") + bytes([5, 0xC2, 0, 0, 0])
    body = head + raw.text("someone") + raw.text("open") + raw.text("open secret")
    return answer(t, raw.packet(0x10, body))


@case("3.1.2.1", "CONNACK 1", "closed", "accepted")
def mqtt_3_1(t):
    """Another version that a broker may know: MQTT 3.1."""
    return answer(t, connect("someone", protocol=("MQIsdp", 3)))


@case("3.1.2.1", "CONNACK 1", "closed")
def another_protocol(t):
    """A name that is no MQTT."""
    return answer(t, connect("someone", protocol=("HTTP", 4)))


@case("3.1.4", "accepted")
def connect_in_single_bytes(t):
    """A CONNECT may come in any pieces."""
    client = t.dial()
    for byte in connect("someone"):
        client.send(bytes([byte]))
    client.expect(b"\x20\x02\x00\x00")
    return "accepted"


@case("3.1.4", "accepted", "closed")
def connect_over_seven_seconds(t):
    """A CONNECT that takes its time may be cut."""
    client, data = t.dial(), connect("someone")
    end = time.monotonic() + 7
    for byte in data[:-1]:
        client.try_send(bytes([byte]))
        time.sleep(7 / len(data))
    time.sleep(max(0, end - time.monotonic()))
    client.try_send(data[-1:])
    return "closed" if client.next() is None else "accepted"


@case("3.1.4")
def packets_behind_connect(t):
    """A client need not wait for CONNACK."""
    client = t.dial()
    wish, message = raw.subscribe(1, ("a", 0)), raw.publish("a", b"early")
    client.send(connect("someone") + wish + message + raw.PINGREQ)
    client.expect(b"\x20\x02\x00\x00", raw.suback(1, 0))
    # The message goes by way of a router, the answer does not.
    same(sorted(client.packet() for _ in range(2)), sorted([raw.publish("a", b"early"), raw.PINGRESP]))


@case("3.1", settings=Settings(max_connections=2))
def full_broker_refuses_and_recovers(t):
    """A full broker refuses as often as asked, and has room again when somebody goes."""
    guests = [t.client("0"), t.client("1")]
    # One broker counts one fewer than there are.
    while len(guests) < 5 and (refused := _knock(t, guests)) is None:
        pass
    if refused not in ("CONNACK 3", "closed"):
        raise Wrong(f"{len(guests)} are in, then: {refused}")
    for _ in range(3):
        same(answer(t, connect("more")), refused)
    guests.pop().leave()
    while answer(t, connect("more")) != "accepted":
        time.sleep(0.02)
    guests[0].alive()


def _knock(t, guests):
    """Another guest gets in, or this is the answer."""
    client = t.dial()
    client.try_send(connect(str(len(guests))))
    data = client.next()
    if data == b"\x20\x02\x00\x00":
        guests.append(client)
        return None
    return "closed" if data is None else f"CONNACK {data[3]}"


@case("4.2")
def silent_connections_stop_nobody(t):
    """300 connections that say nothing, and the others are served."""
    silent = [t.dial() for _ in range(300)]
    for number in range(10):
        t.client(f"someone{number}").alive()
    for connection in silent:
        connection.cut()


@case("3.1.4")
def take_over_storm(t):
    """Eight threads fight for one client id; one client is left, and it is served."""

    def fight():
        for number in range(40):
            client = Client(t.port)
            client.try_send(connect("same", clean=bool(number % 2)))
            client.next()
            client.cut()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for fought in [pool.submit(fight) for _ in range(8)]:
            fought.result()
    client = t.client("same")
    client.subscribe(("a", 1))
    client.publish("b", b"", qos=1, pid=7)
    client.alive()


@case("3.1.2.5", "CONNACK 5", "accepted")
def will_on_a_forbidden_topic(t):
    """A will that the client may not publish is refused, or never published."""
    watch = t.client("watch")
    watch.subscribe(("up/other", 0))
    will = Will("up/other", b"forbidden")
    word = answer(t, connect("pile", "pile", b"pile secret", will=will))
    t.client("open").publish("up/other", b"allowed")
    same(watch.got().payload, b"allowed")
    return word


# What is no CONNECT of MQTT 3.1.1, all to be closed without an answer. The flags are those of
# the account "open": clean session, user name, password.
_BROKEN = [
    ("connect_fixed_flags", "2.2.2", "flags in the fixed header", b"\x11" + connect("x")[1:]),
    ("connect_reserved_flag", "3.1.2.3", "the reserved flag", connect("x", flags=0x01)),
    ("connect_will_qos_without_will", "3.1.2.6", "a QoS of no will", connect("x", flags=0x08)),
    ("connect_will_qos_3", "3.1.2.6", "a will with QoS 3", connect("x", will=Will("a", b"", 3))),
    ("connect_retain_without_will", "3.1.2.7", "retain of no will", connect("x", flags=0x20)),
    ("connect_password_alone", "3.1.2.9", "a password without user", connect("x", user=None)),
    ("connect_missing_field", "3.1.3", "a field that is missing", connect("x", password=None, flags=0x40)),
    ("connect_field_too_many", "3.1.3", "bytes behind the last field", connect("x", tail=b"more")),
    ("connect_will_topic_with_wildcard", "3.3.2.1", "a will on a filter", connect("x", will=Will("a/#", b""))),
    ("connect_user_no_utf8", "1.5.3", "a user name that is no UTF-8", connect("x", user=b"\xc0\xaf")),
    ("publish_before_connect", "3.1", "PUBLISH as first packet", raw.publish("a", b"x")),
    ("ping_before_connect", "3.1", "PINGREQ as first packet", raw.PINGREQ),
    ("garbage_before_connect", "3.1", "a request of HTTP", b"GET / HTTP/1.1\r\n\r\n"),
]
for name, section, what, data in _BROKEN:
    add(name, section, f"A connection that begins with {what} is closed", lambda t, data=data: answer(t, data), ["closed"])

for name, what, value in [
    ("id_no_utf8", "that is no UTF-8", b"\xff\xfe"),
    ("id_with_nul", "with U+0000", "a\0b"),
    ("id_with_surrogate", "with a surrogate", b"\xed\xa0\x80"),
]:
    add(
        name,
        "1.5.3",
        f"A client id {what} does not get in",
        lambda t, value=value: answer(t, connect(value)),
        ["closed", "CONNACK 2"],
    )
