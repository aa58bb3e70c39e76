"""The frames and the server of this suite, by themselves; bytes by hand, from the facts."""

import contextlib
import fcntl
import socket
import struct
import termios
import time

import ec
from ec_server import EcServer
from waiting import until

PILE = "3101150012000001"
TRADE = PILE + "ABCDEFGHIJKLMNOP"
RECORD = ec.Record(1000, PILE, 2, TRADE, 1_767_225_600, 1_767_229_200, 12_340, 2_159, 1_234)
RECORD_HEX = (
    "4543 004f 03ed"  # mark, 79 bytes from the command on, command 1005
    "000003e8"  # organisation 1000
    "0010 33313031313530303132303030303031"  # pile code
    "02"  # gun
    "0020 33313031313530303132303030303031 4142434445464748494a4b4c4d4e4f50"  # trade number
    "6955b900 6955c710"  # 2026-01-01T00:00:00Z and an hour later
    "00003034"  # 12.34 kWh
    "0000086f"  # 21.59 yuan
    "000004d2"  # of these 12.34 for the service
)
REALTIME = ec.Realtime(
    1000, PILE, 1, 5, {(3, 1): 3, (3, 3): 7500, (1, 1): 1, (2, 10): 2, (4, 4): 12_340}
)
REALTIME_HEX = (
    "4543 0035 03e9"
    "000003e8"
    "0010 33313031313530303132303030303031"
    "01 05 0005"
    "0001 03 0003"  # charging
    "0003 03 1d4c"  # 750.0 V
    "0001 01 01"  # a vehicle
    "000a 02 02"  # low state of charge
    "0004 04 00003034"  # 12.34 kWh
)
HEARTBEAT = bytes.fromhex("454300020065")


def test_bytes_by_hand():
    assert ec.frame(ec.HEARTBEAT) == HEARTBEAT
    record, realtime = bytes.fromhex(RECORD_HEX), bytes.fromhex(REALTIME_HEX)
    assert ec.frame(ec.RECORD, RECORD.body()) == record
    assert ec.frame(ec.REALTIME, REALTIME.body()) == realtime
    assert ec.record(record[6:]) == RECORD
    assert ec.realtime(realtime[6:]) == REALTIME


def test_a_reader_finds_frames_however_they_are_cut_and_whatever_is_between():
    record = ec.frame(ec.RECORD, RECORD.body())
    # Noise, half a mark, lengths that are negative or too short, an unknown command.
    negative, short = ec.MARK + b"\xff\xff", ec.MARK + b"\x00\x01"
    stream = b"noise" + record + b"E" + negative + record + short + ec.frame(999, b"?") + HEARTBEAT
    whole = [ec.Frame(ec.RECORD, RECORD.body())] * 2
    whole += [ec.Frame(999, b"?"), ec.Frame(ec.HEARTBEAT, b"")]
    for size in (1, 2, 3, 7, len(stream)):
        reader, frames = ec.Reader(), []
        for at in range(0, len(stream), size):
            reader.feed(stream[at : at + size])
            while found := reader.take():
                frames.append(found)
        assert frames == whole
        assert reader.skipped == len(b"noise") + 1 + len(negative) + len(short)


@contextlib.contextmanager
def connected(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as gate:
        yield gate


def ended(gate):
    """Whether the server closes the link, sooner or later."""
    try:
        while gate.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return True


def test_a_server_keeps_drops_and_passes_over_as_the_known_one_does():
    stopped = ec.Record(1000, PILE, 2, "B" * 32, 10, 10, 5, 0, 0)
    empty = ec.Record(1000, PILE, 2, "C" * 32, 10, 11, 0, 0, 0)
    with EcServer(heartbeat_s=0.2) as server, connected(server) as gate:
        frames = [ec.frame(ec.RECORD, r.body()) for r in (RECORD, stopped, empty, RECORD)]
        gate.sendall(HEARTBEAT + b"".join(frames) + ec.frame(7, b"x") + ec.frame(1005, b"x"))
        until(lambda: server.ignored, "all of it read")
        assert server.records == {TRADE: RECORD}
        assert server.copies[TRADE] == [frames[0]] * 2
        assert [r.trade for r in server.dropped] == ["B" * 32, "C" * 32]
        assert server.ignored == [(7, b"x")]
        until(lambda: server.malformed, "the record that is none")
        assert gate.recv(6, socket.MSG_WAITALL) == HEARTBEAT, "one of its own"


def test_a_server_closes_what_is_silent_and_forgets_what_it_had_not_stored():
    with EcServer(heartbeat_s=60, silence_s=0.3, store_s=60) as server:
        with connected(server) as gate:
            assert ended(gate)
            assert server.silences == 1
        with connected(server) as gate:
            gate.sendall(ec.frame(ec.RECORD, RECORD.body()))
            until(lambda: server.copies, "the record read")
            server.restart()
            assert ended(gate)
        assert not server.records, "it was never stored"
        server.store_s = 0
        with connected(server) as gate:
            gate.sendall(ec.frame(ec.RECORD, RECORD.body()))
            until(lambda: server.records, "stored at once")
            server.restart()
        assert server.records == {TRADE: RECORD}, "what is stored is kept"


def test_a_server_that_reads_no_more_lives_on_and_dies_with_what_it_has_not_read():
    with EcServer(heartbeat_s=0.1) as server, connected(server) as gate:
        server.stop_reading(heartbeats=True)
        gate.sendall(ec.frame(ec.RECORD, RECORD.body()))
        beats = server.heartbeats_sent
        until(lambda: server.heartbeats_sent > beats + 2, "heartbeats go on")
        server.heartbeats = False
        time.sleep(0.3)
        beats = server.heartbeats_sent
        time.sleep(0.3)
        assert server.heartbeats_sent == beats
        assert not server.copies
        server.restart()
        assert ended(gate)
        assert not server.copies


def test_a_server_cuts_a_record_where_it_is_told_to():
    record = ec.frame(ec.RECORD, RECORD.body())
    with EcServer(heartbeat_s=60) as server:
        for at in (0, 5, len(record)):
            server.cut_at(at)
            with connected(server) as gate:
                gate.sendall(HEARTBEAT + record)
                assert ended(gate)
            assert server.cut is None
            assert (TRADE in server.records) == (at == len(record))


def test_a_dark_server_acknowledges_nothing_and_cannot_be_reached():
    with EcServer(heartbeat_s=60) as server, connected(server) as gate:
        until(server.links, "the link")
        server.go_dark()
        gate.sendall(ec.frame(ec.RECORD, RECORD.body()))
        time.sleep(0.3)
        assert unacknowledged(gate) and not server.copies
        with socket.socket() as other:
            other.settimeout(0.3)
            assert other.connect_ex(("127.0.0.1", server.port)) != 0
        server.come_back()
        until(lambda: server.copies, "what the kernel sends again")
        until(lambda: not unacknowledged(gate), "its acknowledgement")


def unacknowledged(gate):
    """SIOCOUTQ."""
    return struct.unpack("i", fcntl.ioctl(gate, termios.TIOCOUTQ, bytes(4)))[0]
