"""A consumer of the uplink queue of JCPP: a paho client behind a broker, with books."""

import dataclasses
import re
import uuid

from classes import classes
from station import Connection
from wire import parse

# From the facts: numbers, names and types.
ENUMS = {
    "SessionCloseReason": {
        "UNKNOWN": 0, "DESTRUCTION": 1, "ON_CHANNEL_INACTIVE": 2, "MANUALLY": 3,
    },
    "GunRunStatus": {
        "IDLE": 0, "INSERTED": 1, "CHARGING": 2, "CHARGE_COMPLETE": 3, "DISCHARGE_READY": 4,
        "DISCHARGING": 5, "DISCHARGE_COMPLETE": 6, "RESERVED": 7, "FAULT": 8, "UNKNOWN": 9,
    },
    "DetailType": {"PEAK_VALLEY": 0, "TIME_PERIOD": 1},
}
MESSAGES = """
UplinkQueueMessage: 1 messageIdMSB int64; 2 messageIdLSB int64; 3 sessionIdMSB int64; 4
  sessionIdLSB int64; 5 messageKey string; 6 protocolName string; 7 ts int64; 10 requestData
  bytes; 20 sessionCloseEventProto SessionCloseEventProto; 21 loginRequest LoginRequest; 22
  heartBeatRequest HeartBeatRequest; 23 verifyPricingRequest VerifyPricingRequest; 24
  queryPricingRequest QueryPricingRequest; 25 gunRunStatusProto GunRunStatusProto; 26
  chargingProgressProto ChargingProgressProto; 27 setPricingResponse SetPricingResponse; 28
  remoteStartChargingResponse RemoteStartChargingResponse; 29 remoteStopChargingResponse
  RemoteStopChargingResponse; 30 transactionRecordRequest TransactionRecordRequest; 31
  bmsChargingErrorProto BmsChargingErrorProto; 33 bmsParamConfigReportProto
  BmsParamConfigReportProto; 34 bmsChargingInfoProto BmsChargingInfoProto; 35 bmsAbortProto
  BmsAbortProto; 36 restartPileResponse RestartPileResponse; 37 bmsHandshakeProto
  BmsHandshakeProto; 38 otaResponse OtaResponse; 39 groundLockStatusProto GroundLockStatusProto;
  40 offlineCardBalanceUpdateResponse OfflineCardBalanceUpdateResponse; 41
  offlineCardSyncResponse OfflineCardSyncResponse; 42 timeSyncResponse TimeSyncResponse; 43
  bmsDemandChargerOutputProto BmsDemandChargerOutputProto; 44 startChargeRequest
  StartChargeRequest; 45 setQrcodeResponse SetQrcodeResponse; 46 offlineCardClearResponse
  OfflineCardClearResponse; 47 offlineCardQueryResponse OfflineCardQueryResponse
SessionCloseEventProto: 2 pileCode string; 3 reason SessionCloseReason; 20 additionalInfo string
LoginRequest: 2 pileCode string; 3 credential string; 4 remoteAddress string; 10 nodeId string;
  11 nodeHostAddress string; 12 nodeRestPort int32; 13 nodeGrpcPort int32; 20 additionalInfo
  string
StartChargeRequest: 1 ts int64; 2 pileCode string; 3 gunNo string; 4 startType string; 5 cardNo
  string; 6 needPassword bool; 7 password string; 8 carVinCode string; 20 additionalInfo string
HeartBeatRequest: 3 pileCode string; 4 remoteAddress string; 10 nodeId string; 11
  nodeHostAddress string; 12 nodeRestPort int32; 13 nodeGrpcPort int32; 20 additionalInfo string
VerifyPricingRequest: 4 pileCode string; 30 pricingId int64; 31 pricingModel string; 20
  additionalInfo string
QueryPricingRequest: 4 pileCode string; 20 additionalInfo string
GunRunStatusProto: 4 pileCode string; 5 gunNo string; 41 GunRunStatus GunRunStatus; 6
  faultMessages repeated string; 20 additionalInfo string
ChargingProgressProto: 4 pileCode string; 5 gunNo string; 6 tradeNo string; 7 outputVoltage
  string; 8 outputCurrent string; 9 soc int32; 10 totalChargingDurationMin int32; 11
  totalChargingEnergyKWh string; 12 totalChargingCostYuan string; 20 additionalInfo string
SetPricingResponse: 1 success bool; 4 pileCode string; 30 pricingId int64
RemoteStartChargingResponse: 4 pileCode string; 5 gunNo string; 6 tradeNo string; 7 success
  bool; 8 failReason string; 20 additionalInfo string
RestartPileResponse: 4 pileCode string; 7 success bool
RemoteStopChargingResponse: 4 pileCode string; 5 gunNo string; 7 success bool; 8 failReason
  string; 20 additionalInfo string
PeakValleyDetail: 1 topEnergyKWh string; 2 topAmountYuan string; 3 peakEnergyKWh string; 4
  peakAmountYuan string; 5 flatEnergyKWh string; 6 flatAmountYuan string; 7 valleyEnergyKWh
  string; 8 valleyAmountYuan string; 9 deepEnergyKWh string; 10 deepAmountYuan string
TimePeriodDetail: 1 periods repeated TimePeriodDetail.PeriodItem
TimePeriodDetail.PeriodItem: 1 periodNo int32; 2 startTime string; 3 endTime string; 4 energyKWh
  string; 5 amountYuan string
TransactionDetail: 1 type DetailType; 2 peakValley PeakValleyDetail; 3 timePeriod
  TimePeriodDetail
TransactionRecordRequest: 4 pileCode string; 5 gunNo string; 6 tradeNo string; 51 startTs int64;
  52 endTs int64; 53 totalEnergyKWh string; 54 totalAmountYuan string; 55 tradeTs int64; 56
  stopReason string; 57 pricingId int64; 58 detail TransactionDetail; 20 additionalInfo string
BmsChargingErrorProto: 4 pileCode string; 5 gunNo string; 6 tradeNo string; 20 additionalInfo
  string
BmsParamConfigReportProto: 2 pileCode string; 3 gunNo string; 4 tradeNo string; 5
  maxSingleCellVoltage string; 6 maxChargeCurrent string; 7 ratedEnergy string; 8
  maxTotalChargeVoltage string; 9 maxTemperature string; 10 soc string; 11 currentBatteryVoltage
  string; 12 pileMaxOutputVoltage string; 13 pileMinOutputVoltage string; 14
  pileMaxOutputCurrent string; 15 pileMinOutputCurrent string
BmsChargingInfoProto: 4 pileCode string; 5 gunNo string; 6 tradeNo string; 20 additionalInfo
  string
BmsAbortProto: 4 pileCode string; 5 gunNo string; 6 tradeNo string; 20 additionalInfo string
BmsHandshakeProto: 2 pileCode string; 3 gunNo string; 4 tradeNo string; 5 bmsProtocolVersion
  string; 6 bmsBatteryType int32; 7 bmsPowerCapacity int32; 8 bmsPowerMaxVoltage int32; 9
  bmsFactory string; 10 bmsSerialNo int32; 11 bmsCreateYear int32; 12 bmsCreateMonth int32; 13
  bmsCreateDay int32; 14 bmsChargeCount int32; 15 bmsPropertyRightLabel int32; 16 carVinCode
  string; 17 bmsSoftwareVersion string; 20 additionalInfo string
OtaResponse: 1 pileCode string; 2 success bool; 3 errorMsg string
GroundLockStatusProto: 2 pileCode string; 3 gunNo string; 4 lockStatus int32; 5 parkStatus
  int32; 6 lockBattery int32; 7 alarmStatus int32; 8 reserved int32; 20 additionalInfo string
OfflineCardBalanceUpdateResponse: 1 pileCode string; 2 cardNo string; 3 success bool; 4 errorMsg
  string
OfflineCardSyncResponse: 1 pileCode string; 3 success bool; 4 errorMsg string
TimeSyncResponse: 1 pileCode string; 2 time string
OfflineCardClearResponse: 1 pileCode string; 2 clearResult repeated ClearResult
ClearResult: 1 cardNo string; 2 success bool; 3 errorMsg string
OfflineCardQueryResponse: 1 pileCode string; 2 queryResult repeated QueryResult
QueryResult: 1 cardNo string; 2 exist bool
BmsDemandChargerOutputProto: 4 pileCode string; 5 gunNo string; 6 tradeNo string; 20
  additionalInfo string
SetQrcodeResponse: 1 success bool; 4 pileCode string; 7 type int32; 8 startAddr int32
"""
CLASSES = classes("jcpp", MESSAGES, ENUMS)
# The fields from here on are the typed messages, of which there is one.
FIRST_TYPED = 20
DECIMAL = re.compile(r"\d+(\.\d+)?")


@dataclasses.dataclass
class Heard:
    """One message as it arrived."""

    topic: str
    payload: bytes
    id: uuid.UUID
    session: uuid.UUID
    pile: str
    kind: str
    body: object
    queue: object


class Consumer(Connection):
    def __init__(self, port, prefix="jcpp/uplink"):
        super().__init__(port, "JCPP", None, None, [(f"{prefix}/#", 1)])
        self.prefix = prefix
        self.heard = []
        self.errors = []

    def on_message(self, topic, payload):
        try:
            self.heard.append(self.read(topic, payload))
        except Exception as error:  # the classes raise what they like
            self.errors.append((topic, payload, error))

    def read(self, topic, payload):
        queue = parse(CLASSES["UplinkQueueMessage"], payload)
        typed = [f for f, _ in queue.ListFields() if f.number >= FIRST_TYPED]
        assert len(typed) == 1, f"typed messages: {[f.name for f in typed]}"
        assert topic == f"{self.prefix}/{queue.messageKey}", topic
        body = getattr(queue, typed[0].name)
        assert body.pileCode == queue.messageKey, body.pileCode
        return Heard(
            topic=topic,
            payload=payload,
            id=halves(queue.messageIdMSB, queue.messageIdLSB),
            session=halves(queue.sessionIdMSB, queue.sessionIdLSB),
            pile=queue.messageKey,
            kind=typed[0].message_type.name,
            body=body,
            queue=queue,
        )

    def of(self, kind, **fields):
        """Messages of a kind with these values."""
        return [
            h
            for h in list(self.heard)
            if h.kind == kind and all(getattr(h.body, k) == v for k, v in fields.items())
        ]

    def records(self):
        """Copies of transaction records by trade number."""
        found = {}
        for heard in self.of("TransactionRecordRequest"):
            found.setdefault(heard.body.tradeNo, []).append(heard)
        return found


def halves(most, least):
    return uuid.UUID(int=(most % 2**64) << 64 | least % 2**64)


def status(name):
    return ENUMS["GunRunStatus"][name]
