"""The foreign slaves themselves, asked by hand: what the meters' tests build upon."""

import os
import select
import socket
import struct
import time

import pytest

import registers
from line import Line
from slaves import PYMODBUS, Slave


def crc(data):
    rest = 0xFFFF
    for byte in data:
        rest ^= byte
        for _ in range(8):
            rest = rest >> 1 ^ 0xA001 if rest & 1 else rest >> 1
    return struct.pack("<H", rest)


class Wire:
    """A master of a few lines."""

    def __init__(self, slave):
        self.slave = slave
        self.socket = None
        if slave.line:
            self.fd = os.open(slave.line.port, os.O_RDWR | os.O_NOCTTY)
        else:
            self.socket = socket.create_connection(("127.0.0.1", slave.tcp_port), 5)
            self.fd = self.socket.fileno()

    def close(self):
        if self.socket:
            self.socket.close()
        else:
            os.close(self.fd)

    def ask(self, function, start, count, address=None, patience=5.0):
        """What came after the function code; None if nothing came."""
        address = address or self.slave.address
        pdu = struct.pack(">BHH", function, start, count)
        if self.slave.framing == "tcp":
            head = struct.pack(">HHHB", 7, 0, len(pdu) + 1, address)
            os.write(self.fd, head + pdu)
            answer = self._read(lambda got: len(got) > 5 and len(got) == 6 + got[5], patience)
            return answer and answer[7:]
        frame = struct.pack("B", address) + pdu
        os.write(self.fd, frame + crc(frame))
        answer = self._read(lambda got: len(got) > 4 and crc(got[:-2]) == got[-2:], patience)
        return answer and answer[1:-2]

    def _read(self, is_whole, patience):
        got, end = b"", time.monotonic() + patience
        while not is_whole(got):
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            if not ready:
                return None
            got += os.read(self.fd, 512)
        return got

    def words(self, function, start, count):
        answer = self.ask(function, start, count)
        assert answer[0] == function and answer[1] == len(answer) - 2
        return list(struct.unpack(f">{answer[1] // 2}H", answer[2:]))


MADE = [
    "pymodbus-rtu",
    "pymodbus-tcp",
    "pymodbus-rtu-over-tcp",
    "libmodbus-rtu",
    "libmodbus-tcp",
]


@pytest.fixture(params=MADE)
def slave(request, tmp_path, libmodbus_slave):
    maker, _, framing = request.param.partition("-")
    program = PYMODBUS if maker == "pymodbus" else [libmodbus_slave]
    line = Line(tmp_path) if framing == "rtu" else None
    slave = Slave(program, address=7, line=line, framing=framing).start()
    yield slave
    slave.close()
    if line:
        line.close()


@pytest.fixture
def wire(slave):
    wire = Wire(slave)
    yield wire
    wire.close()


def test_a_slave_answers_what_it_was_given(slave, wire):
    slave.give(registers.image(4, 100, "f32", 230.5))
    slave.give(registers.image(3, 65532, "u64", 0x0102030405060708, "little"))
    assert wire.words(4, 100, 2) == [0x4366, 0x8000]
    assert wire.words(3, 65532, 4) == [0x0708, 0x0506, 0x0304, 0x0102]
    slave.give({(4, 101): 5})
    assert wire.words(4, 100, 2) == [0x4366, 5]


def test_a_slave_refuses_what_it_does_not_have(slave, wire):
    slave.give({(4, 10): 1, (4, 11): 2})
    assert wire.ask(4, 10, 3) == bytes([0x84, 2])
    assert wire.ask(3, 10, 2) == bytes([0x83, 2])
    slave.drop(4, 11, 1)
    assert wire.ask(4, 10, 2) == bytes([0x84, 2])
    slave.tell("exception 6")
    assert wire.ask(4, 10, 1) == bytes([0x84, 6])
    slave.tell("exception 0")
    assert wire.words(4, 10, 1) == [1]


def test_a_slave_says_more_and_less_if_told(slave, wire):
    slave.give({(4, at): at for at in range(10)})
    slave.tell("words 1")
    assert len(wire.words(4, 0, 4)) == 5
    slave.tell("words -1")
    assert wire.words(4, 0, 4) == [0, 1, 2]


def test_a_slave_is_late_if_told(slave, wire):
    slave.give({(4, 0): 1, (4, 1): 2})
    slave.tell("late 200")
    before = time.monotonic()
    assert wire.words(4, 0, 2) == [1, 2]
    assert time.monotonic() - before > 0.19


def test_a_slave_that_was_killed_comes_back_with_its_registers(slave):
    slave.give({(4, 0): 1})
    slave.kill()
    if not slave.line:
        with pytest.raises(OSError):
            Wire(slave)
    slave.start()
    wire = Wire(slave)
    assert wire.words(4, 0, 1) == [1]
    wire.close()


def test_slaves_share_a_line(tmp_path, libmodbus_slave):
    line = Line(tmp_path)
    ours = Slave(PYMODBUS, 1, line).start().give({(4, at): at for at in range(20)})
    theirs = Slave([libmodbus_slave], 2, line).start().give({(4, at): 100 + at for at in range(20)})
    one, two = Wire(ours), Wire(theirs)
    try:
        for _ in range(5):
            assert one.words(4, 0, 20) == list(range(20))
            # Slaves tell frames apart by the silence between them, and a busy machine blurs it.
            time.sleep(0.1)
            assert two.words(4, 0, 20) == list(range(100, 120))
            time.sleep(0.1)
        assert one.ask(4, 0, 2, address=3, patience=0.3) is None
    finally:
        for thing in (one, two, ours, theirs, line):
            thing.close()


def test_a_line_is_pulled_and_put_back(tmp_path):
    line = Line(tmp_path)
    slave = Slave(PYMODBUS, 1, line).start().give({(4, 0): 9, (4, 1): 8})
    before = Wire(slave)
    assert before.words(4, 0, 2) == [9, 8]
    line.unplug()
    assert not line.port.exists()
    with pytest.raises(OSError):
        os.write(before.fd, b"x")
    before.close()
    line.plug()
    after = Wire(slave)
    assert after.words(4, 0, 2) == [9, 8]
    for thing in (after, slave, line):
        thing.close()


@pytest.mark.parametrize(
    ("kind", "raw", "order", "expected"),
    [
        ("u16", 2301, "big", [2301]),
        ("i16", -2, "big", [0xFFFE]),
        ("u32", 0x00010002, "big", [1, 2]),
        ("u32", 0x00010002, "little", [2, 1]),
        ("i32", -1000, "big", [0xFFFF, 0xFC18]),
        ("f32", 1.0, "big", [0x3F80, 0]),
        ("f32", 1.0, "little", [0, 0x3F80]),
        ("f64", 1.0, "big", [0x3FF0, 0, 0, 0]),
        ("i64", -1, "big", [0xFFFF] * 4),
    ],
)
def test_values_are_written_as_the_world_writes_them(kind, raw, order, expected):
    assert registers.words(kind, raw, order) == expected
