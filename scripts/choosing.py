"""The report's answers to "which pool, and how many workers?", from the cells of a run."""

import samples


class Option:
    """One configuration with one number of workers, at one setting of the load."""

    def __init__(self, run, cell, series):
        self.label = series.label
        self.workers = cell["workers"]
        total = series.hist("total")
        self.quantiles = dict(zip((0.5, 0.9, 0.99), total.quantiles((0.5, 0.9, 0.99))))
        self.rate = series.median("achieved_per_s")
        cpu = [s["cpu_ns"] / s["tasks"] for s in series.rounds.values() if s.get("tasks")]
        self.cpu_ns = samples.median(cpu) if cpu else None
        self.rounds = len(series.rounds)
        self.refused = len(series.others)


def setting(cell):
    return tuple(cell.get(axis) for axis in ("arrivals", "service", "service_ns", "utilisation",
                                             "rate_per_s"))


def words(cell):
    return samples.phrase(cell, ("workers",))


def settings(run):
    """Every setting of a load, with the options that carry it in most of their rounds."""
    found = {}
    for cell in run.cells_of("latency"):
        options, out = found.setdefault(setting(cell), (words(cell), [], []))[1:]
        for label in run.labels:
            series = run.series.get((samples.cell_key(cell), label))
            if not series:
                continue
            if len(series.rounds) > len(series.others):
                options.append(Option(run, cell, series))
            else:
                out.append((label, cell["workers"], series.others[-1].get("reason", "")))
    return list(found.values())


def tail_of(options):
    """The highest quantile that at least half of the options resolve."""
    for q in (0.99, 0.9, 0.5):
        if 2 * sum(option.quantiles[q] is not None for option in options) >= len(options):
            return q
    return 0.5


def ranked(options):
    """By the tail, those without one last; then by CPU time."""
    q = tail_of(options)
    return q, sorted(options, key=lambda o: (o.quantiles[q] is None, o.quantiles[q] or 0,
                                             o.cpu_ns or 0, samples.label_order(o.label)))


def by_rate(options):
    """Loads are shares of what the workers carry, so more workers mean more tasks a second; options
    that carry about the same stand together."""
    groups = []
    for option in sorted(options, key=lambda o: (o.rate or 0)):
        if groups and option.rate and groups[-1][0].rate and option.rate < 1.25 * groups[-1][0].rate:
            groups[-1].append(option)
        else:
            groups.append([option])
    return groups


def advice(options):
    """One sentence for each rate that the options carry."""
    for group in by_rate(options):
        q, best = ranked(group)
        first = best[0]
        if first.quantiles[q] is None:
            continue
        at = samples.quantity(first.rate) if first.rate else "?"
        line = (f"At about {at} tasks/s take {first.label} with "
                f"{samples.axis_text('workers', first.workers, {})}: p{q * 100:g} "
                f"{samples.duration(first.quantiles[q])}")
        if first.cpu_ns:
            line += f", {samples.duration(first.cpu_ns)} of CPU a task"
        close = [o for o in best[1:] if o.quantiles[q] and o.quantiles[q] <= 1.1 * first.quantiles[q]]
        if close:
            line += "; within 10 % of it: " + ", ".join(
                f"{o.label} with {o.workers}" for o in close[:4])
        yield line + "."
