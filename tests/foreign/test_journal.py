"""What arrives in the journal of systemd, and what happens if it does not read."""

import os
import re
import socket

import journald
import pytest
from controller import pile_code, pile_password
from waiting import until

LEVEL = '[log]\nlevel = "debug"'


@pytest.fixture
def journal(tmp_path):
    why = journald.why_impossible()
    if why:
        text = f"NOTHING WAS TESTED OF THE JOURNAL: {why}"
        pytest.fail(text) if os.environ.get("CI") else pytest.skip(text)
    journal = journald.Journal(tmp_path)
    yield journal
    journal.close()


def charge(site, pile):
    """One order, until it is settled."""
    order = pile.begin(connector=1, card="6217001234567890")
    pile.announce(order)
    pile.inform(order)
    pile.finish(order)
    pile.report(order)
    site.backend.wait_settled([order.id])
    return order


def messages(entries):
    return [entry["MESSAGE"].split(" order=")[0] for entry in entries]


def test_an_order_can_be_followed_from_its_start_to_its_settlement(site, journal):
    journal.read()
    site.run(extra=LEVEL, wrapper=journal.wrapper).wait_uplink()
    pile = site.pile(1)
    order = charge(site, pile)
    until(lambda: "order settled" in messages(journal.entries(ORDER=order.id)), "it in the journal")
    told = journal.entries(ORDER=order.id)
    news = [e for e in told if e["PRIORITY"] == "5"]
    assert messages(news) == ["order started", "order recorded", "order settled"]
    started, recorded, _ = news
    for entry in told:
        assert entry["PILE"] == pile_code(1) and entry["CONNECTOR"] == "1"
        assert entry["SYSLOG_IDENTIFIER"] == "sitepilot"
        assert entry["TARGET"].startswith("sitepilot::") and entry["CODE_FILE"].endswith(".rs")
    assert started["CARD"] == "7890"
    assert recorded["ENERGY_WH"] == str(order.energy_wh)
    assert recorded["COST_FEN"] == str(order.cost_fen)
    assert f"energy_wh={order.energy_wh}" in recorded["MESSAGE"], "the message has the fields too"
    confirmed = [e for e in told if e["MESSAGE"].startswith("order confirmed")]
    assert [(e["UPLINK"], e["PRIORITY"]) for e in confirmed] == [("cloud", "6")]
    others = [("pile connected ", {"PILE": pile_code(1)}), ("uplink is up ", {"UPLINK": "cloud"})]
    for text, about in others:
        assert any(e["MESSAGE"].startswith(text) for e in journal.entries(**about)), text
    everything = journal.entries()
    # The router of the doors opens several spans, at level ERROR, for every packet.
    assert not [e for e in everything if not e["TARGET"].startswith("sitepilot::")]
    assert not [e for e in everything if "6217001234567890" in str(e)]

    site.controller.config.write_text(site.controller.config.read_text() + "\n[nonsense]\n")
    site.controller.hang_up()
    until(lambda: journal.entries(PRIORITY="3"), "the fault of the config")
    (fault,) = journal.entries(PRIORITY="3")
    assert fault["MESSAGE"].startswith("config not read again: ")
    assert "\n" in fault["MESSAGE"] and "nonsense" in fault["MESSAGE"]
    assert site.controller.stop() == 0
    until(lambda: "stopped" in messages(journal.entries()), "the last line")


def come_and_go(port, name, password):
    """A client that connects and leaves at once."""
    text = b"".join(len(part).to_bytes(2, "big") + part for part in (b"PART-X", name, password))
    body = b"\x00\x04MQTT\x04\xc2\x00\x3c" + text
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(b"\x10" + bytes([len(body)]) + body)
        assert client.recv(4) == b"\x20\x02\x00\x00"
        client.sendall(b"\xe0\x00")


def test_a_journal_that_does_not_read_stops_nothing_and_is_told_what_it_missed(site, journal):
    journal.read()
    site.run(piles=2, extra=LEVEL, wrapper=journal.wrapper).wait_uplink()
    pile = site.pile(1)
    journal.get_stuck()
    # Each visit is several lines at DEBUG; there are places for 2048.
    for _ in range(1500):
        come_and_go(site.controller.port, pile_code(2).encode(), pile_password(2).encode())
    during = charge(site, pile)
    assert site.controller.healthz() == 200
    site.controller.wait_settled([during.id])
    journal.read()
    dropped = re.compile(r"(\d+) lines were dropped")

    def confessions():
        return [e for e in journal.entries(PRIORITY="4") if dropped.match(e["MESSAGE"])]

    until(confessions, "the number of lines that were dropped")
    assert all(int(e["DROPPED"]) > 0 for e in confessions())
    after = charge(site, pile)
    until(lambda: "order settled" in messages(journal.entries(ORDER=after.id)), "the log to go on")


def test_a_journal_that_never_reads_prevents_neither_start_nor_end(site, journal):
    journal.fill()
    site.run(extra=LEVEL, wrapper=journal.wrapper).wait_uplink()
    order = charge(site, site.pile(1))
    site.controller.wait_settled([order.id])
    assert site.controller.stop() == 0
