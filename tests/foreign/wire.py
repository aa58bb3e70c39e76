"""The protocol as this suite speaks it: classes generated here, from proto/, by grpcio-tools."""

import base64
import hashlib
import importlib
import pathlib
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
GENERATED = ROOT / "target" / "foreign-proto"


def _generate():
    from grpc_tools import protoc

    GENERATED.mkdir(parents=True, exist_ok=True)
    arguments = [
        "protoc",
        f"-I{ROOT / 'proto'}",
        f"--python_out={GENERATED}",
        str(ROOT / "proto" / "charger_v1_10.proto"),
    ]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc failed")
    sys.path.insert(0, str(GENERATED))
    return importlib.import_module("charger_v1_10_pb2")


pb = _generate()

# Answer code of every request this suite sends or answers.
ANSWER = {
    getattr(pb, f"ID_{name}Req"): getattr(pb, f"ID_{name}Conf")
    for name in (
        "BootNotification Heartbeat DeviceRegistration RemoteStartTransaction "
        "RemoteStopTransaction StartTransaction StopTransaction Authorize StatusNotification "
        "TriggerMessage GetTransactions Transaction Warning SetTariff"
    ).split()
}


def seal(code, sequence, message, timestamp=0):
    """One APDU; `message` may be bytes."""
    payload = message if isinstance(message, bytes) else message.SerializeToString()
    apdu = pb.APDU(timestamp=timestamp, sequenceId=sequence, messageId=code, payload=payload)
    return apdu.SerializeToString()


def unseal(data):
    apdu = pb.APDU()
    apdu.ParseFromString(data)
    return apdu


def parse(kind, payload):
    message = kind()
    message.ParseFromString(payload)
    return message


def order_id(pile, record, start):
    """The id of an order, from its key alone; written from the design, not from the program."""
    key = pile.encode() + str(record).encode() + b"\0" + struct.pack(">q", start)
    return pile + base64.b32encode(hashlib.sha256(key).digest()[:10]).decode()
