"""An EC server that behaves like the known one, and badly where it is told to."""

import collections
import ctypes
import socket
import struct
import threading
import time

import ec
from waiting import free_port

CHUNK = 65536
# How often a link's threads look at what they were told.
TICK_S = 0.05
# Linux has these, and Python's socket module does not.
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
# One instruction of BPF: let nothing in.
NOTHING = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
BACKLOG = 16


class EcServer:
    """Listens on a port of its own. What it has read it stores after `store_s`: a restart before
    that loses it. What it says of itself may be read at any time."""

    def __init__(self, heartbeat_s=60, silence_s=120, store_s=0, receive_bytes=None):
        self.heartbeat_s = heartbeat_s
        self.silence_s = silence_s
        self.store_s = store_s
        self.receive_bytes = receive_bytes  # of the kernel's buffer
        self.port = free_port()
        # Books.
        self.records = {}  # stored, by trade number; the last copy wins
        self.copies = collections.defaultdict(list)  # frames as read, stored or not
        self.dropped = []
        self.ignored = []
        self.malformed = []
        self.realtime = []  # with the moment of each
        self.heartbeats_heard = 0
        self.heartbeats_sent = 0
        self.connections = 0
        self.silences = 0
        self.skipped = 0
        self.ends = []  # moments at which links ended
        # Faults.
        self.reading = True
        self.heartbeats = True
        self.cut = None
        self._pending = []  # read and not yet stored
        self._lock = threading.RLock()
        self._links = set()
        self._listener = None
        self._generation = 0

    def __enter__(self):
        return self.open()

    def __exit__(self, *_):
        self.kill()

    def open(self):
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=BACKLOG)
        if self.receive_bytes:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_bytes)
        self._generation += 1
        arguments = (self._listener, self._generation)
        threading.Thread(target=self._accept, args=arguments, daemon=True).start()
        return self

    # faults

    def kill(self):
        """The process ends: what it had not stored and what it had not read are lost."""
        with self._lock:
            self._generation += 1
            self._pending.clear()
            links, self._links = self._links, set()
        if self._listener is not None:
            # Closing alone would not wake who waits for a connection.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for link in links:
            abort(link)

    def restart(self):
        self.kill()
        self.reading = self.heartbeats = True
        self.open()

    def reset_links(self):
        """Links end with a reset; the process lives on."""
        with self._lock:
            links, self._links = self._links, set()
        for link in links:
            abort(link)

    def stop_reading(self, heartbeats):
        """The process reads no more while its kernel goes on; with or without heartbeats."""
        self.heartbeats = heartbeats
        self.reading = False
        # Until nobody is in the middle of reading.
        time.sleep(2 * TICK_S)

    def go_dark(self):
        """Packets are lost: nothing is acknowledged, nobody can connect, nothing is said."""
        self.heartbeats = False
        program = struct.pack("HL", 1, ctypes.addressof(NOTHING))
        for end in self._sockets():
            end.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)

    def come_back(self):
        self.heartbeats = True
        for end in self._sockets():
            end.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)

    def _sockets(self):
        with self._lock:
            return [self._listener, *self._links]

    def cut_at(self, position):
        """The link ends when so many bytes of the next record have been read."""
        self.cut = position

    def say(self, data):
        """Sends these bytes on all links."""
        with self._lock:
            for link in self._links:
                link.sendall(data)

    # books

    def links(self):
        with self._lock:
            return len(self._links)

    def missing(self, wanted):
        """Those of these trade numbers that are not stored."""
        return [trade for trade in wanted if trade not in self.records]

    def altered(self):
        """Trade numbers of which two copies differ."""
        return [trade for trade, copies in self.copies.items() if len(set(copies)) > 1]

    def copies_of(self, wanted):
        return sum(len(self.copies.get(trade, ())) for trade in wanted)

    # links

    def _accept(self, listener, generation):
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                if generation != self._generation:
                    abort(link)
                    return
                self._links.add(link)
                self.connections += 1
            threading.Thread(target=self._serve, args=(link, generation), daemon=True).start()

    def _serve(self, link, generation):
        beat = threading.Thread(target=self._beat, args=(link, generation), daemon=True)
        beat.start()
        try:
            self._read(link, generation)
        except OSError:
            pass
        finally:
            with self._lock:
                self._links.discard(link)
            abort(link)
            self.ends.append(time.monotonic())

    def _beat(self, link, generation):
        due = time.monotonic() + self.heartbeat_s
        while self._is_open(link, generation):
            time.sleep(min(TICK_S, self.heartbeat_s))
            self._store()
            if time.monotonic() < due:
                continue
            due += self.heartbeat_s
            if self.heartbeats:
                try:
                    link.sendall(ec.frame(ec.HEARTBEAT))
                    self.heartbeats_sent += 1
                except OSError:
                    return

    def _is_open(self, link, generation):
        with self._lock:
            return generation == self._generation and link in self._links

    def _read(self, link, generation):
        reader, heard = ec.Reader(), time.monotonic()
        link.settimeout(TICK_S)
        while self._is_open(link, generation):
            if not self.reading:
                # A process that hangs does not notice silence either.
                heard = time.monotonic()
                time.sleep(TICK_S)
                continue
            try:
                data = link.recv(CHUNK)
            except TimeoutError:
                if time.monotonic() - heard > self.silence_s:
                    self.silences += 1
                    return
                continue
            if not data:
                return
            heard = time.monotonic()
            reader.feed(data)
            if self._take(reader, generation):
                return

    def _take(self, reader, generation):
        """Whether the link is to be cut."""
        skipped = reader.skipped
        while True:
            if self._cuts(reader):
                return True
            frame = reader.take()
            if frame is None:
                break
            with self._lock:
                if generation != self._generation:
                    return True
                self._note(frame)
        self.skipped += reader.skipped - skipped
        return False

    def _cuts(self, reader):
        """Whether a record stands first and has come so far that it is to be cut."""
        data = reader.data
        is_record = data[:2] == ec.MARK and data[4:6] == struct.pack(">H", ec.RECORD)
        if self.cut is None or not is_record or len(data) < self.cut:
            return False
        (length,) = struct.unpack(">h", data[2:4])
        if self.cut >= 4 + length:
            # Whole after all: read, and then the link ends.
            with self._lock:
                self._note(reader.take())
        self.cut = None
        return True

    def _note(self, frame):
        try:
            if frame.command == ec.HEARTBEAT:
                self.heartbeats_heard += 1
            elif frame.command == ec.REALTIME:
                self.realtime.append((time.monotonic(), ec.realtime(frame.body)))
            elif frame.command == ec.RECORD:
                self._record(ec.record(frame.body), frame.bytes)
            else:
                self.ignored.append((frame.command, frame.body))
        except ec.Malformed as error:
            self.malformed.append((frame, error))

    def _record(self, record, data):
        self.copies[record.trade].append(data)
        if record.is_dropped:
            self.dropped.append(record)
            return
        self._pending.append((time.monotonic() + self.store_s, record))
        self._store()

    def _store(self):
        """Stores what is due."""
        now = time.monotonic()
        with self._lock:
            due = [record for at, record in self._pending if at <= now]
            self._pending = [(at, record) for at, record in self._pending if at > now]
            self.records.update((record.trade, record) for record in due)


def abort(link):
    """Closes with a reset."""
    try:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Wakes whoever waits for it.
        link.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    link.close()
