"""A paho connection that is made anew whenever it is lost."""

import socket
import threading
import time

import paho.mqtt.client as mqtt

# Between attempts; the peers are to be back as soon as the program is.
RETRY_S = 0.05


class Gone(Exception):
    """The connection was lost before the answer came."""


class Connection:
    """Keeps one MQTT client connected and subscribed; subclasses say what they do with it."""

    def __init__(
        self, port, client_id, username, password, filters, keepalive=10, tls=None, retry_s=RETRY_S
    ):
        self.port = port
        self.client_id = client_id
        self.username = username
        self.password = password
        self.filters = filters
        self.keepalive = keepalive
        self.tls = tls  # an ssl.SSLContext
        self.retry_s = retry_s
        self.attempts = 0
        self.generation = 0
        self.refusals = []
        self.subscribed = threading.Event()
        self._lock = threading.Lock()
        self._client = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def open(self):
        self._thread.start()
        return self

    def close(self):
        self._stop.set()
        self.drop()
        self._thread.join(10)

    def drop(self):
        """Cuts the TCP connection without DISCONNECT."""
        client = self._client
        sock = client.socket() if client else None
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def publish(self, topic, payload, qos=2):
        client = self._client
        if client is None or not self.subscribed.is_set():
            raise Gone
        return client.publish(topic, payload, qos=qos)

    # For subclasses, in the client's thread.
    def on_up(self):
        pass

    def on_down(self):
        pass

    def on_failure(self, error):
        """No connection, or no handshake."""

    def on_message(self, topic, payload):
        pass

    def _run(self):
        while not self._stop.is_set():
            gone = threading.Event()
            client = self._client_of(gone)
            self.attempts += 1
            try:
                client.connect("127.0.0.1", self.port, keepalive=self.keepalive)
            except OSError as error:
                self.on_failure(error)
                self._stop.wait(self.retry_s)
                continue
            self._client = client
            client.loop_start()
            while not gone.wait(0.1) and not self._stop.is_set():
                pass
            if self._stop.is_set():
                client.disconnect()
            client.loop_stop()
            self._client = None
            self.subscribed.clear()
            self.on_down()
            self._stop.wait(self.retry_s)

    def _client_of(self, gone):
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            protocol=mqtt.MQTTv311,
            clean_session=True,
            reconnect_on_failure=False,
        )
        if self.username is not None:
            client.username_pw_set(self.username, self.password)
        if self.tls is not None:
            client.tls_set_context(self.tls)
        # mosquitto 2.0.11 was seen to lose what is above.
        client.max_inflight_messages_set(20)

        def connected(client, _data, _flags, reason, _properties):
            if reason.is_failure:
                self.refusals.append(reason.getName())
                gone.set()
            elif self.filters:
                client.subscribe(self.filters)
            else:
                up()

        def subscribed(_client, _data, _mid, reasons, _properties):
            self.grants = [reason.value for reason in reasons]
            up()

        def up():
            with self._lock:
                self.generation += 1
            self.subscribed.set()
            self.on_up()

        client.on_connect = connected
        client.on_subscribe = subscribed
        client.on_disconnect = lambda *_: gone.set()
        client.on_message = lambda _c, _d, m: self.on_message(m.topic, m.payload)
        return client


def now_s():
    return int(time.time())
