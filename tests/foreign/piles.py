"""Piles: paho clients that speak either revision and keep their own books."""

import dataclasses
import threading
import time

import reflection
import wire
from station import RETRY_S, Connection, Gone, now_s


class Refused(Exception):
    """MessageError, or a status that is not 0."""

    def __init__(self, error):
        super().__init__(f"error {error}")
        self.error = error


class Unanswered(Exception):
    """Nobody answered in time."""


@dataclasses.dataclass
class Order:
    pile: str
    record: int
    connector: int
    card: str
    start: int
    meter_start: int
    stop: int = 0
    meter_stop: int = 0
    transaction_id: str = ""
    offline: bool = False
    announced: int = 0  # generation of the connection whose start was answered
    start_answered: bool = False
    answered_by: str = ""
    sent: list = dataclasses.field(default_factory=list)
    said: dict = dataclasses.field(default_factory=dict)  # the last message of each name

    @property
    def id(self):
        return wire.order_id(self.pile, self.record, self.start)

    @property
    def energy_wh(self):
        return (self.meter_stop - self.meter_start) * 10

    @property
    def cost_fen(self):
        # 1.2 yuan a kWh; energies are 0.01 kWh.
        return (self.meter_stop - self.meter_start) * 120 // 100

    def cost(self):
        energy = self.meter_stop - self.meter_start
        bill = {
            "timestart": 0,
            "timeend": 1440,
            "tag": "flat",
            "electric": energy,
            "electriccost": self.cost_fen,
        }
        return {
            "bills": [bill],
            "tariffid": 1,
            "totalcost": self.cost_fen,
            "totalelec": energy,
        }


class Pile(Connection):
    def __init__(
        self,
        port,
        code,
        password,
        serial,
        revision="1.10",
        connectors=2,
        answer_s=2.0,
        first_record=1,
        tls=None,
        username="",
        retry_s=RETRY_S,
    ):
        filters = [(f"/D/C/{code}/#", 2), (f"/D/M/{code}", 0)]
        # With a certificate it needs no name: None.
        username = code if username == "" else username
        super().__init__(
            port, f"FOREIGN-{serial}", username, password, filters, tls=tls, retry_s=retry_s
        )
        self.wire = wire.WIRES[revision]
        self.pb = self.wire.pb
        self.code = code
        self.serial = serial
        self.connectors = connectors
        self.answer_s = answer_s
        self.ready = threading.Event()
        self.tariffs = []
        self.boots = []
        self.commands = []
        self.unknown = []
        self.orders = []
        self.accept_remote_start = True
        self.configuration = {"HeartbeatInterval": "60", "Volume": "3"}
        self.reservations = []
        # Speaks with all the fields of the tables.
        self.thorough = False
        self._sequence = 0
        self._record = first_record - 1
        self._meter = {c: 1000 * c for c in range(1, connectors + 1)}
        self._waiting = {}
        self._condition = threading.Condition()

    # connection

    def on_up(self):
        threading.Thread(target=self._boot, args=(self.generation,), daemon=True).start()

    def on_down(self):
        self.ready.clear()
        with self._condition:
            self._condition.notify_all()

    def _boot(self, generation):
        pb = self.pb
        request = pb.BootNotificationReq(
            partNumber="FOREIGN",
            serialNumber=self.serial,
            vendorId="FOREIGN",
            firmwareVersion="1",
            protocolVersion=self.wire.revision,
            connectorNumber=self.connectors,
            deviceCode=self.code,
        )
        while generation == self.generation and self.subscribed.is_set():
            try:
                conf = self.ask(pb.ID_BootNotificationReq, request, pb.BootNotificationConf)
            except (Gone, Unanswered, Refused):
                time.sleep(0.05)
                continue
            self.boots.append(conf)
            if conf.status == 0:
                self.ready.set()
                with self._condition:
                    self._condition.notify_all()
                return
            time.sleep(0.2)

    def wait_ready(self, timeout=30):
        if not self.ready.wait(timeout):
            raise AssertionError(f"{self.code} did not get its boot accepted; {self.refusals[-3:]}")
        return self

    def ask_for_tariff(self):
        self.say("SetTariffReq", b"")

    # requests

    def say(self, name, message, qos=2, channel="C"):
        """Sends what nobody answers; its sequence id."""
        with self._condition:
            self._sequence += 1
            sequence = self._sequence
        data = self.wire.seal(self.wire.code(name), sequence, message, now_s())
        self.publish(f"/U/{channel}/{self.code}", data, qos)
        return sequence

    def ask(self, code, message, kind, timeout=None):
        """The answer, of that kind."""
        answer = self.ask_raw(code, message, timeout)
        if answer.messageId == self.pb.ID_MessageError:
            raise Refused(wire.parse(self.pb.MessageError, answer.payload).error)
        assert answer.messageId == self.wire.answers[code], (
            f"{code} was answered by {answer.messageId}"
        )
        return wire.parse(kind, answer.payload)

    def ask_raw(self, code, message, timeout=None):
        """The answering APDU, whatever it is."""
        generation = self.generation
        with self._condition:
            self._sequence += 1
            sequence = self._sequence
            self._waiting[sequence] = None
        try:
            data = self.wire.seal(code, sequence, message, now_s())
            self.publish(f"/U/C/{self.code}", data)
            return self._answer(sequence, generation, timeout or self.answer_s)
        finally:
            with self._condition:
                self._waiting.pop(sequence, None)

    def _answer(self, sequence, generation, timeout):
        end = time.monotonic() + timeout
        with self._condition:
            while self._waiting[sequence] is None:
                left = end - time.monotonic()
                if left <= 0:
                    raise Unanswered
                if generation != self.generation or not self.subscribed.is_set():
                    raise Gone
                self._condition.wait(min(left, 0.2))
            return self._waiting[sequence]

    def on_message(self, topic, payload):
        apdu = self.wire.unseal(payload)
        if apdu.messageId < 0x80:
            self.commands.append(apdu)
            # In a thread of its own: to publish is fine here, to wait is not.
            threading.Thread(target=self._serve, args=(apdu,), daemon=True).start()
            return
        with self._condition:
            if apdu.sequenceId in self._waiting:
                self._waiting[apdu.sequenceId] = apdu
            elif self.wire.name(apdu.messageId) != "HeartbeatConf":
                self.unknown.append(apdu)
            self._condition.notify_all()

    # orders

    def begin(self, connector=1, card="CARD1", transaction_id="", offline=False):
        self._record += 1
        meter = self._meter[connector]
        order = Order(
            pile=self.code,
            record=self._record,
            connector=connector,
            card=card,
            start=now_s(),
            meter_start=meter,
            transaction_id=transaction_id,
            offline=offline,
        )
        self.orders.append(order)
        return order

    def authorize(self, card):
        """The card as the answer has it."""
        conf = self.ask_card(card)
        # The one field that has another name in each revision.
        return conf.idinfo if self.wire is wire.V1_0 else conf.idInfo

    def ask_card(self, card):
        self.card_said = self.compose("AuthorizeReq", IdData={"id": card})
        return self.ask(self.pb.ID_AuthorizeReq, self.card_said, self.pb.AuthorizeConf)

    def announce(self, order, patience=20.0):
        """Sends the start until it is answered; False if it never is."""
        request = self.start_request(order)
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if not self.ready.wait(0.1):
                continue
            generation = self.generation
            try:
                kind = self.pb.StartTransactionConf
                conf = self.ask(self.pb.ID_StartTransactionReq, request, kind)
            except (Gone, Unanswered, Refused):
                continue
            order.transaction_id = conf.transactionId or order.transaction_id
            order.announced = generation
            order.start_answered = True
            return conf
        return None

    def inform(self, order, **more):
        request = self._request(
            order,
            "ChargingInfoReq",
            recordId=order.record,
            connectorId=order.connector,
            evseId=self.code,
            voltageA=220.0,
            currentA=32.0,
            consumedElectric=10,
            status=self.pb.CHS_Charging,
            timestamp=now_s(),
            **more,
        )
        self.say("ChargingInfoReq", request, qos=0, channel="M")

    def telemetry(self, connector, status):
        request = self.compose(
            "TelemetryReq",
            component=self.pb.CP_Connector,
            connectorId=connector,
            evseId=self.code,
            recordId="0",
            values=[{"measurand": 144, "value": status, "rate": 1}],
        )
        self.say("TelemetryReq", request, qos=0, channel="M")
        return request

    def warn(self, connector, code):
        """Tells of a warning; in 1.0 nobody answers that."""
        request = self.compose("WarningReq", connectorId=connector, code=code, recordId="")
        if self.wire.has("WarningConf"):
            self.ask(self.pb.ID_WarningReq, request, self.pb.WarningConf)
        else:
            self.say("WarningReq", request)
        return request

    def finish(self, order, energy=123):
        """Ends the charge; `energy` in 0.01 kWh."""
        order.stop = max(now_s(), order.start + 1)
        order.meter_stop = order.meter_start + energy
        self._meter[order.connector] = order.meter_stop
        return order

    def report(self, order, patience=30.0):
        """Sends the end of an order until it is answered; how, or None."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if not self.ready.wait(0.1):
                continue
            live = order.announced and order.announced == self.generation
            try:
                self._report_once(order, live)
            except (Gone, Unanswered):
                # Whether it was heard is not known; from now on it is an offline order.
                order.announced = 0
                continue
            return order.answered_by
        return None

    def _report_once(self, order, live):
        pb = self.pb
        if live:
            order.sent.append("stop")
            conf = self.ask(
                pb.ID_StopTransactionReq, self.stop_request(order), pb.StopTransactionConf
            )
            # In 1.0 the answer has no id.
            if getattr(conf, "transactionId", "") not in ("", order.transaction_id):
                raise AssertionError(f"{order.id}: answered as {conf.transactionId}")
            order.answered_by = "stop"
        else:
            order.sent.append("transaction")
            request = self.transaction_request(order)
            conf = self.ask(pb.ID_TransactionReq, request, pb.TransactionConf)
            if conf.recordId not in ("", str(order.record)):
                raise AssertionError(f"{order.id}: answered as record {conf.recordId}")
            if conf.status != 0:
                raise Refused(conf.status)
            order.answered_by = "transaction"

    def start_request(self, order):
        return self._request(
            order,
            "StartTransactionReq",
            recordId=order.record,
            evseId=self.code,
            connectorId=order.connector,
            IdData={"id": order.card},
            mode=self.pb.AM_OnlineIdentityCard,
            meterStart=order.meter_start,
            timestamp=order.start,
            transactionId=order.transaction_id,
            offline=order.offline,
        )

    def stop_request(self, order):
        return self._request(
            order,
            "StopTransactionReq",
            recordId=order.record,
            transactionId=order.transaction_id,
            IdData={"id": order.card},
            reason=self.pb.SR_LocalCard,
            meterStop=order.meter_stop,
            timestamp=order.stop,
            cost=order.cost(),
            evseId=self.code,
            elecData=bytes([1]),
            connectorId=order.connector,
        )

    def transaction_request(self, order):
        return self._request(
            order,
            "TransactionReq",
            recordId=order.record,
            transactionId=order.transaction_id,
            connectorId=order.connector,
            IdData={"id": order.card},
            mode=self.pb.AM_OnlineIdentityCard,
            meterStart=order.meter_start,
            meterStop=order.meter_stop,
            timeStart=order.start,
            timeStop=order.stop,
            reason=self.pb.SR_LocalCard,
            cost=order.cost(),
            elecData=bytes([1]),
            chargeStartTime=order.start,
            chargeStopTime=order.stop,
            evseId=self.code,
        )

    def _request(self, order, name, **values):
        order.said[name] = self.compose(name, **values)
        return order.said[name]

    def compose(self, name, **values):
        """A message; with every field filled if the pile is `thorough`."""
        if self.thorough:
            return reflection.fill(self.wire, name, **values)
        return self.wire.make(name, **values)

    def whole_order(self, connector=1, card="CARD1", energy=123, seconds=0.0, patience=30.0):
        """Start, information, stop; the order, answered."""
        order = self.begin(connector, card)
        assert self.announce(order, patience), f"start of {order.id} was never answered"
        try:
            self.inform(order)
        except Gone:
            pass
        time.sleep(seconds)
        self.finish(order, energy)
        assert self.report(order, patience), f"end of {order.id} was never answered"
        return order

    # requests of the controller

    def _serve(self, apdu):
        name = self.wire.name(apdu.messageId)
        try:
            if name == "SetTariffReq":
                self.tariffs.append(self.wire.read(apdu))
                self._reply(apdu, "SetTariffConf", status=0)
            elif name == "RemoteStartTransactionReq":
                self._remote_start(apdu)
            elif name == "RemoteStopTransactionReq":
                self._remote_stop(apdu)
            elif name == "TriggerMessageReq" and self.wire.has("TriggerMessageConf"):
                self._reply(apdu, "TriggerMessageConf", status=0)
            elif name == "GetTransactionsReq":
                self._reply(apdu, "GetTransactionsConf", totalCount=0)
            elif name == "GetConfigurationReq":
                self._get_configuration(apdu)
            elif name == "ChangeConfigurationReq":
                self._change_configuration(apdu)
            elif name in ("ReserveNowReq", "CancelReservationReq"):
                self.reservations.append(self.wire.read(apdu))
                occupied = self.pb.ReserveNowConf.Occupied
                status = occupied if name == "ReserveNowReq" else 0
                self._reply(apdu, f"{name[:-3]}Conf", status=status)
            elif apdu.messageId in self.wire.answers:
                self._reply(apdu, "MessageError", error=self.pb.EC_NotSupported)
        except Gone:
            pass

    def _reply(self, apdu, name, **values):
        message = self.wire.make(name, **values)
        data = self.wire.seal(self.wire.code(name), apdu.sequenceId, message, now_s())
        self.publish(f"/U/C/{self.code}", data)

    def _remote_start(self, apdu):
        request = self.wire.read(apdu)
        status = 0 if self.accept_remote_start else 1
        self._reply(apdu, "RemoteStartTransactionConf", status=status)
        if status:
            return
        order = self.begin(int(request.connectorId), request.IdData.id, request.transactionId)
        self.announce(order)

    def _remote_stop(self, apdu):
        request = self.wire.read(apdu)
        running = [
            o for o in self.orders if o.transaction_id == request.transactionId and not o.stop
        ]
        self._reply(apdu, "RemoteStopTransactionConf", status=0 if running else 1)
        for order in running:
            self.finish(order)
            self.report(order)

    def _get_configuration(self, apdu):
        keys = [item.key for item in self.wire.read(apdu).keys]
        values = [
            {"key": key, "readonly": False, "value": self.configuration.get(key, "")}
            for key in keys or self.configuration
        ]
        self._reply(apdu, "GetConfigurationConf", values=values)

    def _change_configuration(self, apdu):
        for item in self.wire.read(apdu).configurationKey:
            self.configuration[item.key] = item.value
        self._reply(apdu, "ChangeConfigurationConf", status=self.pb.CFS_RebootRequired)
