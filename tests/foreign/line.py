"""A two-wire line of pseudo-terminals: what one station says, all others hear."""

import fcntl
import os
import pathlib
import pty
import selectors
import threading
import tty


class Station:
    """One end of a pseudo-terminal; whoever opens `path` is on the line."""

    def __init__(self):
        self.master, self.kept = pty.openpty()
        # Before anybody opens it, or the terminal echoes.
        tty.setraw(self.kept)
        fcntl.fcntl(self.master, fcntl.F_SETFL, os.O_NONBLOCK)
        self.path = os.ttyname(self.kept)

    def close(self):
        os.close(self.master)
        os.close(self.kept)


class Line:
    """`port` is where the controller finds it: a link, as an adapter comes back by another name."""

    def __init__(self, directory, name="line"):
        self.port = pathlib.Path(directory) / name
        # Of everything that was said: who (a station) and what, a piece as it came.
        self.said = []
        # Changes what the controller is to hear: bytes to bytes.
        self.disturb = None
        self.controller = None
        self._stations = []
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._open = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.plug()
        self._thread.start()

    def close(self):
        self._open = False
        self._thread.join(10)
        for station in list(self._stations):
            self.leave(station)
        self.port.unlink(missing_ok=True)

    def join(self):
        """A new station."""
        station = Station()
        with self._lock:
            self._stations.append(station)
            self._selector.register(station.master, selectors.EVENT_READ, station)
        return station

    def leave(self, station):
        """Whoever has it open finds it gone."""
        with self._lock:
            self._stations.remove(station)
            self._selector.unregister(station.master)
            station.close()

    def unplug(self):
        """The controller's adapter is pulled."""
        self.port.unlink()
        station, self.controller = self.controller, None
        self.leave(station)

    def plug(self):
        self.controller = self.join()
        new = self.port.with_suffix(".new")
        new.symlink_to(self.controller.path)
        new.rename(self.port)

    def requests(self):
        """What the controller said."""
        with self._lock:
            return b"".join(said for by_controller, said in self.said if by_controller)

    def _run(self):
        while self._open:
            for key, _ in self._selector.select(0.1):
                with self._lock:
                    if key.data in self._stations:
                        self._pass_on(key.data)

    def _pass_on(self, speaker):
        try:
            said = os.read(speaker.master, 4096)
        except OSError:
            return
        by_controller = speaker is self.controller
        self.said.append((by_controller, said))
        for station in self._stations:
            if station is speaker:
                continue
            heard = said
            if station is self.controller and self.disturb:
                heard = self.disturb(said)
            try:
                os.write(station.master, heard)
            except BlockingIOError:
                # Nobody reads there.
                pass
