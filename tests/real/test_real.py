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
from matrix import LINUX, SCRATCH  # noqa: E402
from overlay import overlay  # noqa: E402
import tap  # noqa: E402

# What one boot runs: the scripts, by the name of their root file system (build.mk has what is in each), and a word
# more where a root has several.
SCRIPTS = {
    "python-files": ("python-tests",),
    "python-processes": ("python-tests",),
    "tools": ("shells", "files", "text", "archives", "system", "terminal"),
    "languages": ("python", "perl", "sqlite", "tcc"),
    "servers": ("redis",),
    "stress": ("stress-ng",),
    "database": ("postgres",),
    "web": ("nginx",),
    "load": ("threads", "memory"),
}
# Modules of Python's own tests. They wait much of their time: two boots side by side, and first.
ARGUMENTS = {
    "python-files": {"python-tests": "test_select test_mmap test_os test_tempfile test_subprocess test_socket".split()},
    "python-processes": {"python-tests": "test_signal test_threading test_multiprocessing_fork".split()},
}
# Machines, and what they boot with; None: Linux.
MACHINES = {"linux": None, "share1-smp2": ("1", 2), "shareauto-smp2": ("auto", 2)}
TIMEOUT, IDLE = 1800, 1000


def boot(what, machine):
    name = f"real-{what}-{machine}"
    initrd = SCRATCH / f"{name}-{os.getpid()}.cpio"
    scripts = [HERE / "scripts" / script for script in SCRIPTS[what]]
    overlay(what.split("-")[0], scripts, initrd, ARGUMENTS.get(what))
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
    """Outcomes by what was booted on which machine, each at first need."""
    outcomes = {}

    def get(what, machine):
        if (what, machine) not in outcomes:
            outcomes[what, machine] = boot(what, machine)
        return outcomes[what, machine]

    return get


# Those of one name are one worker's, so that Linux boots once for each.
@pytest.mark.parametrize(
    "what,script,machine",
    [
        pytest.param(what, script, machine, marks=pytest.mark.xdist_group(f"real-{what}"))
        for what, scripts in SCRIPTS.items()
        for machine in MACHINES
        for script in scripts
    ],
)
def test_says_what_it_says_on_linux(booted, what, script, machine):
    outcome = booted(what, machine)
    program = tap.parse(outcome.text).get(script)
    assert program and program.status is not None, f"{script} did not end: {outcome}"
    expected = tap.parse(booted(what, "linux").text)[script]
    assert program.text == expected.text
    assert program.status == 0, "\n".join(program.text)
    assert program.audit in ("good", "none")
    assert not program.objects
    assert program.frames == 0, f"the ledger of frames is off by {program.frames}"


@pytest.mark.parametrize(
    "what,machine",
    [
        pytest.param(what, machine, marks=pytest.mark.xdist_group(f"real-{what}"))
        for what in SCRIPTS
        for machine in MACHINES
    ],
)
def test_powers_off(booted, what, machine):
    outcome = booted(what, machine)
    assert outcome.good and tap.finished(outcome.text), outcome
