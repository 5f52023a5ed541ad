"""What each call answers to bad arguments: the lines of `bad_args --all` on Calf against those on Linux."""

import errno
import os
import re

import pytest

from conftest import LINUX_CMDLINE, make_iso, programs_initrd
from machine import Machine
from matrix import LINUX, SCRATCH
import tap

pytestmark = pytest.mark.xdist_group("bad_args")

# Lines in which the two may differ, and why.
DIFFERENT = {
    r"pkey_.*": "QEMU's CPU has protection keys, which Calf does not use",
}


def run(kind):
    name = f"bad_args-{kind}-{os.getpid()}"
    initrd = programs_initrd(name, {"bad_args": ["--all"]})
    if kind == "linux":
        machine = Machine(kernel=str(LINUX), initrd=str(initrd), cmdline=LINUX_CMDLINE, memory="512M")
    else:
        machine = Machine(iso=make_iso(name, initrd, "loglevel=4"), memory="512M")
    outcome = machine.run(600, 300)
    (SCRATCH / f"bad_args-{kind}.log").write_text(outcome.text)
    for suffix in (".cpio", ".iso"):
        (SCRATCH / (name + suffix)).unlink(missing_ok=True)
    return outcome


def answers(outcome):
    """The answer by call and argument, in words."""
    words = {}
    for what, answer in re.findall(r"^(\w+ (?:good|\d:[-\w/]+)) (\d+|blocks|ends \d+)$", outcome.text, re.MULTILINE):
        words[what] = errno.errorcode.get(int(answer), "no error") if answer.isdigit() else answer
    return words


def absent(calf):
    """Calls that are not there: ENOSYS to whatever comes."""
    by_call = {}
    for what, answer in calf.items():
        by_call.setdefault(what.split()[0], set()).add(answer)
    return {call for call, said in by_call.items() if said == {"ENOSYS"}}


def test_answers_are_those_of_linux():
    outcomes = {kind: run(kind) for kind in ("linux", "calf")}
    for outcome in outcomes.values():
        assert outcome.good and tap.finished(outcome.text), outcome
    ran = tap.parse(outcomes["calf"].text)["bad_args"]
    assert ran.audit == "good" and ran.frames == 0 and not ran.objects, ran
    linux, calf = (answers(outcomes[kind]) for kind in ("linux", "calf"))
    assert len(linux) > 4000 and linux.keys() == calf.keys()
    skip = absent(calf)
    wrong = [
        f"{what}: {linux[what]} on Linux, here {calf[what]}"
        for what in linux
        if linux[what] != calf[what]
        and what.split()[0] not in skip
        and not any(re.fullmatch(pattern, what) for pattern in DIFFERENT)
    ]
    assert not wrong, "\n" + "\n".join(wrong)
