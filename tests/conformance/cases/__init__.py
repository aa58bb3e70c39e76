"""All cases; importing a module enters its own."""

from cases import connecting, load, malformed, presence, publishing, retaining, sessions, subscribing

__all__ = [
    "connecting",
    "load",
    "malformed",
    "presence",
    "publishing",
    "retaining",
    "sessions",
    "subscribing",
]
