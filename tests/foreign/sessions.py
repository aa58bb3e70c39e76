"""What piles do at a site, in the order in which piles do it."""

import contextlib

from piles import Pile
from waiting import until


def session(*piles):
    """A card and a whole order each, answered."""
    for pile in piles:
        assert pile.authorize("CARD1").status == pile.pb.AS_Accepted
        assert pile.whole_order().transaction_id


def through_an_outage(site, *piles):
    """An order each that begins before an outage of the uplink and ends in it, and a whole one."""
    running = [(pile, pile.begin(connector=2)) for pile in piles]
    for pile, order in running:
        assert pile.announce(order)
    boots, attempts = len(site.backend.boots), site.proxy.connections
    site.proxy.cut()
    until(lambda: site.proxy.connections > attempts, "the controller notices and tries again")
    for pile, order in running:
        pile.finish(order)
        assert pile.report(order)
        assert pile.authorize("CARD1").status == pile.pb.AS_Accepted, "a card known from before"
        pile.whole_order()
    site.proxy.heal()
    site.wait_uplink(boots + 1)
    site.backend.wait_settled([order.id for pile in piles for order in pile.orders])


def is_let_in(port, account, serial, revision, tls):
    """Whether a login with a code and a password is taken."""
    pile = Pile(port, account[0], account[1], serial, revision, tls=tls, retry_s=0.5)
    with contextlib.closing(pile.open()):
        until(lambda: pile.subscribed.is_set() or pile.refusals, "an answer to the login", 30)
        return pile.subscribed.is_set()


def check(site):
    """All that the piles have done is on record and settled, and nothing else."""
    assert not site.backend.errors, site.backend.errors
    orders = [order for pile in site.piles for order in pile.orders]
    site.backend.wait_settled([order.id for order in orders])
    site.controller.wait_settled([order.id for order in orders])
    assert set(site.controller.orders()) == {order.id for order in orders}
    site.backend.check_copies()
    site.controller.verify()
