"""
Programs out of Debian's packages, not a byte changed: each script of `scripts/` runs on Calf and on
Debian's Linux, in the same root file system, and must say the same, byte for byte, on both.
"""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "boot"))

from conftest import LINUX_CMDLINE, make_iso  # noqa: E402
from machine import Machine  # noqa: E402
from matrix import FULL, LINUX, SCRATCH  # noqa: E402
from overlay import overlay  # noqa: E402
import tap  # noqa: E402

# Modules of Python's own tests; the rest takes Linux some ten minutes.
PYTHON = ["test_select", "test_mmap", "test_os"]
if FULL:
    PYTHON += "test_tempfile test_signal test_threading test_subprocess test_socket test_multiprocessing_fork".split()

# Root file systems (build.mk has what is in each), and the scripts that run in them.
SCRIPTS = {
    "tools": ("shells", "files", "text", "archives", "system", "terminal"),
    "languages": ("python", "perl", "sqlite", "tcc"),
    "servers": ("redis",),
    "stress": ("stress-ng",),
    "database": ("postgres",),
    "web": ("nginx",),
    "load": ("threads", "memory"),
    "python": ("python-tests",),
}
ARGUMENTS = {"python-tests": PYTHON}
# Machines, and what they boot with; None: Linux.
MACHINES = {"linux": None, "share1-smp2": ("1", 2), "shareauto-smp2": ("auto", 2)}
# These take a minute or more each: one machine of Calf's will do, but for the full matrix.
LONG = ("stress", "database", "web", "python")
TIMEOUT, IDLE = (1800, 1000) if FULL else (600, 200)


def machines_of(root):
    return [m for m in MACHINES if FULL or root not in LONG or m != "share1-smp2"]


def boot(root, machine):
    name = f"real-{root}-{machine}"
    initrd = SCRATCH / f"{name}-{os.getpid()}.cpio"
    overlay(root, [HERE / "scripts" / script for script in SCRIPTS[root]], initrd, ARGUMENTS)
    if MACHINES[machine] is None:
        it = Machine(kernel=str(LINUX), initrd=str(initrd), cmdline=LINUX_CMDLINE, memory="1G")
    else:
        level, smp = MACHINES[machine]
        iso = make_iso(f"{name}-{os.getpid()}", initrd, f"fork_share={level} loglevel=4")
        it = Machine(iso=iso, memory="1G", smp=smp, ahci=True)
    outcome = it.run(TIMEOUT, IDLE)
    (SCRATCH / f"{name}.log").write_text(outcome.text)
    initrd.unlink()
    (SCRATCH / f"{name}-{os.getpid()}.iso").unlink(missing_ok=True)
    return outcome


@pytest.fixture(scope="session")
def booted():
    """Outcomes by root file system and machine, each booted at first need."""
    outcomes = {}

    def get(root, machine):
        if (root, machine) not in outcomes:
            outcomes[root, machine] = boot(root, machine)
        return outcomes[root, machine]

    return get


# Those of one root file system are one worker's, so that Linux boots once for each.
@pytest.mark.parametrize(
    "root,script,machine",
    [
        pytest.param(root, script, machine, marks=pytest.mark.xdist_group(f"real-{root}"))
        for root, scripts in SCRIPTS.items()
        for machine in machines_of(root)
        for script in scripts
    ],
)
def test_says_what_it_says_on_linux(booted, root, script, machine):
    outcome = booted(root, machine)
    program = tap.parse(outcome.text).get(script)
    assert program and program.status is not None, f"{script} did not end: {outcome}"
    expected = tap.parse(booted(root, "linux").text)[script]
    assert program.text == expected.text
    assert program.status == 0, "\n".join(program.text)
    assert program.audit in ("good", "none")
    assert not program.objects
    assert program.frames == 0, f"the ledger of frames is off by {program.frames}"


@pytest.mark.parametrize(
    "root,machine",
    [
        pytest.param(root, machine, marks=pytest.mark.xdist_group(f"real-{root}"))
        for root in SCRIPTS
        for machine in machines_of(root)
    ],
)
def test_powers_off(booted, root, machine):
    outcome = booted(root, machine)
    assert outcome.good and tap.finished(outcome.text), outcome
