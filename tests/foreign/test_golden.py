"""The committed vectors are what their makers write: nobody has mended one by hand."""

import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAKERS = sorted(path.name for path in (ROOT / "tests" / "golden").glob("make_*.py"))


def test_the_makers_are_found():
    assert {"make_charger.py", "make_ec.py", "make_jcpp.py", "make_peaq.py"} <= set(MAKERS)


@pytest.mark.parametrize("maker", MAKERS)
def test_vectors_are_as_their_maker_writes_them(maker, tmp_path):
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    golden = tmp_path / "tests" / "golden"
    golden.mkdir(parents=True)
    for script in (ROOT / "tests" / "golden").glob("*.py"):
        shutil.copy(script, golden)
    subprocess.run([sys.executable, "-B", golden / maker], check=True)
    made = sorted(golden.glob("*.txt"))
    assert made, f"{maker} writes nothing"
    for file in made:
        committed = ROOT / "tests" / "golden" / file.name
        assert file.read_text(encoding="utf-8") == committed.read_text(encoding="utf-8"), file.name
