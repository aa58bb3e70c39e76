"""What a case is, and the list of all."""

from typing import Callable, NamedTuple

from target import Settings

CASES = {}

GOOD = "as it should"


class Case(NamedTuple):
    """A function on a target that returns in a word what it saw, or nothing if all went as its
    first line says; and which words are right by MQTT 3.1.1."""

    name: str
    section: str
    title: str
    right: frozenset
    settings: Settings
    run: Callable


def add(name, section, title, run, right=(GOOD,), settings=Settings()):
    assert name not in CASES, name
    CASES[name] = Case(name, section, title, frozenset(right), settings, run)


def case(section, *right, settings=Settings()):
    """Makes a case of a function; its first line of documentation says what it shows."""

    def enter(run):
        title = run.__doc__.splitlines()[0].rstrip(".")
        add(run.__name__, section, title, run, right or (GOOD,), settings)
        return run

    return enter
