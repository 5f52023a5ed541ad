#!/usr/bin/python3
"""Measures fork and other paths on Calf and on Debian's Linux; makes a table and pictures of it."""

import argparse
import shutil
import sys
import time

import draw
from measure import CPU, HERE, ICOUNT, OUT, ROOT
from measure import clean, fitting, measure, measure_parallel, measured_on

SYSTEMS = ("linux", "0", "1", "2", "3", "4", "auto")
SIZES = (16, 64, 256, 1024, 4096, 16384)
# The largest takes a minute or more to touch, and the levels between these two add nothing there.
LARGE, LARGE_SYSTEMS = 4096, ("linux", "1", "auto", "default")
# Elapsed time is noise below some microseconds and on a busy host: the best of several boots.
ELAPSED_SIZES, ELAPSED_BOOTS, ELAPSED_LEVELS = (16, 256), 2, ("1", "auto")
NO_TIME = ("clock", "faults_", "idle_", "storm_64M_")
KEPT = ("fork", "faults", "idle", "costs")
# --smp: boots of each system in turn, and rounds of each test in a boot.
SMP_BOOTS, SMP_ROUNDS = 3, 100


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Sizes that the host has no memory for are left out and named. --check exits 1 where "
        "a figure is over its budget or missing.",
    )
    parser.add_argument("--check", action="store_true", help="Calf against tests/bench/budgets.csv")
    parser.add_argument("--smp", action="store_true", help="what two CPUs do side by side, by the clock")
    parser.add_argument("--boots", type=int, default=SMP_BOOTS, help="--smp: of each system, in turn")
    parser.add_argument("--rounds", type=int, default=SMP_ROUNDS, help="--smp: of each test in a boot")
    parser.add_argument("--sizes", help="MiB touched, by commas (default: what the host has memory for)")
    parser.add_argument("--levels", help="share levels, by commas (default: all; --check: the default one)")
    parser.add_argument("--only", help="measure these systems again; the others stay as in results.csv")
    parser.add_argument("--timeout", type=int, default=900, help="seconds for one machine")
    parser.add_argument("--no-elapsed", action="store_true", help="instructions alone")
    parser.add_argument("--draw", action="store_true", help="only draw build/bench/results.csv again")
    parser.add_argument("--keep", action="store_true", help="renew README's table, and the pictures in tests/bench")
    return parser.parse_args()


def choose(system, wanted):
    """The sizes to measure on this system, of those wanted (None: by default)."""
    sizes = wanted or [m for m in SIZES if m <= LARGE or system in LARGE_SYSTEMS]
    fits = fitting(system, sizes)
    left = ", ".join(draw.size_name(mib) for mib in sizes if mib not in fits)
    if left:
        print(f"  {draw.label(system)}: no memory on this host for {left}: left out", flush=True)
    return fits


class Progress:
    """One line a machine, which counts up on a terminal."""

    def __init__(self, text):
        self.text, self.began = text, time.monotonic()
        print(f"{text} ...", end="" if sys.stdout.isatty() else "\n", flush=True)

    def __call__(self, figures):
        if sys.stdout.isatty():
            last = list(figures)[-1] if figures else ""
            print(f"\r{self.text}: {self.seconds():3.0f} s  {last:32}", end="", flush=True)

    def seconds(self):
        return time.monotonic() - self.began

    def end(self, figures, trouble):
        start = "\r" if sys.stdout.isatty() else ""
        print(f"{start}{self.text}: {len(figures)} figures, {self.seconds():.0f} s{'':32}", flush=True)
        if trouble:
            print(f"  did not get to its end: {trouble}", flush=True)


def boots(plan, flags, timeout):
    """Runs (system, sizes) one after the other; yields (system, figures, whether it got to its end)."""
    for at, (system, sizes) in enumerate(plan):
        if not sizes:
            continue
        what = f"[{at + 1}/{len(plan)}] {draw.label(system)}, up to {draw.size_name(max(sizes))}"
        progress = Progress(what)
        figures, trouble = measure(system, sizes, flags, timeout, progress=progress)
        progress.end(figures, trouble)
        yield system, figures, not trouble


def elapsed(levels, timeout):
    """Calf's time as a part of Linux's, by level and figure: the best of each, boots in turn."""
    systems = ["linux"] + [level for level in levels if level in ELAPSED_LEVELS]
    best, whole = {}, True
    plan = [(system, list(ELAPSED_SIZES)) for _ in range(ELAPSED_BOOTS) for system in systems]
    for system, figures, good in boots(plan, CPU, timeout):
        whole &= good
        mine = best.setdefault(system, {})
        for name, value in figures.items():
            if not name.startswith(NO_TIME) and not name.endswith("_largest"):
                mine[name] = min(value, mine.get(name, value))
    linux = best.pop("linux", {})
    ratios = {s: {n: v / linux[n] for n, v in f.items() if linux.get(n)} for s, f in best.items()}
    return ratios, whole


def check(options, wanted):
    systems = options.levels.split(",") if options.levels else ["default"]
    plan = [(s, choose(s, wanted or [16, 256, 1024])) for s in systems]
    good = True
    for system, figures, whole in boots(plan, CPU + ICOUNT, options.timeout):
        text, kept = draw.check_table(system, figures)
        print(text)
        good &= kept and whole
    return 0 if good and any(sizes for _, sizes in plan) else 1


def smp(options):
    """The best of each figure over all boots, against tests/bench/ratios.csv."""
    best, whole = {}, True
    for at in range(2 * options.boots):
        system = ("linux", "default")[at % 2]
        progress = Progress(f"[{at + 1}/{2 * options.boots}] {draw.label(system)}, two CPUs")
        figures, trouble = measure_parallel(system, options.rounds, options.timeout, progress)
        progress.end(figures, trouble)
        whole &= not trouble
        mine = best.setdefault(system, {})
        for name, value in figures.items():
            mine[name] = min(value, mine.get(name, value))
    on = f"nanoseconds, best of {options.boots} boots of {options.rounds} rounds; {measured_on(CPU, 2)}"
    text, kept = draw.ratio_table(best)
    (OUT / "smp.txt").write_text(f"{on}\n\n{text}")
    print(f"\n{on}\n\n{text}")
    clean(OUT)
    if options.keep and whole:
        page = ROOT / "README.md"
        page.write_text(draw.readme_smp(page.read_text(), best))
    return 0 if whole and kept else 1


def bench(options, wanted):
    levels = options.levels.split(",") if options.levels else list(SYSTEMS[1:])
    measured = measured_on(CPU + ICOUNT)
    print("Instructions:", flush=True)
    again = options.only.split(",") if options.only else ["linux"] + levels
    plan = [(s, choose(s, wanted)) for s in again]
    results, whole = draw.read_results(OUT / "results.csv")[0] if options.only else {}, True
    for system, figures, good in boots(plan, CPU + ICOUNT, options.timeout):
        results[system] = figures
        whole &= good
    draw.write_results(OUT / "results.csv", results, measured)
    text = f"{measured}\n\n{draw.table(results)}"
    if not options.no_elapsed:
        print("Elapsed time, as a ratio:", flush=True)
        ratios, good = elapsed(levels, options.timeout)
        whole &= good
        rows = [(s, name, f"{v:.4f}") for s, values in ratios.items() for name, v in values.items()]
        on = f"Calf's time as a part of Linux's, best of {ELAPSED_BOOTS} boots each; {measured_on(CPU)}"
        draw.write_csv(OUT / "elapsed.csv", rows, ("system", "figure", "ratio"), on)
        text += f"\n{on}\n\n{draw.elapsed_table(ratios)}"
    (OUT / "table.txt").write_text(text)
    print(f"\n{text}")
    return whole


def main():
    options = arguments()
    wanted = [int(word) for word in options.sizes.split(",")] if options.sizes else None
    OUT.mkdir(parents=True, exist_ok=True)
    if options.check:
        return check(options, wanted)
    if options.smp:
        return smp(options)
    whole = options.draw or bench(options, wanted)
    clean(OUT)
    results, measured = draw.read_results(OUT / "results.csv")
    draw.pictures(results, measured, [OUT])
    print(f"{OUT}: results.csv, elapsed.csv, table.txt; fork, faults, idle, costs and paths as .svg and .png")
    if options.keep and whole:
        for name in KEPT:
            shutil.copy(OUT / f"{name}.svg", HERE)
        shutil.copy(OUT / "results.csv", HERE)
        page = ROOT / "README.md"
        page.write_text(draw.readme(page.read_text(), results))
        print(f"{HERE}: renewed {', '.join(KEPT)}.svg and results.csv; README.md: its table")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
