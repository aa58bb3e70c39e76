#!/usr/bin/env python3
"""Writes charger-1.10.txt and charger-1.0.txt: messages as Python's protobuf encodes them; and
charger-1.10-gbk.txt and charger-1.0-gbk.txt: messages with texts that are not UTF-8, and what is
read in them. A vector that has the same name in both revisions is the same message: that of 1.0
is what can be said of that of 1.10.

The readable text is written by this script from its own descriptors, so that neither the bytes
nor the text come from the code under test. Needs protobuf and grpcio-tools:

    python3 tests/golden/make_charger.py        (in the top folder; overwrites the files)
"""

import base64
import hashlib
import math
import os

from protobuf_text import HERE, encoded, load, text_of


def block(wire, revision, name, code, sequence, timestamp, message, payload=None):
    apdu = wire.APDU(messageId=code, sequenceId=sequence, timestamp=timestamp)
    apdu.payload = encoded(message) if payload is None else payload
    number = wire.MessageID.Value(code)
    return (
        f"== {name}\n"
        f"source: tests/golden/make_charger.py, Python protobuf\n"
        f"hex: {encoded(apdu).hex()}\n"
        f"APDU {revision} {code} {number:#04x} sequence {sequence} timestamp {timestamp}\n"
        f"{text_of(message)}\n"
    )


# Made for either revision.


def number(value):
    if isinstance(value, float):
        return math.floor(value + 0.5)
    return int(value) if value.isdecimal() and int(value) < 1 << 31 else 0


def fitted(kind, fields):
    """A message with those of the fields that the revision has, in its types."""
    made = kind()
    known = {field.name.lower(): field for field in kind.DESCRIPTOR.fields}
    for name, value in fields.items():
        field = known.get(name.lower())
        if field is None or value is None:
            continue
        is_whole = field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_INT64)
        if is_whole and isinstance(value, (float, str)):
            value = number(value)
        if field.message_type is not None:
            getattr(made, field.name).CopyFrom(value)
        elif field.enum_type is not None and isinstance(value, str):
            setattr(made, field.name, field.enum_type.values_by_name[value].number)
        else:
            setattr(made, field.name, value)
    return made


class Wire:
    """The messages of a revision; one that it does not have is None."""

    def __init__(self, module):
        self.module = module

    def __getattr__(self, name):
        kind = getattr(self.module, name, None)
        return lambda **fields: kind and fitted(kind, fields)

    def has(self, code):
        return code in self.module.MessageID.keys()


def sample(w, measurand, value, rate=1, **more):
    """In 1.0 a value has no rate: it is multiplied."""
    if w.HeartbeatReq() is None:
        return w.SampledValue(measurand=measurand, value=float(value * rate))
    return w.SampledValue(measurand=measurand, value=float(value), rate=0 if rate == 1 else rate, **more)


AT = 1_795_000_000
PILE = "3101150012000001"
ORDER = PILE + "ABCDEFGHIJKLMNOP"


def tariff(w):
    rows = [
        (0, 420, "valley", 255), (420, 540, "flat", 699), (540, 690, "peak", 1052),
        (690, 840, "flat", 699), (840, 990, "peak", 1052), (990, 1140, "flat", 699),
        (1140, 1260, "peak", 1052), (1260, 1380, "flat", 699), (1380, 1440, "valley", 255),
    ]
    made = w.SetTariffReq(tariffid=7, description="山 tariff \"A\"")
    for start, end, tag, price in rows:
        made.chargetariffs.add(timestart=start, timeend=end, tag=tag, elecprice=price, serviceprice=1000)
    for start, end, price in [(0, 200, 250), (200, 400, 333), (400, 0, 500)]:
        made.timetariffs.add(powerstart=start, powerend=end, price=price)
    made.channels["vip"].tariffid = 8
    made.channels["vip"].elec["peak"] = 900
    # Not 0: encoders may write or leave out a zero in a map, so the bytes would say nothing.
    made.channels["vip"].service["peak"] = 800
    return made


def cost(w):
    made = w.Cost(tariffid=7, totalcost=2470, totalelec=1204)
    made.bills.add(timestart=540, timeend=600, tag="peak", electric=1204, electriccost=1267, servicecost=1203)
    return made


def start(w, **more):
    fields = dict(
        IdData=w.IdToken(id="8812", id_type="ID_WALLET_CARD", brand="x", customer="c-1"),
        mode="AM_OnlineIdentityCard", serviceMode="SM_ChargeByMoney", timestamp=AT, reservationId=5,
        pin="00", tariffId=7, serviceAmount=5000, soc=20, remoteStartId=12, voltageA=229.5,
        vin="LSVAA0000000000001", profile=w.CurrentChargingProfile(id=3),
    )
    return w.StartTransactionReq(**(fields | more))


def stop(w, **more):
    fields = dict(
        IdData=w.IdToken(id="8812"), reason="SR_LocalCard", timestamp=AT + 3600, cost=cost(w),
        elecData=bytes([0, 34, 92, 10, 200, 255]), reason_desc="card", soc=81, power=59.75, seq=4, deduction=1,
        TAC="0A0B",
    )
    return w.StopTransactionReq(**(fields | more))


def whole(w, **more):
    fields = dict(
        IdData=w.IdToken(id="8812", id_type="ID_WALLET_CARD", brand="x", customer="c-1"),
        mode="AM_OnlineIdentityCard", service="SM_ChargeByMoney", timeStart=AT, timeStop=AT + 3600,
        pin="00", reason="SR_LocalCard", cost=cost(w), elecData=bytes([0, 34, 92, 10, 200, 255]),
        reason_desc="card", start_soc=20, stop_soc=81, reservationId=5, remoteStartId=12, power=59.75,
        vin="LSVAA0000000000001", deduction=1, TAC="0A0B", profile=w.CurrentChargingProfile(id=3),
    )
    return w.TransactionReq(**(fields | more))


def telemetry(w, **more):
    made = w.TelemetryReq(component="CP_Connector", warningBitmap=1 << 40, **more)
    made.values.append(sample(w, 144, 3))
    made.values.append(sample(w, 1, 2301.5, rate=10, phase="L2"))
    return made


# Of 2000.123 kWh to 2012.171 kWh, in 0.1 kWh per five minutes.
METERED = bytes([10, 10, 11, 9, 11, 9, 12, 9, 12, 0, 17, 11])


def metered(w, component, **more):
    """1234.565 kWh, 230.1 V and so on, -12.34 A and 12.35 A, -7365 W."""
    made = w.TelemetryReq(component=component, **more)
    values = [(134, 123457, "L1"), (136, 2301, "L1"), (137, 2299, "L2"), (138, 2310, "L3"), (139, -123, "L1"), (140, 124, "L2"), (142, -737, "L1")]
    for measurand, value, phase in values:
        made.values.append(sample(w, measurand, value, phase=phase))
    return made


def charging(w, status="CHS_Charging", **more):
    # The revisions number the states differently.
    return w.ChargingInfoReq(consumedTime=600, consumedElectric=250, cost=w.Cost(totalcost=512), currentA=100.25, status=status, **more)


def battery(w):
    made = w.BMSChargingInfo(requestVoltage=40000, soc=42, VIN="LSVAA0000000000001", batType="BAT_LFP", vendor="b")
    made.highestTemp.number, made.highestTemp.value = 3, 41
    return made


def local_list(w):
    made = w.SendLocalAuthorizationListReq(version_number=4, update_type="Full")
    if made is None:
        return None
    made.local_authorization_list.add().idToken.CopyFrom(w.IdToken(id="8812"))
    made.local_authorization_list.add().idToken.CopyFrom(w.IdToken(id="8813", status="AS_NoCredit"))
    return made


def messages(w):
    token = w.IdToken(id="8812", status="AS_NotAtThisTime", balance=900)
    version = "1.0" if w.HeartbeatReq() is None else "1.10"
    up = dict(recordId=ORDER, evseId=PILE, connectorId="12", transactionId="T-77")
    of_order = dict(recordId=ORDER, evseId=PILE, connectorId="12")
    return [
        # What piles say.
        ("pile-boot", "ID_BootNotificationReq", 1, w.BootNotificationReq(partNumber="DC", serialNumber="ZD240117001", firmwareVersion="2.1", protocolVersion="1.10", connectorNumber=2, ICCID="8986", ComponentBits=1 << 63)),
        ("pile-heartbeat", "ID_HeartbeatReq", 2, w.HeartbeatReq(currentTime=AT)),
        ("pile-tariff-wanted", "ID_SetTariffReq", 3, w.SetTariffReq()),
        ("pile-authorize", "ID_AuthorizeReq", 4, w.AuthorizeReq(IdData=w.IdToken(id="8812"), payment=2)),
        ("pile-start", "ID_StartTransactionReq", 5, start(w, recordId="17", connectorId="1", meterStart=104220.5, transactionId="tok-1")),
        ("pile-charging", "ID_ChargingInfoReq", 6, charging(w, recordId="17", connectorId="1")),
        ("pile-stop", "ID_StopTransactionReq", 7, stop(w, recordId="17", connectorId="1", meterStop=105424.5, transactionId=ORDER)),
        ("pile-transaction", "ID_TransactionReq", 8, whole(w, recordId="17", connectorId="1", meterStart=104220.5, meterStop=105424.5, transactionId=ORDER)),
        ("pile-telemetry", "ID_TelemetryReq", 9, telemetry(w, connectorId="1", recordId="17")),
        ("pile-meter-values", "ID_MeterValuesReq", 10, w.MeterValuesReq(connectorId="1", transactionId=ORDER, electricity=12.5, soc=40)),
        ("pile-warning", "ID_WarningReq", 11, w.WarningReq(code=1030, level="WL_Warning", component="CP_Fan", recordId="17", connectorId="1", info="fan", time=AT)),
        ("pile-status", "ID_StatusNotificationReq", 12, w.StatusNotificationReq(connectorId="1", connectorState=2)),
        ("pile-remote-start-conf", "ID_RemoteStartTransactionConf", 13, w.RemoteStartTransactionConf(status=1, reason="SR_EVOccupy", reason_desc="busy", record_id="18")),
        ("pile-remote-stop-conf", "ID_RemoteStopTransactionConf", 14, w.RemoteStopTransactionConf()),
        ("pile-tariff-conf", "ID_SetTariffConf", 15, w.SetTariffConf(status=1)),
        ("pile-error", "ID_MessageError", 16, w.MessageError(error="EC_TypeViolation", Description="no")),
        ("pile-log-status", "ID_LogStatusNotificationReq", 17, w.LogStatusNotificationReq(status="Uploaded", request_id=3)),
        # What piles are told.
        ("boot-conf", "ID_BootNotificationConf", 1, w.BootNotificationConf(currentTime=AT, interval=30)),
        ("heartbeat-conf", "ID_HeartbeatConf", 2, w.HeartbeatResp()),
        ("authorize-conf", "ID_AuthorizeConf", 4, w.AuthorizeConf(idInfo=token, priceScheme=tariff(w))),
        ("start-conf", "ID_StartTransactionConf", 5, w.StartTransactionConf(transactionId=ORDER, idInfo=w.IdToken(balance=900), recordID="17", transparent="t", connectorId="1")),
        ("stop-conf", "ID_StopTransactionConf", 7, w.StopTransactionConf(totalCost=2470, transactionId=ORDER, connectorId="1")),
        ("transaction-conf", "ID_TransactionConf", 8, w.TransactionConf(recordId="17", connectorId="1")),
        ("warning-conf", "ID_WarningConf", 11, w.WarningConf(code=1030)),
        ("status-conf", "ID_StatusNotificationConf", 12, w.StatusNotificationConf(connectorId="1")),
        ("remote-start-to-pile", "ID_RemoteStartTransactionReq", 13, w.RemoteStartTransactionReq(connectorId="1", IdData=w.IdToken(id="8812"), transactionId="tok-1", serviceMode="SM_ChargeByElec", allowedKwh=1000, priceScheme=tariff(w))),
        ("remote-stop-to-pile", "ID_RemoteStopTransactionReq", 14, w.RemoteStopTransactionReq(connectorID="1", transactionId=ORDER, reason="SR_RemoteUser")),
        # What the backend is told.
        ("up-boot", "ID_BootNotificationReq", 21, w.BootNotificationReq(partNumber="SITEPILOT-1", serialNumber="SP-000123", vendorId="ACME", firmwareVersion="VERSION", protocolVersion=version, connectorNumber=2)),
        ("up-start", "ID_StartTransactionReq", 25, start(w, meterStart=104221.0, offline=True, **up)),
        ("up-charging", "ID_ChargingInfoReq", 26, charging(w, **of_order)),
        ("up-stop", "ID_StopTransactionReq", 27, stop(w, meterStop=105425.0, **up)),
        ("up-transaction", "ID_TransactionReq", 28, whole(w, meterStart=104221.0, meterStop=105425.0, **up)),
        ("up-telemetry", "ID_TelemetryReq", 29, telemetry(w, **of_order)),
        ("up-metered-site", "ID_TelemetryReq", 40, metered(w, "CP_Meter")),
        ("up-metered-connector", "ID_TelemetryReq", 41, metered(w, "CP_Connector", **of_order)),
        ("up-metered-start", "ID_StartTransactionReq", 42, start(w, meterStart=200012.0, **up)),
        ("up-metered-stop", "ID_StopTransactionReq", 43, stop(w, meterStop=201217.0, **(up | dict(elecData=METERED)))),
        ("up-metered-transaction", "ID_TransactionReq", 44, whole(w, meterStart=200012.0, meterStop=201217.0, **(up | dict(elecData=METERED)))),
        ("up-warning", "ID_WarningReq", 31, w.WarningReq(code=1030, level="WL_Warning", component="CP_Fan", recordId=ORDER, connectorId="12", info="fan", time=AT)),
        ("up-status", "ID_StatusNotificationReq", 32, w.StatusNotificationReq(evseId=PILE, connectorId="12", connectorState=2)),
        ("up-remote-start-conf", "ID_RemoteStartTransactionConf", 33, w.RemoteStartTransactionConf(status=1, reason="SR_EVOccupy", reason_desc="busy")),
        ("up-history-conf", "ID_GetTransactionsConf", 34, w.GetTransactionsConf(totalCount=3)),
        ("up-list-conf", "ID_SendLocalAuthorizationListConf", 35, w.SendLocalAuthorizationListConf()),
        # What the backend says.
        ("cloud-boot-conf", "ID_BootNotificationConf", 21, w.BootNotificationConf(currentTime=AT, interval=60, status=1)),
        ("cloud-authorize-conf", "ID_AuthorizeConf", 24, w.AuthorizeConf(idInfo=token, priceScheme=tariff(w), transactionId="T-77")),
        ("cloud-start-conf", "ID_StartTransactionConf", 25, w.StartTransactionConf(transactionId="T-77", idInfo=w.IdToken(balance=900), recordID=ORDER, transparent="t", connectorId="12")),
        ("cloud-stop-conf", "ID_StopTransactionConf", 27, w.StopTransactionConf(balance=4, totalCost=2470, charged=True, transactionId="T-77", connectorId="12")),
        ("cloud-transaction-conf", "ID_TransactionConf", 28, w.TransactionConf(status=2, recordId="x-1", connectorId="12")),
        ("cloud-error", "ID_MessageError", 29, w.MessageError(error="EC_InternalError", Description="database")),
        ("cloud-remote-start", "ID_RemoteStartTransactionReq", 1, w.RemoteStartTransactionReq(connectorId="12", IdData=w.IdToken(id="8812"), transactionId="T-77", evseId=PILE, serviceMode="SM_ChargeByElec", allowedKwh=1000, priceScheme=tariff(w))),
        ("cloud-remote-stop", "ID_RemoteStopTransactionReq", 2, w.RemoteStopTransactionReq(connectorID="12", transactionId="T-77", reason="SR_RemoteUser")),
        ("cloud-tariff", "ID_SetTariffReq", 3, tariff(w)),
        ("cloud-history", "ID_GetTransactionsReq", 4, w.GetTransactionsReq(connectorId="all", level=1, startTime=AT - 86400, endTime=AT)),
        ("cloud-trigger", "ID_TriggerMessageReq", 5, w.TriggerMessageReq(request="ID_BootNotificationReq", connectorId="12")),
        ("cloud-list", "ID_SendLocalAuthorizationListReq", 6, local_list(w)),
        ("cloud-clear-cache", "ID_ClearCacheReq", 7, w.ClearCacheReq()),
        ("cloud-reserve", "ID_ReserveNowReq", 8, w.ReserveNowReq(id=9, connector_id="12", evse_id=PILE)),
        ("cloud-registration-conf", "ID_DeviceRegistrationConf", 1, w.DeviceRegistrationConf(deviceCode="D-1", mqttUsername="u", mqttPassword="p")),
    ]


# Texts in GBK. Protobuf writes none that is not UTF-8, so marks of the same length are put in
# their place after encoding.


def lossy(raw):
    return raw.decode("utf-8", "replace")


def made_name(raw):
    return "unnamed-" + base64.b32encode(hashlib.sha256(raw).digest()[:10]).decode()


def gbk_messages(w):
    """Name, code, and how to make the message, given how to write a text and a name."""

    def token(text, name):
        made = w.IdToken(id=name("卡8812"), brand="x", password=text("密码"), customer=text("张三"), balance=900)
        if hasattr(made, "additionalIdToken"):
            made.additionalIdToken.add(idToken=name("车牌沪A"), mode="AM_OnlineVIN")
        return made

    def bill(text):
        made = cost(w)
        made.bills[0].tag = text("峰时")
        return made

    def started(text, name):
        made = start(w, recordId=name("订单17"), connectorId="1", meterStart=104220.5, pin=text("口令"))
        if hasattr(made, "vin"):
            made.vin = text("车架1")
        made.IdData.CopyFrom(token(text, name))
        return made

    def stopped(text, name):
        made = stop(w, recordId=name("订单17"), connectorId="1", meterStop=105424.5, reason_desc=text("电量已满"))
        made.IdData.customer = text("张三")
        made.cost.CopyFrom(bill(text))
        return made

    def charging_gbk(text, name):
        made = w.ChargingInfoReq(recordId=name("订单17"), connectorId="1", consumedElectric=250, cost=bill(text))
        car = made if hasattr(made, "vin") else made.BMSCharging
        setattr(car, "vin" if car is made else "VIN", text("车架1"))
        return made

    def ended(text, name):
        made = whole(w, recordId="17", connectorId="1", meterStart=104220.5, meterStop=105424.5, reason_desc=text("电量已满"))
        made.cost.CopyFrom(bill(text))
        return made

    return [
        ("gbk-boot", "ID_BootNotificationReq", lambda text, name: w.BootNotificationReq(partNumber="DC", vendorId=text("某某电气"), firmwareVersion="2.1")),
        ("gbk-authorize", "ID_AuthorizeReq", lambda text, name: w.AuthorizeReq(IdData=token(text, name), password=text("密码"))),
        ("gbk-start", "ID_StartTransactionReq", started),
        ("gbk-stop", "ID_StopTransactionReq", stopped),
        ("gbk-transaction", "ID_TransactionReq", ended),
        ("gbk-charging", "ID_ChargingInfoReq", lambda text, name: charging_gbk(text, name)),
        ("gbk-warning", "ID_WarningReq", lambda text, name: w.WarningReq(code=1030, recordId=name("订单17"), connectorId="1", info=text("风扇故障"))),
    ]


def gbk_block(wire, revision, name, code, sequence, make):
    marks = {}

    def mark(text):
        raw = text.encode("gbk")
        return marks.setdefault(raw, "QRSTUVWXYZ"[len(marks)] * len(raw))

    payload = encoded(make(mark, mark))
    for raw, marked in marks.items():
        assert marked.encode() in payload
        payload = payload.replace(marked.encode(), raw)
    read = make(lambda text: lossy(text.encode("gbk")), lambda text: made_name(text.encode("gbk")))
    return block(wire, revision, name, code, sequence, AT, read, payload)


def messages_1_0(w):
    """What 1.10 does not have, and 1.0 cannot be told from it."""
    of_order = dict(recordId=ORDER, connectorId="12")
    return [
        ("boot", "ID_BootNotificationReq", 1, w.BootNotificationReq(partNumber="AC", serialNumber="1")),
        ("start", "ID_StartTransactionReq", 2, w.StartTransactionReq(recordId="17", meterStart=104221)),
        ("error", "ID_MessageError", 3, w.MessageError(error="EC_ProtocolError")),
        ("pile-battery", "ID_ChargingInfoReq", 6, charging(w, recordId="17", connectorId="1", BMSCharging=battery(w), power=61, status="CHS_Occupied")),
        ("up-battery", "ID_ChargingInfoReq", 26, charging(w, BMSCharging=battery(w), power=61, status="CHS_Occupied", **of_order)),
        ("up-trigger-refused", "ID_MessageError", 37, w.MessageError(error="EC_NotSupported", Description="cannot be triggered")),
    ]


def written(revision, kind, blocks):
    path = os.path.join(HERE, f"charger-{revision}{kind}.txt")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(text + "\n" for text in blocks)


def main():
    for revision, module in [("1.10", "charger_v1_10"), ("1.0", "charger_v1_0")]:
        wire = load(module)
        w = Wire(wire)
        rows = messages(w) + (messages_1_0(w) if revision == "1.0" else [])
        had = [row for row in rows if w.has(row[1]) and row[3] is not None]
        written(revision, "", [block(wire, revision, name, code, sequence, AT, message) for name, code, sequence, message in had])
        gbk = enumerate(gbk_messages(w), 1)
        written(revision, "-gbk", [gbk_block(wire, revision, name, code, sequence, make) for sequence, (name, code, make) in gbk])


main()
