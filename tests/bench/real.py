#!/usr/bin/python3
"""How fast Debian's own servers and programs are on Calf and on Debian's Linux, in the same QEMU."""

import argparse
import csv
import sys

import draw
from measure import CPU, HERE, ICOUNT, LINUX, LINUX_CMDLINE, OUT, ROOT, clean, make_iso, measured_on
from run import Progress

sys.path.insert(0, str(ROOT / "tests" / "real"))

from machine import Machine  # noqa: E402
from overlay import overlay  # noqa: E402
import tap  # noqa: E402

# Scripts of tests/bench/real, the root file system that each runs in, and MiB of the machine.
ROOT_OF = {
    "redis": ("servers", 3072),
    "postgres": ("database", 1024),
    "nginx": ("web", 1024),
    "load": ("load", 1024),
    "languages": ("languages", 1024),
}
SYSTEMS = ("linux", "default")
README_HEAD = "| program | Linux | Calf | times as fast |\n| --- | --: | --: | --: |\n"


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Exits 1 where Calf falls short of tests/bench/real.csv or a figure is missing."
    )
    parser.add_argument("--only", help=f"these scripts, by commas, of {', '.join(ROOT_OF)}")
    parser.add_argument("--smp", type=int, default=1, help="CPUs; more than one: by the clock (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="renew README's table")
    parser.add_argument("--timeout", type=int, default=1200, help="seconds for one machine (default: %(default)s)")
    return parser.parse_args()


def figures_of(text):
    """Figures by name, from lines of NAME VALUE."""
    words = (line.split() for line in text.splitlines())
    return {w[0]: int(w[1]) for w in words if len(w) == 2 and w[1].isdigit()}


def measure(script, system, smp, timeout, progress):
    """Figures by name, and None or how the machine failed to get to its end."""
    root, memory = ROOT_OF[script]
    initrd = OUT / "bench.cpio"
    overlay(root, [HERE / "real" / script], initrd)
    options = {"memory": f"{memory}M", "smp": smp, "extra": CPU + (ICOUNT if smp == 1 else [])}
    if system == "linux":
        machine = Machine(kernel=str(LINUX), initrd=str(initrd), cmdline=LINUX_CMDLINE, **options)
    else:
        machine = Machine(iso=make_iso(initrd, system, "", OUT), ahci=True, **options)
    with machine.start() as run:
        while run.open and progress.seconds() < timeout:
            if run.pump(0.5):
                progress(figures_of(run.text))
        outcome = run.finish(max(timeout - progress.seconds(), 1))
    clean(OUT)
    (OUT / f"real-{script}-{system}.log").write_text(outcome.text)
    program = tap.parse(outcome.text).get(script)
    whole = outcome.good and program and program.status == 0
    return figures_of(outcome.text), None if whole else repr(outcome)


def rows():
    with open(HERE / "real.csv", newline="") as source:
        return list(csv.DictReader(source))


def ratio(row, linux, calf):
    """How many times as fast as Linux Calf is; None where a figure is missing."""
    if linux is None or calf is None:
        return None
    if row["kind"] == "time":
        linux, calf = calf, linux
    return calf / max(linux, 1)


def compared(figures):
    """Each row, how many times as fast Calf is, and both figures and that as text."""
    for row in rows():
        linux, calf = (figures[s].get(row["name"]) for s in SYSTEMS)
        times = ratio(row, linux, calf)
        cells = ["-" if n is None else f"{n:,}" for n in (linux, calf)]
        yield row, times, cells + ["-" if times is None else f"{times:.2f}"]


def table(figures, scripts):
    lines, good = [f"{'':9}{'':52}{'Linux':>12}{'Calf':>12}{'ratio':>8}{'required':>10}"], True
    for row, times, cells in compared(figures):
        if row["script"] not in scripts:
            continue
        required = float(row["required"])
        verdict = "missing" if times is None else "ok" if times >= required else "short"
        good &= verdict == "ok"
        lines.append(f"{verdict:9}{row['path']:52}{cells[0]:>12}{cells[1]:>12}{cells[2]:>8}{required:>10g}")
    return "\n".join(lines) + "\n", good


def main():
    options = arguments()
    scripts = options.only.split(",") if options.only else list(ROOT_OF)
    OUT.mkdir(parents=True, exist_ok=True)
    figures, whole = {system: {} for system in SYSTEMS}, True
    plan = [(script, system) for script in scripts for system in SYSTEMS]
    for at, (script, system) in enumerate(plan):
        progress = Progress(f"[{at + 1}/{len(plan)}] {script} on {draw.label(system)}")
        got, trouble = measure(script, system, options.smp, options.timeout, progress)
        progress.end(got, trouble)
        figures[system].update(got)
        whole &= not trouble
    text, kept = table(figures, scripts)
    on = measured_on(CPU + (ICOUNT if options.smp == 1 else []), options.smp)
    (OUT / "real.txt").write_text(f"{on}\n\n{text}")
    print(f"\n{on}\n\n{text}")
    if options.keep and whole and not options.only:
        page = ROOT / "README.md"
        renewed = [[row["path"]] + cells for row, _, cells in compared(figures)]
        page.write_text(draw.readme_rows(page.read_text(), README_HEAD, renewed))
    return 0 if whole and kept else 1


if __name__ == "__main__":
    sys.exit(main())
