"""Retained messages."""

from cases.helpers import same, until
from registry import case


def _kept(t, topic="r", name="late"):
    """What a new subscriber gets at once: payload, QoS, mark."""
    client = t.client(name)
    client.subscribe((topic, 2))
    t.client("marker").publish(topic, b"end")
    messages = until(client, b"end")
    client.leave()
    return [(m.payload, m.qos, m.retain) for m in messages]


@case("3.3.1.3")
def retained_reaches_later_subscribers(t):
    """The last retained message of a topic reaches a later subscriber, marked."""
    publisher = t.client("publisher")
    publisher.publish("r", b"old", 1, retain=True)
    publisher.publish("r", b"new", 1, retain=True)
    same(_kept(t), [(b"new", 1, True)])


@case("3.8.4")
def retained_has_the_lesser_qos(t):
    """A retained message is delivered with the lesser QoS too."""
    publisher, client = t.client("publisher"), t.client("client")
    for qos in (0, 1, 2):
        publisher.publish(f"r/{qos}", b"x", qos, retain=True)
    for granted in (0, 1, 2):
        for qos in (0, 1, 2):
            client.subscribe((f"r/{qos}", granted))
            same(client.accept(client.got()).qos, min(granted, qos))


@case("3.3.1.3")
def empty_retained_clears(t):
    """An empty retained message clears, and itself is not kept."""
    publisher = t.client("publisher")
    publisher.publish("r", b"x", 1, retain=True)
    publisher.publish("r", b"", 1, retain=True)
    same(_kept(t), [])


@case("3.3.1.3")
def empty_not_retained_leaves_the_retained(t):
    """An empty message without the mark clears nothing."""
    publisher = t.client("publisher")
    publisher.publish("r", b"x", 1, retain=True)
    publisher.publish("r", b"", 1)
    same(_kept(t), [(b"x", 1, True)])


@case("3.3.1.3")
def plain_message_leaves_the_retained(t):
    """A message without the mark replaces nothing."""
    publisher = t.client("publisher")
    publisher.publish("r", b"x", 1, retain=True)
    publisher.publish("r", b"y", 1)
    same(_kept(t), [(b"x", 1, True)])


@case("3.8.4")
def subscribing_again_sends_the_retained_again(t):
    """Each SUBSCRIBE brings the retained messages, also to a filter held already."""
    t.client("publisher").publish("r", b"x", 1, retain=True)
    client = t.client("client")
    for _ in range(2):
        client.subscribe(("r", 0))
        same(client.got().payload, b"x")


@case("3.8.4")
def retained_by_wildcards(t):
    """A filter with wildcards brings all retained messages that match it."""
    publisher = t.client("publisher")
    for topic in ("r/a", "r/b/c", "s"):
        publisher.publish(topic, topic.encode(), 1, retain=True)
    client = t.client("client")
    client.subscribe(("r/#", 0))
    same(sorted([client.got().payload, client.got().payload]), [b"r/a", b"r/b/c"])
    client.alive()


@case("3.3.1.3")
def retained_outlives_its_publisher(t):
    """A retained message does not belong to the session that published it."""
    publisher = t.client("publisher")
    publisher.publish("r", b"x", 1, retain=True)
    publisher.leave()
    t.client("publisher").leave()
    same(_kept(t), [(b"x", 1, True)])
