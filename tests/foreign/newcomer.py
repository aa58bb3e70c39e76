"""A pile without an account of its own, at the doors with everybody's."""

import queue

import wire
from controller import REGISTRATION_CODE, REGISTRATION_PASSWORD
from station import Connection, now_s
from waiting import until


class Turned(Exception):
    """The door was not opened; with the reason of the CONNACK."""


class Newcomer(Connection):
    def __init__(self, port, serial, revision="1.10", code=REGISTRATION_CODE, tls=None, topic=None):
        self.wire = wire.WIRES[revision]
        self.serial = serial
        self.code = code
        # Some firmware writes its client id there.
        self.topic = topic or serial
        self.answers = queue.SimpleQueue()
        super().__init__(
            port,
            f"FOREIGN-{serial}",
            "register",
            REGISTRATION_PASSWORD,
            [(f"/D/R/{self.topic}", 2)],
            tls=tls,
        )

    def register(self):
        """The answer, read; the account in it is not used yet."""
        with self:
            self._ask()
            return self.answers.get(timeout=20)

    def register_in_vain(self):
        """The request is taken, and the pile is gone before it hears an answer."""
        self.filters = []
        with self:
            self._ask()
        assert self.answers.empty()

    def __enter__(self):
        self.open()
        until(lambda: self.subscribed.is_set() or self.refusals, "the door opens", 20)
        if self.refusals:
            self.close()
            raise Turned(self.refusals[0])
        return self

    def __exit__(self, *_):
        self.close()

    def _ask(self):
        request = self.wire.make(
            "DeviceRegistrationReq",
            partNumber="FOREIGN",
            serialNumber=self.serial,
            vendorId="FOREIGN",
            registrationCode=self.code,
            connectorNumber=[2],
            connectorType=[1],
        )
        data = self.wire.seal(self.wire.code("DeviceRegistrationReq"), 1, request, now_s())
        self.publish(f"/U/R/{self.topic}", data).wait_for_publish(20)

    def on_message(self, topic, payload):
        assert topic == f"/D/R/{self.topic}"
        apdu = self.wire.unseal(payload)
        assert apdu.sequenceId == 1
        self.answers.put(self.wire.read(apdu))
