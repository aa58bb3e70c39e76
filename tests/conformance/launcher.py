"""Stands in the place of mosquitto in the tree of its tests: starts the doors, with what they
know of its settings. For one they do not have it leaves a note and ends the test."""

import os
import pathlib
import signal

import target


def _settings(arguments):
    """Settings from `-p PORT` or from the file of `-c FILE`, as pairs."""
    if "-p" in arguments:
        yield "port", arguments[arguments.index("-p") + 1]
        return
    for line in pathlib.Path(arguments[arguments.index("-c") + 1]).read_text().splitlines():
        name, _, value = line.strip().partition(" ")
        if name and not name.startswith("#"):
            yield name, value


def main(arguments):
    # Without a password file mosquitto asks nobody for a password.
    command = [str(target.DOORS), "--account", ",,#,#"]
    for name, value in _settings(arguments):
        if name in ("port", "listener"):
            command += ["--listen", f"127.0.0.1:{value.split()[0]}"]
        elif name == "max_inflight_messages":
            command += ["--max-inflight", value]
        elif (name, value) != ("allow_anonymous", "true"):
            pathlib.Path(os.environ["LEFT_OUT_NOTE"]).write_text(f"{name} {value}")
            # The test would wait for its broker for long.
            os.kill(os.getppid(), signal.SIGTERM)
            return
    os.execv(command[0], command)
