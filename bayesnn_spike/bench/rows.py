"""Rows of the table: times against the fastest baselines and against the machine's limits.

Oracle: tests/bench/test_rows.py.
"""

from collections.abc import Mapping
from typing import Any

from bayesnn_spike.bench.clock import Timing
from bayesnn_spike.bench.group import Group
from bayesnn_spike.bench.roofline import Roofline
from bayesnn_spike.bench.who import BF16, FP32, ROOF

Row = dict[str, Any]


def rows_of(
    group: Group,
    timings: Mapping[str, Timing],
    peaks: Mapping[str, int | None],
    roofline: Roofline | None,
) -> list[Row]:
    """Return one row for everyone who was timed.

    `ratio` is the time of the fastest float32 baseline over one's own, `ratio_bf16` that of the
    fastest bfloat16 baseline. `share_of_roofline` is one's rate over the machine's for the same
    arithmetic; null where the job has no such limit.
    """
    fp32, bf16 = (_fastest(timings, names) for names in (FP32, BF16))
    rows = []
    for who, timing in timings.items():
        seconds = timing.median
        rate = None if group.macs is None else group.macs / 1e9 / seconds
        rows.append(
            {
                **group.place(who),
                "seconds": seconds,
                "low": timing.low,
                "high": timing.high,
                "runs": timing.runs,
                "gmac_per_s": rate,
                "peak_bytes": peaks[who],
                "ratio": None if fp32 is None else fp32 / seconds,
                "ratio_bf16": None if bf16 is None else bf16 / seconds,
                "share_of_roofline": _share(group, who, seconds, rate, roofline),
                "item": group.item,
                "items": group.items,
                "ns_per_item": seconds / group.items * 1e9,
            }
        )
    return rows


def error_row(group: Group, who: str, error: str) -> Row:
    """Return the row of someone who was not timed because the result is wrong."""
    return {**group.place(who), "error": error}


def _fastest(timings: Mapping[str, Timing], names: tuple[str, ...]) -> float | None:
    return min((t.median for who, t in timings.items() if who in names), default=None)


def _share(
    group: Group, who: str, seconds: float, rate: float | None, roofline: Roofline | None
) -> float | None:
    if roofline is None:
        return None
    if rate is not None:
        limit = getattr(roofline, ROOF[who])
        return None if limit is None else rate / limit
    return None if group.moved is None else group.moved / 1e9 / seconds / roofline.copy
