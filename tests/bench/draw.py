"""The table and the pictures of what tests/bench/run.py measured."""

import csv

from measure import OUT, budgets, ratios

COLORS = {"linux": "#222222", "0": "#9467bd", "1": "#ff7f0e", "2": "#17becf", "3": "#8c9a3b", "4": "#7f7f7f"}
MARKERS = {"linux": "s", "0": "v", "1": "o", "2": "^", "3": "D", "4": "x"}
AUTO = dict(color="#d62728", marker="o")


def table(results):
    """Figures side by side; the last column is auto's part of Linux's."""
    names = list(dict.fromkeys(n for figures in results.values() for n in figures if not n.endswith("largest")))
    linux, auto = results.get("linux", {}), results.get("auto", {})
    lines = [f"{'':24}" + "".join(f"{label(s):>15}" for s in results) + f"{'auto / Linux':>14}"]
    for name in names:
        line = f"{name:24}"
        for figures in results.values():
            line += f"{figures[name]:15,}" if name in figures else f"{'-':>15}"
        line += f"{auto[name] / linux[name]:14.4f}" if linux.get(name) and name in auto else f"{'-':>14}"
        lines.append(line)
    return "\n".join(lines) + "\n"


# README's table: figure, and what it calls it.
README_ROWS = (
    ("null_syscall", "null system call, with its user loop"),
    ("read_fault", "read fault on untouched memory"),
    ("write_fault", "first write fault"),
    ("cow_fault", "copy-on-write fault"),
    ("reuse_fault", "write by the last owner, a page"),
    ("fork_small", "fork returns, small process"),
    ("fork_16M", "fork returns, 16 MiB touched"),
    ("fork_256M", "fork returns, 256 MiB touched"),
    ("fork_1024M", "fork returns, 1 GiB touched"),
    ("fork_16384M", "fork returns, 16 GiB touched"),
    ("exit_1024M", "exit of a child that touched nothing, 1 GiB"),
    ("fork_exit_wait_1024M", "fork + exit + wait, 1 GiB touched"),
    ("fork_exec_wait", "fork + exec + wait"),
    ("fork_1000_areas", "fork returns, 1,000 areas"),
    ("fork_1000_fds", "fork returns, 1,000 descriptors"),
    ("storm_64M", "fork of 64 MiB, then both write all"),
    ("pipe_round_trip", "pipe ping-pong, round trip"),
    ("faults_after_exit_1024M", "*faults* when 1 GiB is rewritten after the child's exit"),
    ("idle_child_kib_1024M", "*KiB* that an idle child of 1 GiB takes"),
)
README_HEAD = "| path | Linux | Calf, level 1 | Calf, `auto` |\n| --- | --: | --: | --: |\n"


def readme_rows(text, head, rows):
    """README with these rows below the table's head."""
    start = text.index(head) + len(head)
    end = text.index("\n\n", start) + 1
    return text[:start] + "".join("| " + " | ".join(row) + " |\n" for row in rows) + text[end:]


def readme(text, results):
    """README with the rows of its table as they were measured."""
    rows = []
    for name, what in README_ROWS:
        figures = [results.get(system, {}).get(name) for system in ("linux", "1", "auto")]
        rows.append([what] + ["-" if n is None else f"{n:,}" for n in figures])
    return readme_rows(text, README_HEAD, rows)


def write_csv(path, rows, head, measured):
    with open(path, "w", newline="") as out:
        out.writelines(f"# {line}\n" for line in measured.splitlines())
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)


def write_results(path, results, measured):
    rows = [(s, name, value) for s, figures in results.items() for name, value in figures.items()]
    kinds = "instructions a path; faults_*: minor faults; idle_child_kib_*: KiB; *M: MiB touched"
    write_csv(path, rows, ("system", "figure", "value"), f"{measured}\n{kinds}")


def read_results(path):
    """The results, and what they were measured on."""
    results = {}
    with open(path, newline="") as source:
        measured = source.readline()[2:].strip()
        for row in csv.DictReader(line for line in source if not line.startswith("#")):
            results.setdefault(row["system"], {})[row["figure"]] = int(row["value"])
    return results, measured


def label(system):
    return "Linux" if system == "linux" else f"Calf {system}"


def long_label(system):
    return "Linux (Debian 6.1)" if system == "linux" else f"Calf, share level {system}"


def style(system):
    if system not in COLORS:
        return dict(AUTO, linewidth=2.6, markersize=5, zorder=5)
    bold = system == "linux"
    return dict(
        color=COLORS[system],
        marker=MARKERS[system],
        markersize=5,
        linewidth=3.4 if bold else 1.3,
        zorder=2 if bold else 3,  # what lies on Linux's line is seen on it
    )


def size_name(mib):
    return f"{mib} MiB" if mib < 1024 else f"{mib // 1024} GiB"


def save(figure, name, folders):
    for folder in folders:
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
        figure.savefig(folder / f"{name}.png", dpi=110, bbox_inches="tight")


def footer(figure, measured):
    figure.text(0.01, -0.01, measured, fontsize=7, color="#555555", va="top")


def by_size(pyplot, results, prefix, title, ylabel, measured, from_zero=False):
    """A line a system: the figure `prefix` against the memory touched, both axes logarithmic."""
    figure, axes = pyplot.subplots(figsize=(8, 4.6), layout="constrained")
    sizes = set()
    for system, figures in results.items():
        points = sorted(
            (int(name[len(prefix) + 1 : -1]), value)
            for name, value in figures.items()
            if name.startswith(prefix + "_") and name.endswith("M") and name[len(prefix) + 1 : -1].isdigit()
        )
        sizes.update(mib for mib, _ in points)
        if points:
            axes.plot(*zip(*points), label=long_label(system), clip_on=not from_zero, **style(system))
    axes.set_xscale("log", base=2)
    if from_zero:
        axes.set_yscale("symlog", linthresh=1)
        axes.set_ylim(bottom=0, top=axes.get_ylim()[1] * 2)
    else:
        axes.set_yscale("log")
        axes.set_ylim(bottom=10 ** (len(str(int(axes.get_ylim()[0]))) - 1))
    axes.set_xticks(sorted(sizes), [size_name(mib) for mib in sorted(sizes)])
    axes.minorticks_off()
    axes.grid(True, alpha=0.3)
    axes.set_xlabel("memory that the parent has touched (logarithmic)")
    axes.set_ylabel(f"{ylabel} (logarithmic)")
    axes.set_title(title, loc="left", fontsize=12)
    axes.legend(fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    footer(figure, measured)
    return figure


def bars(pyplot, results, chosen, title, measured):
    """Cost of each path of `chosen`, figure to text, on Linux and on Calf."""
    systems = [s for s in ("linux", "1", "auto") if s in results]
    height = 0.8 / len(systems)
    figure, axes = pyplot.subplots(figsize=(8, 0.9 + 0.72 * len(chosen)), layout="constrained")
    top = max(results[s].get(name, 0) for s in systems for name in chosen)
    for at, system in enumerate(systems):
        color = style(system)["color"]
        for row, name in enumerate(chosen):
            value = results[system].get(name)
            if value is None:
                continue
            y = row + (at - (len(systems) - 1) / 2) * height
            axes.barh(y, value, height=height * 0.92, color=color, label=None if row else long_label(system))
            axes.text(value + top * 0.008, y, f"{value:,}", va="center", fontsize=8, color="#333333")
    axes.set_yticks(range(len(chosen)), chosen.values(), fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, top * 1.12)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    axes.grid(True, axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.set_xlabel("instructions")
    axes.set_title(title, loc="left", fontsize=12)
    axes.legend(fontsize=9, loc="lower right")
    footer(figure, measured)
    return figure


FAULTS = {
    "read_fault": "read of untouched memory\n(zero page)",
    "write_fault": "first write\n(512 of it zeroing)",
    "cow_fault": "copy-on-write\n(512 of it copying)",
    "reuse_fault": "write by the last owner,\na page",
}
PATHS = {
    "fork_small": "fork, small process",
    "fork_exit_wait_small": "fork + exit + wait, small",
    "vfork_exit": "vfork + exit",
    "posix_spawn_wait": "posix_spawn + wait",
    "fork_exec_wait": "fork + exec + wait",
    "pipe_round_trip": "pipe round trip",
}


def pictures(results, measured, folders):
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "calf"
    from matplotlib import pyplot

    title = "fork: instructions until it returns"
    save(by_size(pyplot, results, "fork", title, "instructions", measured), "fork", folders)
    title = "Faults of a parent that writes all its memory again after its child's exit"
    save(by_size(pyplot, results, "faults_after_exit", title, "minor faults", measured, True), "faults", folders)
    title = "Memory that an idle child takes"
    save(by_size(pyplot, results, "idle_child_kib", title, "KiB", measured), "idle", folders)
    save(bars(pyplot, results, FAULTS, "What a fault costs", measured), "costs", folders)
    save(bars(pyplot, results, PATHS, "What other paths cost", measured), "paths", [OUT])


def elapsed_table(ratios):
    """Calf's time as a part of Linux's."""
    systems = list(ratios)
    names = list(dict.fromkeys(name for values in ratios.values() for name in values))
    lines = [f"{'elapsed, Calf / Linux':24}" + "".join(f"{label(s):>15}" for s in systems)]
    for name in names:
        cells = (f"{ratios[s][name]:15.3f}" if name in ratios[s] else f"{'-':>15}" for s in systems)
        lines.append(f"{name:24}" + "".join(cells))
    return "\n".join(lines) + "\n"


def check_table(system, figures):
    """One line a budget, and whether all of them are kept."""
    lines, good = [], True
    for budget in budgets():
        verdict, measured, limit = budget.verdict(figures)
        good &= verdict == "ok"
        lines.append(f"{verdict:8}{system:9}{budget.path:48}{measured:>36}  of {limit}")
    return "\n".join(lines), good


README_SMP_HEAD = "| on two CPUs | Linux | Calf | ratio |\n| --- | --: | --: | --: |\n"


def ratio_cells(r, figures):
    """Linux's, Calf's and the ratio, as text."""
    form = ",.2f" if r.alone else ",.0f"
    values = r.value("linux", figures), r.value("default", figures)
    ratio = r.ratio(figures)
    cells = ["-" if v is None else format(v, form) for v in values]
    return cells + ["-" if ratio is None else f"{ratio:.2f}"]


def ratio_table(figures):
    """One line a ratio of tests/bench/ratios.csv, and whether all of them are reached."""
    lines, good = [f"{'':9}{'operation':44}{'Linux':>10}{'Calf':>10}{'ratio':>8}{'required':>10}"], True
    for r in ratios():
        ratio = r.ratio(figures)
        verdict = "missing" if ratio is None else "ok" if ratio >= r.required else "short"
        good &= verdict == "ok"
        linux, calf, shown = ratio_cells(r, figures)
        lines.append(f"{verdict:9}{r.path:44}{linux:>10}{calf:>10}{shown:>8}{r.required or '-':>10}")
    return "\n".join(lines) + "\n", good


def readme_smp(text, figures):
    """README with the rows of its table of two CPUs as they were measured; a scaling has no ratio."""
    rows = []
    for r in ratios():
        linux, calf, ratio = ratio_cells(r, figures)
        rows.append([r.path, linux, calf, "" if r.alone else ratio])
    return readme_rows(text, README_SMP_HEAD, rows)
