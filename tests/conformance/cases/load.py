"""Many clients, many messages, many names: who loses what, and what stays behind."""

import collections
import concurrent.futures
import socket

import raw
from cases.helpers import same
from raw import Client, Wrong, publish, puback, subscribe
from registry import case

# More than either broker keeps for one client.
FLOOD = 3000

# What a broker may have grown by after names it will never hear again, beside what its
# allocator keeps: a leak of one small entry for each would be several times that.
KEPT_KB = 2_048


@case("4.2")
def two_hundred_subscribers(t):
    """A message to 200 subscribers reaches all of them."""
    clients = [t.client(f"client{number}") for number in range(200)]
    for client in clients:
        client.subscribe(("a", 1))
    t.client("publisher").publish("a", b"x", 1)
    for client in clients:
        same(client.accept(client.got()).payload, b"x")


@case("4.3.1")
def reader_that_stops_harms_nobody(t):
    """A subscriber that reads nothing loses its own messages only."""
    stuck = t.client("stuck", receive_buffer=4096)
    stuck.subscribe(("a", 0))
    fast, publisher = t.client("fast"), t.client("publisher")
    fast.subscribe(("a", 1))
    for number in range(1000):
        publisher.send(publish("a", b"%d " % number + b"x" * 10_000, 1, number + 1))
        message = fast.accept(fast.got())
        same(message.payload.split()[0], b"%d" % number)
        publisher.expect(puback(number + 1))
    t.client("other").alive()


@case("4.5", "the oldest")
def flood_for_a_client_that_is_away(t):
    """Of too many messages for a client that is away, what was kept first is delivered."""
    client = t.kept("client")
    client.subscribe(("a", 1))
    client.leave()
    publisher, witness = t.client("publisher"), t.client("witness")
    witness.subscribe(("end", 0))
    for number in range(FLOOD):
        publisher.publish("a", b"%d" % number, 1, pid=number + 1)
    # When this has come through, so has all before it.
    publisher.publish("end")
    witness.got()
    client, count = t.kept("client", session=True), 0
    # What comes after the PINGRESP waits for acknowledgements: each makes room for the next.
    client.send(raw.PINGREQ)
    while True:
        data = client.packet()
        message = raw.parse(data)
        if message is not None:
            same(message.payload, b"%d" % count)
            count += 1
            client.send(puback(message.pid), raw.PINGREQ)
        elif _all_answered(client, count):
            break
    if not 100 <= count < FLOOD:
        raise Wrong(f"{count} of {FLOOD} were kept")
    return "the oldest"


def _all_answered(client, count):
    """One PINGRESP is owed for each message, and one for the first PINGREQ."""
    client.answered = getattr(client, "answered", 0) + 1
    return client.answered > count


@case("4.2")
def publishers_at_once(t):
    """Twenty publishers at once, 8 messages each of every QoS: all arrive, each once."""
    subscriber = t.client("subscriber")
    subscriber.subscribe(("a", 0), ("b", 1), ("c", 2))
    names = [f"p{number}" for number in range(20)]

    def work(name):
        client = t.client(name)
        for number in range(8):
            for qos, topic in enumerate("abc"):
                client.publish(topic, f"{topic} {name} {number}".encode(), qos, pid=number + 1)

    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        work_done = pool.map(work, names)
        seen = collections.Counter()
        while len(seen) < 20 * 24:
            seen[subscriber.accept(subscriber.got()).payload] += 1
        list(work_done)
    same(set(seen.values()), {1})


def _growth(t, warm_up, work):
    """Growth of the memory by some work, after a warm-up of the same kind."""
    warm_up()
    before = t.memory_kb()
    work()
    growth = t.memory_kb() - before
    if growth > KEPT_KB:
        raise Wrong(f"grew by {growth} kB")


@case("4.1")
def client_ids_leave_nothing_behind(t):
    """5000 client ids without a session leave no memory behind."""

    def visit(numbers):
        for number in numbers:
            client = t.client(f"visitor {number} " + "x" * 40)
            client.leave()

    _growth(t, lambda: visit(range(500)), lambda: visit(range(500, 5500)))


@case("4.1")
def topics_leave_nothing_behind(t):
    """20 000 topics, published to once each, leave no memory behind."""
    subscriber, publisher = t.client("subscriber"), t.client("publisher")
    subscriber.subscribe(("topic/#", 0))

    def work(numbers):
        for number in numbers:
            publisher.send(publish(f"topic/{number}/" + "x" * 40, b"x"))
            subscriber.got()

    _growth(t, lambda: work(range(2000)), lambda: work(range(2000, 22_000)))


@case("4.1")
def filters_leave_nothing_behind(t):
    """5000 filters, subscribed and unsubscribed, leave no memory behind."""
    client = t.client("client")

    def work(numbers):
        for number in numbers:
            wish = f"filter/{number}/" + "x" * 40
            client.ask(subscribe(7, (wish, 1)), raw.suback(7, 1))
            client.ask(raw.unsubscribe(8, wish), raw.unsuback(8))

    _growth(t, lambda: work(range(500)), lambda: work(range(500, 5500)))


@case("3.1.4")
def half_open_links_stop_nobody(t):
    """50 subscribers that vanish without a word: the rest are served."""
    gone = [t.client(f"gone{number}") for number in range(50)]
    for client in gone:
        client.subscribe(("a", 1))
        # Nothing is read any more, nothing is closed either.
        client.sock.shutdown(socket.SHUT_RD)
    client, publisher = t.client("client"), Client(t.port)
    publisher.ask(raw.connect("publisher"), b"\x20\x02\x00\x00")
    client.subscribe(("a", 1))
    for number in range(50):
        publisher.publish("a", b"%d" % number, 1)
        same(client.accept(client.got()).payload, b"%d" % number)
