"""EC servers beside the cloud: what they are told, and what comes of each way one fails."""

import contextlib
import itertools
import random
import time

import pytest

import ec
import uplinks
from ec_server import EcServer
from proxy import Proxy
from test_crash_loop import Load, weather
from waiting import until

# Of the servers; two of them confirm a record.
HEARTBEAT_S = 0.3
CHARGER_STATE = (3, 1)
OFFLINE, STANDBY, CHARGING = 0, 2, 3
REVISIONS = {2: "1.0"}


@contextlib.contextmanager
def servers(*names, **options):
    """Servers by name."""
    with contextlib.ExitStack() as stack:
        options = {"heartbeat_s": HEARTBEAT_S} | options
        yield {name: stack.enter_context(EcServer(**options)) for name in names}


@contextlib.contextmanager
def lines(ports):
    """Proxies by name, to these ports."""
    with contextlib.ExitStack() as stack:
        found = {name: Proxy(port) for name, port in ports.items()}
        for line in found.values():
            stack.callback(line.close)
        yield found


def run(site, tables, piles=1, **options):
    site.run(piles=piles, extra="".join(tables), **options).wait_uplink()
    return [site.pile(number) for number in range(1, piles + 1)]


def order_of(pile, connector=1, energy=123):
    """An order that the pile tells as a whole."""
    order = pile.begin(connector, offline=True)
    pile.finish(order, energy)
    assert pile.report(order), f"{order.id} was never answered"
    return order


def orders_of(pile, count):
    return [order_of(pile).id for _ in range(count)]


def wait_stored(server, wanted, timeout=60):
    until(lambda: not server.missing(wanted), f"{len(wanted)} records at the server", timeout)


def check(server):
    assert not server.altered(), f"copies differ: {server.altered()}"
    assert not server.malformed, server.malformed
    assert not server.ignored, server.ignored
    assert not server.skipped, f"{server.skipped} bytes that belong to no frame"


def test_records_have_the_figures_of_the_pile_and_come_once(site):
    with servers("heartbeat", "tcp") as far:
        tables = [uplinks.ec(name, server.port, confirm=name) for name, server in far.items()]
        piles = run(site, tables, piles=2, revisions=REVISIONS)
        orders = [pile.whole_order(connector=2, energy=e) for pile, e in zip(piles, (123, 4567))]
        for server in far.values():
            wait_stored(server, [order.id for order in orders])
            for order in orders:
                record = server.records[order.id]
                assert (record.organisation, record.pile, record.gun) == (1000, order.pile, 2)
                assert (record.start, record.end) == (order.start, order.stop)
                assert (record.energy_wh, record.amount_fen) == (order.energy_wh, order.cost_fen)
                assert record.service_fen == 0
        site.controller.wait_settled([order.id for order in orders])
        uplinks.wait_idle(site.controller, *far)
        for server in far.values():
            assert server.connections == 1
            assert server.copies_of(o.id for o in orders) == len(orders), "each once"
            check(server)


def test_values_come_at_every_change_and_from_time_to_time(site):
    with servers("slow", "quick", silence_s=3) as far:
        tables = [
            uplinks.ec("slow", far["slow"].port, realtime_s=60),
            uplinks.ec("quick", far["quick"].port, realtime_s=1),
        ]
        (pile,) = run(site, tables)
        slow, quick = far["slow"], far["quick"]

        def told(gun, state):
            """The newest values of a connector show this state, at both."""
            newest = [[r for _, r in s.realtime if r.gun == gun] for s in far.values()]
            return all(found and found[-1].points[CHARGER_STATE] == state for found in newest)

        pile.telemetry(1, 1)
        pile.telemetry(2, 1)
        for gun in (1, 2):
            until(lambda: told(gun, STANDBY), f"gun {gun} stands by")
        pile.telemetry(1, 3)
        until(lambda: told(1, CHARGING), "gun 1 charges")
        assert told(2, STANDBY)
        order = pile.begin()
        assert pile.announce(order)
        pile.inform(order)
        until(
            lambda: any((3, 41) in r.points for _, r in quick.realtime),
            "the voltage of charging information",
        )
        newest = [r for _, r in quick.realtime if (3, 41) in r.points][-1]
        assert (newest.pile, newest.kind, newest.points[3, 41]) == (pile.code, 5, 2200)
        pile.finish(order)
        assert pile.report(order)
        pile.close()
        until(lambda: told(1, OFFLINE) and told(2, OFFLINE), "the pile is gone")
        count = len(quick.realtime)
        until(lambda: len(quick.realtime) >= count + 4, "two rounds of both connectors")
        # Nothing to say but that it lives: the server hears it in time, and answers nothing.
        heard = slow.heartbeats_heard
        until(lambda: slow.heartbeats_heard >= heard + 3, "heartbeats of the gate")
        assert not slow.silences and slow.connections == 1
        wait_stored(slow, [order.id])
        for server in far.values():
            check(server)


def test_what_the_server_would_drop_is_not_sent_and_settles(site):
    with servers("ec") as far:
        (pile,) = run(site, [uplinks.ec("ec", far["ec"].port)])
        empty, good = order_of(pile, energy=0), order_of(pile)
        wait_stored(far["ec"], [good.id])
        site.controller.wait_settled([empty.id, good.id])
        assert not far["ec"].dropped and empty.id not in far["ec"].copies
        states = uplinks.deliveries(site.controller)
        assert states[empty.id] == {"cloud": "confirmed", "ec": "retired"}
        assert states[good.id] == {"cloud": "confirmed", "ec": "confirmed"}


def test_what_is_no_frame_is_survived(site):
    with servers("ec") as far:
        server = far["ec"]
        (pile,) = run(site, [uplinks.ec("ec", server.port)])
        uplinks.wait_online(site.controller, "ec")
        longest = ec.LENGTH_MAX - ec.COMMAND_BYTES
        for junk in (
            b"junk" * 100,
            b"E",
            ec.MARK + b"\xff\xff" + b"x" * 50,
            ec.MARK + b"\x00\x00",
            ec.frame(4711, b"who knows"),
            ec.frame(ec.RECORD, b"none"),
            ec.frame(ec.HEARTBEAT, b"with a body"),
            ec.frame(9, bytes(longest)),
            random.Random(5).randbytes(20_000),
        ):
            server.say(junk)
            wait_stored(server, orders_of(pile, 1))
        # A frame that is announced and never comes: what follows counts as its body.
        server.say(ec.MARK + b"\x7f\xff\x00\x65")
        wait_stored(server, orders_of(pile, 1))
        uplinks.wait_idle(site.controller, "ec", timeout=90)
        site.controller.wait_settled([order.id for order in pile.orders])
        check(server)


# So many that each is cut only a few times: a gate waits longer and longer for a server whose links
# keep breaking.
EACH = 21
HEARTBEATS, TCPS = [f"h{n}" for n in range(EACH)], [f"t{n}" for n in range(EACH)]


def test_a_record_cut_at_every_byte_arrives_whole(site):
    with servers(*HEARTBEATS, *TCPS) as far:
        tables = [uplinks.ec(n, far[n].port, required=False) for n in HEARTBEATS]
        tables += [uplinks.ec(n, far[n].port, "tcp", required=False) for n in TCPS]
        (pile,) = run(site, tables)
        uplinks.wait_online(site.controller, *far)
        first = order_of(pile)
        wait_stored(far["h0"], [first.id])
        length = len(far["h0"].copies[first.id][0])
        positions = iter(range(0, length + 1))
        wanted, cuts = [], {"heartbeat": 0, "tcp": 0}
        while group := list(itertools.islice(positions, EACH)):
            cut = [far[n] for names in (HEARTBEATS, TCPS) for n, _ in zip(names, group)]
            for names, how in ((HEARTBEATS, "heartbeat"), (TCPS, "tcp")):
                for name, position in zip(names, group):
                    far[name].cut_at(position)
                    cuts[how] += 1
            links = [server.connections for server in cut]
            wanted += orders_of(pile, 1)
            until(lambda: all(s.cut is None for s in cut), f"cuts at {group}")
            for server, before in zip(cut, links):
                until(lambda: server.connections > before, "the gate comes back")
            for name in HEARTBEATS:
                wait_stored(far[name], wanted[-1:])
        assert cuts["heartbeat"] == length + 1
        uplinks.wait_idle(site.controller, *far)
        missing = {
            how: sum(len(far[name].missing(wanted)) for name in names)
            for how, names in (("heartbeat", HEARTBEATS), ("tcp", TCPS))
        }
        for server in far.values():
            assert not server.altered()
            assert not server.malformed and not server.skipped
        print(
            f"\ncut at each of {length + 1} positions, nothing sent again: missing by heartbeat "
            f"{missing['heartbeat']}, by tcp {missing['tcp']}"
        )
        assert missing["heartbeat"] == 0


@pytest.mark.parametrize("kind", ["dark", "full"])
def test_a_dead_peer_is_noticed(site, kind):
    heartbeat_s = 2
    # As small as a kernel makes it: soon it has no room for what nobody reads.
    options = {"receive_bytes": 1} if kind == "full" else {}
    with servers("ec", **options) as far:
        server = far["ec"]
        (pile,) = run(site, [uplinks.ec("ec", server.port, heartbeat_s=heartbeat_s)])
        uplinks.wait_online(site.controller, "ec")
        wait_stored(server, orders_of(pile, 1))
        began = time.monotonic()
        if kind == "dark":
            server.go_dark()
        else:
            server.stop_reading(heartbeats=False)
        wanted = orders_of(pile, 1 if kind == "dark" else 30)

        def noticed():
            return uplinks.status(site.controller)["ec"]["state"] != "online"

        until(noticed, "the gate notices", timeout=30)
        passed_s = time.monotonic() - began
        print(f"\n{kind}: noticed after {passed_s:.1f} s, heartbeat_s {heartbeat_s}")
        if kind == "dark":
            server.come_back()
        else:
            server.receive_bytes = None
            server.restart()
        wait_stored(server, wanted)
        site.controller.wait_settled(wanted)
        assert not server.altered()


WAYS = [(confirm, minutes) for confirm in ("tcp", "heartbeat") for minutes in (0, 1)]
ROUNDS, ORDERS = 2, 3
# Which of the faults is the relay's.
RELAY = 3
# After healing; whoever is owed something has it long before.
QUIET_S = 1.0


class Fault:
    """One way to lose records. `promised`: by heartbeat none is missing even if nothing is sent
    again. `waits_for`: who must count them as delivered, or who must have read them, before they
    are lost."""

    def __init__(self, name, promised, begin, end, waits_for):
        self.name = name
        self.promised = promised
        self.begin = begin
        self.end = end
        self.waits_for = waits_for


def never_stores(server, _):
    server.store_s = 3600


def restarts(server, _):
    server.store_s = 0
    server.restart()


FAULTS = [
    Fault(
        "server restarts between a record and its heartbeat",
        True,
        never_stores,
        restarts,
        "read",
    ),
    Fault(
        "kernel accepts, process hangs and is restarted",
        True,
        lambda server, _: server.stop_reading(heartbeats=False),
        restarts,
        "tcp",
    ),
    Fault(
        "packets are lost, then the server restarts",
        True,
        lambda server, _: server.go_dark(),
        restarts,
        "nobody",
    ),
    Fault(
        "a relay on the way acknowledges, and resets the link",
        True,
        lambda _, line: line.half_open(),
        lambda _, line: line.heal(),
        "tcp",
    ),
    Fault(
        "reader hangs while heartbeats go on, then a restart",
        False,
        lambda server, _: server.stop_reading(heartbeats=True),
        restarts,
        "everybody",
    ),
    Fault(
        "server stores later than two heartbeats, restarts before",
        False,
        never_stores,
        restarts,
        "everybody",
    ),
]


def test_what_each_confirmation_misses(site):
    # A set of servers for each fault, as with the cuts above.
    names = {(n, *way): f"{n}-{way[0]}-{way[1]}" for n in range(len(FAULTS)) for way in WAYS}
    with (
        servers(*names.values()) as far,
        # The only fault that is one of the line; a line that acknowledges would hide the others.
        lines({name: far[name].port for (n, *_), name in names.items() if n == RELAY}) as between,
    ):
        tables = [
            uplinks.ec(
                name,
                between[name].port if n == RELAY else far[name].port,
                confirm,
                resend_minutes=minutes,
                required=False,
            )
            for (n, confirm, minutes), name in names.items()
        ]
        (pile,) = run(site, tables)
        uplinks.wait_online(site.controller, *far)
        found = []
        for n, fault in enumerate(FAULTS):
            its = {way: far[names[n, *way]] for way in WAYS}
            relays = {way: between.get(names[n, *way]) for way in WAYS}
            missing = dict.fromkeys(WAYS, 0)
            for _ in range(ROUNDS):
                for way, count in one_round(site, pile, (n, its, relays), fault).items():
                    missing[way] += count
            found.append((fault, missing))
        heads = [f"{confirm} {minutes}" for confirm, minutes in WAYS]
        print(f"\n{f'missing of {ROUNDS * ORDERS} orders':58}" + "".join(f"{h:>13}" for h in heads))
        for fault, missing in found:
            print(f"  {fault.name:56}" + "".join(f"{missing[way]:>13}" for way in WAYS))
        for server in far.values():
            assert not server.altered(), f"copies differ: {server.altered()}"
            assert not server.malformed and not server.skipped
        for fault, missing in found:
            assert missing["heartbeat", 1] == missing["tcp", 1] == 0, fault.name
            assert not fault.promised or missing["heartbeat", 0] == 0, fault.name


def one_round(site, pile, stage, fault):
    """How many orders are missing in each way when all is well again."""
    number, far, relays = stage
    names = {way: f"{number}-{way[0]}-{way[1]}" for way in WAYS}
    for way, server in far.items():
        fault.begin(server, relays[way])
    wanted = orders_of(pile, ORDERS)
    if fault.waits_for == "read":
        until(lambda: all(s.copies_of(wanted) >= ORDERS for s in far.values()), "records read")
    else:
        sure = {"tcp": ["tcp"], "everybody": ["tcp", "heartbeat"], "nobody": []}[fault.waits_for]
        waited = [names[way] for way in WAYS if way[0] in sure]

        def confirmed():
            states = uplinks.deliveries(site.controller)
            return all(states[o][name] == "confirmed" for o in wanted for name in waited)

        until(confirmed, f"what {waited} take for a delivery")
    links = {way: server.connections for way, server in far.items()}
    for way, server in far.items():
        fault.end(server, relays[way])
    for way, server in far.items():
        until(lambda: server.connections > links[way], "the gate comes back", 90)
    uplinks.wait_idle(site.controller, *names.values(), timeout=90)
    time.sleep(QUIET_S)
    return {way: len(server.missing(wanted)) for way, server in far.items()}


def test_two_uplinks_with_outages_of_their_own_each_get_every_order(site):
    with servers("ec", "spare") as far, lines({n: s.port for n, s in far.items()}) as between:
        tables = [
            uplinks.ec("ec", between["ec"].port, resend_minutes=1),
            uplinks.ec("spare", between["spare"].port, required=False),
        ]
        (pile,) = run(site, tables)
        uplinks.wait_online(site.controller, "cloud", *far)
        controller = site.controller

        def states(orders):
            known = uplinks.deliveries(controller)
            return {tuple(known[order][name] for name in ("cloud", "ec")) for order in orders}

        def settled(orders):
            rows = controller.orders()
            return {rows[order]["state"] for order in orders}

        between["spare"].cut()
        before = orders_of(pile, 2)
        controller.wait_settled(before)
        between["ec"].cut()
        without_ec = orders_of(pile, 3)
        site.backend.wait_settled(without_ec)
        until(lambda: states(without_ec) == {("confirmed", "queued")}, "the cloud alone has them")
        assert settled(without_ec) == {"recorded"}, "settlement waits for both"
        # One outage begins before the other ends.
        attempts = site.proxy.connections
        site.proxy.cut()
        until(lambda: site.proxy.connections > attempts, "the controller notices")
        with_neither = orders_of(pile, 2)
        between["ec"].heal()
        wait_stored(far["ec"], without_ec + with_neither)
        without_cloud = orders_of(pile, 3)
        wait_stored(far["ec"], without_cloud)
        until(lambda: {s[1] for s in states(without_cloud)} == {"confirmed"}, "EC alone has them")
        controller.wait_settled(without_ec)
        assert settled(with_neither + without_cloud) == {"recorded"}
        site.proxy.heal()
        everything = [order.id for order in pile.orders]
        site.backend.wait_settled(everything)
        controller.wait_settled(everything)
        assert far["ec"].missing(everything) == []
        # What is not required has held up nobody, and gets all when it is back.
        assert not far["spare"].copies
        between["spare"].heal()
        wait_stored(far["spare"], everything, 120)
        site.backend.check_copies()
        for server in far.values():
            check(server)


CRASH_ROUNDS = 20


def test_nothing_is_lost_at_a_server_through_crashes(site):
    rng = random.Random(11)
    with servers("ec", "tcp") as far, lines({n: s.port for n, s in far.items()}) as between:
        tables = [
            uplinks.ec("ec", between["ec"].port, resend_minutes=5),
            uplinks.ec("tcp", between["tcp"].port, "tcp", resend_minutes=5),
        ]
        options = {"revisions": REVISIONS, "answer_timeout_ms": 200}
        run(site, tables, piles=2, **options)
        loads = [Load(pile, random.Random(rng.random())) for pile in site.piles]
        for load in loads:
            load.start()
        for _ in range(CRASH_ROUNDS):
            weather(site, rng)
            for name, line in between.items():
                trouble(far[name], line, rng)
            time.sleep(rng.uniform(0.25, 1.0))
            site.controller.kill()
            site.controller.start()
        site.proxy.heal()
        site.backend.silent = False
        for name, line in between.items():
            far[name].reading = far[name].heartbeats = True
            line.heal()
        for load in loads:
            load.halt.set()
        for load in loads:
            load.join(120)
            assert not load.is_alive() and not load.trouble, load.trouble
        orders = [order.id for pile in site.piles for order in pile.orders if order.answered_by]
        assert len(orders) >= CRASH_ROUNDS, "too little load to prove anything"
        site.backend.wait_settled(orders)
        site.controller.wait_settled(orders, 120)
        for server in far.values():
            wait_stored(server, orders)
            assert not server.altered(), f"copies differ: {server.altered()}"
            assert not server.malformed, server.malformed
        site.controller.verify()
        copies = {name: server.copies_of(orders) for name, server in far.items()}
        print(f"\n{CRASH_ROUNDS} crashes: {len(orders)} orders at both servers, copies {copies}")


def trouble(server, line, rng):
    """The line to a server, and the server, during one life of the program."""
    kind = rng.choice(["good", "good", "cut", "stall", "half-open", "restart", "hung"])
    if kind == "restart":
        server.restart()
    elif kind == "hung":
        server.stop_reading(heartbeats=False)
    elif kind == "good":
        server.reading = server.heartbeats = True
        line.heal()
    elif line.mode == "pass":
        line.outage(kind)
