"""Drawing with gnuplot: pictures in the making, axes, legends, and how a configuration looks."""

import html
import math
import os
import re
import subprocess
import tempfile

import samples

WIDTH = 900
FONT = "sans-serif"
# Okabe and Ito's colours without the yellow, which a light background swallows.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
DASHES = ("1", "'-'", "'.'", "'_.'")
POINTS = (7, 5, 9, 13, 11, 6, 4, 8, 12, 10, 15, 14, 2, 1)
# Cividis, light to dark: one direction of luminance, so that it reads in grey.
PALETTE = ("#fdea45", "#d2bb5e", "#a69d75", "#7d7c78", "#575d6d", "#2e4069", "#00224e")
PANELS_MOST = 6
CLOSE = 4  # pools within this factor of the best are also shown on a linear axis


class Drawing:
    """A gnuplot script in the making: a title, panels placed in pixels, data blocks."""

    def __init__(self, name, title, subtitle, height, describe, settings=""):
        self.name = name
        self.title = title
        self.describe = describe
        self.height = height
        self.blocks = []
        self.lines = [
            "set encoding utf8",
            "set multiplot",
            "set style fill solid 1.0 noborder",
            "set border 3 lc rgb '#555555'",
            "set tics nomirror out scale 0.6",
            "set grid lc rgb '#cccccc' lw 0.8",
            "unset key",
        ]
        self.text(12, 22, title, size=17)
        self.text(12, 44, subtitle, size=12, colour="#444444")
        self.text(12, 62, settings, size=12, colour="#444444")

    def block(self, rows):
        """Stores rows of data; returns the name of the block."""
        name = f"$d{len(self.blocks)}"
        body = "\n".join(" ".join(str(field) for field in row) for row in rows)
        self.blocks.append(f"{name} << EOD\n{body}\nEOD")
        return name

    def text(self, x, y, words, size=12, colour="#111111", align="left"):
        """Words at pixels from the top left, outside any panel."""
        at = f"screen {x / WIDTH:.5f}, screen {1 - y / self.height:.5f}"
        self.lines.append(
            f"set label {quote(words)} at {at} {align} font '{FONT},{size}' "
            f"tc rgb '{colour}' noenhanced front"
        )

    def panel(self, left, top, width, height, *settings):
        """Starts a panel whose plotting area is that rectangle; follow with draw()."""
        margins = (
            ("l", left / WIDTH),
            ("r", (left + width) / WIDTH),
            ("t", 1 - top / self.height),
            ("b", 1 - (top + height) / self.height),
        )
        for side, at in margins:
            self.lines.append(f"set {side}margin at screen {at:.5f}")
        self.lines.extend(settings)

    def draw(self, parts):
        """Draws what was set up, then forgets labels, ranges and tics."""
        self.lines.append("plot " + ", \\\n  ".join(parts))
        self.lines += ["unset label", "unset arrow", "unset logscale xy", "reset_ranges"]

    def script(self):
        forget = "set autoscale xy; set xtics auto; set ytics auto; set xlabel; set ylabel"
        body = "\n".join(forget if line == "reset_ranges" else line for line in self.lines)
        return "\n".join(self.blocks) + "\n" + body + "\nunset multiplot\n"

    def save(self, directory):
        """Runs gnuplot twice; writes name.svg and name.png."""
        svg = gnuplot(f"svg size {WIDTH},{self.height} font '{FONT},12' background 'white'", self)
        samples.write_whole(os.path.join(directory, self.name + ".svg"), self.accessible(svg))
        png = gnuplot(f"pngcairo size {WIDTH},{self.height} font 'sans,9' background 'white'", self)
        samples.write_whole(os.path.join(directory, self.name + ".png"), png)
        print(f"{os.path.join(directory, self.name)}.svg")

    def accessible(self, svg):
        """Gives the SVG a title, a description, and identifiers of its own."""
        text = svg.decode("utf-8")
        text = re.sub(r"<title>.*?</title>", "", text, flags=re.S)
        text = re.sub(r"<desc>.*?</desc>", "", text, flags=re.S)
        words = (
            f'<title id="title">{html.escape(self.title)}</title>\n'
            f'<desc id="desc">{html.escape(self.describe)}</desc>\n'
        )
        text = re.sub(r"(<svg\b[^>]*?)>", rf'\1 role="img" aria-labelledby="title desc">', text, 1)
        at = text.index(">", text.index("<svg")) + 1
        text = text[:at] + "\n" + words + text[at:]
        text = re.sub(r'\bid=(["\'])', rf"id=\1{self.name}-", text)
        text = re.sub(r'(href=["\']#|url\(#)', rf"\1{self.name}-", text)
        own = f'aria-labelledby="{self.name}-title {self.name}-desc"'
        return text.replace('aria-labelledby="title desc"', own).encode("utf-8")


def gnuplot(terminal, drawing):
    """The output of one gnuplot run; RunError with its own words when it fails."""
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "plot")
        script = f"set terminal {terminal}\nset output '{path}'\n{drawing.script()}set output\n"
        if terminal.startswith("png"):  # cairo's points are larger than the SVG's pixels
            script = re.sub(rf"font '{FONT},(\d+)'", cairo_font, script)
        run = subprocess.run(
            ["gnuplot"], input=script.encode(), stderr=subprocess.PIPE, check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        complaint = [line for line in run.stderr.decode(errors="replace").split("\n") if line.strip()]
        if run.returncode != 0 or not os.path.exists(path):
            raise samples.RunError(f"gnuplot, {drawing.name}: {' '.join(complaint)[:400]}")
        with open(path, "rb") as file:
            return file.read()


def cairo_font(found):
    return f"font 'sans,{int(found.group(1)) * 0.75:g}'"


def quote(words):
    return "'" + words.replace("'", "''") + "'"


# ---- How a configuration looks --------------------------------------------------------------


class Look:
    """Colour, dash and point of a configuration: the same in every plot of a run."""

    def __init__(self, at):
        self.colour = COLOURS[at % len(COLOURS)]
        self.dash = DASHES[(at % len(COLOURS) + at // len(COLOURS)) % len(DASHES)]
        self.point = POINTS[at % len(POINTS)]

    def line(self, width=2):
        return f"lc rgb '{self.colour}' dt {self.dash} lw {width}"

    def points(self, size=0.8):
        return f"lc rgb '{self.colour}' pt {self.point} ps {size}"


def looks_of(run):
    return {label: Look(at) for at, label in enumerate(run.labels)}


def legend_height(labels):
    return 20 * math.ceil(len(labels) / 4) + 14


def legend(drawing, looks, labels, top, lines=True):
    """A row of samples of line and point with their names, four to a row."""
    parts = []
    for at, label in enumerate(labels):
        x, y = 30 + 215 * (at % 4), 20 * (at // 4) + 10
        drawing.text(x + 42, top + y, label)
        if lines:
            ends = drawing.block([(x, y), (x + 34, y)])
            parts.append(f"{ends} using 1:2 with lines {looks[label].line()}")
        middle = drawing.block([(x + 17, y)])
        parts.append(f"{middle} using 1:2 with points {looks[label].points(0.9)}")
    height = legend_height(labels)
    drawing.panel(
        0, top, WIDTH, height, "unset border", "unset tics", "unset grid", "unset xlabel",
        "unset ylabel", f"set xrange [0:{WIDTH}]", f"set yrange [{height}:0]",
    )
    drawing.draw(parts)


def unit_axis(axis, unit, values, letter=quote):
    """A logarithmic axis that spans the values, with ticks at 1, 2, 5 of each decade."""
    low, high = min(values) / 1.15, max(values) * 1.15
    steps = (1, 2, 5) if high / low < 300 else (1,)
    ticks = []
    for decade in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        for step in steps:
            value = step * 10.0**decade
            if low <= value <= high:
                ticks.append(f"{letter(samples.trimmed(unit(value)))} {value!r}")
    if len(ticks) < 2:
        ticks = [f"{letter(unit(value))} {value!r}" for value in (low * 1.15, high / 1.15)]
    return [
        f"set logscale {axis} 10", f"set {axis}range [{low!r}:{high!r}]",
        f"set {axis}tics ({', '.join(ticks)}) font '{FONT},11'", f"unset m{axis}tics",
    ]


def grid(panels, height):
    """Places panels two in a row: (left, top, width) from the top of the plots, and the height."""
    if panels == 1:
        return [(80, 0, WIDTH - 110)], height
    places = [(80 + 435 * (at % 2), height * (at // 2), 355) for at in range(panels)]
    return places, height * math.ceil(panels / 2)


def chosen(groups):
    """The groups to draw: those with most in them, in their own order; and how many stay out."""
    best = sorted(groups, key=lambda key: -len(groups[key]))[:PANELS_MOST]
    return [key for key in groups if key in best], len(groups) - len(best)


def left_out(number):
    return f"; {number} more settings only in the tables" if number else ""


def rounds_text(run):
    n = run.rounds()
    return f"{n} round{'' if n == 1 else 's'}"


def group(cells, without):
    """Cells by the settings in which the groups differ, in words; and what they have in common."""
    axes = [axis for axis in cells[0] if axis not in without + ("workload",)]
    shared = [axis for axis in axes if len({cell.get(axis) for cell in cells}) == 1]
    if "service" in shared and len({cell.get("service_ns") for cell in cells}) > 1:
        shared.remove("service")  # told together with its length
    differing = tuple(axis for axis in axes if axis not in shared)
    groups = {}
    for cell in cells:
        groups.setdefault(samples.phrase(cell, without + tuple(shared)), []).append(cell)
    common = samples.phrase(cells[0], without + differing)
    return groups, common[:1].upper() + common[1:]


def with_data(run, workload):
    cells = run.cells_of(workload)
    return [cell for cell in cells if any(run.measured(cell, label) for label in run.labels)]
