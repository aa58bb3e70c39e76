"""Load, outages, and SIGKILL at a random moment, over and over."""

import os
import random
import threading
import time

from wire import pb

ROUNDS = int(os.environ.get("SITEPILOT_CRASH_ROUNDS", "200"))
SEED = int(os.environ.get("SITEPILOT_CRASH_SEED", str(int(time.time()))))
PILES = 3
REVISIONS = {2: "1.0"}
# How long the program lives in a round; within it piles reconnect, boot and report.
LIFE_S = (0.25, 1.1)


class Load(threading.Thread):
    """One pile, one order after the other; what is not answered is reported until it is."""

    def __init__(self, pile, rng):
        super().__init__(daemon=True)
        self.pile = pile
        self.rng = rng
        self.halt = threading.Event()
        self.trouble = []

    def run(self):
        try:
            while not self.halt.is_set():
                self.one()
        except Exception as error:  # told by the test, whatever it is
            self.trouble.append(error)

    def one(self):
        connector = self.rng.choice([1, 2])
        order = self.pile.begin(connector, f"CARD{connector}")
        # Sometimes nobody waits for the answer to the start: a charge with a dead line.
        self.pile.announce(order, self.rng.choice([0.0, 0.5, 5.0]))
        time.sleep(self.rng.uniform(0.0, 0.1))
        self.pile.finish(order, self.rng.randrange(1, 2000))
        while not self.pile.report(order, 30):
            pass


def test_no_answered_order_is_ever_lost(site):
    rng = random.Random(SEED)
    print(f"\ncrash loop: {ROUNDS} rounds, seed {SEED}")
    site.run(piles=PILES, revisions=REVISIONS, answer_timeout_ms=200).wait_uplink()
    piles = [site.pile(number, answer_s=0.6) for number in range(1, PILES + 1)]
    loads = [Load(pile, random.Random(rng.random())) for pile in piles]
    for load in loads:
        load.start()
    began = time.monotonic()
    for number in range(1, ROUNDS + 1):
        weather(site, rng)
        time.sleep(rng.uniform(*LIFE_S))
        site.controller.kill()
        site.controller.start()
        troubles = [error for load in loads for error in load.trouble]
        assert not troubles, f"round {number}: {troubles}"
        if number % 50 == 0:
            answered = sum(bool(o.answered_by) for p in piles for o in p.orders)
            print(f"  round {number}: {answered} orders answered", flush=True)
    rounds_s = time.monotonic() - began

    site.proxy.heal()
    site.backend.silent = False
    for load in loads:
        load.halt.set()
    for load in loads:
        load.join(120)
        assert not load.is_alive(), "an order is still not answered"
        assert not load.trouble, load.trouble
    check(site, piles, rounds_s)


def weather(site, rng):
    """The line to the cloud during one round."""
    site.backend.silent = rng.random() < 0.1
    kind = rng.choice(["good", "good", "good", "cut", "stall", "half-open"])
    if kind == "good":
        site.proxy.heal()
    elif site.proxy.mode == "pass":
        site.proxy.outage(kind)


def check(site, piles, rounds_s):
    orders = [order for pile in piles for order in pile.orders if order.answered_by]
    started = [order for pile in piles for order in pile.orders if order.start_answered]
    assert len(orders) >= ROUNDS, "too little load to prove anything"
    ledger = site.controller.orders()
    lost = [order.id for order in orders if order.id not in ledger]
    assert not lost, f"answered and not in the ledger: {lost}"
    lost = [order.id for order in started if order.id not in ledger]
    assert not lost, f"start answered and not in the ledger: {lost}"
    wrong = [o.id for o in orders if ledger[o.id]["energy_wh"] != o.energy_wh]
    assert not wrong, f"other figures in the ledger: {wrong}"
    site.backend.wait_settled([order.id for order in orders], 300)
    site.backend.check_copies()
    site.controller.wait_settled([order.id for order in orders], 120)
    ledger = site.controller.orders()
    assert set(ledger) == {order.id for order in orders}, "orders nobody made"
    site.controller.verify()
    assert site.controller.stop() == 0, site.controller.tail()
    site.controller.verify()
    by = {kind: sum(o.answered_by == kind for o in orders) for kind in ("stop", "transaction")}
    copies = len(site.backend.of_kind(pb.ID_TransactionReq))
    print(
        f"  {ROUNDS} rounds in {rounds_s:.0f} s: {len(orders)} orders answered "
        f"({by['stop']} as stop, {by['transaction']} as transaction), "
        f"{len(site.backend.settled())} at the backend, {copies} copies as TransactionReq, 0 lost"
    )
