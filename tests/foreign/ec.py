"""The frames of EC TCP, written and read; from the facts, not from the program."""

import dataclasses
import struct

MARK = b"EC"
HEARTBEAT, REALTIME, RECORD = 101, 1001, 1005
COMMAND_BYTES = 2
# Receivers read the length as a signed number.
LENGTH_MAX = 0x7FFF
# Bytes of a point's value by its type.
VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4}


class Malformed(Exception):
    """A body that is none of its command."""


@dataclasses.dataclass(frozen=True)
class Frame:
    command: int
    body: bytes

    @property
    def bytes(self):
        return frame(self.command, self.body)


@dataclasses.dataclass(frozen=True)
class Record:
    """A consumption record."""

    organisation: int
    pile: str
    gun: int
    trade: str
    start: int
    end: int
    energy_wh: int
    amount_fen: int
    service_fen: int

    @property
    def is_dropped(self):
        """Whether the known server drops it without a word."""
        return self.start >= self.end or self.energy_wh == 0

    def body(self):
        figures = (self.start, self.end, self.energy_wh, self.amount_fen, self.service_fen)
        return (
            struct.pack(">I", self.organisation)
            + string(self.pile)
            + bytes([self.gun])
            + string(self.trade)
            + struct.pack(">5I", *figures)
        )


@dataclasses.dataclass(frozen=True)
class Realtime:
    """The points of a connector: values by type and address."""

    organisation: int
    pile: str
    gun: int
    kind: int
    points: dict

    def body(self):
        return (
            struct.pack(">I", self.organisation)
            + string(self.pile)
            + struct.pack(">BBH", self.gun, self.kind, len(self.points))
            + b"".join(
                struct.pack(">HB", address, type_) + value.to_bytes(VALUE_BYTES[type_], "big")
                for (type_, address), value in self.points.items()
            )
        )


def frame(command, body=b""):
    return MARK + struct.pack(">HH", COMMAND_BYTES + len(body), command) + body


def string(text):
    return struct.pack(">H", len(text)) + text.encode("ascii")


class _Body:
    """Takes fields off the front."""

    def __init__(self, data):
        self.data = data

    def bytes(self, count):
        if len(self.data) < count:
            raise Malformed(f"{count} bytes wanted, {len(self.data)} there")
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def numbers(self, layout):
        return struct.unpack(">" + layout, self.bytes(struct.calcsize(">" + layout)))

    def string(self):
        (count,) = self.numbers("H")
        try:
            return self.bytes(count).decode("ascii")
        except UnicodeDecodeError as error:
            raise Malformed(str(error)) from error

    def end(self):
        if self.data:
            raise Malformed(f"{len(self.data)} bytes too many")


def record(data):
    body = _Body(data)
    (organisation,) = body.numbers("I")
    pile = body.string()
    (gun,) = body.numbers("B")
    trade = body.string()
    figures = body.numbers("5I")
    body.end()
    return Record(organisation, pile, gun, trade, *figures)


def realtime(data):
    body = _Body(data)
    (organisation,) = body.numbers("I")
    pile = body.string()
    gun, kind, count = body.numbers("BBH")
    points = {}
    for _ in range(count):
        address, type_ = body.numbers("HB")
        if type_ not in VALUE_BYTES:
            raise Malformed(f"no type of points: {type_}")
        if (type_, address) in points:
            raise Malformed(f"point {address} of type {type_} twice")
        points[type_, address] = int.from_bytes(body.bytes(VALUE_BYTES[type_]), "big")
    body.end()
    return Realtime(organisation, pile, gun, kind, points)


class Reader:
    """Cuts a stream into frames; out of step it looks for the mark."""

    def __init__(self):
        self.data = b""
        self.skipped = 0

    def feed(self, data):
        self.data += data

    def take(self):
        """The next frame, or None until more has come."""
        while True:
            self._seek()
            if len(self.data) < 4:
                return None
            (length,) = struct.unpack(">h", self.data[2:4])
            if length < COMMAND_BYTES:
                self._skip(len(MARK))
                continue
            end = 4 + length
            if len(self.data) < end:
                return None
            whole, self.data = self.data[:end], self.data[end:]
            (command,) = struct.unpack(">H", whole[4:6])
            return Frame(command, whole[6:])

    def _seek(self):
        """To the mark, or to what may become one."""
        at = self.data.find(MARK)
        if at < 0:
            half = self.data.endswith(MARK[:1])
            at = len(self.data) - half
        self._skip(at)

    def _skip(self, count):
        self.skipped += count
        self.data = self.data[count:]
