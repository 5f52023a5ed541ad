"""Random system calls for a while, from process 1's only child: the kernel goes on."""

import os

import pytest

from conftest import make_iso
from initrd import Initrd
from machine import POWER_OFF, Machine
from matrix import FULL, PROGS, SCRATCH

INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/progs/fuzz_syscalls --fuzz {seconds} {seed} {user}
echo "fuzzer: status $?"
/bin/busybox poweroff -f
"""


# As root, a program may put its own test out of action: that is for the whole matrix.
@pytest.mark.parametrize("user", ["", "root"] if FULL else [""], ids=lambda user: user or "user")
@pytest.mark.parametrize("level", [0, 1])
def test_random_calls(level, user):
    seconds = 300 if FULL else 20
    seed = int.from_bytes(os.urandom(4), "little")
    name = f"fuzz-{level}-{user or 'user'}-{os.getpid()}"
    SCRATCH.mkdir(parents=True, exist_ok=True)
    archive = Initrd()
    for folder in ("proc", "tmp", "bin"):
        archive.folder(folder)
    archive.file("bin/busybox", "/bin/busybox")
    archive.file("progs/fuzz_syscalls", PROGS / "fuzz_syscalls")
    archive.text("init", INIT.format(seconds=seconds, seed=seed, user=user), 0o755)
    initrd = archive.write(SCRATCH / f"{name}.cpio")
    iso = make_iso(name, initrd, f"fork_share={level} loglevel=3")
    try:
        outcome = Machine(iso=iso, memory="256M").run(seconds * 2 + 120)
    finally:
        os.unlink(iso)
        os.unlink(initrd)
    assert outcome.kind == POWER_OFF, f"seed {seed}: {outcome}"
    assert "fuzzer: status 0" in outcome.text, f"seed {seed}: {outcome}"
