#!/usr/bin/env python3
"""Runs mosquitto's own broker tests (Debian's source package, no part of this project) against
the doors, and against mosquitto to see that they were understood. Exits with 0 only if each
passes, or fails at the doors for a reason that is written here, or is left out for one, and the
document says so. With `--write` the document is written anew; names of tests run these alone and
show what they say.

The tests start `src/mosquitto` of their tree. In a copy of that tree a launcher stands in its
place, which starts the doors and says which settings the doors do not have. What a test says of
MQTT 5 is cut out of it before."""

import ast
import concurrent.futures
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import time

import document
import target

# Its place in the document.
MARK = "public.py"

HOME = target.ROOT / "target" / "mosquitto-tests"

# The suite whose tests these are; the machine may run another mosquitto.
SUITE = "bookworm"

# By the beginning of the name: what is not tried, and why.
LEFT_OUT = {
    "01-connect-allow-anonymous": "goes through both versions of MQTT in one loop",
    "02-subpub-qos2-receive-maximum-helper": "no test of its own",
    "03-publish-qos1-queued-bytes": "switched off in the suite itself",
    "06-": "bridges between brokers",
    "08-": "TLS, by settings and certificates of mosquitto's own",
    "09-": "plugins, rights and password files of mosquitto's own",
    "10-": "mount points",
    "11-": "sessions kept over a restart, which the doors do not",
    "12-": "MQTT 5",
    "13-": "MQTT 5",
    "14-": "a plugin of mosquitto's own",
}

# What fails at the doors on purpose.
DIFFERENT = {
    "02-subpub-qos0-long-topic.py": "topics and filters of 200 levels and more; at most 32",
    "02-subscribe-dollar-v5.py": "`$SYS` and `$share` are refused",
    "02-subscribe-long-topic.py": "a filter of 65 536 levels; at most 32",
    "03-publish-long-topic.py": "a topic of 65 536 levels; at most 32",
    "07-will-takeover.py": "a will at the take-over of a kept session, which the standard asks for",
}

# Tests at once; most of their time is waiting.
WORKERS = 8
# Only a test that hangs takes so long.
TEST_S = 120

# How often the tests look for their broker, a tenth of a second apart: too seldom for a machine
# under load.
BROKER_TRIES = "range(0, 20)"

LAUNCHER = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})
import launcher
launcher.main(sys.argv[1:])
"""


def sources():
    """Where this machine gets its packages of the suite, asked for their sources instead."""
    etc = pathlib.Path("/etc/apt")
    found = []
    for file in [etc / "sources.list", *etc.glob("sources.list.d/*.list")]:
        lines = file.read_text().splitlines() if file.exists() else []
        found += [re.sub(r"^deb ", "deb-src ", line) for line in lines if SUITE in line.split()]
    for file in etc.glob("sources.list.d/*.sources"):
        for entry in re.split(r"\n\s*\n", file.read_text()):
            fields = dict(re.findall(r"^(\S+): *(.*)$", entry, re.M))
            if SUITE in fields.get("Suites", "").split():
                signed = fields.get("Signed-By")
                option = f"[signed-by={signed}] " if signed else ""
                where = f"{fields['URIs']} {SUITE} {fields['Components']}"
                found.append(f"deb-src {option}{where}")
    if not found:
        raise SystemExit(f"apt has no source of {SUITE} on this machine")
    return "\n".join(found) + "\n"


def fetch():
    """The source archive, by apt, which checks its signature."""
    state = HOME / "apt"
    (state / "lists/partial").mkdir(parents=True, exist_ok=True)
    (state / "cache/archives/partial").mkdir(parents=True, exist_ok=True)
    (state / "sources.list").write_text(sources())
    options = {
        "Dir::Etc::SourceList": state / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": state / "lists",
        "Dir::Cache": state / "cache",
        # The download is checked all the same.
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in options.items())]
    subprocess.run([*apt, "update"], check=True, stdout=subprocess.DEVNULL)
    command = [*apt, "source", "--download-only", "mosquitto"]
    subprocess.run(command, check=True, cwd=HOME, stdout=subprocess.DEVNULL)


def unpack(kind):
    """A copy of the tests whose broker is of this kind; the folder they run in."""
    (archive,) = HOME.glob("mosquitto_*.orig.tar.gz")
    home = HOME / kind
    shutil.rmtree(home, ignore_errors=True)
    with tarfile.open(archive) as tar:
        tests = [m for m in tar.getmembers() if "/test/" in m.name and ".." not in m.name]
        tar.extractall(home, tests)
    (tree,) = home.iterdir()
    (tree / "src").mkdir()
    helper = tree / "test/mosq_test.py"
    text = helper.read_text()
    assert text.count(BROKER_TRIES) == 1
    helper.write_text(text.replace(BROKER_TRIES, "range(0, 600)") + GUARD)
    broker = tree / "src/mosquitto"
    if kind == "ours":
        broker.write_text(LAUNCHER)
        broker.chmod(broker.stat().st_mode | stat.S_IXUSR)
    else:
        broker.symlink_to(target.mosquitto())
    return tree / "test/broker"


class OnlyMqtt4(ast.NodeTransformer):
    """Leaves out the runs of a test for other versions: calls of a function with "test" in its
    name whose first argument or `proto_ver` is 3 or 5."""

    def visit_Expr(self, node):
        call = node.value
        if not isinstance(call, ast.Call) or "test" not in ast.unparse(call.func):
            return node
        versions = call.args[:1] + [k.value for k in call.keywords if k.arg == "proto_ver"]
        others = any(isinstance(v, ast.Constant) and v.value in (3, 5) for v in versions)
        return ast.Pass() if others else node


# Behind the tests' own maker of CONNECT: what still is of another version is left out.
GUARD = """

_any_connect = gen_connect


def gen_connect(*args, proto_ver=4, **more):
    if proto_ver != 4:
        with open(os.environ["LEFT_OUT_NOTE"], "w") as note:
            note.write("MQTT 5" if proto_ver == 5 else "MQTT 3.1")
        os._exit(1)
    return _any_connect(*args, **more)
"""


def _free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [str(probe.getsockname()[1]) for probe in probes]
    [probe.close() for probe in probes]
    return ports


def _end(process):
    """Ends a test, and the broker it may have left behind."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(folder, name):
    """In a word, how a test ended, and what it wrote."""
    path = folder / name
    text = ast.unparse(OnlyMqtt4().visit(ast.parse(path.read_text())))
    path.write_text(text)
    count = re.search(r"get_port\((\d+)\)", text)
    ports = _free_ports(int(count[1]) if count else 1)
    note = folder / f"{name}.left-out"
    process = subprocess.Popen(
        [sys.executable, f"./{name}", *ports],
        cwd=folder,
        env=os.environ | {"LEFT_OUT_NOTE": str(note)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=TEST_S)
    except subprocess.TimeoutExpired:
        _end(process)
        output = process.communicate()[0] + b"\nhung"
    _end(process)
    if note.exists():
        return note.read_text(), ""
    return "failed" if process.returncode else "passed", output.decode(errors="replace")


def _left_out(name):
    return next((why for start, why in LEFT_OUT.items() if name.startswith(start)), None)


def _run_both(name, folders):
    """In a word, what came of a test, and what the failed one wrote."""
    word, text = run(folders["ours"], name)
    if word in ("passed", "failed"):
        theirs, their_text = run(folders["mosquitto"], name)
        if theirs != "passed":
            return "failed at mosquitto", their_text
    return word, text


def _fault(name, word):
    if word == "failed" and name not in DIFFERENT:
        return f"{name} failed"
    if word == "passed" and name in DIFFERENT:
        return f"{name} passed, but is said to be different"
    return f"{name} failed at mosquitto" if word == "failed at mosquitto" else None


def _document(words, left_out):
    """Counts and reasons, without the order in which things happened."""
    passed = sorted(name for name, word in words.items() if word == "passed")
    reasons = {}
    for name, why in left_out.items():
        reasons.setdefault(why, []).append(name)
    for name, word in words.items():
        if word not in ("passed", "failed"):
            why = word if word.startswith("MQTT") else f"the setting `{word.split()[0]}`"
            reasons.setdefault(why, []).append(name)
    short = lambda names: ", ".join(f"`{name.removesuffix('.py')}`" for name in sorted(names))
    rows = [("passed", str(len(passed)), short(passed))]
    rows += [(f"differs on purpose: {why}", "1", short([name])) for name, why in DIFFERENT.items()]
    rows += [
        (f"left out: {why}", str(len(names)), short(names) if len(names) < 12 else "")
        for why, names in sorted(reasons.items())
    ]
    return document.table(("result", "tests", "which"), rows)


def main(arguments):
    if target.mosquitto() is None or shutil.which("apt-get") is None:
        print("NOTHING WAS TESTED: mosquitto or apt-get is missing", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    started = time.monotonic()
    fetch()
    folders = {kind: unpack(kind) for kind in target.STARTERS}
    chosen = [name for name in arguments if name != "--write"]
    names = sorted(path.name for path in folders["ours"].glob("[0-9][0-9]-*.py"))
    left_out = {name: why for name in names if (why := _left_out(name))}
    tried = chosen or [name for name in names if name not in left_out]
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        results = dict(zip(tried, pool.map(lambda name: _run_both(name, folders), tried)))
    for name, (word, text) in results.items():
        print(f"{name:50}{word}")
        if chosen or _fault(name, word):
            print(text)
    words = {name: word for name, (word, _) in results.items()}
    faults = [fault for name, word in words.items() if (fault := _fault(name, word))]
    print(*faults, f"{len(tried)} tests in {time.monotonic() - started:.0f} s", sep="\n")
    if faults or chosen:
        return bool(faults)
    return document.check(MARK, _document(words, left_out), "--write" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
