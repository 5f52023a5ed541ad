"""Each host test program is one case; see build.mk here for how they are made."""

import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
OUT = HERE.parent.parent / os.environ.get("CALF_UNIT", "build/unit-gcc")


@pytest.mark.parametrize("name", sorted(p.stem for p in HERE.glob("test_*.c")))
def test_unit(name):
    done = subprocess.run(
        [HERE / "run", OUT / name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout
