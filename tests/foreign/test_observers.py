"""Observers hear what piles say and nothing else, and say nothing."""

import contextlib

import pytest

from controller import Doors, pile_password, pile_serial
from newcomer import Newcomer
from sessions import check
from station import Connection
from waiting import until

OBSERVERS = {"display": ["/U/M/#"], "manager": ["#"]}


@pytest.fixture(scope="module")
def site(sites, authority):
    doors = Doors(
        certificate=authority.site("observed"), registration="closed", observers=OBSERVERS
    )
    with sites() as site:
        site.run(piles=2, revisions={1: "1.0"}, doors=doors).wait_uplink()
        yield site
        check(site)


@pytest.fixture(scope="module")
def residents(site, trust):
    return [site.pile(1, tls=trust), site.pile(2, tls=trust)]


def test_observers_listen_and_see_no_registration(site, residents, trust):
    port, heard = site.controller.tls_port, {name: [] for name in OBSERVERS}
    observers = []
    wanted = ["/U/M/#", "/U/C/#", "/D/R/#", "/U/R/#", "/D/C/#", "#"]
    for name in OBSERVERS:
        filters = [(topic, 2) for topic in wanted]
        observer = Connection(port, name, name, pile_password(name), filters, tls=trust)
        observer.on_message = lambda topic, _, name=name: heard[name].append(topic)
        observers.append(observer.open())
    with contextlib.ExitStack() as stack:
        for observer in observers:
            stack.callback(observer.close)
            assert observer.subscribed.wait(20), observer.refusals
        assert [grant == 128 for grant in observers[0].grants] == [False] + [True] * 5
        refused = Newcomer(port, pile_serial(4), "1.10", tls=trust).register()
        assert refused.status != 0
        orders = [pile.whole_order() for pile in residents]
        said = {f"/U/M/{order.pile}" for order in orders}
        until(lambda: said <= set(heard["display"]), "telemetry at the display")
        said |= {f"/U/C/{order.pile}" for order in orders}
        until(lambda: said <= set(heard["manager"]), "what piles say at the manager")
    for name, prefixes in [("display", ["/U/M/"]), ("manager", ["/U/M/", "/U/C/"])]:
        strange = [t for t in heard[name] if not any(t.startswith(p) for p in prefixes)]
        assert not strange, f"{name} heard {strange}"


@pytest.mark.parametrize("topic", ["/U/C/{}", "/D/C/{}", "/D/M/{}"])
def test_observers_say_nothing(site, residents, trust, topic):
    pile = residents[1]
    name = "manager"
    observer = Connection(site.controller.tls_port, name, name, pile_password(name), [], tls=trust)
    commands, request = len(pile.commands), pile.pb.RemoteStartTransactionReq(connectorId="1")
    if topic.startswith("/U/"):
        request = pile.transaction_request(pile.finish(pile.begin()))
        # The order was never made: it is not in the pile's books either.
        stolen = pile.orders.pop()
    code = pile.pb.ID_TransactionReq if topic.startswith("/U/") else 0x10
    with contextlib.closing(observer.open()):
        assert observer.subscribed.wait(20), observer.refusals
        observer.publish(topic.format(pile.code), pile.wire.seal(code, 1, request))
        pile.whole_order()
    assert len(pile.commands) == commands
    if topic.startswith("/U/"):
        assert stolen.id not in site.controller.orders()
