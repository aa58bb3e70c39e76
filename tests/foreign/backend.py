"""A backend: a paho client behind mosquitto, with books."""

import collections
import dataclasses
import functools
import threading

import reflection
import wire
from station import Connection, Gone, now_s
from waiting import until
from wire import pb

ORDERS = ("StartTransactionReq", "StopTransactionReq", "TransactionReq")
THOROUGH = ("AuthorizeConf", "StartTransactionConf", "StopTransactionConf", "SetTariffReq")
# Until when cards are good: 2033, which 32 bits can hold.
EXPIRY = 2_000_000_000


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
    def __init__(self, port, revision="1.10", registration_code="CODE"):
        filters = [("/U/R/#", 2), ("/U/C/#", 2), ("/U/M/#", 0)]
        super().__init__(port, "BACKEND", "backend", "backend", filters)
        self.wire = wire.WIRES[revision]
        self.pb = self.wire.pb
        self.registration_code = registration_code
        self.device = "CLOUDDEV00000001"
        self.heard = collections.defaultdict(list)  # requests by name
        self.said = {}  # the last answer of each name
        self.registrations = []
        self.registered_as = None  # the id in the topic
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
        # Answers to cards and orders, and sends tariffs, with all the fields of the tables.
        self.thorough = False
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
            key = (m.connectorId, m.timeStart, m.meterStart)
            other = keys.setdefault(key, copy.record)
            assert other == copy.record, f"one order as two records: {other} {copy.record}"

    def first_sent(self, pile):
        """Records of finished orders of a pile, as first sent in TransactionReq."""
        records = []
        for copy in self.of_kind(pb.ID_TransactionReq):
            # The order id begins with the pile code; 1.0 says it nowhere else.
            if copy.record.startswith(pile) and copy.record not in records:
                records.append(copy.record)
        return records

    # commands

    def command(self, code, message, repeat=1):
        """Sends a command; its sequence id."""
        self._sequence += 1
        data = self.wire.seal(code, self._sequence, message, now_s())
        for _ in range(repeat):
            self.publish(f"/D/C/{self.device}", data)
        return self._sequence

    def wait_answer(self, sequence, kind, timeout=20):
        """The answer, of that kind or a MessageError."""
        answers = until(
            lambda: self.answers.get(sequence), f"answer to command {sequence}", timeout
        )
        assert isinstance(answers[0], (kind, self.pb.MessageError)), answers[0]
        return answers[0]

    # what comes

    def on_message(self, topic, payload):
        _, _, channel, device = topic.split("/", 3)
        try:
            apdu = self.wire.unseal(payload)
            message = self.wire.read(apdu)
        except Exception as error:  # the generated classes raise what they like
            self.errors.append((topic, payload, error))
            return
        if apdu.messageId >= 0x80:
            self.answers.setdefault(apdu.sequenceId, []).append(message)
            return
        try:
            self._serve(channel, device, apdu, message)
        except Gone:
            pass

    def _reply(self, channel, device, apdu, name, **values):
        if self.silent:
            return
        message = self.compose(name, **values)
        channel = "R" if channel == "R" else "C"
        data = self.wire.seal(self.wire.code(name), apdu.sequenceId, message, now_s())
        self.publish(f"/D/{channel}/{device}", data)

    def compose(self, name, **values):
        thorough = self.thorough and name in THOROUGH
        compose = functools.partial(reflection.fill, self.wire) if thorough else self.wire.make
        self.said[name] = compose(name, **values)
        return self.said[name]

    def _serve(self, channel, device, apdu, request):
        name = self.wire.name(apdu.messageId)
        self.heard[name].append(request)
        served = getattr(self, f"_{name}", None)
        if name in ORDERS:
            answer, values = self._order(device, apdu, request)
        elif served is None:
            answer, values = "MessageError", {"error": self.pb.EC_NotSupported}
        else:
            answer, values = f"{name.removesuffix('Req')}Conf", served(device, request)
        # What has no answer in this revision is not answered.
        if values is not None and self.wire.has(answer):
            self._reply(channel, device, apdu, answer, **values)

    # One for each request: what is answered, or None.

    def _DeviceRegistrationReq(self, device, request):
        self.registered_as = device
        self.registrations.append(request)
        if request.registrationCode != self.registration_code:
            return {"status": 1}
        return {
            "status": 0,
            "deviceCode": self.device,
            "mqttUsername": self.device,
            "mqttPassword": "issued",
        }

    def _BootNotificationReq(self, _device, request):
        self.boots.append(request)
        return {"currentTime": now_s(), "interval": 30, "status": self.boot_status}

    def _HeartbeatReq(self, _device, _request):
        self.heartbeats += 1
        return {}

    def _SetTariffReq(self, _device, _request):
        if not self.silent:
            self.command(self.pb.ID_SetTariffReq, self.tariff())

    def _AuthorizeReq(self, _device, request):
        card = request.IdData.id
        return {"idInfo": self._token(card)}

    def _ChargingInfoReq(self, device, request):
        self.infos.append((device, request))

    def _TelemetryReq(self, device, request):
        self.telemetry.append((device, request))

    def _WarningReq(self, _device, request):
        self.warnings.append(request)
        return {"code": request.code, "clean": getattr(request, "clean", False)}

    def _StatusNotificationReq(self, _device, _request):
        return {}

    def tariff(self):
        bands = [(0, 420, "valley", 255), (420, 1380, "flat", 699), (1380, 1440, "valley", 255)]
        charges = [
            {"timestart": a, "timeend": b, "tag": t, "elecprice": p, "serviceprice": 1000}
            for a, b, t, p in bands
        ]
        return self.compose(
            "SetTariffReq", tariffid=77, description="foreign", chargetariffs=charges
        )

    def _token(self, card):
        blocked = card in self.blocked_cards
        status = self.pb.AS_Blocked if blocked else self.pb.AS_Accepted
        return {"id": card, "status": status, "expiryDate": EXPIRY}

    def _order(self, device, apdu, message):
        answer, values, yes = self._order_answer(self.wire.name(apdu.messageId), message)
        with self._books:
            self.copies.append(
                Copy(
                    arrival=len(self.copies) + 1,
                    device=device,
                    code=apdu.messageId,
                    sequence=apdu.sequenceId,
                    record=message.recordId,
                    payload=apdu.payload,
                    confirmed=yes and not self.silent,
                    message=message,
                )
            )
        return answer, values

    def _order_answer(self, name, message):
        if self.order_error is not None:
            return "MessageError", {"error": self.order_error}, False
        if name == "StartTransactionReq":
            card = message.IdData.id
            conf = {
                "transactionId": message.transactionId or self._transaction_for(message.recordId),
                "idInfo": self._token(card),
                "recordID": message.recordId,
                "connectorId": message.connectorId,
            }
            return "StartTransactionConf", conf, True
        if name == "StopTransactionReq":
            conf = {
                "balance": 0,
                "totalCost": message.cost.totalcost,
                "charged": True,
                "transactionId": message.transactionId,
                # Of 1.10 alone; there the question has it too.
                "connectorId": getattr(message, "connectorId", ""),
            }
            return "StopTransactionConf", conf, True
        conf = {
            "status": self.transaction_status,
            "recordId": message.recordId,
            "connectorId": message.connectorId,
        }
        return "TransactionConf", conf, self.transaction_status == 0

    def _transaction_for(self, record):
        """The number of a new transaction; the same if its start comes again."""
        with self._books:
            known = [c.record for c in self.copies if c.code == pb.ID_StartTransactionReq]
            number = known.index(record) if record in known else len(known)
        return f"BT{number:06}-{record[-8:]}"
