"""A stand-in for journald: its socket, in a mount namespace of the controller's own."""

import os
import pathlib
import shutil
import socket
import struct
import subprocess
import threading

# Puts the directory of the stand-in where journald's socket is, and says that stderr is a stream
# of it. What is mounted here is gone with the process.
_ENTER = """
set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/journal
mount --bind "$1" /run/systemd/journal
shift
JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2)
export JOURNAL_STREAM
exec "$@"
"""


def why_impossible():
    """Why nothing can stand in for journald here; None if it can."""
    if os.geteuid() != 0:
        return "not root"
    if shutil.which("unshare") is None:
        return "no unshare"
    probe = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/run"]
    done = subprocess.run(probe, capture_output=True, text=True)
    return done.stderr.strip() or "no mount namespace" if done.returncode else None


def parse(datagram):
    """The fields of an entry, by https://systemd.io/JOURNAL_NATIVE_PROTOCOL/."""
    fields = {}
    while datagram:
        line, datagram = datagram.split(b"\n", 1)
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", datagram[:8])
            value, end = datagram[8 : 8 + length], datagram[8 + length : 9 + length]
            assert end == b"\n", (name, end)
            datagram = datagram[9 + length :]
        assert name.decode().isascii() and name == name.upper(), name
        assert name not in fields, f"{name} twice"
        fields[name.decode()] = value.decode()
    return fields


class Journal:
    """Entries as they come; while it is stuck nobody reads them."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory) / "journal"
        self.directory.mkdir()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.directory / "socket"))
        self._socket.settimeout(0.05)
        self._reads = threading.Event()
        self._is_closed = False
        self._lock = threading.Lock()
        self._entries = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def wrapper(self):
        """Goes before the command that shall log here."""
        return ["unshare", "-m", "sh", "-c", _ENTER, "sh", str(self.directory)]

    def read(self):
        self._reads.set()

    def get_stuck(self):
        """From now on it is as if journald hung."""
        self._reads.clear()

    def fill(self):
        """Fills the socket: the next one who sends to it waits."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            try:
                while True:
                    sender.sendto(b"MESSAGE=filler\n", str(self.directory / "socket"))
            except BlockingIOError:
                return

    def _read(self):
        while not self._is_closed:
            if not self._reads.wait(0.05):
                continue
            try:
                datagram = self._socket.recv(1 << 20)
            except TimeoutError:
                continue
            except OSError:
                return
            # Asking whether somebody is there is an empty one.
            if datagram:
                with self._lock:
                    self._entries.append(parse(datagram))

    def entries(self, **wanted):
        """Entries with these fields."""
        with self._lock:
            return [e for e in self._entries if wanted.items() <= e.items()]

    def close(self):
        self._is_closed = True
        self._thread.join()
        self._socket.close()
