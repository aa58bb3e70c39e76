"""The tables of docs/conformance.md, made from what the suite has seen."""

import sys

from differences import DIFFERENCES
from faults import DEADLY, WRONG
from registry import CASES
from target import ROOT

PATH = ROOT / "docs/conformance.md"
BEGIN = "<!-- written by tests/conformance/suite.py --write -->"
END = "<!-- end of what is written -->"


def _table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _faults(title, faults):
    rows = [(fault, ", ".join(f"`{name}`" for name in names)) for fault, names in faults]
    return f"### {title}\n\n" + _table(("fault", "cases"), rows)


def _tables(found):
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
            _table(("case", "doors", "mosquitto", "why"), differences),
            _faults("What stops a broker for good", DEADLY),
            _faults("What makes a broker break its word", WRONG),
            "### All cases\n",
            _table(("case", "shows", "MQTT 3.1.1", "doors", "mosquitto"), cases),
        ]
    )


def check(found, write):
    """0 if the document says what was seen; writes it if asked to."""
    before, _, rest = PATH.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    text = f"{before}{BEGIN}\n\n{_tables(found)}\n{END}{after}"
    if text == PATH.read_text():
        return 0
    if write:
        PATH.write_text(text)
        return 0
    print(f"{PATH} does not say so; write it with tests/conformance/run --write", file=sys.stderr)
    return 1
