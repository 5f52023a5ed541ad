"""Each host test program is one case; see build.mk here for how they are made."""

import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUT = ROOT / os.environ.get("CALF_UNIT", "build/unit-gcc")
TSAN_OUT = ROOT / os.environ.get("CALF_TSAN", "build/unit-tsan-gcc")
FUZZ_OUT = ROOT / "build/unit-clang"
FULL = os.environ.get("CALF_MATRIX") == "full"
FUZZ_SECONDS = os.environ.get("FUZZ_SECONDS", "60" if FULL else "8")
# Random states of which every allocation is failed in turn; None: the program's own number.
FAIL_STATES = "20" if FULL else None


def run(program, **env):
    done = subprocess.run(
        [HERE / "run", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "FUZZ_SECONDS": FUZZ_SECONDS, **env},
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", sorted(p.stem for p in HERE.glob("test_*.c")))
def test_unit(name):
    more = {"RUNS": FAIL_STATES} if name == "test_fail" and FAIL_STATES else {}
    run(OUT / name, **more)


@pytest.mark.parametrize("name", ["test_threads", "test_trees"])
def test_unit_under_tsan(name):
    run(TSAN_OUT / name)


@pytest.mark.parametrize("name", sorted(p.stem for p in HERE.glob("fuzz_*.c")))
def test_unit_fuzz(name):
    run(FUZZ_OUT / name)
