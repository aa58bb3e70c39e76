"""The two brokers, each started anew for every case, with the same accounts and rights."""

import hashlib
import base64
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
from typing import NamedTuple

import raw

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOORS = pathlib.Path(os.environ.get("SITEPILOT_DOORS") or ROOT / "target/debug/examples/doors")

# Only a broker that never comes up waits this long.
START_S = 30


def mosquitto():
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class Account(NamedTuple):
    """A login; one filter for what it may publish, one for what it may subscribe to."""

    name: str
    password: bytes
    publish: str
    subscribe: str


ACCOUNTS = [
    Account("open", b"open secret", "#", "#"),
    # No text at all: MQTT 3.1.1 takes any bytes for a password (3.1.3.5).
    Account("binary", b"\xff\xfe\x80\x01", "#", "#"),
    Account("reader", b"reader secret", "", "up/#"),
    Account("pile", b"pile secret", "up/pile/#", "down/pile/#"),
]
PASSWORDS = {account.name: account.password for account in ACCOUNTS}


class Settings(NamedTuple):
    """Limits that a case needs; nothing leaves them as they come."""

    max_connections: int | None = None
    max_packet_bytes: int | None = None


class Target:
    """A running broker."""

    def __init__(self, process, port, directory=None):
        self.process, self.port, self._directory = process, port, directory

    def dial(self, receive_buffer=None):
        """A connection on which nothing has been said."""
        return raw.Client(self.port, receive_buffer)

    def client(self, client_id, session=False, user="open", **options):
        """A connection that is logged in; `session` is what CONNACK is to say of one."""
        client = self.dial(options.pop("receive_buffer", None))
        options.setdefault("password", PASSWORDS[user])
        client.ask(raw.connect(client_id, user, **options), bytes([0x20, 2, session, 0]))
        return client

    def kept(self, client_id, session=False, **options):
        """A client whose session outlives the connection."""
        return self.client(client_id, session, clean=False, **options)

    def memory_kb(self):
        """Resident memory."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1])

    def runs(self):
        return self.process.poll() is None

    def close(self):
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        if self._directory:
            self._directory.cleanup()


def start_ours(settings):
    command = [DOORS]
    for account in ACCOUNTS:
        parts = account.name, account.password.hex(), account.publish, account.subscribe
        command += ["--account", ",".join(parts)]
    for name, value in settings._asdict().items():
        if value is not None:
            command += ["--" + name.replace("_", "-"), str(value)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    address = process.stdout.readline().decode().strip()
    if not address:
        raise OSError(f"{DOORS} did not start")
    return Target(process, int(address.rpartition(":")[2]))


def _hash(account):
    """A line of mosquitto's password file (PBKDF2 with SHA-512)."""
    salt, rounds = b"a salt of twelve"[:12], 101
    digest = hashlib.pbkdf2_hmac("sha512", account.password, salt, rounds)
    encode = lambda data: base64.b64encode(data).decode()
    return f"{account.name}:$7${rounds}${encode(salt)}${encode(digest)}\n"


def _rights(account):
    lines = [f"user {account.name}"]
    if account.publish:
        lines.append(f"topic write {account.publish}")
    if account.subscribe:
        lines.append(f"topic read {account.subscribe}")
    if account.subscribe == "#":
        lines.append("topic read $SYS/#")
    return "\n".join(lines) + "\n\n"


def _config(directory, port, settings):
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous false",
        f"password_file {directory}/passwords",
        f"acl_file {directory}/rights",
        "set_tcp_nodelay true",
        "log_dest none",
    ]
    if settings.max_connections is not None:
        lines.insert(1, f"max_connections {settings.max_connections}")
    if settings.max_packet_bytes is not None:
        lines.append(f"max_packet_size {settings.max_packet_bytes}")
    return "\n".join(lines) + "\n"


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_mosquitto(settings):
    """On a free port; another program may have taken it meanwhile, so more than once."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        directory = tempfile.TemporaryDirectory()
        path, port = pathlib.Path(directory.name), _free_port()
        (path / "passwords").write_text("".join(map(_hash, ACCOUNTS)))
        (path / "rights").write_text("".join(map(_rights, ACCOUNTS)))
        (path / "conf").write_text(_config(path, port, settings))
        for name in ("passwords", "rights"):
            # Started by root it becomes another user.
            (path / name).chmod(0o644)
        path.chmod(0o755)
        process = subprocess.Popen(
            [mosquitto(), "-c", path / "conf"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        target = Target(process, port, directory)
        while process.poll() is None and time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return target
            time.sleep(0.01)
        target.close()
    raise OSError("mosquitto did not start")


STARTERS = {"ours": start_ours, "mosquitto": start_mosquitto}
