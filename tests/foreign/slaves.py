"""Foreign slaves as processes: pymodbus and libmodbus, on a line or by TCP."""

import pathlib
import select
import shutil
import subprocess
import sys

from waiting import free_port

HERE = pathlib.Path(__file__).resolve().parent


class NoLibmodbus(Exception):
    """No compiler, or no libmodbus."""


def compile_libmodbus_slave(directory):
    """The built slave.c."""
    for tool in ("cc", "pkg-config"):
        if shutil.which(tool) is None:
            raise NoLibmodbus(tool)
    found = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "libmodbus"], capture_output=True, text=True
    )
    if found.returncode:
        raise NoLibmodbus("libmodbus-dev")
    program = pathlib.Path(directory) / "slave"
    source = HERE / "slave.c"
    subprocess.run(
        ["cc", "-O2", "-Wall", "-Wextra", source, "-o", program, *found.stdout.split()], check=True
    )
    return program


class Slave:
    """One address with its registers. It keeps these when it is killed and started again."""

    def __init__(
        self, program, address=1, line=None, framing="rtu", baud=9600, parity="N", stops=1
    ):
        self.program = [str(part) for part in program]
        self.address = address
        self.line = line
        self.framing = framing  # "rtu" on a line, "tcp", "rtu-over-tcp"
        self.serial = (baud, parity, stops)
        self.tcp_port = None if line else free_port()
        self.tables = {3: {}, 4: {}}
        self._station = None
        self._process = None
        self._unread = b""

    def start(self):
        if self.line:
            self._station = self.line.join()
            where = [self._station.path, *self.serial]
        else:
            where = [self.tcp_port]
        arguments = [self.framing, *where, self.address]
        self._process = subprocess.Popen(
            [*self.program, *(str(argument) for argument in arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._expect("ready")
        for function, table in self.tables.items():
            self._send_all(function, table)
        return self

    def kill(self):
        """SIGKILL; the line goes on without it."""
        self._process.kill()
        self._process.wait(10)
        self._process.stdin.close()
        self._process.stdout.close()
        self._process = None
        self._unread = b""
        if self._station:
            self.line.leave(self._station)
            self._station = None

    def close(self):
        if self._process:
            self.kill()

    def give(self, image):
        """Sets registers: words by (function, address), all at once where they are neighbours."""
        new = {3: {}, 4: {}}
        for (function, address), word in image.items():
            new[function][address] = word
        for function, table in new.items():
            self.tables[function].update(table)
            self._send_all(function, table)
        return self

    def drop(self, function, start, count):
        """From now on it does not have them."""
        for address in range(start, start + count):
            self.tables[function].pop(address, None)
        self.tell(f"drop {function} {start} {count}")

    def tell(self, command):
        if self._process:
            self._process.stdin.write(f"{command}\n".encode())
            self._process.stdin.flush()
            self._expect("ok")

    def _send_all(self, function, table):
        for start, words in runs(table):
            self.tell(f"set {function} {start} {' '.join(map(str, words))}")

    def _expect(self, word):
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self._process.stdout], [], [], 20)
            piece = self._process.stdout.read1(4096) if ready else b""
            assert piece, f"the slave did not say {word}; it ended with {self._process.poll()}"
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        assert line.decode() == word


# So that a command fits the slaves' buffers, and a value of four words is never cut.
LONGEST = 500


def runs(table):
    """Neighbours together: (first address, words)."""
    found = []
    for address in sorted(table):
        if found and found[-1][0] + len(found[-1][1]) == address and len(found[-1][1]) < LONGEST:
            found[-1][1].append(table[address])
        else:
            found.append((address, [table[address]]))
    return found


PYMODBUS = [sys.executable, HERE / "pymodbus_slave.py"]
