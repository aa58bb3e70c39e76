"""A backend: a paho client behind mosquitto, with books."""

import collections
import dataclasses
import threading

import wire
from station import Connection, Gone, now_s
from waiting import until
from wire import pb

KINDS = {
    pb.ID_StartTransactionReq: pb.StartTransactionReq,
    pb.ID_StopTransactionReq: pb.StopTransactionReq,
    pb.ID_TransactionReq: pb.TransactionReq,
}


@dataclasses.dataclass
class Copy:
    """One copy of an order as it arrived."""

    arrival: int
    device: str
    code: int
    sequence: int
    record: str
    payload: bytes
    confirmed: bool
    message: object


class Backend(Connection):
    def __init__(self, port, registration_code="CODE"):
        filters = [("/U/R/#", 2), ("/U/C/#", 2), ("/U/M/#", 0)]
        super().__init__(port, "BACKEND", "backend", "backend", filters)
        self.registration_code = registration_code
        self.device = "CLOUDDEV00000001"
        self.registrations = []
        self.boots = []
        self.copies = []
        self.infos = []
        self.telemetry = []
        self.warnings = []
        self.heartbeats = 0
        self.answers = {}
        self.errors = []
        self.blocked_cards = set()
        self.special_tariff = None
        # Faults.
        self.silent = False
        self.boot_status = 0
        self.transaction_status = 0
        self.order_error = None
        self._sequence = 500
        self._transactions = 0
        self._books = threading.Lock()

    # books

    def settled(self):
        """Records whose end was answered with yes."""
        ends = (pb.ID_StopTransactionReq, pb.ID_TransactionReq)
        with self._books:
            return {c.record for c in self.copies if c.code in ends and c.confirmed}

    def of_kind(self, code):
        with self._books:
            return [c for c in self.copies if c.code == code]

    def wait_settled(self, ids, timeout=120):
        """Waits until all of these are settled."""
        wanted = set(ids)
        until(
            lambda: wanted <= self.settled(),
            f"{len(wanted)} orders at the backend",
            timeout,
            every=0.1,
        )

    def check_copies(self):
        """Every TransactionReq of one record has the same bytes; no figures contradict."""
        payloads = collections.defaultdict(set)
        for copy in self.of_kind(pb.ID_TransactionReq):
            payloads[copy.record].add(copy.payload)
        altered = [record for record, found in payloads.items() if len(found) > 1]
        assert not altered, f"sent with different payloads: {altered}"
        keys = {}
        for copy in self.of_kind(pb.ID_TransactionReq):
            m = copy.message
            key = (m.evseId, m.connectorId, m.timeStart, m.meterStart)
            other = keys.setdefault(key, copy.record)
            assert other == copy.record, f"one order as two records: {other} {copy.record}"

    def first_sent(self, evse):
        """Records of finished orders of a pile, as first sent in TransactionReq."""
        records = []
        for copy in self.of_kind(pb.ID_TransactionReq):
            if copy.message.evseId == evse and copy.record not in records:
                records.append(copy.record)
        return records

    # commands

    def command(self, code, message, repeat=1):
        """Sends a command; its sequence id."""
        self._sequence += 1
        data = wire.seal(code, self._sequence, message, now_s())
        for _ in range(repeat):
            self.publish(f"/D/C/{self.device}", data)
        return self._sequence

    def wait_answer(self, sequence, kind, timeout=20):
        apdu = until(lambda: self.answers.get(sequence), f"answer to command {sequence}", timeout)
        if apdu[0].messageId == pb.ID_MessageError:
            return wire.parse(pb.MessageError, apdu[0].payload)
        return wire.parse(kind, apdu[0].payload)

    # what comes

    def on_message(self, topic, payload):
        _, _, channel, device = topic.split("/", 3)
        try:
            apdu = wire.unseal(payload)
        except Exception:  # the generated classes raise what they like
            self.errors.append((topic, payload))
            return
        if apdu.messageId >= 0x80:
            self.answers.setdefault(apdu.sequenceId, []).append(apdu)
            return
        try:
            self._serve(channel, device, apdu)
        except Gone:
            pass

    def _reply(self, channel, device, apdu, message, code=None):
        if self.silent:
            return
        channel = "R" if channel == "R" else "C"
        data = wire.seal(code or wire.ANSWER[apdu.messageId], apdu.sequenceId, message, now_s())
        self.publish(f"/D/{channel}/{device}", data)

    def _serve(self, channel, device, apdu):
        code = apdu.messageId
        answer = None
        if code == pb.ID_DeviceRegistrationReq:
            answer = self._register(wire.parse(pb.DeviceRegistrationReq, apdu.payload))
        elif code == pb.ID_BootNotificationReq:
            self.boots.append(wire.parse(pb.BootNotificationReq, apdu.payload))
            answer = pb.BootNotificationConf(
                currentTime=now_s(), interval=30, status=self.boot_status
            )
        elif code == pb.ID_HeartbeatReq:
            self.heartbeats += 1
            answer = pb.HeartbeatResp()
        elif code == pb.ID_SetTariffReq:
            if not self.silent:
                self.command(pb.ID_SetTariffReq, self.tariff())
            return
        elif code == pb.ID_AuthorizeReq:
            token = wire.parse(pb.AuthorizeReq, apdu.payload).IdData
            token.status = self._card(token.id)
            answer = pb.AuthorizeConf(idInfo=token)
        elif code == pb.ID_ChargingInfoReq:
            self.infos.append((device, wire.parse(pb.ChargingInfoReq, apdu.payload)))
            return
        elif code == pb.ID_TelemetryReq:
            self.telemetry.append((device, wire.parse(pb.TelemetryReq, apdu.payload)))
            return
        elif code == pb.ID_WarningReq:
            warning = wire.parse(pb.WarningReq, apdu.payload)
            self.warnings.append(warning)
            answer = pb.WarningConf(code=warning.code, clean=warning.clean)
        elif code == pb.ID_StatusNotificationReq:
            answer = pb.StatusNotificationConf()
        elif code in KINDS:
            return self._order(channel, device, apdu)
        else:
            answer, code = pb.MessageError(error=pb.EC_NotSupported), pb.ID_MessageError
            return self._reply(channel, device, apdu, answer, code)
        self._reply(channel, device, apdu, answer)

    def tariff(self):
        bands = [(0, 420, "valley", 255), (420, 1380, "flat", 699), (1380, 1440, "valley", 255)]
        charges = [
            pb.TariffCharge(timestart=a, timeend=b, tag=t, elecprice=p, serviceprice=1000)
            for a, b, t, p in bands
        ]
        return pb.SetTariffReq(tariffid=77, description="foreign", chargetariffs=charges)

    def _card(self, card):
        return pb.AS_Blocked if card in self.blocked_cards else pb.AS_Accepted

    def _register(self, request):
        self.registrations.append(request)
        if request.registrationCode != self.registration_code:
            return pb.DeviceRegistrationConf(status=1)
        return pb.DeviceRegistrationConf(
            status=0, deviceCode=self.device, mqttUsername=self.device, mqttPassword="issued"
        )

    def _order(self, channel, device, apdu):
        code = apdu.messageId
        message = wire.parse(KINDS[code], apdu.payload)
        answer, answer_code, yes = self._order_answer(code, message)
        with self._books:
            self.copies.append(
                Copy(
                    arrival=len(self.copies) + 1,
                    device=device,
                    code=code,
                    sequence=apdu.sequenceId,
                    record=message.recordId,
                    payload=apdu.payload,
                    confirmed=yes and not self.silent,
                    message=message,
                )
            )
        self._reply(channel, device, apdu, answer, answer_code)

    def _order_answer(self, code, message):
        if self.order_error is not None:
            return pb.MessageError(error=self.order_error), pb.ID_MessageError, False
        if code == pb.ID_StartTransactionReq:
            transaction = message.transactionId or self._transaction_for(message.recordId)
            token = pb.IdToken(id=message.IdData.id, status=self._card(message.IdData.id))
            conf = pb.StartTransactionConf(
                transactionId=transaction,
                idInfo=token,
                recordID=message.recordId,
                connectorId=message.connectorId,
            )
            return conf, None, True
        if code == pb.ID_StopTransactionReq:
            conf = pb.StopTransactionConf(
                balance=0,
                totalCost=message.cost.totalcost,
                charged=True,
                transactionId=message.transactionId,
                connectorId=message.connectorId,
            )
            return conf, None, True
        conf = pb.TransactionConf(
            status=self.transaction_status,
            recordId=message.recordId,
            connectorId=message.connectorId,
        )
        return conf, None, self.transaction_status == 0

    def _transaction_for(self, record):
        with self._books:
            known = [
                c.record for c in self.copies if c.code == pb.ID_StartTransactionReq
            ]
            number = known.index(record) if record in known else len(known)
        return f"BT{number:06}-{record[-8:]}"
