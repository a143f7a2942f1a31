"""Plots of curves against load, grain and rate, and of what a latency is made of."""

import re

import samples
from drawing import (FONT, WIDTH, Drawing, chosen, grid, group, left_out, legend, legend_height,
                     quote, rounds_text, unit_axis, with_data)

FLOOR = "lc rgb '#000000' dt 3 lw 1.6"
# The parts of a latency, from light to dark, so that they differ in grey as well.
PARTS = (("submit", "#e3e3e3"), ("queue", "#fdbf6f"), ("wake", "#d95f02"), ("service", "#7fb3d5"),
         ("notify", "#333333"))
NOTHING = ("NaN", "NaN")


# ---- Percentiles against offered load -------------------------------------------------------


def load(run, looks):
    """The hockey stick: latency against utilisation, and below it the floor of an ideal server."""
    cells = [cell for cell in with_data(run, "latency") if "rate_per_s" not in cell]
    if len({cell.get("utilisation") for cell in cells}) < 2:
        return None
    groups, common = group(cells, ("utilisation",))
    groups = {key: found for key, found in groups.items() if len(found) > 1}
    if not groups:
        return None
    keys, more = chosen(groups)
    keys, more = keys[:3], more + len(keys[3:])
    labels = run.labels_of(cells)
    drawing = Drawing(
        "load", "Latency against offered load",
        f"Left p50, right p99, merged over {rounds_text(run)}; black dots: Erlang C, the floor of "
        f"an ideal server; down is faster{left_out(more)}",
        80 + 330 * len(keys) + legend_height(labels),
        "Median and 99th percentile of the latency against the utilisation of the workers, one line a "
        "configuration, with the floor of an ideal M/M/c server where it applies.",
        common,
    )
    for at, key in enumerate(keys):
        for column, q in enumerate((0.5, 0.99)):
            place = (80 + 435 * column, 100 + 330 * at, 355)
            load_panel(drawing, run, looks, key, groups[key], labels, q, place)
    legend(drawing, looks, labels, 66 + 330 * len(keys))
    return drawing


def floor_of(cell, q):
    """Points of the Erlang-C floor, or none where arrivals or service are of another kind."""
    if cell.get("arrivals") != "poisson" or cell.get("service") != "exponential":
        return []
    return [(load_percent, samples.erlang_response(cell["workers"], load_percent / 100,
                                                   cell["service_ns"], q) / 1000)
            for load_percent in range(5, 96, 5)]


def load_panel(drawing, run, looks, key, cells, labels, q, place):
    left, top, width = place
    parts, seen = [], []
    for label in labels:
        rows = []
        for cell in cells:
            series = run.measured(cell, label)
            value = series and series.hist("total").quantile(q)
            if value:
                rows.append((series.median("utilisation") or cell["utilisation"], value / 1000))
        if rows:
            seen += [row[1] for row in rows]
            data, look = drawing.block(sorted(rows)), looks[label]
            parts.append(f"{data} using 1:2 with lines {look.line()}")
            parts.append(f"{data} using 1:2 with points {look.points()}")
    floor = floor_of(cells[0], q)
    if floor:
        loads = [cell["utilisation"] for cell in cells]
        floor = [point for point in floor if min(loads) - 10 <= point[0] <= max(loads) + 5]
        seen += [point[1] for point in floor]
        parts.append(f"{drawing.block(floor)} using 1:2 with lines {FLOOR}")
    if not seen:
        drawing.text(left + width / 2, top + 110, "no quantile has 100 samples beyond it",
                     align="center")
        parts = [drawing.block([NOTHING]) + " using 1:2 with points"]
    drawing.text(left, top - 14, f"p{q * 100:g}" + (f", {key}" if key else ""), size=13)
    drawing.panel(
        left, top, width, 230, "set border 3", "set grid", "unset logscale x",
        *unit_axis("y", lambda us: samples.duration(us * 1000), seen or [1, 100]),
        "set xrange [0:100]", "set xtics 0,10,100", "unset mxtics",
        "set xlabel 'utilisation of the workers in %' offset 0,0.3",
        "set ylabel 'latency (log)' offset 1.2,0",
    )
    drawing.draw(parts)


# ---- What a latency is made of --------------------------------------------------------------


def parts(run, looks):
    cells = [cell for cell in with_data(run, "latency")
             if any(run.measured(cell, x) and run.measured(cell, x).median("wake_mean_ns") is not None
                    for x in run.labels)]
    if not cells:
        return None
    groups, common = group(cells, ())
    keys, more = chosen(groups)
    rows = {key: part_rows(run, groups[key][0]) for key in keys}
    heights = {key: 20 * len(rows[key]) + 70 for key in keys}
    drawing = Drawing(
        "parts", "What a latency is made of",
        f"Mean of each part, median of {rounds_text(run)}: from the intended start until somebody is "
        f"told{left_out(more)}",
        100 + sum(heights.values()) + 20,
        "Stacked bars, one a configuration: the mean time in submission, in the queue while all workers "
        "were at work, in waking while one was free, in service, and in notification.",
        common,
    )
    for at, (part, colour) in enumerate(PARTS):
        drawing.lines.append(
            f"set object {at + 1} rectangle from screen {(30 + 120 * at) / WIDTH:.5f}, screen "
            f"{1 - 92 / drawing.height:.5f} to screen {(46 + 120 * at) / WIDTH:.5f}, screen "
            f"{1 - 80 / drawing.height:.5f} fc rgb '{colour}' fs solid border lc rgb '#555555' front"
        )
        drawing.text(52 + 120 * at, 86, part)
    top = 124
    for key in keys:
        part_panel(drawing, key, rows[key], top)
        drawing.lines += ["unset object"]
        top += heights[key]
    return drawing


def part_rows(run, cell):
    found = []
    for label in run.labels:
        series = run.measured(cell, label)
        means = series and [series.median(f"{part}_mean_ns") for part, _ in PARTS]
        if means and None not in means:
            found.append((label, means))
    return found


def part_panel(drawing, key, rows, top):
    height = 20 * len(rows)
    blocks = {part: [] for part, _ in PARTS}
    widest = 0
    for line, (label, means) in enumerate(rows):
        begin = 0.0
        for (part, _), mean in zip(PARTS, means):
            end = begin + mean / 1000
            blocks[part].append(((begin + end) / 2, line, begin, end))
            begin = end
        widest = max(widest, begin)
        drawing.text(12, top + 20 * line + 10, label, size=11)
    drawing.text(12, top - 10, key, size=13)
    drawing.panel(
        180, top, WIDTH - 210, height, "set border 1", "set grid xtics noytics", "unset ytics",
        "unset ylabel", "unset logscale", f"set xrange [0:{widest * 1.02 or 1!r}]",
        f"set yrange [{len(rows) - 0.5}:-0.5]", "set xtics auto",
        "set xlabel 'mean in µs' offset 0,0.4",
    )
    drawing.draw([f"{drawing.block(blocks[part])} using 1:2:3:4:($2-0.36):($2+0.36) with boxxyerror "
                  f"fs solid 1 border lc rgb '#555555' fc rgb '{colour}'" for part, colour in PARTS])


# ---- Efficiency against grain ---------------------------------------------------------------


def efficiency(run, looks):
    cells = with_data(run, "metg")
    if not cells:
        return None
    groups, common = group(cells, ("efficiency",))
    keys, more = chosen(groups)
    labels = run.labels_of(cells)
    places, height = grid(len(keys), 330)
    drawing = Drawing(
        "efficiency", "Efficiency against the size of a task",
        f"Share of the workers' time that is work, median of {rounds_text(run)}; left is finer, up is "
        f"better{left_out(more)}",
        height + 80 + legend_height(labels),
        "The share of the workers' time that is work, against the length of a task, one line a "
        "configuration; METG is where a line reaches 50 or 95 percent.",
        common,
    )
    for key, (left, top, width) in zip(keys, places):
        efficiency_panel(drawing, run, looks, key, groups[key], labels, (left, top + 100, width))
    legend(drawing, looks, labels, height + 66)
    return drawing


def efficiency_points(run, cells, label):
    """(grain, efficiency) over all cells, which stop at different efficiencies."""
    found = {}
    for cell in cells:
        series = run.measured(cell, label)
        for sample in series.rounds.values() if series else ():
            for name, value in sample["values"].items():
                grain = re.fullmatch(r"efficiency_at_(\d+)_ns", name)
                if grain:
                    found.setdefault(int(grain.group(1)), []).append(value)
    return [(grain, 100 * samples.median(values)) for grain, values in sorted(found.items())]


def efficiency_panel(drawing, run, looks, key, cells, labels, place):
    left, top, width = place
    parts, seen = [], []
    for label in labels:
        rows = efficiency_points(run, cells, label)
        if rows:
            seen += [row[0] for row in rows]
            data, look = drawing.block(rows), looks[label]
            parts.append(f"{data} using 1:2 with lines {look.line()}")
            parts.append(f"{data} using 1:2 with points {look.points()}")
    for level in (50, 95):
        drawing.lines.append(f"set arrow from graph 0, first {level} to graph 1, first {level} nohead "
                             "lc rgb '#888888' dt 2")
    drawing.text(left, top - 14, key, size=13)
    drawing.panel(
        left, top, width, 230, "set border 3", "set grid", "unset logscale y",
        *unit_axis("x", samples.duration, seen or [100, 1000]), "set yrange [0:105]",
        "set ytics 0,25,100", "set xlabel 'length of a task (log)' offset 0,0.3",
        "set ylabel 'efficiency in %' offset 1.2,0",
    )
    drawing.draw(parts or [drawing.block([NOTHING]) + " using 1:2 with points"])


# ---- Idle CPU against rate ------------------------------------------------------------------


def sparse(run, looks):
    cells = with_data(run, "sparse")
    if not cells:
        return None
    groups, common = group(cells, ("tasks_per_s",))
    keys, more = chosen(groups)
    labels = run.labels_of(cells)
    places, height = grid(len(keys), 330)
    drawing = Drawing(
        "sparse", "CPU time of a pool that has next to nothing to do",
        f"Median of {rounds_text(run)}; down is cheaper; what is below 0.001 % is drawn there"
        + left_out(more),
        height + 80 + legend_height(labels),
        "CPU time of the pool's threads in percent of one CPU against the rate of empty tasks, one "
        "line a configuration.",
        common,
    )
    for key, (left, top, width) in zip(keys, places):
        sparse_panel(drawing, run, looks, key, groups[key], labels, (left, top + 100, width))
    legend(drawing, looks, labels, height + 66)
    return drawing


def sparse_panel(drawing, run, looks, key, cells, labels, place):
    left, top, width = place
    rates = sorted({cell["tasks_per_s"] for cell in cells})
    parts, seen = [], []
    for label in labels:
        rows = []
        for cell in cells:
            series = run.measured(cell, label)
            value = series and series.median("cpu_percent")
            if value is not None:
                rows.append((rates.index(cell["tasks_per_s"]), max(value, 0.001)))
        if rows:
            seen += [row[1] for row in rows]
            data, look = drawing.block(sorted(rows)), looks[label]
            parts.append(f"{data} using 1:2 with lines {look.line()}")
            parts.append(f"{data} using 1:2 with points {look.points()}")
    drawing.text(left, top - 14, key, size=13)
    drawing.panel(
        left, top, width, 230, "set border 3", "set grid", "unset logscale x",
        *unit_axis("y", lambda v: f"{samples.three(v)} %%", seen or [0.01, 1]),
        f"set xrange [-0.3:{len(rates) - 0.7}]",
        "set xtics (" + ", ".join(f"{quote(samples.trimmed(samples.quantity(r)))} {at}"
                                  for at, r in enumerate(rates)) + f") font '{FONT},11'",
        "set xlabel 'tasks per second' offset 0,0.3", "set ylabel 'CPU time (log)' offset 1.2,0",
    )
    drawing.draw(parts or [drawing.block([NOTHING]) + " using 1:2 with points"])
