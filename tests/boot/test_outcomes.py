"""The harness itself: each way in which a machine or a program goes wrong must fail the run."""

import os
import struct

import pytest

from conftest import LINUX_CMDLINE, make_iso, programs_initrd
from initrd import Initrd
from machine import HANG, PANIC, POWER_OFF, RESET, Machine
from matrix import LINUX, PROGS, SCRATCH
import tap


def quits_initrd():
    SCRATCH.mkdir(parents=True, exist_ok=True)
    archive = Initrd()
    archive.file("init", PROGS / "quits")
    return archive.write(SCRATCH / f"quits-{os.getpid()}.cpio")


def calf(how, timeout=60):
    iso = make_iso(f"quits-{how}-{os.getpid()}", quits_initrd(), f"quit={how}")
    outcome = Machine(iso=iso, memory="128M").run(timeout)
    os.unlink(iso)
    return outcome


def linux(how, timeout=60):
    cmdline = f"{LINUX_CMDLINE} quit={how}"
    machine = Machine(kernel=str(LINUX), initrd=str(quits_initrd()), cmdline=cmdline, memory="256M")
    return machine.run(timeout)


@pytest.mark.parametrize("boot", [calf, linux])
def test_power_off_is_good(boot):
    outcome = boot("off")
    assert outcome.kind == POWER_OFF, outcome
    assert outcome.status == 0 and outcome.good


def test_panic_fails():
    outcome = calf("panic")
    assert outcome.kind == PANIC, outcome
    assert outcome.status not in (0, None)
    assert "KERNEL PANIC" in outcome.text
    assert "call trace" in outcome.text
    assert not outcome.good


def test_panic_of_linux_fails():
    outcome = linux("panic")  # it resets the machine, and has no exit device
    assert outcome.kind == RESET, outcome
    assert not outcome.good


@pytest.mark.parametrize("boot", [calf, linux])
@pytest.mark.parametrize("how", ["busy", "sleep"])
def test_hang_is_killed_and_fails(boot, how):
    outcome = boot(how, timeout=12)
    assert outcome.kind == HANG, outcome
    assert f"quits: {how}" in outcome.text
    assert not outcome.good


@pytest.mark.parametrize("boot", [calf, linux])
def test_reset_fails_though_qemu_says_0(boot):
    outcome = boot("reset")
    assert outcome.kind == RESET, outcome
    assert outcome.status == 0
    assert not outcome.good


def test_triple_fault_fails_though_qemu_says_0(tmp_path):
    # cli; lidt an empty table; int3: no handler, no double fault's handler, shutdown
    code = b"\xfa\x0f\x01\x1e" + struct.pack("<H", 0x7C10) + b"\xcc"
    sector = code.ljust(16, b"\x90") + b"\0" * 6
    disk = tmp_path / "boot.img"
    disk.write_bytes(sector.ljust(510, b"\0") + b"\x55\xaa")
    machine = Machine(memory="32M", extra=["-drive", f"file={disk},format=raw"])
    outcome = machine.run(30)
    assert outcome.kind == RESET, outcome
    assert outcome.status == 0
    assert not outcome.good


@pytest.mark.parametrize("how", ["status", "segv"])
def test_process_1_that_fails_fails_the_run(how):
    outcome = calf(how)
    assert outcome.kind == PANIC, outcome
    assert outcome.status not in (0, None)


def test_process_1_that_ends_powers_off():
    outcome = calf("zero")
    assert outcome.kind == POWER_OFF, outcome


def test_each_kind_of_failing_program_is_noticed():
    initrd = programs_initrd(f"wrong-{os.getpid()}", {"wrong": None})
    machine = Machine(
        kernel=str(LINUX), initrd=str(initrd), cmdline=LINUX_CMDLINE, memory="256M"
    )
    outcome = machine.run(90)
    assert outcome.good and tap.finished(outcome.text), outcome
    program = tap.parse(outcome.text)["wrong"]
    checks = program.checks
    assert checks["right"].passed
    for name in ("failing_check", "failing_child", "dies", "hangs", "ends_early"):
        assert not checks[name].passed, name
    assert any("wrong.c" in note for note in checks["failing_check"].notes)
    assert any("signal 11" in note for note in checks["dies"].notes)
    assert any("not done within 1 s" in note for note in checks["hangs"].notes)
    assert checks["skips"].passed and checks["skips"].skipped
    assert "never_reached" not in checks
    assert program.status == 128 + 9
    assert "no plan" in program.fault()


GOOD = "@begin p\nok 1 - a\n1..1\n@end p status=0 frames=0 ms=1 audit=good objects=none\n@done\n"


@pytest.mark.parametrize(
    "old,new,fault",
    [
        ("", "", None),
        ("frames=0", "frames=3", "ledger"),
        ("frames=0", "frames=-3", "ledger"),
        ("objects=none", "objects=file:1,dentry:-2", "file:1"),
        ("objects=none", "objects=file_lock_ctx:1", None),
        ("audit=good", "audit=bad", "audit"),
        ("audit=good", "audit=missing", "audit"),
        ("status=0", "status=3", "status 3"),
        ("status=0", "status=139", "status 139"),
        ("1..1", "1..2", "planned 2"),
        ("1..1\n", "", "no plan"),
        ("ok 1", "not ok 1", "status 0"),
        ("@end p", "@die p", "did not end"),
    ],
)
def test_a_programs_ending(old, new, fault):
    program = tap.parse(GOOD.replace(old, new, 1) if old else GOOD)["p"]
    if fault is None:
        assert program.fault() is None
    else:
        assert fault in program.fault()
