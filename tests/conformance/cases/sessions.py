"""What is kept from one connection of a client to its next."""

import raw
from cases.helpers import payloads, same, until
from raw import Wrong, publish, puback, pubcomp, pubrec, pubrel
from registry import case


@case("3.1.2.4")
def session_is_found_again(t):
    """With clean session 0 the session and its subscriptions are found again."""
    client = t.kept("client")
    client.subscribe(("a", 1))
    client.leave()
    client = t.kept("client", session=True)
    t.client("publisher").publish("a", b"x", 1)
    same(client.got().payload, b"x")


@case("3.1.2.4")
def clean_session_forgets(t):
    """With clean session 1 the old session is gone, and none is kept."""
    client = t.kept("client")
    client.subscribe(("a", 1))
    client.leave()
    t.client("publisher").publish("a", b"x", 1)
    t.client("client").leave()
    client = t.kept("client")
    client.subscribe(("b", 0))
    t.client("other").publish("b", b"end")
    same(until(client, b"end"), [])


@case("3.1.2.4", "dropped", "kept")
def qos_0_while_away(t):
    """Messages with QoS 0 for a client that is away may be kept or dropped; others are kept."""
    client = t.kept("client")
    client.subscribe(("a", 2))
    client.leave()
    publisher, witness = t.client("publisher"), t.client("witness")
    witness.subscribe(("a", 0))
    for qos in (0, 1, 2):
        publisher.publish("a", b"%d" % qos, qos)
    # Now they have gone to whoever was there.
    payloads(witness, 3)
    client = t.kept("client", session=True)
    came = [client.accept(client.got())]
    if came[0].payload == b"0":
        came.append(client.accept(client.got()))
    came.append(client.accept(client.got()))
    same([m.payload for m in came[-2:]], [b"1", b"2"])
    return "dropped" if len(came) == 2 else "kept"


@case("4.3.3")
def cut_between_pubrec_and_pubrel(t):
    """A publisher's link lost after PUBREC: PUBREL on the next one, and the message came once."""
    subscriber = t.client("subscriber")
    subscriber.subscribe(("a", 2))
    client = t.kept("client")
    client.ask(publish("a", b"one", 2, 5), pubrec(5))
    client.cut()
    client = t.kept("client", session=True)
    client.ask(pubrel(5), pubcomp(5))
    client.publish("a", b"two", 2, pid=5)
    same(payloads(subscriber, 2), [b"one", b"two"])


@case("4.3.3")
def cut_before_pubrec(t):
    """A publisher that never saw PUBREC repeats the message; it came once."""
    subscriber = t.client("subscriber")
    subscriber.subscribe(("a", 2))
    client = t.kept("client")
    client.send(publish("a", b"one", 2, 5))
    # It has surely been read when this comes back.
    client.expect(pubrec(5))
    client.cut()
    client = t.kept("client", session=True)
    client.ask(publish("a", b"one", 2, 5, dup=True), pubrec(5))
    client.ask(pubrel(5), pubcomp(5))
    client.publish("a", b"two", 2, pid=6)
    same(payloads(subscriber, 2), [b"one", b"two"])


@case("4.3.3")
def clean_session_forgets_unreleased(t):
    """In a new session an id used before names a new message."""
    subscriber = t.client("subscriber")
    subscriber.subscribe(("a", 2))
    client = t.client("client")
    client.ask(publish("a", b"one", 2, 5), pubrec(5))
    client.cut()
    client = t.client("client")
    client.publish("a", b"two", 2, pid=5)
    messages = payloads(subscriber, 1)
    if messages == [b"one"]:
        messages = payloads(subscriber, 1)
    same(messages, [b"two"])


@case("4.4")
def unacknowledged_come_again(t):
    """On the next connection what was not acknowledged comes again, same id, marked DUP."""
    for qos in (1, 2):
        client = t.kept(f"client{qos}")
        client.subscribe((f"a{qos}", qos))
        publisher = t.client(f"publisher{qos}")
        for number in range(3):
            publisher.publish(f"a{qos}", b"%d" % number, qos)
        first = [client.got() for _ in range(3)]
        client.cut()
        client = t.kept(f"client{qos}", session=True)
        again = [client.got() for _ in range(3)]
        same(again, [m._replace(dup=True) for m in first])
        client.alive()


@case("4.4")
def release_comes_again(t):
    """A subscriber's link lost after its PUBREC: PUBREL comes again, the message does not."""
    client = t.kept("client")
    client.subscribe(("a", 2))
    publisher = t.client("publisher")
    publisher.publish("a", b"x", 2)
    pid = client.got().pid
    client.ask(pubrec(pid), pubrel(pid))
    client.cut()
    client = t.kept("client", session=True)
    client.expect(pubrel(pid))
    client.send(pubcomp(pid))
    publisher.publish("a", b"more", 2)
    same(payloads(client, 1), [b"more"])
    client.alive()
    client.leave()
    t.kept("client", session=True).alive()


@case("4.4")
def acknowledged_does_not_come_again(t):
    """What was acknowledged does not come again."""
    client = t.kept("client")
    client.subscribe(("a", 2))
    publisher = t.client("publisher")
    for qos in (1, 2):
        publisher.publish("a", b"%d" % qos, qos)
    payloads(client, 2)
    client.alive()
    client.leave()
    t.kept("client", session=True).alive()


@case("4.6")
def order_over_a_cut(t):
    """What was kept while away comes in its order, after what was under way."""
    client = t.kept("client")
    client.subscribe(("a", 1))
    publisher = t.client("publisher")
    publisher.publish("a", b"0", 1)
    same(client.got().payload, b"0")
    client.cut()
    for number in range(1, 40):
        publisher.publish("a", b"%d" % number, 1)
    client = t.kept("client", session=True)
    same(payloads(client, 40), [b"%d" % number for number in range(40)])


@case("3.1.4")
def take_over_keeps_the_session(t):
    """A second connection of a client id ends the first, and goes on with its session."""
    old = t.kept("client")
    old.subscribe(("a", 1))
    new = t.kept("client", session=True)
    old.expect_end()
    t.client("publisher").publish("a", b"x", 1)
    same(new.got().payload, b"x")


@case("3.1.4", "taken over", "apart")
def same_id_of_two_accounts(t):
    """One client id under two logins: a take-over, or two clients."""
    first = t.client("client")
    t.client("client", user="pile").alive()
    first.try_send(raw.PINGREQ)
    return "taken over" if first.next() is None else "apart"


@case("4.3.3")
def window_of_hand_shakes(t):
    """Sixteen hand-shakes at once, with the smallest and the greatest packet ids."""
    client = t.client("client")
    client.subscribe(("a", 0))
    for start in (1, 65_520):
        pids = range(start, start + 16)
        for pid in pids:
            client.send(publish("b", b"", 2, pid))
        client.expect(*map(pubrec, pids))
        for pid in pids:
            client.send(pubrel(pid))
        client.expect(*map(pubcomp, pids))
    client.publish("a", b"x")
    same(client.got().payload, b"x")


@case("4.4")
def half_acknowledged(t):
    """Of several messages only the unacknowledged come again."""
    client = t.kept("client")
    client.subscribe(("a", 1))
    publisher = t.client("publisher")
    for number in range(4):
        publisher.publish("a", b"%d" % number, 1)
    messages = [client.got() for _ in range(4)]
    for message in (messages[2], messages[0]):
        client.send(puback(message.pid))
    client.alive()
    client.cut()
    client = t.kept("client", session=True)
    same([client.got().payload for _ in range(2)], [b"1", b"3"])
    client.alive()


@case("3.1.2.4")
def unsubscribed_stays_so(t):
    """An unsubscribed filter of a kept session does not come back."""
    client = t.kept("client")
    client.subscribe(("a", 1), ("b", 1))
    client.ask(raw.unsubscribe(7, "a"), raw.unsuback(7))
    client.leave()
    publisher = t.client("publisher")
    publisher.publish("a", b"x", 1)
    publisher.publish("b", b"end", 1)
    if until(t.kept("client", session=True), b"end"):
        raise Wrong("it came back")
