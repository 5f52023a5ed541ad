#!/usr/bin/python3
"""Random system calls until the time is up, on machines in turn: nothing may panic, hang or be lost."""

import argparse
import os
import sys
import time
from itertools import cycle

import tap
from conftest import machine_for
from matrix import SCRATCH, Config

# What the programs may do: as whom they run, and whether allocations of the kernel fail now and then.
KINDS = {"user": [], "root": ["root"], "failing": ["fail"], "root-failing": ["root", "fail"]}
# By which a machine's host may be slower than its clock, and seconds of silence that are a hang.
SLOW, IDLE = 10, 200

MACHINES = (
    Config(memory=512, smp=4, level="auto", debug=True),
    Config(memory=256, level="auto"),
    Config(memory=512, smp=2, level=1),
    Config(memory=256, level=0, debug=True),
    Config(memory=512, smp=4, level=3),
)


def random_seed():
    return int.from_bytes(os.urandom(4), "little")


def trouble_of(outcome):
    """What went wrong in a boot, or None."""
    ran = tap.parse(outcome.text).get("fuzz_syscalls")
    if not outcome.good or not ran or ran.status is None:
        return repr(outcome)
    lost = [line for line in ran.text if "are gone" in line]
    if ran.status or lost or ran.frames or ran.objects or ran.audit != "good":
        return f"{ran.status=} {ran.frames=} {ran.objects=} {ran.audit=} {lost}"
    return None


def soak(config, kind, seconds, seed):
    """One machine that runs random calls for so many seconds of its own; None, or what went wrong."""
    name = f"soak-{kind}-{config.name}-{os.getpid()}"
    wanted = {"fuzz_syscalls": ["--fuzz", str(seconds), str(seed)] + KINDS[kind]}
    try:
        outcome = machine_for(config, name, wanted).run(SLOW * seconds + IDLE, IDLE)
    finally:
        for suffix in (".iso", ".cpio"):
            (SCRATCH / (name + suffix)).unlink(missing_ok=True)
    trouble = trouble_of(outcome)
    # The next boot of such a machine leaves alone what a bad one said.
    log = f"soak-{kind}-{config.name}-{seed}.log" if trouble else f"soak-{kind}-{config.name}.log"
    (SCRATCH / log).write_text(outcome.text)
    return f"{trouble}; see {SCRATCH / log}" if trouble else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, epilog="Exits 1 where anything went wrong.")
    parser.add_argument("--minutes", type=float, default=60, help="in all, by this host's clock (default: 60)")
    parser.add_argument("--each", type=int, default=60, help="seconds of a machine's clock before the next (default: 60)")
    options = parser.parse_args()
    end, bad, boots = time.monotonic() + 60 * options.minutes, 0, 0
    turns = cycle([(config, kind) for kind in KINDS for config in MACHINES])
    while time.monotonic() < end:
        config, kind = next(turns)
        seed = random_seed()
        print(f"{config.name}, {kind}, seed {seed}: ", end="", flush=True)
        trouble = soak(config, kind, options.each, seed)
        print(trouble or "good", flush=True)
        bad += trouble is not None
        boots += 1
    print(f"{boots} boots of {options.each} s, {bad} of them bad")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
