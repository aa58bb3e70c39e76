#!/usr/bin/env python3
"""Runs every case against the doors and against mosquitto and compares. Exits with 0 only if
the doors are right in every case and differ from mosquitto where `differences` says, no more and
no less.

With arguments: only the cases of these names, and nothing is compared with the document.
`--write`: writes docs/conformance.md anew."""

import concurrent.futures
import os
import sys
import time

import cases  # noqa: F401, enters the cases
import document
import target
from differences import DIFFERENCES
from raw import Wrong
from registry import CASES, GOOD

# Cases at once: most of them wait for something.
WORKERS = 16


def _observe(kind, case):
    """What a fresh broker of this kind did, in a word."""
    broker = target.STARTERS[kind](case.settings)
    try:
        word = case.run(broker) or GOOD
        if not broker.runs():
            return "wrong: the broker has ended"
        return word
    except Wrong as wrong:
        return f"wrong: {wrong}"
    except OSError as error:
        return f"wrong: {error}"
    finally:
        broker.close()


def _observed(names):
    """Name to what was seen, by kind."""
    found = {name: {} for name in names}
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        jobs = {
            pool.submit(_observe, kind, CASES[name]): (name, kind)
            for name in names
            for kind in target.STARTERS
        }
        for job in concurrent.futures.as_completed(jobs):
            name, kind = jobs[job]
            found[name][kind] = job.result()
    return found


def _fault(case, seen):
    """What is wrong with this row of the table, if anything."""
    ours, theirs = seen["ours"], seen["mosquitto"]
    if ours not in case.right:
        return f"ours: {ours}; right: {' or '.join(sorted(case.right))}"
    listed = DIFFERENCES.get(case.name)
    if listed is None:
        return None if ours == theirs else f"a difference not listed: {ours} / {theirs}"
    if (ours, theirs) != (listed.ours, listed.mosquitto):
        return f"listed as {listed.ours} / {listed.mosquitto}, but it is {ours} / {theirs}"
    return None


def main(arguments):
    if target.mosquitto() is None:
        print("NOTHING WAS TESTED: mosquitto is missing", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    write = "--write" in arguments
    chosen = [name for name in arguments if name != "--write"] or list(CASES)
    started = time.monotonic()
    found = _observed(chosen)
    faults = {name: _fault(CASES[name], found[name]) for name in chosen}
    faults = {name: fault for name, fault in faults.items() if fault}
    faults |= {name: "listed as a difference, but no case" for name in DIFFERENCES.keys() - CASES}
    for name in chosen:
        mark = "FAULT" if name in faults else "ok"
        print(f"{mark:6}{name:50}{found[name]['ours']:24}{found[name]['mosquitto']}")
    for name, fault in faults.items():
        print(f"FAULT {name}: {fault}")
    took = time.monotonic() - started
    print(f"{len(chosen)} cases against each broker in {took:.0f} s, {len(faults)} faults")
    if len(chosen) == len(CASES) and not faults:
        return document.check("suite.py", document.cases(found), write)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
