"""The report's page: its style, its one script, and tables that sort."""

import html

STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #5a6068; --line: #d8dce1;
  --paper: #ffffff; --tint: #f5f6f8; --good: #00694c; --bad: #a33c00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e6e9; --soft: #a2a9b2; --line: #3a3f46;
  --paper: #16181b; --tint: #202327; --good: #4cc9a0; --bad: #f2935c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 32px 20px 64px; max-width: 960px; background: var(--paper);
  color: var(--ink); font: 15px/1.55 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
h1 { font-size: 26px; font-weight: 600; margin: 0 0 4px; }
h2 { font-size: 19px; font-weight: 600; margin: 44px 0 10px; padding-top: 12px;
  border-top: 1px solid var(--line); }
h3 { font-size: 15px; font-weight: 600; margin: 22px 0 6px; }
p { margin: 8px 0; max-width: 46em; }
.soft, caption { color: var(--soft); }
figure { margin: 14px 0; }
figure > div { background: #ffffff; border: 1px solid var(--line); border-radius: 4px;
  padding: 6px; overflow-x: auto; }
figure svg { display: block; width: 100%; height: auto; min-width: 600px; }
figcaption { color: var(--soft); font-size: 13px; margin-top: 6px; }
.wide { overflow-x: auto; margin: 10px 0; }
table { border-collapse: collapse; font-size: 13px; width: 100%; }
caption { text-align: left; padding: 4px 0; }
th, td { padding: 4px 10px 4px 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
thead th { font-weight: 600; border-bottom: 1px solid var(--soft); }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tbody th { font-weight: 400; } tbody th:first-child { white-space: nowrap; }
.n small { color: var(--soft); display: block; font-size: 11px; }
.FASTER { color: var(--good); font-weight: 600; }
.SLOWER { color: var(--bad); font-weight: 600; }
.UNRESOLVED { font-style: italic; }
pre { background: var(--tint); border: 1px solid var(--line); border-radius: 4px; padding: 10px 12px;
  overflow-x: auto; font-size: 13px; }
summary { cursor: pointer; color: var(--soft); }
th button { all: unset; cursor: pointer; font-weight: 600; }
th button:focus-visible { outline: 2px solid var(--good); outline-offset: 2px; }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
.note { background: var(--tint); border-left: 3px solid var(--bad); padding: 8px 12px; }
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; }
  figure, tr { break-inside: avoid; } details > * { display: block; }
  th button::after { content: "" !important; } .wide, figure > div { overflow: visible; } }
"""

# Sorts a table by the column whose head is pressed. A figure sorts by data-v, words by themselves;
# cells without a figure stay last. Without scripts the tables stand as they are.
SCRIPT = """
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = row => row.cells[at].dataset.v ?? "";
      const rows = [...body.rows].sort((a, b) => {
        const x = key(a), y = key(b);
        if (x === "" && y === "") return a.cells[at].textContent.localeCompare(b.cells[at].textContent) * (up ? 1 : -1);
        if (x === "" || y === "") return x === "" ? 1 : -1;
        return (x - y) * (up ? 1 : -1);
      });
      body.append(...rows);
    });
  });
}
"""


def esc(value):
    return html.escape(str(value))


class Figure(str):
    """HTML of a cell that sorts by a number."""

    def __new__(cls, markup, value=None):
        made = super().__new__(cls, markup)
        made.value = value
        return made


def data_cell(cell):
    value = getattr(cell, "value", None)
    sort = "" if value is None else f' data-v="{value:.6g}"'
    return f'<td class="n"{sort}>{cell}</td>'


def shown(value, unit):
    """A figure in its unit, or a dash."""
    return "–" if value is None else Figure(esc(unit(value)), value)


def table(caption, head, rows, left=1):
    """A table; the first `left` columns are names, the rest figures that are already HTML."""
    cells = [
        f'<th scope="col"{" class=n" if at >= left else ""}>{esc(word)}</th>'
        for at, word in enumerate(head)
    ]
    lines = [f'<div class="wide"><table><caption>{esc(caption)}</caption>']
    lines.append(f"<thead><tr>{''.join(cells)}</tr></thead><tbody>")
    for row in rows:
        names = "".join(f'<th scope="row">{cell}</th>' for cell in row[:left])
        figures = "".join(data_cell(cell) for cell in row[left:])
        lines.append(f"<tr>{names}{figures}</tr>")
    lines.append("</tbody></table></div>")
    return "\n".join(lines)


def with_interval(middle, interval, unit):
    if middle is None:
        return "–"
    if not interval:
        return Figure(esc(unit(middle)), middle)
    low, high = (unit(end) for end in interval)
    return Figure(f"{esc(unit(middle))}<small>{esc(low)} – {esc(high)}</small>", middle)
