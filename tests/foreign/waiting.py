"""Waiting for what happens elsewhere; the limits are guards, not measurements."""

import random
import socket
import time


def until(predicate, what, timeout=60.0, every=0.02):
    """The first true value of `predicate`."""
    end = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout:.0f} s in vain for: {what}")
        time.sleep(every)


# Below the ports that systems give to outgoing connections, or one of these takes the port between
# its being found and its being listened at.
PORTS = range(10_000, 32_000)


def free_port():
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
