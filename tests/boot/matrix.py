"""The machines that the test programs run on, and which programs run where."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = Path(os.environ.get("CALF_BUILD", ROOT / "build")).resolve()
PROGS = BUILD / "tests" / "progs"
LINUX = ROOT / "build" / "tests" / "linux" / "vmlinuz"
SCRATCH = BUILD / "tests" / "boots"
FULL = os.environ.get("CALF_MATRIX") == "full"

TESTS = re.compile(r"^TEST(?:_FOR)?\((?:\w+, )?(\w+)\)", re.MULTILINE)

# MiB that a program asks of the machine, where it is not content with 64, and the most that it makes
# sense on: `oom` fills all memory, which takes long on a large machine.
AT_LEAST = {"crowd": 512, "storm": 128, "large": 512, "fuzz_syscalls": 128, "torture": 512}
AT_MOST = {"oom": 256}

# Programs built a second way from another one's source.
VARIANTS = {f"{p.stem}_glibc": p.stem for p in (HERE / "progs").glob("thread*.c")}

# What measures how long things take. With one CPU time is counted in instructions; several run at
# their host's pace, which is anybody's guess.
TIMED = ("timerfd", "posix_timer")


@dataclass(frozen=True)
class Config:
    """One machine. `only` cuts it down to these programs, () to none but the smoke test; `without` leaves some out."""

    memory: int = 512
    uefi: bool = False
    level: int | str = 1
    smp: int = 1
    linux: bool = False
    debug: bool = False  # the kernel that checks itself
    only: tuple | None = None
    without: tuple = ()

    @property
    def name(self):
        if self.linux:
            return f"linux-{self.memory}M" + (f"-smp{self.smp}" if self.smp > 1 else "")
        firmware = "uefi" if self.uefi else "bios"
        build = "-debug" if self.debug else ""
        return f"{firmware}-{self.memory}M-share{self.level}-smp{self.smp}{build}"

    @property
    def group(self):
        """
        The machines that one worker boots in turn. Those of several CPUs would take their host's from
        each other, and what spins for a CPU that has none spins long.
        """
        return "several" if self.smp > 1 else self.name

    def programs(self):
        return [p for p in sources() if self.takes(p)]

    def options(self, program):
        """What the program is told beside the tests that are wanted of it."""
        return ["seconds=30"] if FULL and program == "torture" and self.smp > 1 else []

    def takes(self, program):
        if self.only is not None and program not in self.only or program in self.without:
            return False
        if self.smp > 1 and program in TIMED:
            return False
        return AT_LEAST.get(program, 0) <= self.memory <= AT_MOST.get(program, 1 << 30)


def sources():
    """Names of the programs, and with `names_of` the tests in each, read off the sources."""
    skip = ("runner", "quits", "wrong", "bad_args")
    names = [p.stem for p in (HERE / "progs").glob("*.c") if p.stem not in skip]
    names += VARIANTS
    # fuzzers come last: as root they may well remove what others need
    return sorted(names, key=lambda name: (name.startswith("fuzz"), name))


def names_of(program):
    source = VARIANTS.get(program, program)
    return TESTS.findall((HERE / "progs" / f"{source}.c").read_text())


SMOKE = ("fork", "map")
RACES = ("epoll_race", "proc_race", "smp", "thread_race", "torture")
EIGHT = ("epoll_race", "futex", "futex_pi", "futex_robust", "proc_race", "signal", "smp", "wait")
PARALLEL = RACES + (
    "fork",
    "futex",
    "futex_pi",
    "futex_robust",
    "pidfd",
    "pipe",
    "realtime",
    "sched",
    "signal",
    "sock_tcp",
    "sock_tcp_addr",
    "sock_tcp_connect",
    "sock_unix",
    "sock_unix_connect",
    "storm",
    "timer",
    "topology",
    "wait",
)
FORKING = (
    "advise",
    "counts",
    "family",
    "fork",
    "kwrite",
    "level_counts",
    "own_path",
    "protect",
    "remap",
    "shared",
    "smaps",
    "spawn",
    "streak",
)

# What takes seconds by its own clock, and cares for neither the share level nor the size of memory.
LONG = (
    "fuzz_syscalls",
    "proc_race",
    "realtime",
    "sched",
    "sock_tcp",
    "sock_tcp_addr",
    "sock_tcp_connect",
    "timer",
) + tuple(p for p in sources() if p.startswith("thread_"))

# Each value of each axis, and each pair that has a reason to fail together.
COVERING = [
    Config(linux=True, memory=512, without=RACES + tuple(VARIANTS) + ("fuzz_syscalls",)),
    Config(memory=2048),
    Config(memory=2048, level=0, without=LONG),
    Config(memory=64, level="auto", without=LONG),
    Config(memory=64, level=0, only=("fork", "kwrite", "oom", "counts", "rlimit")),
    Config(linux=True, memory=128, only=("oom",)),
    Config(memory=512, uefi=True, only=("crowd", "large", "fork", "smaps")),
    Config(memory=8192, uefi=True, only=SMOKE),
    Config(memory=8192, level=0, only=SMOKE),
    Config(memory=16384, only=SMOKE),
    Config(memory=128, level=0, only=FORKING),
    Config(memory=128, level=2, only=FORKING),
    Config(memory=128, level=3, only=FORKING),
    Config(memory=128, level=4, uefi=True, only=FORKING),
    Config(memory=128, level="auto", only=FORKING),
    Config(memory=128, level="auto", debug=True, only=FORKING),
    Config(linux=True, memory=512, smp=4, only=("proc_race", "smp", "realtime", "sched", "timer", "topology")),
    Config(memory=2048, smp=2, only=FORKING + RACES + ("topology",)),
    Config(memory=512, smp=4, level="auto", only=FORKING + RACES + ("pipe", "realtime", "storm", "sched", "timer")),
    Config(memory=1024, smp=4, debug=True, only=RACES),
    Config(memory=1024, smp=4, level="auto", debug=True, only=FORKING + RACES),
    Config(memory=512, smp=2, uefi=True, level=0, only=SMOKE + ("smp", "thread_memory")),
    Config(memory=1024, smp=8, only=EIGHT),
]
# Several CPUs run at their host's pace: what depends on who is first has longer odds there.
SEVERAL = [
    Config(linux=True, memory=512, smp=4, only=RACES + ("realtime", "sched", "timer", "topology")),
    Config(memory=1024, smp=2),
    Config(memory=512, smp=4, level="auto", debug=True),
    Config(memory=512, smp=4, level=1, only=FORKING + PARALLEL),
    Config(memory=512, smp=4, uefi=True, level=4, only=FORKING),
    Config(memory=768, smp=8, only=PARALLEL),
]
WHOLE = [
    Config(linux=True, memory=128),
    Config(linux=True, memory=2048),
    Config(memory=16384, uefi=True, only=SMOKE),
] + [
    Config(memory=memory, uefi=uefi, level=level, without=() if (memory, uefi) == (256, False) else LONG)
    for memory in (64, 256, 2048, 8192)
    for uefi in (False, True)
    for level in (0, 1, 2, 3, 4, "auto")
] + [Config(memory=1024, level=level, debug=True) for level in (0, 1, 2, 3, 4, "auto")] + [
    Config(memory=memory, smp=smp, level=level, without=without)
    for memory, smp, without in ((256, 2, LONG), (2048, 4, ()))
    for level in (0, 1, 2, 3, 4, "auto")
] + [Config(memory=2048, smp=8, level=level, only=FORKING + PARALLEL) for level in (0, 1, 2, 3, 4, "auto")]
# Of two machines of one name the one that runs more.
EVERY = sorted(COVERING + (SEVERAL + WHOLE if FULL else []), key=lambda c: len(c.programs()))
CONFIGS = list({c.name: c for c in EVERY}.values())
