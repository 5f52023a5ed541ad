"""Where translations carry tags: a CPU with PCID and INVPCID, which Bochs has and QEMU's TCG has not."""

import os

import pytest

import tap
from bochs import Bochs
from conftest import make_iso, programs_initrd
from machine import POWER_OFF
from matrix import SCRATCH, names_of

# What lives by flushes: copies on write, mappings that change, and the same by several threads and CPUs.
PROGRAMS = {
    "fork": [],
    "kwrite": [],
    "protect": [],
    "remap": [],
    "advise": [],
    "thread_race": ["no_store_after_munmap", "exit_against_shootdown"],
    "smp": ["no_write_after_mprotect", "no_write_reaches_the_child_of_a_fork", "both_sides_unmap"],
}
MACHINES = {"smp1": (1, False), "smp2-debug": (2, True)}


@pytest.fixture(scope="module")
def booted():
    """Outcomes by machine, each booted at first need."""
    outcomes = {}

    def get(machine):
        if machine not in outcomes:
            smp, debug = MACHINES[machine]
            name = f"bochs-{machine}-{os.getpid()}"
            initrd = programs_initrd(name, PROGRAMS)
            iso = make_iso(name, initrd, "fork_share=auto loglevel=6", debug)
            outcomes[machine] = Bochs(iso, smp=smp).run(900)
            (SCRATCH / f"bochs-{machine}.log").write_text(outcomes[machine].text)
            for suffix in (".iso", ".cpio"):
                (SCRATCH / (name + suffix)).unlink()
        return outcomes[machine]

    return get


@pytest.mark.parametrize(
    "machine", [pytest.param(m, marks=pytest.mark.xdist_group(f"bochs-{m}")) for m in MACHINES]
)
class TestPcid:
    def test_is_used(self, booted, machine):
        outcome = booted(machine)
        assert outcome.kind == POWER_OFF and tap.finished(outcome.text), outcome
        assert "PCID" in outcome.text, outcome

    @pytest.mark.parametrize("program", PROGRAMS)
    def test_program(self, booted, machine, program):
        outcome = booted(machine)
        ran = tap.parse(outcome.text).get(program)
        assert ran, f"{program} never ran: {outcome}"
        fault = ran.fault()
        assert not fault, f"{fault}: {outcome}"
        checks = PROGRAMS[program] or names_of(program)
        assert not [t for t in checks if not (ran.checks[t].passed or ran.checks[t].skipped)], outcome
