"""The program under test, from its config to its end."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import urllib.error
import urllib.request

from waiting import free_port, until

BINARY = pathlib.Path(
    os.environ.get("SITEPILOT_BIN")
    or pathlib.Path(__file__).resolve().parents[2] / "target" / "debug" / "sitepilot"
)

REGISTRATION_CODE = "WELCOME-2026"
REGISTRATION_PASSWORD = "everybody knows it"


def pile_code(number):
    return f"31011500120{number:05}"


def pile_password(number):
    return f"secret-{number}"


def pile_serial(number):
    return f"ZD24011{number:04}"


@dataclasses.dataclass
class Doors:
    """What piles find at the doors besides their passwords."""

    plain: bool = True
    certificate: tuple = None  # and key: with TLS
    client_ca: pathlib.Path = None
    registration: str = None  # "open" or "closed"
    observers: dict = dataclasses.field(default_factory=dict)  # topics by name


class Controller:
    """One site in a directory of its own; `revisions` are those of its piles, 1.10 if not said."""

    def __init__(
        self,
        directory,
        cloud_port,
        piles=1,
        # Of the product: on a busy machine a backend is slow too.
        answer_timeout_ms=3000,
        extra="",
        cloud_revision="1.10",
        cloud_ca=None,
        revisions=None,
        doors=None,
        wrapper=(),
    ):
        self.directory = pathlib.Path(directory)
        self.port = free_port()
        self.tls_port = free_port()
        self.http_port = free_port()
        self.piles = piles
        self.cloud_revision = cloud_revision
        # With TLS: who signs the cloud's certificate.
        self.cloud_ca = cloud_ca
        self.revisions = revisions or {}
        self.doors = doors or Doors()
        # Goes before the command.
        self.wrapper = wrapper
        self.process = None
        self.starts = 0
        self.config = self.directory / "site.toml"
        self.log = open(self.directory / "sitepilot.log", "ab")
        self._write(cloud_port, answer_timeout_ms, extra)

    def _secret(self, name, text):
        path = self.directory / name
        path.write_text(text + "\n")
        path.chmod(0o600)
        return path

    def _write(self, cloud_port, answer_timeout_ms, extra):
        data = self.directory / "data"
        data.mkdir(exist_ok=True)
        text = f"""
[site]
code = "3101150012"
name = "Foreign"
timezone = "Asia/Shanghai"
data_dir = "{data}"

[broker]
{self._plain()}
{self._doors()}
[http]
listen = "127.0.0.1:{self.http_port}"

[control]
socket = "{self.directory}/control.sock"

[[uplink]]
name = "cloud"
kind = "charger"
revision = "{self.cloud_revision}"
url = "{"mqtts" if self.cloud_ca else "mqtt"}://127.0.0.1:{cloud_port}"
{f'ca_file = "{self.cloud_ca}"' if self.cloud_ca else ""}
part_number = "SITEPILOT-1"
serial = "SP-000123"
vendor = "ACME"
registration_code_file = "{self._secret("cloud.code", "CODE")}"
username = "default"
password_file = "{self._secret("cloud.password", "default")}"
primary = true
answer_timeout_ms = {answer_timeout_ms}
keep_alive_s = 5
{extra}
"""
        for number in range(1, self.piles + 1):
            secret = self._secret(f"pile-{number}.password", pile_password(number))
            text += f"""
[[pile]]
code = "{pile_code(number)}"
serial = "{pile_serial(number)}"
revision = "{self.revision(number)}"
kind = "dc"
connectors = [{2 * number - 1}, {2 * number}]
password_file = "{secret}"
"""
        self.config.write_text(text)

    def revision(self, number):
        return self.revisions.get(number, "1.10")

    def _plain(self):
        return f'listen = "127.0.0.1:{self.port}"' if self.doors.plain else ""

    def _doors(self):
        doors, text = self.doors, ""
        if doors.certificate:
            certificate, key = doors.certificate
            text += f"""
[broker.tls]
listen = "127.0.0.1:{self.tls_port}"
certificate_file = "{certificate}"
key_file = "{key}"
"""
        if doors.client_ca:
            text += f'client_ca_file = "{doors.client_ca}"\n'
        if doors.registration:
            text += f"""
[broker.registration]
open = {str(doors.registration == "open").lower()}
code_file = "{self._secret("registration.code", REGISTRATION_CODE)}"
username = "register"
password_file = "{self._secret("registration.password", REGISTRATION_PASSWORD)}"
"""
        for name, topics in doors.observers.items():
            text += f"""
[[broker.observer]]
username = "{name}"
password_file = "{self._secret(f"{name}.password", pile_password(name))}"
topics = {json.dumps(topics)}
"""
        return text

    def start(self, wait=True):
        self.process = subprocess.Popen(
            [*self.wrapper, BINARY, "run", "--config", self.config],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        self.starts += 1
        if wait:
            self.wait_healthy()
        return self

    def wait_healthy(self, timeout=30):
        def healthy():
            code = self.process.poll()
            assert code is None, f"the controller ended with {code}:\n{self.tail()}"
            return self.healthz() == 200

        until(healthy, "/healthz", timeout, every=0.01)

    def healthz(self):
        return self.get("/healthz")[0]

    def get(self, path):
        """Status and body of a GET; status 0 if nobody listens."""
        try:
            url = f"http://127.0.0.1:{self.http_port}{path}"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def hang_up(self):
        """SIGHUP."""
        self.process.send_signal(signal.SIGHUP)

    def kill(self):
        """SIGKILL."""
        self.process.kill()
        self.process.wait(10)

    def stop(self, timeout=30):
        """SIGTERM; the exit status."""
        self.process.terminate()
        return self.process.wait(timeout)

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        self.log.close()

    def tail(self, lines=40):
        text = (self.directory / "sitepilot.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def command(self, *arguments, check=True):
        """Runs another command of the program on this config."""
        done = subprocess.run(
            [BINARY, *arguments, "--config", self.config],
            capture_output=True,
            text=True,
            timeout=60,
        )
        if check:
            assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stderr}"
        return done

    def orders(self):
        """All orders by id, from `orders export`."""
        lines = self.command("orders", "export", "--format", "jsonl").stdout.splitlines()
        orders = [json.loads(line) for line in lines if line.strip()]
        found = {order["id"]: order for order in orders}
        assert len(found) == len(orders), "an order was exported twice"
        return found

    def listed(self, *arguments):
        """`orders list --json`."""
        document = json.loads(self.command("orders", "list", "--json", *arguments).stdout)
        return document["orders"] if isinstance(document, dict) else document

    def verify(self):
        return self.command("orders", "verify")

    def wait_settled(self, ids, timeout=60):
        wanted = set(ids)

        def settled():
            return wanted <= {i for i, o in self.orders().items() if o["state"] == "settled"}

        until(settled, f"{len(wanted)} orders settled in the ledger", timeout, every=0.5)
