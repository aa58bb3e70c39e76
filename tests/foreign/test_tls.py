"""The doors with TLS: piles of both revisions, by password and by certificate, through boot, a card
session and an outage, while others do what they can to be in the way."""

import collections
import contextlib
import os
import shutil
import socket
import threading

import pytest

from certificates import Authority, serial_shown
from controller import Doors, pile_code, pile_password, pile_serial
from piles import Pile
from sessions import check, session, through_an_outage
from waiting import until

REVISIONS = {1: "1.0", 2: "1.10"}


@pytest.fixture(scope="module")
def shown(authority, tmp_path_factory):
    """Certificate and key as the config names them; others may take their place."""
    directory = tmp_path_factory.mktemp("shown")
    pair = directory / "site.crt", directory / "site.key"
    replace(pair, authority.site())
    return pair


def replace(pair, others):
    """As an installer does it: each file is replaced in one go."""
    for path, other in zip(pair, others):
        fresh = path.with_suffix(".new")
        shutil.copy(other, fresh)
        os.replace(fresh, path)


@pytest.fixture(scope="module")
def site(sites, shown):
    """One controller for the tests below."""
    doors = Doors(certificate=shown)
    with sites() as site:
        site.run(piles=len(REVISIONS), revisions=REVISIONS, doors=doors).wait_uplink()
        yield site
        check(site)


@pytest.fixture(scope="module")
def residents(site, trust):
    """Piles 1 and 2, logged in over TLS; they stay through all that follows."""
    return [site.pile(1, tls=trust), site.pile(2, tls=trust)]


def test_both_revisions_through_boot_card_and_outage(site, residents):
    session(*residents)
    through_an_outage(site, *residents)


def test_the_certificate_is_read_again_and_nobody_is_thrown_out(
    site, residents, shown, authority, trust
):
    port = site.controller.tls_port
    generations = [pile.generation for pile in residents]
    before = serial_shown(port, trust)
    # A key that does not belong to it changes nothing.
    replace(shown, (authority.site("other")[0], authority.site("third")[1]))
    site.controller.hang_up()
    until(lambda: "not read again" in site.controller.tail(), "a word about the key", 20)
    assert serial_shown(port, trust) == before
    replace(shown, authority.site("renewed"))
    site.controller.hang_up()
    until(lambda: serial_shown(port, trust) != before, "the new certificate", 20)
    session(*residents)
    assert [pile.generation for pile in residents] == generations


# Silent connections that are open at a time, and how often one more comes: 12,000 in a minute.
SILENT = 300
PAUSE_S = 0.005
HELLO_BEGUN = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
NONSENSE = [b"GET / HTTP/1.1\r\nHost: pile\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"A" * 500]


class Flood(threading.Thread):
    """Comes to a port again and again, and says nothing, half of something, or nonsense."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.count = 0
        self.halt = threading.Event()

    def run(self):
        doors = collections.deque()
        while not self.halt.wait(PAUSE_S):
            doors.append(self._knock())
            if len(doors) > SILENT:
                doors.popleft().close()
        for door in doors:
            door.close()

    def _knock(self):
        door = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        self.count += 1
        said = [b"", HELLO_BEGUN, b"", *NONSENSE][self.count % 5]
        # A door that is shut at once is as good as one that stays silent.
        with contextlib.suppress(OSError):
            door.sendall(said)
        return door


def test_handshakes_that_stall_or_fail_delay_nobody(site, residents):
    generations = [pile.generation for pile in residents]
    flood = Flood(site.controller.tls_port)
    flood.start()
    try:
        while flood.count < SILENT:
            session(*residents)
        # A pile that comes in now has to make a handshake of its own.
        residents[0].drop()
        until(lambda: residents[0].generation > generations[0], "the pile is back", 60)
        session(residents[0].wait_ready(), residents[1])
    finally:
        flood.halt.set()
        flood.join(30)
    assert flood.count >= SILENT
    assert residents[1].generation == generations[1]


def test_nobody_comes_in_who_does_not_trust_the_site(site, tmp_path):
    stranger = Authority(tmp_path, "stranger").trust()
    pile = Pile(
        site.controller.tls_port, pile_code(1), pile_password(1), pile_serial(1), tls=stranger
    )
    attempts = threading.Event()
    pile.on_failure = lambda error: attempts.set()
    with contextlib.closing(pile.open()):
        assert attempts.wait(20)
        assert not pile.subscribed.is_set()


@pytest.fixture(scope="module")
def piles_authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("piles"), "piles-ca")


@pytest.fixture(scope="module")
def certified_site(sites, authority, piles_authority):
    """A controller with no plain door that wants the piles' certificates."""
    doors = Doors(
        plain=False,
        certificate=authority.site("certified"),
        client_ca=piles_authority.certificate,
    )
    with sites() as site:
        site.run(piles=3, revisions=REVISIONS, doors=doors).wait_uplink()
        yield site
        check(site)


def test_piles_come_in_by_their_certificates(certified_site, authority, piles_authority):
    site = certified_site
    by_code = authority.trust(piles_authority.pile(pile_code(1)))
    by_serial = authority.trust(piles_authority.pile(pile_serial(2)))
    piles = [
        site.welcome(pile_code(1), None, pile_serial(1), "1.0", tls=by_code, username=None),
        site.welcome(pile_code(2), None, pile_serial(2), "1.10", tls=by_serial),
    ]
    session(*piles)
    through_an_outage(site, *piles)


@pytest.mark.parametrize("case", ["none", "another authority's", "another pile's", "nobody's"])
def test_certificates_that_let_nobody_in(
    certified_site, authority, piles_authority, tmp_path, case
):
    code, password = pile_code(3), pile_password(3)
    shown = {
        "none": lambda: None,
        "another authority's": lambda: Authority(tmp_path, "stranger").pile(code),
        "another pile's": lambda: piles_authority.pile(pile_code(2)),
        "nobody's": lambda: piles_authority.pile("nobody"),
    }[case]()
    pile = Pile(
        certified_site.controller.tls_port,
        code,
        password,
        pile_serial(3),
        tls=authority.trust(shown),
        retry_s=0.2,
    )
    with contextlib.closing(pile.open()):
        until(lambda: pile.attempts >= 3, "attempts", 30)
        assert not pile.subscribed.is_set()
        assert pile.generation == 0
