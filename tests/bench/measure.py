"""Boots a program of tests/bench as /init, on Calf or on Debian's Linux, and holds figures against budgets."""

import csv
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = ROOT / "tests" / "bench"
OUT = ROOT / "build" / "bench"
sys.path.insert(0, str(ROOT / "tests" / "boot"))

from initrd import Initrd  # noqa: E402
from machine import QEMU, Machine  # noqa: E402

LINUX = ROOT / "build" / "tests" / "linux" / "vmlinuz"
LINUX_CMDLINE = (
    "console=ttyS0 quiet loglevel=1 panic=-1 mitigations=off nopti transparent_hugepage=never norandmaps"
)
# The last -cpu counts. Without ERMS and FSRM both kernels move pages by plain string steps.
CPU = ["-cpu", "max,-erms,-fsrm"]
ICOUNT = ["-icount", "shift=0,sleep=off"]
# QEMU's own needs beside the guest's memory, and what is left to the host's other programs.
HOST_MIB = 1024


def free_mib():
    """MiB that the host can give without swapping."""
    with open("/proc/meminfo") as meminfo:
        for line in meminfo:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) // 1024
    return 4096


def guest_mib(system, mib):
    """Memory of a machine in which a process of `mib` MiB forks: twice that where fork copies all."""
    return (2 if system == "0" else 1) * mib * 17 // 16 + 512


def fitting(system, sizes):
    """The sizes that the host has memory for now."""
    room = free_mib() - HOST_MIB
    return [mib for mib in sizes if guest_mib(system, mib) <= room]


def versions():
    """What the figures depend on beside the two kernels."""
    text = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True).stdout
    return f"QEMU {text.split()[3]}, TCG"


def measured_on(flags, smp=1):
    cpus = "one guest CPU" if smp == 1 else f"{smp} guest CPUs"
    return f"{versions()}, {' '.join(flags)}, {cpus}; Linux: Debian's 6.1 cloud kernel"


def make_iso(initrd, system, tail, out):
    share = "" if system == "default" else f"fork_share={system} "
    iso = out / "bench.iso"
    command = [ROOT / "boot" / "mkiso.sh", iso, ROOT / "build" / "calf", initrd]
    subprocess.run(command + [f"{share}norandmaps loglevel=4{tail}"], check=True)
    return str(iso)


def machine_of(system, words, out, **options):
    """One that runs the program `words`[0] with the words after it."""
    archive = Initrd()
    archive.folder("proc")
    archive.file("init", OUT / words[0])
    initrd = archive.write(out / "bench.cpio")
    tail = " -- " + " ".join(words[1:])
    if system == "linux":
        return Machine(kernel=str(LINUX), initrd=str(initrd), cmdline=LINUX_CMDLINE + tail, **options)
    return Machine(iso=make_iso(initrd, system, tail, out), **options)


def parse(text, sizes=()):
    """Figures by name; those of the largest size also as *_largest."""
    figures = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[1].lstrip("-").isdigit():
            figures[words[0]] = int(words[1])
    suffix = f"_{max(sizes, default='')}M"
    for name in [name for name in figures if name.endswith(suffix) and not name.startswith("storm")]:
        figures[name.replace(suffix, "_largest")] = figures[name]
    return figures


def boot(system, words, timeout, out, progress, **options):
    """What the program said, and None or how it failed to get to its end."""
    out.mkdir(parents=True, exist_ok=True)
    with machine_of(system, words, out, **options).start() as run:
        deadline = time.monotonic() + timeout
        while run.open and time.monotonic() < deadline:
            if run.pump(0.5):
                progress(run.text)
        outcome = run.finish(timeout)
    (out / f"{system}.log").write_text(outcome.text)
    whole = outcome.good and "bench: done" in outcome.text
    return outcome.text, None if whole else repr(outcome)


def measure(system, sizes, flags, timeout, out=OUT, progress=lambda figures: None):
    """
    Figures by name, of `system`: "linux", a share level, or "default". `progress` is called with
    those that are there so far. The second result is None, or how it failed to get to its end.
    """
    words = ["micro", "--sizes", ",".join(map(str, sizes)), "--children", "1" if system == "0" else "8"]
    memory = f"{guest_mib(system, max(sizes))}M"
    text, trouble = boot(
        system, words, timeout, out, lambda text: progress(parse(text, sizes)), memory=memory, extra=flags
    )
    return parse(text, sizes), trouble


def measure_parallel(system, rounds, timeout, progress=lambda figures: None):
    """The same of tests/bench/parallel.c, on two CPUs."""
    words = ["parallel", "--rounds", str(rounds)]
    text, trouble = boot(
        system, words, timeout, OUT, lambda text: progress(parse(text)), memory="512M", smp=2, extra=CPU
    )
    return parse(text), trouble


@dataclass(frozen=True)
class Budget:
    """At most `limit`, or `limit` times the figure `against`."""

    name: str
    limit: float
    against: str
    path: str

    def verdict(self, figures):
        """("ok", "over" or "missing", what was measured and its limit as text)."""
        value, base = figures.get(self.name), figures.get(self.against) if self.against else 1
        if value is None or not base:
            return "missing", "-", f"{self.limit:,g}"
        if self.against:
            ratio = value / base
            shown = f"{value:,} / {base:,} = {ratio:.3f}", f"{self.limit:g} times"
            return ("ok" if ratio <= self.limit else "over", *shown)
        return "ok" if value <= self.limit else "over", f"{value:,}", f"{self.limit:,.0f}"


def budgets():
    with open(HERE / "budgets.csv", newline="") as source:
        return [
            Budget(row["name"], float(row["budget"]), row["against"], row["path"])
            for row in csv.DictReader(source)
        ]


@dataclass(frozen=True)
class Ratio:
    """
    Linux's nanoseconds to Calf's, at least `required`. Where there is a figure `alone`, of one worker:
    how many times its throughput two workers have, at least `required` on Calf.
    """

    name: str
    alone: str
    required: float
    path: str

    def value(self, system, figures):
        """On one system, in nanoseconds or as a scaling; None where it is missing."""
        value = figures.get(system, {}).get(self.name)
        if not self.alone or not value:
            return value
        alone = figures[system].get(self.alone)
        return 2 * alone / value if alone else None

    def ratio(self, figures):
        linux, calf = self.value("linux", figures), self.value("default", figures)
        if self.alone or not calf:
            return calf
        return linux / calf if linux else None


def ratios():
    with open(HERE / "ratios.csv", newline="") as source:
        return [
            Ratio(row["name"], row["alone"], float(row["required"]), row["path"])
            for row in csv.DictReader(source)
        ]


def clean(folder):
    """Leaves the logs, takes what was only to boot."""
    for name in ("bench.iso", "bench.cpio"):
        if os.path.exists(folder / name):
            os.unlink(folder / name)
