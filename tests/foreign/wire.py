"""Both revisions of the protocol as this suite speaks them: classes generated here, from proto/, by
grpcio-tools."""

import base64
import hashlib
import importlib
import pathlib
import struct
import sys

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.unknown_fields import UnknownFieldSet

ROOT = pathlib.Path(__file__).resolve().parents[2]
GENERATED = ROOT / "target" / "foreign-proto"
REVISIONS = ("1.0", "1.10")


def _generate():
    from grpc_tools import protoc

    GENERATED.mkdir(parents=True, exist_ok=True)
    names = [f"charger_v{revision.replace('.', '_')}" for revision in REVISIONS]
    sources = [str(ROOT / "proto" / f"{name}.proto") for name in names]
    arguments = ["protoc", f"-I{ROOT / 'proto'}", f"--python_out={GENERATED}", *sources]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc failed")
    sys.path.insert(0, str(GENERATED))
    return {r: importlib.import_module(f"{name}_pb2") for r, name in zip(REVISIONS, names)}


MODULES = _generate()


class Wire:
    """One revision: its classes and the way its messages travel."""

    def __init__(self, revision):
        self.revision = revision
        self.pb = MODULES[revision]
        codes = dict(self.pb.MessageID.items())
        # Answer code of every request that has one.
        self.answers = {
            code: codes[f"{name[:-3]}Conf"]
            for name, code in codes.items()
            if name.endswith("Req") and f"{name[:-3]}Conf" in codes
        }

    def code(self, name):
        return self.pb.MessageID.Value(f"ID_{name}")

    def has(self, name):
        return f"ID_{name}" in self.pb.MessageID.keys()

    def name(self, code):
        """`StartTransactionReq`, or None if this revision has no such message."""
        found = self.pb.MessageID.DESCRIPTOR.values_by_number.get(code)
        return found.name.removeprefix("ID_") if found else None

    def kind(self, name):
        return getattr(self.pb, "HeartbeatResp" if name == "HeartbeatConf" else name)

    def make(self, name, **values):
        """A message from values by the names of either revision: a value that only the other
        revision has room for is left out, numbers become texts and texts numbers as need be."""
        message = self.kind(name)()
        self.put(message, name, values)
        return message

    def put(self, message, name, values):
        """Writes such values over those of a message of that name."""
        for key in values:
            assert any(key.lower() in fields(c) for c in both(name)), f"{name} has no {key}"
        put(message, values)

    def seal(self, code, sequence, message, timestamp=0):
        """One APDU; `message` may be bytes."""
        payload = message if isinstance(message, bytes) else message.SerializeToString()
        apdu = self.pb.APDU(
            timestamp=timestamp, sequenceId=sequence, messageId=code, payload=payload
        )
        return apdu.SerializeToString()

    def unseal(self, data):
        """The APDU; ValueError if it is one of the other revision."""
        return parse(self.pb.APDU, data)

    def read(self, apdu):
        """The message within, by the envelope's code."""
        return parse(self.kind(self.name(apdu.messageId)), apdu.payload)


def both(name):
    """The classes of a message, of the revisions that have it."""
    name = "HeartbeatResp" if name == "HeartbeatConf" else name
    return [getattr(module, name) for module in MODULES.values() if hasattr(module, name)]


def fields(kind):
    """Fields by their names in lower case: the revisions write `idinfo` and `idInfo`."""
    return {field.name.lower(): field for field in kind.DESCRIPTOR.fields}


def put(message, values):
    known = fields(message)
    for key, value in values.items():
        field = known.get(key.lower())
        if field is None:
            continue
        if field.is_repeated != isinstance(value, list):
            # What is one of several in the other revision.
            value = value[0] if isinstance(value, list) else [value]
        if field.is_repeated:
            message.ClearField(field.name)
            for item in value:
                if field.message_type:
                    put(getattr(message, field.name).add(), item)
                else:
                    getattr(message, field.name).append(scalar(field, item))
        elif field.message_type:
            getattr(message, field.name).SetInParent()
            put(getattr(message, field.name), value)
        else:
            setattr(message, field.name, scalar(field, value))


WHOLE = {
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
    FieldDescriptor.CPPTYPE_ENUM,
}


def scalar(field, value):
    if field.cpp_type in WHOLE:
        return int(value or 0)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING and not isinstance(value, bytes):
        return str(value)
    return value


def parse(kind, payload):
    """The message; ValueError if it holds what its revision does not have."""
    message = kind()
    message.ParseFromString(payload)
    strangers = list(unknown(message))
    if strangers:
        raise ValueError(f"fields unknown to {message.DESCRIPTOR.full_name}: {strangers}")
    return message


def unknown(message):
    """Numbers of the fields that are not in the tables, those of messages within too."""
    yield from (f"{message.DESCRIPTOR.name} {u.field_number}" for u in UnknownFieldSet(message))
    for field, value in message.ListFields():
        if field.message_type and not field.message_type.GetOptions().map_entry:
            for inner in value if field.is_repeated else [value]:
                yield from unknown(inner)


V1_0 = Wire("1.0")
V1_10 = Wire("1.10")
WIRES = {wire.revision: wire for wire in (V1_0, V1_10)}
# What the tests of one revision only speak.
pb = V1_10.pb
seal = V1_10.seal
unseal = V1_10.unseal
ANSWER = V1_10.answers


def order_id(pile, record, start):
    """The id of an order, from its key alone; written from the design, not from the program."""
    key = pile.encode() + str(record).encode() + b"\0" + struct.pack(">q", start)
    return pile + base64.b32encode(hashlib.sha256(key).digest()[:10]).decode()
