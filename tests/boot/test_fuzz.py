"""Random system calls for a while, two minutes in all: the kernel goes on, and has everything back."""

import pytest

from matrix import FULL, Config
from soak import KINDS, random_seed, soak

SECONDS = 300 if FULL else 30


@pytest.mark.parametrize("kind,level", list(zip(KINDS, ("auto", 1, 0, "auto"))))
def test_random_calls(kind, level):
    seed = random_seed()
    trouble = soak(Config(memory=256, level=level), kind, SECONDS, seed)
    assert trouble is None, f"seed {seed}: {trouble}"
