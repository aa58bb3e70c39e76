"""A site: mosquitto as the cloud's broker, a backend, the line to it, a controller and piles."""

import contextlib
import shutil
import socket
import subprocess

import backend as backend_module
import controller as controller_module
import piles as piles_module
import proxy as proxy_module
from waiting import free_port, until


def mosquitto():
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class Broker:
    """A mosquitto without a login on a port of its own, which may be killed and started again."""

    def __init__(self, directory, certificate=None):
        self.port = free_port()
        self.tls_port = free_port() if certificate else None
        self._directory = directory
        self._process = None
        text = (
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
            # Not 0, which is said to be without limit: mosquitto 2.0.11 then closes the connection
            # of whoever has more than its 20 messages of QoS 2 on the way.
            "set_tcp_nodelay true\nmax_queued_messages 1000000\n"
        )
        if certificate:
            # As another user it could not read the key.
            text += f"user root\nlistener {self.tls_port} 127.0.0.1\n"
            text += f"certfile {certificate[0]}\nkeyfile {certificate[1]}\n"
        (directory / "mosquitto.conf").write_text(text)

    def start(self):
        with open(self._directory / "mosquitto.log", "ab") as log:
            command = [mosquitto(), "-c", self._directory / "mosquitto.conf"]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until(lambda: _listens(self.tls_port or self.port), "mosquitto", 10)
        return self

    def kill(self):
        """SIGKILL."""
        self._process.kill()
        self._process.wait(10)

    def stop(self):
        if self._process:
            self._process.terminate()
            self._process.wait(10)


@contextlib.contextmanager
def mosquitto_running(directory, certificate=None):
    """A broker that runs; with a certificate and its key it listens with TLS too."""
    broker = Broker(directory, certificate)
    try:
        yield broker.start()
    finally:
        broker.stop()


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Site:
    """A controller with its cloud behind a proxy, and its piles."""

    def __init__(self, directory, cloud, cloud_revision="1.10"):
        self.directory = directory
        self.proxy = proxy_module.Proxy(cloud.tls_port or cloud.port)
        self.backend = backend_module.Backend(cloud.port, cloud_revision).open()
        self.controller = None
        self.piles = []

    def run(self, piles=1, **options):
        self.controller = controller_module.Controller(
            self.directory,
            self.proxy.port,
            piles,
            cloud_revision=self.backend.wire.revision,
            **options,
        )
        assert self.backend.subscribed.wait(10)
        self.controller.start()
        return self

    def pile(self, number, **options):
        """Pile `number`, connected and booted."""
        return self.welcome(
            controller_module.pile_code(number),
            controller_module.pile_password(number),
            controller_module.pile_serial(number),
            self.controller.revision(number),
            **options,
        )

    def welcome(self, code, password, serial, revision, **options):
        """A pile with this account, connected and booted."""
        port = self.controller.tls_port if options.get("tls") else self.controller.port
        pile = piles_module.Pile(port, code, password, serial, revision, **options)
        self.piles.append(pile)
        return pile.open().wait_ready()

    def wait_uplink(self, boots=1, timeout=60):
        """Waits until the controller has booted at the backend, and the answer has sunk in."""
        until(lambda: len(self.backend.boots) >= boots, "boot at the backend", timeout)
        return self

    def close(self):
        for pile in self.piles:
            pile.close()
        if self.controller:
            self.controller.close()
        self.backend.close()
        self.proxy.close()


@contextlib.contextmanager
def site_at(directory, cloud_revision="1.10", cloud_certificate=None):
    """A site with its cloud; the controller is still to be run."""
    with mosquitto_running(directory, cloud_certificate) as cloud:
        site = Site(directory, cloud, cloud_revision)
        try:
            yield site
        finally:
            site.close()
