"""What the study set out to show, line by line, with what came out."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

Rows = dict[tuple[str, str, int], dict[str, Any]]


class Claim(NamedTuple):
    """One line.

    Attributes:
        text: what is claimed.
        limit: in points of accuracy (or a ratio).
        value: mean over seeds.
        interval: of the mean, 95 %, Student's t over seeds; none for one seed.
        holds: whether the mean is on the right side of the limit.
        seeds: how many of the seeds are.
        of: number of seeds.
    """

    text: str
    limit: float
    value: float
    interval: tuple[float, float] | None
    holds: bool
    seeds: int
    of: int


def claims(rows: Iterable[dict[str, Any]]) -> list[Claim]:
    """Compare what rows of the summary say with what was asked; lines without rows are left out."""
    by = {(r["data"], r["rule"], r["steps"]): r for r in rows}
    found = [
        _level(by, ("mnist", "ann", 0), 99.2),
        _level(by, ("fashion-mnist", "ann", 0), 91.5),
        _below_ann(by, ("mnist", "conversion", 64), 0.5),
        _below_ann(by, ("fashion-mnist", "conversion", 256), 0.7),
        _below_ann(by, ("mnist", "conversion_tuned", 16), 0.3),
        _below_ann(by, ("fashion-mnist", "conversion_tuned", 64), 0.5),
        _below_ann(by, ("fashion-mnist", "hybrid", 8), 0.7),
        _below_ann(by, ("fashion-mnist", "hybrid", 4), 1.3),
        _above(by, ("fashion-mnist", "hybrid", 8), "conversion", 1.5),
        _above(by, ("fashion-mnist", "hybrid", 4), "scratch", 0.0),
        _above(by, ("fashion-mnist", "hybrid", 8), "scratch", 0.0),
        _above(by, ("mnist", "hybrid", 4), "scratch", 0.0),
        _fewer_steps(by, "fashion-mnist", 4),
        _fewer_steps(by, "fashion-mnist", 8),
        _level(by, ("mnist", "qcfs", 4), 99.2),
        _level(by, ("fashion-mnist", "qcfs", 8), 91.9),
    ]
    return [claim for claim in found if claim is not None]


def _points(row: dict[str, Any]) -> list[float]:
    return [100 * value for value in row["accuracies"]]


def _paired(one: dict[str, Any], other: dict[str, Any]) -> list[float]:
    """Differences in points over the seeds that both have."""
    a, b = (dict(zip(r["which_seeds"], _points(r), strict=True)) for r in (one, other))
    return [a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())]


def _claim(text: str, limit: float, values: Sequence[float], *, least: bool) -> Claim:
    mean, count = sum(values) / len(values), len(values)
    interval = None
    if count > 1:
        half = float(stats.t.ppf(0.975, count - 1)) * np.std(values, ddof=1) / math.sqrt(count)
        interval = (float(mean - half), float(mean + half))

    def right(value: float) -> bool:
        return value >= limit if least else value <= limit

    return Claim(text, limit, mean, interval, right(mean), sum(map(right, values)), count)


def _level(by: Rows, key: tuple[str, str, int], limit: float) -> Claim | None:
    if key not in by:
        return None
    return _claim(f"{_named(key)}: at least {limit} %", limit, _points(by[key]), least=True)


def _below_ann(by: Rows, key: tuple[str, str, int], limit: float) -> Claim | None:
    ann = (key[0], "ann", 0)
    if key not in by or ann not in by:
        return None
    gaps = _paired(by[ann], by[key])
    return _claim(f"{_named(key)}: at most {limit} points below the ANN", limit, gaps, least=False)


def _above(by: Rows, key: tuple[str, str, int], rule: str, limit: float) -> Claim | None:
    other = (key[0], rule, key[2])
    if key not in by or other not in by:
        return None
    gains = _paired(by[key], by[other])
    text = f"{_named(key)}: at least {limit} points above {rule} at the same T"
    return _claim(text, limit, gains, least=True)


def _fewer_steps(by: Rows, data: str, steps: int) -> Claim | None:
    """How many times the steps the published conversion needs to be as accurate as the hybrid."""
    hybrid = by.get((data, "hybrid", steps))
    tried = {t: r for (d, rule, t), r in by.items() if (d, rule) == (data, "conversion")}
    if hybrid is None or not tried:
        return None
    # If none is as accurate, the conversion needs more than the longest.
    ratios = [
        min((t for t, r in tried.items() if _of(r, seed) >= _of(hybrid, seed)), default=max(tried))
        / steps
        for seed in hybrid["which_seeds"]
        if all(seed in r["which_seeds"] for r in tried.values())
    ]
    if not ratios:
        return None
    text = f"{data}, hybrid T={steps}: the conversion needs at least 10 times the steps"
    return _claim(text, 10.0, ratios, least=True)


def _of(row: dict[str, Any], seed: int) -> float:
    return row["accuracies"][row["which_seeds"].index(seed)]


def _named(key: tuple[str, str, int]) -> str:
    data, rule, steps = key
    return f"{data}, {rule}" + (f" T={steps}" if steps else "")


def markdown(found: Sequence[Claim]) -> str:
    """The lines as a table."""
    lines = ["| asked | measured | 95 % | holds | seeds |", "| --- | ---: | ---: | --- | ---: |"]
    for c in found:
        around = "" if c.interval is None else "{:.2f} to {:.2f}".format(*c.interval)
        cells = [c.text, f"{c.value:.2f}", around, "yes" if c.holds else "NO"]
        lines.append(f"| {' | '.join(cells)} | {c.seeds} of {c.of} |")
    return "\n".join(lines) + "\n"
