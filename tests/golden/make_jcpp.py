#!/usr/bin/env python3
"""Writes jcpp.txt: every message of the queue with every field, and what the site publishes for
what happens in it, as Python's protobuf encodes them; also the ids, which this script derives by
itself. What happens is written once more in `src/protocol/jcpp/tests`. Needs protobuf and
grpcio-tools:

    python3 -B tests/golden/make_jcpp.py        (in the top folder; overwrites the file)
"""

import datetime
import hashlib
import json
import struct

from protobuf_text import block, encoded, filled, load, written

w = load("jcpp")
PILE = "3101150012000001"
ORDER = PILE + "ABCDEFGHIJKLMNOP"
AT_MS = 1_795_000_000_123
BOOT, MONO, CONNECTION = 3, 4000, 7
ADDRESS = "10.0.0.5:50123"
CAUSE = b"\x0a\x02DC"
HEAD = ("messageIdMSB", "messageIdLSB", "sessionIdMSB", "sessionIdLSB", "messageKey", "protocolName", "ts", "requestData")


def uuid(kind, *parts):
    parts = [part if isinstance(part, bytes) else part.encode() for part in (kind, *parts)]
    made = hashlib.sha256(b"".join(struct.pack(">Q", len(part)) + part for part in parts)).digest()
    made = bytearray(made[:16])
    made[6] = made[6] & 0x0F | 0x80
    made[8] = made[8] & 0x3F | 0x80
    return bytes(made)


def named(message, identity, session):
    message.messageIdMSB, message.messageIdLSB = struct.unpack(">qq", identity)
    message.sessionIdMSB, message.sessionIdLSB = struct.unpack(">qq", session)
    return message


def envelope(at_ms, cause, field, **body):
    message = w.UplinkQueueMessage(messageKey=PILE, protocolName="goiot", ts=at_ms, requestData=cause)
    getattr(message, field).SetInParent()
    kind = getattr(message, field)
    for name, value in body.items():
        if isinstance(value, list):
            getattr(kind, name).extend(value)
        elif hasattr(value, "DESCRIPTOR"):
            getattr(kind, name).CopyFrom(value)
        else:
            setattr(kind, name, value)
    return message


def news(field, at_ms=AT_MS, cause=CAUSE, connection=CONNECTION, **body):
    message = envelope(at_ms, cause, field, pileCode=PILE, **body)
    number = lambda value: struct.pack(">q", value)
    identity = uuid("news", PILE, number(BOOT), number(MONO), number(at_ms), encoded(message))
    connection = b"" if connection is None else number(connection)
    return named(message, identity, uuid("session", PILE, number(BOOT), connection))


def order(at_ms, cause, **body):
    message = envelope(at_ms, cause, "transactionRecordRequest", pileCode=PILE, **body)
    return named(message, uuid("order", ORDER, encoded(message)), uuid("session of an order", ORDER))


def info(**values):
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False)


def heading(message):
    carried = [f.message_type.name for f, _ in message.ListFields() if f.name not in HEAD]
    ids = [struct.pack(">qq", message.messageIdMSB, message.messageIdLSB)]
    ids.append(struct.pack(">qq", message.sessionIdMSB, message.sessionIdLSB))
    ids = [raw.hex() for raw in ids]
    ids = ["-".join((h[:8], h[8:12], h[12:16], h[16:20], h[20:])) for h in ids]
    at = datetime.datetime.fromtimestamp(message.ts // 1000, datetime.timezone.utc)
    at = at.strftime("%Y-%m-%dT%H:%M:%SZ") if message.ts else "no time"
    return f"JCPP {', '.join(carried)} message {ids[0]} session {ids[1]} at {at}"


def every_message():
    for field in w.UplinkQueueMessage.DESCRIPTOR.fields:
        if field.name in HEAD:
            continue
        message = w.UplinkQueueMessage()
        for n, name in enumerate(HEAD):
            kind = w.UplinkQueueMessage.DESCRIPTOR.fields_by_name[name]
            setattr(message, name, {kind.TYPE_STRING: f"{name} 枪", kind.TYPE_BYTES: b"\0\xff"}.get(kind.type, (-1) ** n * 10**15 * (n + 1)))
        message.ts = AT_MS
        getattr(message, field.name).SetInParent()
        filled(getattr(message, field.name))
        yield f"every-{field.name}", message


def told():
    gun = dict(gunNo="01")
    trade = dict(gun, tradeNo=ORDER)
    login = info(serial="ZD240117001", model="DC-120", vendor='某 "A"', firmware="3.1")
    yield "booted", news("loginRequest", remoteAddress=ADDRESS, additionalInfo=login)
    yield "alive", news("heartBeatRequest", cause=b"", remoteAddress=ADDRESS)
    yield "alive-undated", news("heartBeatRequest", at_ms=0, cause=b"", connection=None)
    for name, reason, text in [("lost", 2, "connection reset"), ("dismissed", 3, "forgotten"), ("stopped", 1, "the site stops")]:
        yield f"gone-{name}", news("sessionCloseEventProto", cause=b"", reason=reason, additionalInfo=info(reason=text))
    states = [
        ("away", 9, "away"), ("none", 9, "unknown"), ("unavailable", 9, "unavailable"), ("idle", 0, "idle"),
        ("connected", 1, "connected"), ("waiting", 1, "waiting"), ("charging", 2, "charging"),
        ("suspended-by-pile", 2, "suspended by pile"), ("suspended-by-vehicle", 2, "suspended by vehicle"),
        ("finished", 3, "finished"), ("reserved", 7, "reserved"), ("fault", 8, "fault"),
    ]
    for name, number, text in states:
        faults = ["1030", "2001"] if name == "fault" else []
        yield f"gun-{name}", news("gunRunStatusProto", **gun, GunRunStatus=number, faultMessages=faults, additionalInfo=info(state=text))
    yield "progress", news(
        "chargingProgressProto", **trade, outputVoltage="400.5", outputCurrent="123.45", soc=55,
        totalChargingDurationMin=29, totalChargingEnergyKWh="12.340", totalChargingCostYuan="17.285",
    )
    measured = info(
        voltage="398.76", current="-121.50", highestCellVoltage="4.05", highestCell="17", highestTemperature="31.5",
        lowestTemperature="-2.0", soc="55", remainingS="900", cellVoltageLevel="over", insulation="abnormal",
    )
    yield "progress-battery", news("bmsChargingInfoProto", **trade, additionalInfo=measured)
    wanted = info(demandVoltage="420.00", demandCurrent="125.00", mode="constant current", outputVoltage="400.5", outputCurrent="123.45")
    yield "progress-demand", news("bmsDemandChargerOutputProto", **trade, additionalInfo=wanted)
    yield "progress-bare", news("chargingProgressProto", **trade)
    yield "handshake", news(
        "bmsHandshakeProto", **trade, bmsProtocolVersion="1.1", bmsBatteryType=6, bmsPowerCapacity=180, bmsPowerMaxVoltage=401,
        bmsFactory="CATL", bmsSerialNo=0, bmsCreateYear=2023, bmsCreateMonth=5, bmsCreateDay=17, bmsChargeCount=321,
        bmsPropertyRightLabel=1, carVinCode="LSVAU2180N2183294", bmsSoftwareVersion="2.0",
        additionalInfo=info(ratedVoltage="400.50", serialNo="A-1"),
    )
    yield "parameters", news(
        "bmsParamConfigReportProto", **trade, maxSingleCellVoltage="4.20", maxChargeCurrent="250.00", ratedEnergy="72.000",
        maxTotalChargeVoltage="450.00", maxTemperature="55.0", soc="55", currentBatteryVoltage="398.76",
    )
    yield "card", news("startChargeRequest", ts=AT_MS, **gun, startType="card", cardNo="8812")
    yield "card-nowhere", news("startChargeRequest", ts=AT_MS, startType="card", cardNo="8812")
    yield "remote-start", news("remoteStartChargingResponse", **trade, success=True)
    yield "remote-start-failed", news("remoteStartChargingResponse", **gun, failReason="the pile refused")
    yield "remote-stop", news("remoteStopChargingResponse", **gun, success=True, additionalInfo=info(tradeNo=ORDER))
    yield "remote-stop-failed", news("remoteStopChargingResponse", failReason="no order runs there")
    yield "tariff-query", news("queryPricingRequest")
    yield "tariff-verify", news("verifyPricingRequest", pricingId=7)
    yield "tariff-set", news("setPricingResponse", pricingId=7, success=True)
    yield "time", news("timeSyncResponse", time="2026-11-18T11:06:40Z")


def records():
    ends = dict(gunNo="01", tradeNo=ORDER, startTs=1_794_996_400_000, endTs=1_795_000_000_000, tradeTs=AT_MS)
    sums = dict(totalEnergyKWh="12.340", totalAmountYuan="17.280", stopReason="battery full")
    bands = w.PeakValleyDetail(
        topEnergyKWh="1.000", topAmountYuan="2.500", peakEnergyKWh="2.500", peakAmountYuan="5.130",
        flatEnergyKWh="4.840", flatAmountYuan="8.220", valleyEnergyKWh="3.000", valleyAmountYuan="3.760",
        deepEnergyKWh="1.000", deepAmountYuan="1.100",
    )
    detail = w.TransactionDetail(type="PEAK_VALLEY", peakValley=bands)
    remarks = info(stopReason="16", flags="estimated", unknownTags='"", "night"')
    yield "order", order(1_795_000_000_000, b"stop", **ends, **sums, pricingId=7, detail=detail, additionalInfo=remarks)
    items = [
        w.TimePeriodDetail.PeriodItem(periodNo=1, startTime="07:30", endTime="24:00", energyKWh="1.200", amountYuan="1.510"),
        w.TimePeriodDetail.PeriodItem(periodNo=2, startTime="2026-11-18T10:06:40Z", endTime="2026-11-18T11:06:40Z", energyKWh="0.010", amountYuan="-0.020"),
    ]
    periods = w.TransactionDetail(type="TIME_PERIOD", timePeriod=w.TimePeriodDetail(periods=items))
    yield "order-periods", order(1_795_000_000_000, b"stop", **ends, **sums, detail=periods, additionalInfo=info(stopReason="16"))
    yield "order-closed", order(AT_MS, b"", tradeNo=ORDER, tradeTs=AT_MS, totalEnergyKWh="12.340", stopReason="pile off line", additionalInfo=info(stopReason="8", flags="estimated"))
    yield "order-undated", order(0, b"", tradeNo=ORDER, gunNo="01", totalEnergyKWh="0.000", stopReason="ended normally", additionalInfo=info(stopReason="0"))


vectors = [*every_message(), *told(), *records()]
written("jcpp.txt", [block("make_jcpp.py", name, encoded(message), heading(message), message) for name, message in vectors])
