"""A TCP proxy that cuts, stalls, half-opens and delays."""

import socket
import struct
import threading
import time

CHUNK = 16384


class Proxy:
    """Forwards a port of its own to another, as well or badly as its mode says."""

    def __init__(self, upstream_port):
        self.upstream_port = upstream_port
        self.mode = "pass"
        self.delay_s = 0.0
        self.connections = 0
        self._pairs = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def cut(self):
        """Everything open is reset and nothing new gets through."""
        self.mode = "cut"
        self._reset_all()

    def stall(self):
        """Connections stay open and nothing passes."""
        self.mode = "stall"

    def half_open(self):
        """The far end is gone; the near end is not told."""
        self.mode = "half-open"
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            _abort(pair[1])

    def deafen(self):
        """What comes back from the far end is swallowed; what goes there passes."""
        self.mode = "deaf"

    def delay(self, seconds):
        """Everything comes this much later."""
        self.delay_s = seconds

    def heal(self):
        """All is well again; what is half open is told so."""
        was, self.mode, self.delay_s = self.mode, "pass", 0.0
        if was in ("half-open", "deaf"):
            self._reset_all()

    def outage(self, kind):
        {"cut": self.cut, "stall": self.stall, "half-open": self.half_open}[kind]()

    def close(self):
        self._stop.set()
        self._reset_all()
        self._thread.join(5)
        self._listener.close()

    def _reset_all(self):
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                _abort(end)

    def _accept(self):
        while not self._stop.is_set():
            try:
                near, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self.connections += 1
            if self.mode == "cut":
                _abort(near)
                continue
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near):
        while self.mode in ("stall", "half-open") and not self._stop.is_set():
            time.sleep(0.02)
        try:
            far = socket.create_connection(("127.0.0.1", self.upstream_port), timeout=5)
        except OSError:
            _abort(near)
            return
        far.settimeout(None)
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._pairs.append((near, far))
        for source, sink, is_back in ((near, far, False), (far, near, True)):
            arguments = (source, sink, is_back)
            threading.Thread(target=self._pump, args=arguments, daemon=True).start()

    def _pump(self, source, sink, is_back):
        try:
            while data := source.recv(CHUNK):
                if self.delay_s:
                    time.sleep(self.delay_s)
                while self.mode == "stall" and not self._stop.is_set():
                    time.sleep(0.02)
                if self.mode == "half-open":
                    self._swallow()
                    return
                if self.mode == "deaf" and is_back:
                    continue
                sink.sendall(data)
        except OSError:
            pass
        if self.mode == "half-open":
            self._swallow()
            return
        _abort(source)
        _abort(sink)

    def _swallow(self):
        """The near end stays open until the line is healed."""
        while self.mode == "half-open" and not self._stop.is_set():
            time.sleep(0.02)


def _abort(end):
    """Closes with a reset."""
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    end.close()
