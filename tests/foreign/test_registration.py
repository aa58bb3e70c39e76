"""Registration over TLS, in both revisions: piles that the config knows, and where it is open piles
that nobody knows, get accounts of their own, boot, charge and go through an outage."""

import pytest

from controller import Doors, pile_code, pile_password, pile_serial
from newcomer import Newcomer, Turned
from sessions import check, is_let_in, session, through_an_outage
from waiting import until

REVISIONS = {1: "1.0", 2: "1.10"}


@pytest.fixture(scope="module")
def site(sites, authority):
    """A controller where only piles of the config may register."""
    doors = Doors(certificate=authority.site("closed"), registration="closed")
    with sites() as site:
        site.run(piles=len(REVISIONS), revisions=REVISIONS, doors=doors).wait_uplink()
        yield site
        check(site)


@pytest.mark.parametrize("number", REVISIONS, ids=REVISIONS.get)
def test_a_known_pile_registers_where_registration_is_closed(site, trust, number):
    port, serial, revision = site.controller.tls_port, pile_serial(number), REVISIONS[number]
    applicant = dict(revision=revision, tls=trust)
    assert Newcomer(port, serial, code="WRONG", **applicant).register().status != 0
    assert Newcomer(port, "STRANGER", **applicant).register().status != 0

    # Nobody hears the first answer, nobody uses the second.
    Newcomer(port, serial, **applicant).register_in_vain()
    first = Newcomer(port, serial, **applicant).register()
    second = Newcomer(port, serial, topic=f"FOREIGN-{serial}", **applicant).register()
    assert (first.status, second.status) == (0, 0)
    assert first.deviceCode == second.deviceCode == pile_code(number)
    assert first.mqttPassword != second.mqttPassword
    accounts = [(conf.mqttUsername, conf.mqttPassword) for conf in (first, second)]
    accounts.append((pile_code(number), pile_password(number)))
    entries = [is_let_in(port, account, serial, revision, trust) for account in accounts]
    assert entries == [False, True, False], "the last account only, and not that of the config"

    # It has been used, so nobody gets another one until the operator says so.
    refused = Newcomer(port, serial, **applicant).register()
    assert refused.status != 0
    assert not refused.mqttPassword
    site.controller.command("piles", "forget", pile_code(number))
    assert not is_let_in(port, accounts[1], serial, revision, trust)
    account = Newcomer(port, serial, **applicant).register()
    assert account.status == 0
    pile = site.welcome(account.mqttUsername, account.mqttPassword, serial, **applicant)
    session(pile)


def test_registered_piles_go_through_an_outage(site):
    assert len(site.piles) == len(REVISIONS)
    through_an_outage(site, *site.piles)


def test_the_default_account_hears_of_no_other_registration(site, trust):
    port, serial, heard = site.controller.tls_port, "NOSY", []
    nosy = Newcomer(port, serial, tls=trust)
    nosy.filters = [("/D/R/#", 2), ("/D/R/STRANGER", 2), ("#", 2), (f"/D/R/{serial}", 2)]
    nosy.on_message = lambda topic, payload: heard.append(topic)
    with nosy:
        assert nosy.grants == [128, 128, 128, 2]
        assert Newcomer(port, "STRANGER", tls=trust).register().status != 0
    assert heard == []


@pytest.fixture(scope="module")
def open_site(sites, authority):
    """A controller that admits unknown piles."""
    doors = Doors(certificate=authority.site("open"), registration="open")
    with sites() as site:
        site.run(piles=1, doors=doors).wait_uplink()
        yield site
        check(site)


def test_unknown_piles_are_admitted_where_registration_is_open(open_site, trust):
    site, port, piles = open_site, open_site.controller.tls_port, []
    for serial, revision in [("ZDNEW00000000001", "1.0"), ("ZDNEW-2", "1.10")]:
        applicant = dict(revision=revision, tls=trust)
        assert Newcomer(port, serial, code="WRONG", **applicant).register().status != 0
        Newcomer(port, serial, **applicant).register_in_vain()
        account = Newcomer(port, serial, **applicant).register()
        assert account.status == 0
        code = account.deviceCode
        assert code == serial if len(serial) == 16 else code.startswith("3101150012")
        assert len(code) == 16
        piles.append(site.welcome(code, account.mqttPassword, serial, **applicant))
        assert Newcomer(port, serial, **applicant).register().status != 0
    session(*piles)
    through_an_outage(site, *piles)
    # They are remembered, and so are the numbers of their connectors.
    before = {order: row["connector"] for order, row in site.controller.orders().items()}
    assert len({row for row in before.values()}) == 4
    generations = [pile.generation for pile in piles]
    assert site.controller.stop() == 0, site.controller.tail()
    site.controller.start()
    for pile, generation in zip(piles, generations):
        until(lambda p=pile, g=generation: p.generation > g, "the pile is back", 60)
    session(*(pile.wait_ready() for pile in piles))
    after = {row["connector"] for row in site.controller.orders().values()}
    assert after == set(before.values())


def test_an_account_outlives_a_crash_from_the_moment_it_is_told(open_site, trust):
    site, port, serial = open_site, open_site.controller.tls_port, "ZDNEW-CRASH"
    account = Newcomer(port, serial, tls=trust).register()
    site.controller.kill()
    site.controller.start()
    login = account.mqttUsername, account.mqttPassword
    assert is_let_in(port, login, serial, "1.10", trust)
    assert Newcomer(port, serial, tls=trust).register().status != 0
    assert is_let_in(port, login, serial, "1.10", trust)


def test_a_wrong_default_password_opens_no_registration(open_site, trust):
    stranger = Newcomer(open_site.controller.tls_port, "ZDNEW-3", tls=trust)
    stranger.password = "wrong"
    with pytest.raises(Turned):
        stranger.register()
