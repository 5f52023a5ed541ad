"""
The budgets by instruction count, at the default share level: one boot, each line a case.

They are the release build's, as gcc makes it; other builds skip them.
"""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from measure import CPU, ICOUNT, OUT, ROOT, budgets, clean, measure  # noqa: E402

SIZES = [16, 256, 1024]
BUILD = Path(os.environ.get("CALF_BUILD", ROOT / "build")).resolve()


@pytest.fixture(scope="module")
def figures():
    if BUILD != ROOT / "build":
        pytest.skip("the budgets are the release build's")
    folder = OUT / "test"
    try:
        got, trouble = measure("default", SIZES, CPU + ICOUNT, 240, out=folder)
    finally:
        clean(folder)
    assert trouble is None, trouble
    return got


@pytest.mark.xdist_group("bench")
@pytest.mark.parametrize("budget", budgets(), ids=lambda budget: budget.name)
def test_budget(figures, budget):
    verdict, measured, limit = budget.verdict(figures)
    if verdict != "ok":
        pytest.fail(f"{budget.path}: {verdict}: {measured}, of {limit}", pytrace=False)
