"""Boots each machine of the matrix once, lets it run all that was asked of it, and keeps the text."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from initrd import Initrd  # noqa: E402
from machine import Machine  # noqa: E402
from matrix import BUILD, LINUX, PROGS, ROOT, SCRATCH, names_of  # noqa: E402
import tap  # noqa: E402

# no_timer_check: on a busy host its look at the timer may see no tick, and then it panics.
LINUX_CMDLINE = (
    "console=ttyS0 quiet loglevel=1 panic=-1 mitigations=off nopti transparent_hugepage=never no_timer_check"
)
BOOTS = 4  # of one machine, where programs bring it down: the rest still gets its turn
# Seconds that a machine has in all, and without a word; of several CPUs, which share their host's, thrice.
TIMEOUT = int(os.environ.get("CALF_TIMEOUT", "900"))
IDLE = 150


# What takes minutes comes first, so that no worker is left with it at the end; the rest stays in order.
EARLY = ("real-python-", "several", "real-", "linux-512M", "bochs-", "bios-2048M", "bench", "bad_args")


def pytest_collection_modifyitems(items):
    def place(item):
        mark = item.get_closest_marker("xdist_group")
        group = mark.args[0] if mark else ""
        if not group and item.path.name in ("test_unit.py", "test_fuzz.py"):
            return len(EARLY)
        return next((i for i, early in enumerate(EARLY) if group.startswith(early)), len(EARLY) + 1)

    items.sort(key=place)


def make_iso(name, initrd, cmdline="", debug=False):
    """An ISO as a user makes it, by the project's own rule, of the build under test or the debug build."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    iso = SCRATCH / f"{name}.iso"
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(
        ["make", "-s", "iso", f"INITRD={initrd}", f"CMDLINE={cmdline}", f"ISO={iso}"]
        + (["DEBUG=1", "BUILD=build/debug"] if debug else [f"BUILD={os.path.relpath(BUILD, ROOT)}"]),
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return str(iso)


def programs_initrd(name, wanted, options=lambda program: []):
    """An initrd whose runner goes through `wanted`: tests by program, none for all of them, and `options` of each."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    archive = Initrd()
    archive.file("init", PROGS / "runner")
    for folder in ("proc", "sys", "tmp", "bin"):
        archive.folder(folder)
    archive.file("bin/busybox", "/bin/busybox")
    archive.link("bin/sh", "busybox")
    lines = []
    for program, tests in wanted.items():
        for path in [PROGS / program, *sorted(PROGS.glob(f"{program}-*"))]:
            archive.file(f"progs/{path.name}", path)
        lines.append(" ".join([program] + (tests or []) + options(program)))
    archive.text("tests.list", "\n".join(lines) + "\n")
    return archive.write(SCRATCH / f"{name}.cpio", compress="uefi" in name)


def machine_for(config, name, wanted):
    initrd = programs_initrd(name, wanted, config.options)
    # Counted time is one thread's: several CPUs would only take turns.
    counted = config.smp == 1
    common = dict(memory=f"{config.memory}M", smp=config.smp, uefi=config.uefi, counted=counted)
    if config.linux:
        return Machine(kernel=str(LINUX), initrd=str(initrd), cmdline=LINUX_CMDLINE, **common)
    iso = make_iso(name, initrd, f"fork_share={config.level} loglevel=4", config.debug)
    return Machine(iso=iso, **common)


class Results:
    """What came of one machine: programs by name, and each boot's outcome."""

    def __init__(self, config, wanted):
        self.programs = {}
        self.outcomes = []
        left = dict(wanted)
        while left and len(self.outcomes) < BOOTS:
            name = f"{config.name}-{len(self.outcomes)}-{os.getpid()}"
            machine = machine_for(config, name, left)
            patience = 3 if config.smp > 1 else 1
            outcome = machine.run(patience * TIMEOUT, patience * IDLE)
            self.keep(name, outcome)
            seen = tap.parse(outcome.text)
            self.programs.update(seen)
            self.outcomes.append(outcome)
            if outcome.good and tap.finished(outcome.text):
                break
            if not seen:
                break
            left = {p: t for p, t in left.items() if p not in seen}

    def keep(self, name, outcome):
        """The text stays for whoever looks into a failure; ISOs and initrds go."""
        (SCRATCH / f"{name.rsplit('-', 1)[0]}.log").write_text(outcome.text)
        for suffix in (".iso", ".cpio"):
            (SCRATCH / (name + suffix)).unlink(missing_ok=True)

    def last(self):
        return str(self.outcomes[-1]) if self.outcomes else "nothing was to run"

    def where(self, program):
        """The boot in which the program was on."""
        for outcome in self.outcomes:
            if f"@begin {program}\n" in outcome.text:
                return str(outcome)
        return self.last()


@pytest.fixture(scope="session")
def results(request):
    """Results by machine, each booted at first need with just the tests that were selected."""
    wanted = {}
    for item in request.session.items:
        spec = getattr(item, "callspec", None)
        if spec is None or "config" not in spec.params or "program" not in spec.params:
            continue
        config, program = spec.params["config"], spec.params["program"]
        chosen = wanted.setdefault(config, {}).setdefault(program, [])
        if spec.params.get("test"):
            chosen.append(spec.params["test"])
    for programs in wanted.values():
        for program, chosen in programs.items():
            if len(chosen) == len(names_of(program)):
                chosen.clear()
    booted = {}

    def get(config):
        if config not in booted:
            booted[config] = Results(config, wanted[config])
        return booted[config]

    return get


@pytest.fixture(scope="session")
def busybox_initrd():
    """Debian's busybox alone, with its shell as /init, as a stranger would pack it."""
    SCRATCH.mkdir(parents=True, exist_ok=True)

    def pack(name, init, mode=0o755):
        archive = Initrd()
        for folder in ("proc", "sys", "tmp", "bin"):
            archive.folder(folder)
        archive.file("bin/busybox", "/bin/busybox")
        archive.link("bin/sh", "busybox")
        archive.text("init", init, mode)
        return archive.write(SCRATCH / f"{name}-{os.getpid()}.cpio", compress=True)

    return pack


@pytest.fixture(scope="session")
def built():
    assert BUILD.exists(), "run make first"
    return BUILD
