"""Waiting for what happens elsewhere; the limits are guards, not measurements."""

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


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
