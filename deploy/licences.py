#!/usr/bin/env python3
"""Prints the licences of all crates that are in the program, each text once.

    deploy/licences.py TRIPLE...
"""

import hashlib
import json
import pathlib
import re
import subprocess
import sys

# What leaves those free who pass the program on. Another one is for a person to decide.
KNOWN = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "CDLA-Permissive-2.0", "ISC", "LLVM-exception", "MIT", "MIT-0", "MPL-2.0", "Unicode-3.0",
    "Unlicense", "Zlib",
}  # fmt: skip
# Those that want it said where the source is.
SOURCE_TOLD = {"MPL-2.0"}
NAMES = re.compile(r"(LICEN[CS]E|COPYING|COPYRIGHT|NOTICE|UNLICENSE)", re.IGNORECASE)
# Longer ones are no licences.
MAX_BYTES = 100_000

HEAD = """\
Licences of what is in the program
==================================

The program contains the crates below, SQLite (in libsqlite3-sys; public domain), the standard
library of Rust (MIT or Apache-2.0, the Rust project developers), and of LLVM compiler-rt and
libunwind (Apache-2.0 with LLVM exceptions). The number before a crate is that of the text it comes
with, further below; where it comes with none, its authors are named, and the texts of its licences
are those of the others.
"""


def metadata(triples):
    command = ["cargo", "metadata", "--format-version=1", "--locked"]
    for triple in triples:
        command += ["--filter-platform", triple]
    return json.loads(subprocess.check_output(command))


def shipped(found):
    """The packages that the program is made of: what it depends on, not what builds or tests it."""
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    root = found["resolve"]["root"]
    seen, todo = set(), [root]
    while todo:
        for dependency in nodes[todo.pop()]["deps"]:
            is_normal = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if is_normal and dependency["pkg"] not in seen:
                seen.add(dependency["pkg"])
                todo.append(dependency["pkg"])
    packages = [package for package in found["packages"] if package["id"] in seen]
    return sorted(packages, key=lambda package: (package["name"], package["version"]))


def check(package):
    expression = package["license"]
    if not expression:
        sys.exit(f"{package['name']}: names no licence")
    named = set(re.split(r"[()/\s]+", expression)) - {"", "OR", "AND", "WITH"}
    # Of several that are offered one suffices.
    is_offer = "AND" not in expression and named & KNOWN
    if not named <= KNOWN and not is_offer:
        sys.exit(f"{package['name']}: a licence that nobody has looked at: {expression}")


def texts(package):
    directory = pathlib.Path(package["manifest_path"]).parent
    paths = [path for path in directory.iterdir() if path.is_file() and NAMES.match(path.name)]
    if package.get("license_file"):
        paths.append(directory / package["license_file"])
    for path in sorted(set(paths)):
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix not in {".rs", ".py"} and 0 < len(text) <= MAX_BYTES:
            yield "\n".join(line.rstrip() for line in text.strip().splitlines())


def main():
    packages = shipped(metadata(sys.argv[1:]))
    numbers, unique = {}, []
    print(HEAD)
    for package in packages:
        check(package)
        own = []
        for text in texts(package):
            # The same text with other breaks is the same text.
            key = hashlib.sha256(" ".join(text.split()).encode()).digest()
            if key not in numbers:
                unique.append(text)
                numbers[key] = len(unique)
            own.append(numbers[key])
        marks = "".join(f"[{number}]" for number in sorted(set(own)))
        authors = "" if own else ", ".join(package["authors"]) or package["repository"]
        source = package["license"] in SOURCE_TOLD and f"unchanged from {package['repository']}"
        words = [f"{package['name']} {package['version']}", package["license"], marks, authors, source]
        print("  ".join(word for word in words if word))
    for number, text in enumerate(unique, 1):
        print(f"\n[{number}] {'-' * 70}\n\n{text}")


main()
