"""PUBLISH and its hand-shakes, in both directions."""

import raw
from cases.helpers import payloads, same, until
from raw import Wrong, publish, puback, pubcomp, pubrec, pubrel
from registry import add, case


def _pair(t, qos=2, topic="a"):
    """A publisher, and a subscriber that gets what it publishes."""
    subscriber = t.client("subscriber")
    subscriber.subscribe((topic, qos))
    return t.client("publisher"), subscriber


@case("4.3")
def each_qos_arrives_once(t):
    """Messages of each QoS are acknowledged and arrive once."""
    publisher, subscriber = _pair(t)
    for qos in (0, 1, 2):
        publisher.publish("a", b"%d" % qos, qos, pid=10 + qos)
    publisher.publish("a", b"end")
    same([m.payload for m in until(subscriber, b"end")], [b"0", b"1", b"2"])
    publisher.alive()
    subscriber.alive()


@case("3.8.4")
def delivery_has_the_lesser_qos(t):
    """A message is delivered with the lesser of its own QoS and that of the subscription."""
    subscriber, publisher = t.client("subscriber"), t.client("publisher")
    subscriber.subscribe(("0", 0), ("1", 1), ("2", 2))
    for granted in (0, 1, 2):
        for qos in (0, 1, 2):
            publisher.publish(str(granted), b"x", qos, pid=5)
            same(subscriber.accept(subscriber.got()).qos, min(granted, qos))


@case("3.3.1.3")
def live_messages_are_not_marked_retained(t):
    """To those already subscribed a retained message comes without the mark."""
    publisher, subscriber = _pair(t)
    publisher.publish("a", b"x", 1, retain=True)
    same(subscriber.accept(subscriber.got()).retain, False)


@case("4.3.3")
def duplicate_before_release_is_delivered_once(t):
    """A QoS 2 PUBLISH repeated before PUBREL is one message, and later ones stay themselves."""
    publisher, subscriber = _pair(t)
    publisher.ask(publish("a", b"one", 2, 5), pubrec(5))
    publisher.ask(publish("a", b"one", 2, 5, dup=True), pubrec(5))
    publisher.ask(pubrel(5), pubcomp(5))
    publisher.publish("a", b"two", 2, pid=6)
    publisher.publish("a", b"three", 2, pid=5)
    same(payloads(subscriber, 3), [b"one", b"two", b"three"])
    subscriber.alive()


@case("4.3.3")
def releases_in_any_order(t):
    """PUBRELs in another order than the PUBLISHes: each message arrives once."""
    publisher, subscriber = _pair(t)
    for pid in (31, 32, 33):
        publisher.ask(publish("a", b"%d" % pid, 2, pid), pubrec(pid))
    for pid in (32, 33, 31):
        publisher.ask(pubrel(pid), pubcomp(pid))
    same(sorted(payloads(subscriber, 3)), [b"31", b"32", b"33"])
    subscriber.alive()


@case("4.3.3")
def release_repeated_or_unknown_is_answered(t):
    """PUBREL is answered with PUBCOMP, again and when its message is unknown."""
    publisher, subscriber = _pair(t)
    publisher.publish("a", b"once", 2, pid=5)
    for pid in (5, 77):
        publisher.ask(pubrel(pid), pubcomp(pid))
    publisher.publish("a", b"end")
    same([m.payload for m in until(subscriber, b"end")], [b"once"])


@case("2.3.1")
def packet_ids_of_both_sides_are_their_own(t):
    """The same packet id in both directions at once names two messages."""
    client = t.client("client")
    client.subscribe(("a", 2))
    client.ask(publish("b", b"", 2, 1), pubrec(1))
    t.client("publisher").publish("a", b"down", 2)
    message = client.got()
    client.ask(pubrec(message.pid), pubrel(message.pid))
    client.ask(pubrel(1), pubcomp(1))
    client.send(pubcomp(message.pid))
    client.alive()


@case("4.6")
def order_of_messages(t):
    """Messages of one QoS arrive in the order they were published in."""
    for qos in (0, 1, 2):
        subscriber, publisher = t.client(f"s{qos}"), t.client(f"p{qos}")
        subscriber.subscribe((f"q{qos}", qos))
        for number in range(50):
            publisher.publish(f"q{qos}", b"%d" % number, qos, pid=number + 1)
        same(payloads(subscriber, 50), [b"%d" % number for number in range(50)])


@case("4.6")
def pubacks_in_any_order(t):
    """A subscriber may acknowledge QoS 1 in any order and stays connected."""
    publisher, subscriber = _pair(t, 1)
    for number in range(3):
        publisher.publish("a", b"%d" % number, 1)
    messages = [subscriber.got() for _ in range(3)]
    for message in reversed(messages):
        subscriber.send(puback(message.pid))
    subscriber.alive()
    publisher.publish("a", b"more", 1)
    same(subscriber.got().payload, b"more")


@case("4.3.3")
def hand_shakes_interleaved(t):
    """Several QoS 2 messages at once towards a client, ended in any order."""
    publisher, subscriber = _pair(t)
    for number in range(3):
        publisher.publish("a", b"%d" % number, 2)
    pids = [subscriber.got().pid for _ in range(3)]
    for pid in (pids[2], pids[0], pids[1]):
        subscriber.ask(pubrec(pid), pubrel(pid))
    for pid in (pids[1], pids[2], pids[0]):
        subscriber.send(pubcomp(pid))
    subscriber.alive()
    publisher.publish("a", b"more", 2)
    same(payloads(subscriber, 1), [b"more"])


@case("4.3.3")
def pubrec_repeated_is_released_again(t):
    """PUBREC sent twice is answered with PUBREL twice; the message comes once."""
    publisher, subscriber = _pair(t)
    publisher.publish("a", b"once", 2)
    pid = subscriber.got().pid
    subscriber.ask(pubrec(pid), pubrel(pid))
    subscriber.ask(pubrec(pid), pubrel(pid))
    subscriber.send(pubcomp(pid))
    publisher.publish("a", b"more", 0)
    same(subscriber.got().payload, b"more")


def _acknowledged_wrongly(t, qos, ack):
    """What becomes of a subscriber that answers a message with this."""
    publisher, subscriber = _pair(t, qos)
    publisher.publish("a", b"x", qos)
    subscriber.try_send(ack(subscriber.got().pid), raw.PINGREQ)
    return "closed" if subscriber.next() is None else "passed over"


for _name, _what, _qos, _ack in [
    ("pubrec_for_qos_1", "PUBREC for a message of QoS 1", 1, pubrec),
    ("pubcomp_for_qos_1", "PUBCOMP for a message of QoS 1", 1, pubcomp),
    ("puback_for_qos_2", "PUBACK for a message of QoS 2", 2, puback),
    ("pubcomp_before_pubrec", "PUBCOMP before PUBREC", 2, pubcomp),
]:
    add(
        _name,
        "4.8",
        f"{_what} closes the connection",
        lambda t, qos=_qos, ack=_ack: _acknowledged_wrongly(t, qos, ack),
        ["closed"],
    )


@case("4.3.3", "passed over")
def acknowledgement_nobody_waits_for(t):
    """PUBACK and PUBCOMP for an unknown packet id harm nobody; PUBREC is answered with PUBREL."""
    client = t.client("client")
    client.send(puback(7), pubcomp(8))
    client.alive()
    client.ask(pubrec(9), pubrel(9))
    return "passed over"


@case("3.3.5", "acknowledged")
def forbidden_topic(t):
    """A message the client may not publish is acknowledged and goes nowhere."""
    watch = t.client("watch")
    watch.subscribe(("up/#", 0))
    pile = t.client("pile", user="pile")
    pile.publish("up/other", b"forbidden", 1)
    pile.publish("up/pile/x", b"allowed", 1)
    same(watch.got().payload, b"allowed")
    return "acknowledged"


@case("2.2.3")
def lengths_around_each_size_of_the_field(t):
    """Messages whose length takes one, two and three bytes arrive whole."""
    publisher, subscriber = _pair(t)
    for length in (0, 1, 123, 124, 125, 126, 16_379, 16_380, 16_381, 60_000):
        publisher.publish("a", b"x" * length, 0)
        same(len(subscriber.got().payload), length)


@case("4.2")
def packets_in_pieces_and_in_heaps(t):
    """Packets may come in single bytes or many at once."""
    publisher, subscriber = _pair(t)
    for byte in publish("a", b"slow"):
        publisher.send(bytes([byte]))
    publisher.send(b"".join(publish("a", b"%d" % number) for number in range(100)))
    want = [b"slow"] + [b"%d" % number for number in range(100)]
    same(payloads(subscriber, 101), want)


@case("3.12.4")
def ping(t):
    """PINGREQ is answered."""
    client = t.client("client")
    client.send(raw.PINGREQ * 3)
    client.expect(raw.PINGRESP, raw.PINGRESP, raw.PINGRESP)


@case("3.14.4", "closed")
def nothing_after_disconnect(t):
    """After DISCONNECT the connection is closed, and what follows is not read."""
    publisher, subscriber = _pair(t)
    publisher.try_send(raw.DISCONNECT, publish("a", b"late"))
    publisher.expect_end()
    t.client("other").publish("a", b"end")
    if until(subscriber, b"end"):
        raise Wrong("what followed was published")
    return "closed"
