"""The uplink with TLS, to mosquitto."""

import wire
from certificates import Authority
from sessions import check, session, through_an_outage
from waiting import until


def test_orders_go_to_a_cloud_that_shows_the_right_certificate(sites, authority):
    with sites(wire.V1_0.revision, cloud_certificate=authority.site("cloud")) as site:
        site.run(piles=2, revisions={1: "1.0"}, cloud_ca=authority.certificate).wait_uplink()
        piles = [site.pile(1), site.pile(2)]
        session(*piles)
        through_an_outage(site, *piles)
        check(site)


def test_nothing_is_told_to_a_cloud_of_another_authority(sites, authority, tmp_path):
    stranger = Authority(tmp_path, "stranger").site("cloud")
    with sites(cloud_certificate=stranger) as site:
        site.run(cloud_ca=authority.certificate)
        until(lambda: site.proxy.connections >= 3, "attempts")
        assert not site.backend.heard
        # The piles are served all the same.
        order = site.pile(1).whole_order()
        assert site.controller.orders()[order.id]["state"] == "recorded"
