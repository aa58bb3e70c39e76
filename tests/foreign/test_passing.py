"""What the cloud wants of a pile and the controller does not do itself is passed on, and the answer
back, in every pair of revisions."""

import pytest

import wire
from controller import pile_code
from waiting import until


@pytest.fixture(scope="module", params=wire.REVISIONS, ids=lambda revision: f"cloud-{revision}")
def cloud_revision(request):
    return request.param


@pytest.fixture(scope="module", params=wire.REVISIONS, ids=lambda revision: f"pile-{revision}")
def site(sites, cloud_revision, request):
    """With one pile: what names none is meant for it."""
    with sites(cloud_revision) as site:
        site.run(piles=1, revisions={1: request.param}).wait_uplink()
        site.pile(1)
        yield site
        assert not site.backend.errors, site.backend.errors
        assert not site.piles[0].unknown


def asked(backend, name, **values):
    """What a question of the cloud is answered with."""
    answer = backend.wire.kind(f"{name}Conf")
    request = backend.wire.make(f"{name}Req", **values)
    conf = backend.wait_answer(backend.command(backend.wire.code(f"{name}Req"), request), answer)
    assert isinstance(conf, answer), conf
    return conf


def test_configuration(site):
    backend, (pile,) = site.backend, site.piles
    conf = asked(backend, "ChangeConfiguration", configurationKey=[{"key": "Volume", "value": "9"}])
    # Neither yes nor no: it is the pile's own word.
    assert conf.status == backend.pb.CFS_RebootRequired
    assert pile.configuration["Volume"] == "9"
    conf = asked(backend, "GetConfiguration", keys=[{"key": "Volume"}, {"key": "Unheard"}])
    assert [(item.key, item.value) for item in conf.values] == [("Volume", "9"), ("Unheard", "")]


def test_a_reservation_and_its_end(site):
    backend, (pile,) = site.backend, site.piles
    expiry = 2_000_000_000
    conf = asked(backend, "ReserveNow", id=7, expiry_date_time=expiry, connector_id="2")
    assert conf.status == backend.pb.ReserveNowConf.Occupied
    asked(backend, "CancelReservation", id=7)
    reserved, cancelled = pile.reservations
    assert (reserved.id, reserved.expiry_date_time) == (7, expiry)
    assert str(reserved.connector_id) == "2"
    assert getattr(reserved, "evse_id", "") in ("", pile_code(1))
    assert cancelled.id == 7


def test_nothing_is_kept_for_a_pile_that_is_away(site):
    backend, code = site.backend, site.backend.wire.code("GetConfigurationReq")
    site.piles.pop().close()

    def refused():
        sequence = backend.command(code, backend.wire.make("GetConfigurationReq"))
        answer = backend.wait_answer(sequence, object)
        return isinstance(answer, backend.pb.MessageError)

    until(refused, "the controller says that the pile is not there", every=0.1)
    pile = site.pile(1)
    pile.whole_order()
    assert code not in [apdu.messageId for apdu in pile.commands]
