"""Keep-alive, wills, take-over: how the others hear that a client is gone."""

import time

import raw
from cases.helpers import same, until
from raw import Will, Wrong
from registry import case

# Between two messages to a client that itself is silent.
OFTEN_S = 0.2


def _watch(t, qos=2):
    watch = t.client("watch")
    watch.subscribe(("will/#", qos))
    return watch


@case("3.1.2.5")
def lost_link_publishes_the_will(t):
    """A link lost without DISCONNECT: the will is published, with its QoS."""
    watch = _watch(t)
    for qos in (0, 1, 2):
        t.client("client", will=Will("will/a", b"gone", qos)).cut()
        message = watch.accept(watch.got())
        same((message.payload, message.qos, message.retain), (b"gone", qos, False))


@case("3.14.4")
def disconnect_drops_the_will(t):
    """After DISCONNECT there is no will."""
    watch = _watch(t)
    client = t.client("client", will=Will("will/a", b"gone"))
    client.send(raw.DISCONNECT)
    client.expect_end()
    t.client("other").publish("will/a", b"end")
    same(until(watch, b"end"), [])


@case("3.1.2.7")
def retained_will(t):
    """A will may be retained."""
    watch = _watch(t)
    t.client("client", will=Will("will/a", b"gone", 1, True)).cut()
    same(watch.accept(watch.got()).retain, False)
    late = t.client("late")
    late.subscribe(("will/a", 0))
    message = late.got()
    same((message.payload, message.retain), (b"gone", True))


@case("3.1.3.3")
def empty_will(t):
    """A will may be empty, and may be any bytes."""
    watch = _watch(t)
    for payload in (b"", b"\x00\xff\xfe"):
        t.client("client", will=Will("will/a", payload)).cut()
        same(watch.got().payload, payload)


@case("3.1.2.5")
def malformed_packet_publishes_the_will(t):
    """A client cut for its own fault leaves its will."""
    watch = _watch(t)
    client = t.client("client", will=Will("will/a", b"gone"))
    client.send(b"\xf0\x00")
    client.expect_end()
    same(watch.got().payload, b"gone")


@case("3.1.4")
def take_over_of_clean_sessions_publishes_each_will(t):
    """Taken over, a client's own will is published; its successor's when that one is gone."""
    watch = _watch(t)
    old = t.client("client", will=Will("will/a", b"old"))
    new = t.client("client", will=Will("will/a", b"new"))
    old.expect_end()
    same(watch.got().payload, b"old")
    new.alive()
    new.cut()
    same(watch.got().payload, b"new")


@case("3.1.2.5", "published")
def take_over_of_kept_sessions_publishes_the_will(t):
    """Taken over with a kept session, the old connection's will is published too."""
    watch = _watch(t)
    old = t.kept("client", will=Will("will/a", b"old"))
    new = t.kept("client", session=True, will=Will("will/a", b"new"))
    old.expect_end()
    new.cut()
    first = watch.got().payload
    if first == b"old":
        same(watch.got().payload, b"new")
        return "published"
    same(first, b"new")
    return "not published"


@case("3.1.2.10", "closed")
def silence_closes(t):
    """A client silent for one and a half keep-alive times is closed, and its will published."""
    watch = _watch(t)
    client = t.client("client", keep_alive=2, will=Will("will/a", b"silent"))
    client.expect_end()
    same(watch.got().payload, b"silent")
    return "closed"


@case("3.1.2.10", "closed")
def silence_closes_while_spoken_to(t):
    """What the broker sends is no sign of life of the client."""
    client, publisher = t.client("client", keep_alive=2), t.client("publisher")
    client.subscribe(("a", 0))
    end = time.monotonic() + raw.PATIENCE_S
    client.sock.settimeout(OFTEN_S)
    while time.monotonic() < end:
        publisher.publish("a", b"still there?")
        try:
            if not client.sock.recv(4096):
                return "closed"
        except TimeoutError:
            pass
        except OSError:
            return "closed"
        time.sleep(OFTEN_S)
    return "kept"


@case("3.1.2.10", "kept")
def pings_keep_alive(t):
    """PINGREQ in time keeps a client for several keep-alive times."""
    client = t.client("client", keep_alive=4)
    for _ in range(6):
        client.alive()
        time.sleep(1.5)
    client.alive()
    return "kept"


@case("3.1.2.10", "kept")
def any_packet_keeps_alive(t):
    """Any packet in time keeps a client, not PINGREQ alone."""
    client = t.client("client", keep_alive=4)
    for number in range(6):
        client.publish("a", b"x", number % 2, pid=5)
        time.sleep(1.5)
    client.alive()
    return "kept"


@case("3.1.2.10", "kept")
def keep_alive_zero_is_kept(t):
    """Without keep-alive a silent client is kept."""
    client = t.client("client", keep_alive=0)
    time.sleep(6)
    client.alive()
    return "kept"


@case("3.1.2.5")
def wills_reach_who_is_away(t):
    """A will with QoS 1 is kept for a subscriber that is away."""
    watch = t.kept("watch")
    watch.subscribe(("will/#", 1))
    watch.leave()
    client = t.client("client", will=Will("will/a", b"gone", 1))
    client.cut()
    watch = t.kept("watch", session=True)
    message = watch.got()
    if message.payload != b"gone" or message.qos != 1:
        raise Wrong(f"{message}")
