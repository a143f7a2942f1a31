"""Ranks the configurations of a run, workload by workload; the report shows it.

Two configurations are compared as everywhere else: per round the geometric mean of their ratios
over the cells, then the median over rounds with its exact interval. The rank of a configuration is
one more than the number of configurations that are FASTER than it; those that nothing tells apart
share a rank, so two runs agree wherever their intervals decide.

Only like is ranked with like. The cells of a ranking are those that most configurations ran; who
lacks one of them stands below the ranking with what it lacks. So does a configuration that ran a
large part of its tasks on the thread that submits: its figure is that of a function call.
"""

import math

import samples

MOST = 0.75  # of the configurations must have run a cell for it to count
CALLER_RAN_MOST = 0.2


class Place:
    """One configuration in the ranking: rank, and its ratio to the best estimate."""

    def __init__(self, label, ratio):
        self.label = label
        self.ratio = ratio  # of the baseline over this one; None for the baseline itself
        self.rank = 1

    def speed(self):
        """Speed in baselines, and its interval."""
        if self.ratio is None:
            return 1.0, None
        interval = self.ratio.interval and (1 / self.ratio.interval[1], 1 / self.ratio.interval[0])
        return 1 / self.ratio.estimate, interval


def subjects_of_ranking(run, workload):
    """(title, cells) of each ranking: a workload is one, but each way of waiting is its own."""
    cells = run.cells_of(workload)
    if workload != "wait":
        return [(workload, cells)] if cells else []
    patterns = [p for p in samples.PATTERNS if any(cell.get("pattern") == p for cell in cells)]
    return [(f"wait, {p}", [cell for cell in cells if cell.get("pattern") == p]) for p in patterns]


def shared_cells(run, cells):
    """The cells that most of those who ran any of them ran."""
    labels = run.labels_of(cells)
    return [cell for cell in cells
            if sum(bool(run.measured(cell, label)) for label in labels) >= MOST * len(labels)]


def caller_ran(run, cells, label):
    """The largest share of tasks that the configuration ran on a submitting thread."""
    shares = [run.measured(cell, label).median("caller_ran_share") for cell in cells
              if run.measured(cell, label)]
    return max((share for share in shares if share is not None), default=0.0)


def log_merits(run, cells, label):
    """By round the mean of the logarithms of what is compared, over exactly these cells."""
    by_cell = []
    for cell in cells:
        merit = run.merit(cell)
        found = {place: merit(sample) for place, sample in run.measured(cell, label).rounds.items()}
        by_cell.append({place: math.log(value) for place, value in found.items()
                        if value is not None and value > 0})
    common = set.intersection(*(set(logs) for logs in by_cell)) if by_cell else set()
    return {place: sum(logs[place] for logs in by_cell) / len(by_cell) for place in common}


def pair(run, a, b, cells):
    """Ratio of two such figures, or None without a common round."""
    logs = [a[place] - b[place] for place in sorted(a.keys() & b.keys())]
    return samples.Ratio(logs, run.margin(), cells) if logs else None


def why_not(run, cells, label):
    """What keeps a configuration out of the ranking, or "" """
    lacking = [cell for cell in cells if not run.measured(cell, label)]
    if lacking:
        words = samples.phrase(lacking[0])
        return f"no figure in {len(lacking)} of {len(cells)} cells, such as {words}"
    share = caller_ran(run, cells, label)
    if share > CALLER_RAN_MOST:
        return f"ran up to {share * 100:.0f} % of its tasks on the thread that submits"
    return ""


def rank(run, candidates):
    """(cells, places in their order, [(label, why it is not ranked)]); no places: nothing to rank."""
    cells = shared_cells(run, candidates)
    reasons = {label: why_not(run, cells, label) for label in run.labels_of(candidates)}
    labels = [label for label, reason in reasons.items() if not reason]
    unranked = [(label, reason) for label, reason in reasons.items() if reason]
    if not cells or len(labels) < 2:
        return cells, [], unranked
    base = labels[0]
    merits = {label: log_merits(run, cells, label) for label in labels}
    places = [Place(base, None)]
    ratios = {label: pair(run, merits[base], merits[label], len(cells)) for label in labels[1:]}
    resolves = any(ratio and ratio.interval for ratio in ratios.values())
    for label, ratio in ratios.items():
        if not ratio:
            unranked.append((label, "no round in common with the others"))
        elif resolves and not ratio.interval:  # a shared rank would say that it is as good as the best
            unranked.append((label, "too few rounds with a figure to be told from the others"))
        else:
            places.append(Place(label, ratio))
    for place in places:
        place.rank += sum(1 for other in places if other is not place
                          and (ratio := pair(run, merits[other.label], merits[place.label],
                                             len(cells)))
                          and ratio.verdict == "FASTER")
    places.sort(key=lambda place: (place.rank, -place.speed()[0], place.label))
    return cells, places, unranked
