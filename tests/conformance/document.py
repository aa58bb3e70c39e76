"""The parts of docs/conformance.md that are made from what was seen."""

import sys

from differences import DIFFERENCES
from faults import DEADLY, WRONG
from registry import CASES
from target import ROOT

PATH = ROOT / "docs/conformance.md"


def table(head, rows):
    """A table of Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _faults(title, faults):
    rows = [(fault, ", ".join(f"`{name}`" for name in names)) for fault, names in faults]
    return f"### {title}\n\n" + table(("fault", "cases"), rows)


def cases(found):
    """All tables of the suite."""
    for _, names in DEADLY + WRONG:
        for name in names:
            assert name in CASES, f"{name} is no case"
    differences = [
        (f"`{name}`", d.ours, d.mosquitto, d.why) for name, d in sorted(DIFFERENCES.items())
    ]
    cases = [
        (f"`{case.name}`", case.title, case.section, found[case.name]["ours"], found[case.name]["mosquitto"])
        for case in CASES.values()
    ]
    return "\n".join(
        [
            f"{len(CASES)} cases, {len(DIFFERENCES)} differences.\n",
            "### Where the doors differ from mosquitto, and why\n",
            table(("case", "doors", "mosquitto", "why"), differences),
            _faults("What stops a broker for good", DEADLY),
            _faults("What makes a broker break its word", WRONG),
            "### All cases\n",
            table(("case", "shows", "MQTT 3.1.1", "doors", "mosquitto"), cases),
        ]
    )


def check(mark, text, write):
    """0 if the document says this at its place; writes it if asked to."""
    begin, end = f"<!-- written by {mark} --write -->\n", f"<!-- end of {mark} -->\n"
    whole = PATH.read_text()
    before, _, rest = whole.partition(begin)
    _, found, after = rest.partition(end)
    assert found, f"{PATH} has no place for {mark}"
    new = f"{before}{begin}\n{text}\n{end}{after}"
    if write:
        PATH.write_text(new)
    elif new != whole:
        print(f"{PATH} does not say so; tests/conformance/run --write", file=sys.stderr)
        return 1
    return 0
