#!/usr/bin/python3
"""Runs tests/bench/micro.c as /init on Calf and on Debian's Linux, and makes a table and pictures."""

import argparse
import csv
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = ROOT / "tests" / "bench"
OUT = ROOT / "build" / "bench"
sys.path.insert(0, str(ROOT / "tests" / "boot"))

from initrd import Initrd  # noqa: E402
from machine import QEMU, Machine  # noqa: E402

LINUX = ROOT / "build" / "tests" / "linux" / "vmlinuz"
LINUX_CMDLINE = (
    "console=ttyS0 quiet loglevel=1 panic=-1 mitigations=off nopti transparent_hugepage=never"
)
# The last -cpu counts. Without ERMS and FSRM both kernels move pages by plain string steps.
FLAGS = ["-icount", "shift=0,sleep=off", "-cpu", "max,-erms,-fsrm"]
LEVELS = ("0", "1", "2", "3", "4", "auto")


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="--check exits 1 where a figure is over its budget. A few are over today, so it is not "
        "part of make test. --sizes 16,64,256,1024,4096,16384 wants a host with 24 GiB to spare.",
    )
    parser.add_argument("--check", action="store_true", help="Calf against tests/bench/budgets.csv")
    parser.add_argument("--sizes", default="16,64,256,1024", help="MiB touched, by commas")
    parser.add_argument("--levels", help="share levels, by commas (default: all; --check: default,auto)")
    parser.add_argument("--timeout", type=int, default=240, help="seconds for one machine")
    parser.add_argument("--draw", action="store_true", help="only draw build/bench/results.csv again")
    parser.add_argument("--keep", action="store_true", help="renew tests/bench/fork.csv and fork.svg")
    return parser.parse_args()


def make_iso(initrd, level, tail):
    share = "" if level == "default" else f"fork_share={level} "
    iso = OUT / "bench.iso"
    command = [ROOT / "boot" / "mkiso.sh", iso, ROOT / "build" / "calf", initrd]
    subprocess.run(command + [f"{share}loglevel=4{tail}"], check=True)
    return str(iso)


def measure(system, sizes, timeout):
    """Figures by name, of `system`: "linux" or a share level. None where it did not get to its end."""
    level0 = system == "0"
    memory = max(sizes) * (5 if level0 else 3) // 2 + 1024
    micro = ["--sizes", ",".join(map(str, sizes)), "--children", "1" if level0 else "8"]
    archive = Initrd()
    archive.folder("proc")
    archive.file("init", OUT / "micro")
    initrd = archive.write(OUT / "bench.cpio")
    common = dict(memory=f"{memory}M", extra=FLAGS)
    tail = " -- " + " ".join(micro)
    if system == "linux":
        machine = Machine(kernel=str(LINUX), initrd=str(initrd), cmdline=LINUX_CMDLINE + tail, **common)
    else:
        machine = Machine(iso=make_iso(initrd, system, tail), **common)
    outcome = machine.run(timeout)
    (OUT / f"{system}.log").write_text(outcome.text)
    figures = {}
    for line in outcome.text.splitlines():
        words = line.split()
        if len(words) == 2 and words[1].lstrip("-").isdigit():
            figures[words[0]] = int(words[1])
    if "micro: done" not in outcome.text:
        print(f"  {system}: did not get to its end ({outcome.kind}): {OUT / system}.log", flush=True)
    return figures


def budgets():
    with open(HERE / "budgets.csv", newline="") as source:
        return {row["name"]: (int(row["budget"]), row["path"]) for row in csv.DictReader(source)}


def check(results):
    """Prints each line of the budgets for each system; true where none is over or missing."""
    good = True
    for system, figures in results.items():
        for name, (budget, path) in budgets().items():
            value = figures.get(name)
            verdict = "missing" if value is None else "ok" if value <= budget else "over"
            good &= verdict == "ok"
            shown = "-" if value is None else f"{value:,}"
            print(f"{verdict:8}{system:8}{path:46}{shown:>14} of {budget:,}")
    return good


def table(results):
    """Figures side by side; the last columns are auto's against Linux's and against the budget."""
    limits = budgets()
    names = list(dict.fromkeys(name for figures in results.values() for name in figures))
    linux, auto = results.get("linux", {}), results.get("auto", {})
    lines = [f"{'':26}" + "".join(f"{s:>13}" for s in results) + f"{'auto/linux':>12}{'auto/budget':>12}"]
    for name in names:
        line = f"{name:26}"
        for figures in results.values():
            line += f"{figures[name]:13,}" if name in figures else f"{'-':>13}"
        for base in (linux.get(name), limits.get(name, (None,))[0]):
            line += f"{auto[name] / base:12.3f}" if base and name in auto else f"{'-':>12}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def write_csv(path, results, measured, names=None):
    with open(path, "w", newline="") as out:
        out.write(f"# {measured}; fork_*: guest instructions until fork returns, by MiB touched\n")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["system", "figure", "value"])
        for system, figures in results.items():
            for name, value in figures.items():
                if names is None or name in names:
                    writer.writerow([system, name, value])


def read_csv(path):
    results = {}
    with open(path, newline="") as source:
        for row in csv.DictReader(line for line in source if not line.startswith("#")):
            results.setdefault(row["system"], {})[row["figure"]] = int(row["value"])
    return results


def save(figure, name):
    figure.tight_layout()
    figure.savefig(OUT / f"{name}.svg", metadata={"Date": None})
    figure.savefig(OUT / f"{name}.png", dpi=110)


def label(system):
    return "Linux (Debian)" if system == "linux" else f"Calf, share {system}"


def lines(pyplot, results, sizes, prefix, title, ylabel, measured):
    """One line a system of the figure `prefix` against the memory touched."""
    figure, axes = pyplot.subplots(figsize=(7.2, 4.6))
    for at, (system, figures) in enumerate(results.items()):
        points = [(mib, figures[f"{prefix}_{mib}M"]) for mib in sizes if f"{prefix}_{mib}M" in figures]
        style = dict(color="black", linestyle="--") if system == "linux" else dict(color=f"C{at - 1}")
        width = 2.6 if system in ("linux", "auto") else 1.4
        axes.plot(*zip(*points), marker="o", markersize=4, linewidth=width, label=label(system), **style)
    axes.set_xscale("log", base=2)
    axes.set_yscale("symlog" if prefix.startswith("faults") else "log")
    axes.set_ylim(bottom=0 if prefix.startswith("faults") else None)
    axes.set_xticks(sizes, [f"{m} MiB" if m < 1024 else f"{m // 1024} GiB" for m in sizes])
    axes.minorticks_off()
    axes.grid(True, alpha=0.3)
    axes.set_xlabel("memory touched\n" + measured, fontsize=8)
    axes.set_ylabel(ylabel)
    axes.set_title(title)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def bars(pyplot, results, measured):
    """Cost of each path of the budgets on Linux and on Calf at auto."""
    chosen = {n: path for n, (_, path) in budgets().items() if not n.startswith(("faults", "idle"))}
    figure, axes = pyplot.subplots(figsize=(8, 6))
    for at, (system, color) in enumerate((("linux", "black"), ("1", "C1"), ("auto", "C5"))):
        figures = results.get(system, {})
        points = [(row + (at - 1) * 0.27, figures[n]) for row, n in enumerate(chosen) if n in figures]
        if points:
            axes.barh(*zip(*points), height=0.26, color=color, label=label(system))
    axes.set_yticks(range(len(chosen)), chosen.values(), fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.grid(True, axis="x", alpha=0.3)
    axes.set_xlabel("instructions\n" + measured, fontsize=8)
    axes.set_title("Cost of each path")
    axes.legend(fontsize=8)
    return figure


def pictures(results, sizes, measured, keep):
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "calf"
    from matplotlib import pyplot

    fork = lines(pyplot, results, sizes, "fork", "What fork costs", "instructions until fork returns", measured)
    save(fork, "fork")
    title = "Faults of a parent that rewrites its memory after the child's exit"
    save(lines(pyplot, results, sizes, "faults_after_exit", title, "minor faults", measured), "faults")
    title = "What an idle child costs"
    save(lines(pyplot, results, sizes, "idle_child_kib", title, "KiB of MemFree", measured), "idle")
    save(bars(pyplot, results, measured), "paths")
    if keep:
        (HERE / "fork.svg").write_bytes((OUT / "fork.svg").read_bytes())


def main():
    options = arguments()
    sizes = [int(word) for word in options.sizes.split(",")]
    levels = options.levels.split(",") if options.levels else None
    if options.check:
        systems = levels or ["default", "auto"]
        sizes = [256, 1024]
    else:
        systems = ["linux"] + (levels or list(LEVELS))
    version = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True).stdout
    measured = f"QEMU {version.split()[3]}, TCG, {' '.join(FLAGS)}, one guest CPU"
    OUT.mkdir(parents=True, exist_ok=True)
    results = read_csv(OUT / "results.csv") if options.draw else {}
    for at, system in enumerate([] if options.draw else systems):
        print(f"[{at + 1}/{len(systems)}] {system} ...", end=" ", flush=True)
        began = time.monotonic()
        results[system] = measure(system, sizes, options.timeout)
        print(f"{len(results[system])} figures, {time.monotonic() - began:.0f} s", flush=True)
    if options.check:
        return 0 if check(results) else 1
    write_csv(OUT / "results.csv", results, measured)
    text = f"{measured}\n\n{table(results)}"
    (OUT / "table.txt").write_text(text)
    print(text)
    pictures(results, sizes, measured, options.keep)
    if options.keep:
        write_csv(HERE / "fork.csv", results, measured, {f"fork_{mib}M" for mib in sizes})
    print(f"{OUT}: results.csv, table.txt; fork, faults, idle and paths as .svg and .png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
