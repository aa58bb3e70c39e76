"""Who guesses passwords is slowed down; the rightful pile comes in all the while."""

import contextlib

import pytest

from controller import Doors, pile_code
from sessions import check, session
from station import Connection
from waiting import until

# The refusal of a login whose password is not looked at.
LATER = "Server unavailable"


@pytest.fixture
def site(sites):
    with sites() as site:
        doors = Doors(registration="closed", observers={"display": ["/U/M/#"]})
        site.run(piles=2, revisions={1: "1.0"}, doors=doors).wait_uplink()
        yield site
        check(site)


def test_wrong_passwords_are_slowed_down_and_the_rightful_pile_comes_in(site):
    piles = [site.pile(1), site.pile(2)]
    code = piles[0].code
    wrong = [(code, "wrong"), (pile_code(77), "wrong"), ("register", "wrong"), ("display", "")]
    intruders = [
        Connection(site.controller.port, f"INTRUDER-{number}", name, password, [])
        for number, (name, password) in enumerate(wrong)
    ]
    with contextlib.ExitStack() as stack:
        for intruder in intruders:
            stack.callback(intruder.close)
            intruder.open()
        until(lambda: all(LATER in i.refusals for i in intruders), "nobody listens to them", 60)
        # It comes back, at the same address and under the name that they guess at.
        generation = piles[0].generation
        piles[0].drop()
        until(lambda: piles[0].generation > generation, "the rightful pile is back", 60)
        session(piles[0].wait_ready(), piles[1])
    for intruder in intruders:
        assert intruder.generation == 0
        assert intruder.refusals[0] != LATER, "the first password is looked at"
