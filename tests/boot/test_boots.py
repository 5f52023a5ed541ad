"""Boots that go well with anybody's initrd, and those that cannot: each says why, and fails."""

import gzip
import os

import pytest

from conftest import make_iso
from initrd import Initrd
from machine import PANIC, POWER_OFF, Machine
from matrix import SCRATCH

HELLO = """#!/bin/sh
mount -t proc proc /proc
echo "hello from $(uname -sm), pid $$"
cat /proc/cmdline
poweroff -f
"""


def boot(name, data, cmdline="", timeout=90, idle=None, **options):
    """Boots an ISO with these bytes as its initrd, None: no module at all. `idle`: seconds of silence that end it."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    initrd = SCRATCH / f"{name}-{os.getpid()}.initrd"
    if data is not None:
        initrd.write_bytes(data)
    iso = make_iso(f"{name}-{os.getpid()}", initrd if data is not None else "", cmdline)
    try:
        return Machine(iso=iso, **{"memory": "256M", **options}).run(timeout, idle)
    finally:
        os.unlink(iso)
        initrd.unlink(missing_ok=True)


def busybox(init=HELLO, mode=0o100755):
    archive = Initrd()
    for folder in ("proc", "tmp", "bin"):
        archive.folder(folder)
    archive.file("bin/busybox", "/bin/busybox")
    for name in ("sh", "mount", "uname", "cat", "stat", "poweroff"):
        archive.link(f"bin/{name}", "busybox")
    if init is not None:
        archive.add("init", mode, init.encode())
    return archive.bytes()


@pytest.mark.parametrize("uefi", [False, True], ids=["bios", "uefi"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_any_initrd_boots_and_powers_off(uefi, packed):
    data = gzip.compress(busybox()) if packed else busybox()
    outcome = boot("hello", data, "quiet answer=42", uefi=uefi)
    assert outcome.kind == POWER_OFF, outcome
    assert "hello from " in outcome.text, outcome
    assert "answer=42" in outcome.text, outcome


def test_command_line_reaches_init():
    outcome = boot("args", busybox('#!/bin/sh\necho "<$*> <$key>"\npoweroff -f\n'), "one key=v -- two")
    assert outcome.kind == POWER_OFF, outcome
    assert "<one two> <v>" in outcome.text, outcome


LINKS = """#!/bin/sh
cat /folder/one /folder/two /folder/three
stat -c '%h %s %Y' /folder/one /folder/three
stat -c '%n %Y' /folder
poweroff -f
"""


def test_files_of_several_names_and_times_of_folders():
    archive = Initrd()
    archive.folder("folder", mtime=1234567890)
    archive.file_of_names(["folder/one", "folder/two", "folder/three"], "text\n", mtime=1000000000)
    outcome = boot("links", archive.bytes() + busybox(LINKS))
    assert outcome.kind == POWER_OFF, outcome
    assert "cannot make" not in outcome.text, outcome
    assert "text\ntext\ntext\n3 5 1000000000\n3 5 1000000000\n/folder 1234567890\n" in outcome.text, outcome


def fails(outcome, *words):
    assert outcome.kind == PANIC, outcome
    assert outcome.status not in (0, None)
    text = outcome.text.lower()
    assert any(word in text for word in words), outcome


def test_no_module():
    fails(boot("none", None), "initrd", "module")


def test_empty_module():
    fails(boot("empty", b""), "initrd", "module", "cpio", "init")


def test_garbage_instead_of_an_archive():
    fails(boot("garbage", bytes(range(256)) * 64), "cpio", "initrd")


@pytest.mark.parametrize("share", [3, 50, 97])
def test_cut_off_archive(share):
    data = busybox()
    end = data.rindex(b"TRAILER!!!")
    fails(boot(f"cut{share}", data[: end * share // 100]), "cut", "cpio", "initrd", "short")


@pytest.mark.parametrize("share", [10, 60, 99])
def test_cut_off_gzip(share):
    data = gzip.compress(busybox())
    fails(boot(f"cutgz{share}", data[: len(data) * share // 100]), "gzip", "initrd", "cut")


def test_corrupt_gzip():
    data = bytearray(gzip.compress(busybox()))
    middle = len(data) // 2
    data[middle : middle + 64] = os.urandom(64)
    fails(boot("badgz", bytes(data)), "gzip", "initrd", "crc", "cpio")


def test_corrupt_header():
    data = bytearray(busybox())
    at = data.index(b"070701", 1)
    data[at : at + 6] = b"07x7z1"
    fails(boot("badhdr", bytes(data)), "cpio", "initrd")


def test_header_with_a_wild_size():
    data = bytearray(busybox())
    at = data.index(b"070701", 1)
    data[at + 54 : at + 62] = b"ffffffff"
    fails(boot("badsize", bytes(data)), "cpio", "initrd")


def test_no_init_in_the_archive():
    fails(boot("noinit", busybox(None)), "init")


def test_init_that_is_no_program():
    fails(boot("badinit", busybox("\x7fELF and nothing more")), "init")


def test_init_that_may_not_be_executed():
    fails(boot("noexec", busybox(HELLO, 0o100644)), "init")


def test_memory_too_small_for_the_initrd():
    archive = Initrd()
    archive.add("init", 0o100755, HELLO.encode())
    archive.add("big", 0o100644, os.urandom(1 << 20) * 40)
    outcome = boot("toobig", archive.bytes(), memory="64M")
    assert outcome.kind == PANIC, outcome
