"""SUBSCRIBE, UNSUBSCRIBE, filters."""

import raw
from cases.helpers import same, until
from raw import Wrong, suback, unsuback
from registry import case


@case("3.8.4")
def granted_in_the_order_asked_for(t):
    """SUBACK has one code for each filter, in order."""
    client = t.client("client")
    wishes = ("a", 2), ("b", 0), ("c", 1)
    client.ask(raw.subscribe(77, *wishes), suback(77, 2, 0, 1))


@case("3.8.4")
def subscribing_again_changes_the_qos(t):
    """A filter held already gets the new QoS, and is still one subscription."""
    client, publisher = t.client("client"), t.client("publisher")
    client.subscribe(("a", 2))
    client.subscribe(("a", 0))
    publisher.publish("a", b"x", 1)
    publisher.publish("a", b"end")
    same([m.qos for m in until(client, b"end")], [0])


@case("3.3.5", "once", "for each filter")
def overlapping_filters(t):
    """A message that matches several filters comes once, or once for each."""
    client, publisher = t.client("client"), t.client("publisher")
    client.subscribe(("a/#", 2), ("a/+", 1))
    publisher.publish("a/b", b"x", 2)
    publisher.publish("a/b", b"end")
    # The marker may come twice too.
    messages = until(client, b"end")
    if max(m.qos for m in messages) != 2:
        return "with the lesser QoS"
    return {1: "once", 2: "for each filter"}[len(messages)]


@case("3.10.4")
def unsubscribe_of_the_unknown_is_answered(t):
    """UNSUBSCRIBE is answered, whether there was a subscription or not."""
    client = t.client("client")
    client.ask(raw.unsubscribe(7, "never/seen"), unsuback(7))
    client.ask(raw.unsubscribe(8, "never", "seen/+"), unsuback(8))


@case("3.10.4")
def unsubscribed_means_silence(t):
    """After UNSUBACK nothing new comes of that filter; others go on."""
    client, publisher = t.client("client"), t.client("publisher")
    client.subscribe(("a", 0), ("b", 0))
    client.ask(raw.unsubscribe(7, "a"), unsuback(7))
    publisher.publish("a", b"x", 1)
    publisher.publish("b", b"end")
    same(until(client, b"end"), [])


@case("3.10.4")
def unsubscribe_compares_the_text_of_filters(t):
    """A filter is unsubscribed by its own text, not by what it matches."""
    client, publisher = t.client("client"), t.client("publisher")
    client.subscribe(("a/+", 0))
    client.ask(raw.unsubscribe(7, "a/b", "a/#"), unsuback(7))
    publisher.publish("a/b", b"x")
    same(client.got().payload, b"x")


# Filter, topic, whether it matches (4.7).
_MATCHES = [
    ("a/b", "a/b", True),
    ("a/b", "a/B", False),
    ("a/b", "a/b/", False),
    ("a/b", "/a/b", False),
    ("a/+", "a/b", True),
    ("a/+", "a/", True),
    ("a/+", "a", False),
    ("a/+", "a/b/c", False),
    ("+/b", "a/b", True),
    ("+/+", "/b", True),
    ("/+", "/b", True),
    ("+", "/b", False),
    ("+", "a", True),
    ("a/#", "a", True),
    ("a/#", "a/b/c", True),
    ("a/#", "ab", False),
    ("#", "a/b/c", True),
    ("#", "/", True),
    ("+/#", "a", True),
    ("a//b", "a//b", True),
    ("a/+/b", "a//b", True),
    ("#", "$x/a", False),
    ("+/a", "$x/a", False),
    ("a b", "a b", True),
    ("ä/+", "ä/€", True),
]


@case("4.7")
def filters_match_as_they_should(t):
    """Wildcards, empty levels, leading slashes, capitals, blanks, and topics that begin with $."""
    publisher = t.client("publisher")
    for number, (wish, topic, matches) in enumerate(_MATCHES):
        client = t.client(f"client{number}")
        client.subscribe((wish, 0), ("end", 0))
        publisher.publish(topic, b"x")
        publisher.publish("end", b"end")
        came = [m.topic for m in until(client, b"end")]
        if came != [topic] * matches:
            raise Wrong(f"{wish} and {topic}: {came}")
        client.leave()


@case("4.7", "granted")
def everything_for_who_may_have_it(t):
    """# is granted to an account with a right to everything."""
    client = t.client("client")
    client.subscribe(("#", 0))
    t.client("publisher").publish("any/thing", b"x")
    same(client.got().topic, "any/thing")
    return "granted"


@case("3.9.3", "refused", "granted")
def everything_for_who_may_not(t):
    """# is refused to an account without the right, or brings only what it may have."""
    reader, publisher = t.client("reader", user="reader"), t.client("publisher")
    reader.send(raw.subscribe(7, ("#", 0)))
    code = reader.packet()[-1]
    if code == 0x80:
        reader.subscribe(("up/#", 0))
    publisher.publish("down/secret", b"x")
    publisher.publish("up/a", b"end")
    same(until(reader, b"end"), [])
    return "refused" if code == 0x80 else "granted"


@case("4.7.2", "refused", "granted")
def state_of_the_broker(t):
    """$SYS/# may be granted or refused; the client stays."""
    client = t.client("client")
    client.send(raw.subscribe(7, ("$SYS/#", 0)))
    code = client.packet()[-1]
    client.send(raw.PINGREQ)
    while client.packet() != raw.PINGRESP:
        pass
    return "refused" if code == 0x80 else "granted"


@case("4.7.2", "refused", "granted")
def shared_subscription(t):
    """$share is no part of MQTT 3.1.1; whatever it gets, a cut link then harms nobody."""
    client, publisher = t.kept("client"), t.client("publisher")
    client.send(raw.subscribe(7, ("$share/group/a", 1)))
    code = client.packet()[-1]
    publisher.publish("a", b"x", 1)
    client.cut()
    for number in range(3):
        publisher.publish("a", b"%d" % number, 1)
    t.kept("client", session=True).cut()
    other = t.client("other")
    other.subscribe(("a", 0))
    publisher.publish("a", b"end")
    same(other.got().payload, b"end")
    return "refused" if code == 0x80 else "granted"


@case("4.7.3", "granted", "closed")
def filter_of_100_levels(t):
    """A filter of very many levels."""
    client = t.client("client")
    client.send(raw.subscribe(7, ("/".join("x" * 100), 0)))
    data = client.next()
    if data is None:
        return "closed"
    same(data, suback(7, 0))
    return "granted"


@case("3.8.4")
def a_publisher_gets_its_own_message(t):
    """A client that has subscribed gets what it publishes itself."""
    client = t.client("client")
    client.subscribe(("a", 0))
    client.publish("a", b"own")
    same(client.got().payload, b"own")
