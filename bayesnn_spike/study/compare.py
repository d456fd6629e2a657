"""Paired differences between rules, with bootstrap intervals over examples and seeds.

Oracle: tests/study/test_compare.py.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bayesnn_spike.calibration import (
    Difference,
    example_brier,
    example_correct,
    example_nll,
    paired_difference,
    paired_ece_difference,
)
from bayesnn_spike.rng import Stream

SUBJECT = ("bayes_bisnn", "committee")
AGAINST = ("straight_through", "st_bisnn", "st_ensemble", "bop", "full_precision", "ivon")

_PER_EXAMPLE: dict[str, Callable[..., np.ndarray]] = {
    "accuracy": example_correct,
    "nll": example_nll,
    "brier": example_brier,
}


def comparisons(
    rows: Sequence[tuple[Any, np.ndarray]], *, resamples: int, stream: Stream
) -> list[dict[str, Any]]:
    """Compare the Bayesian committee with every other rule, on each data set.

    Args:
        rows: pairs of a row of the summary (with `data`, `rule`, `mode`, `seeds`, `labels`) and
            its probabilities `[S, N, C]`.
        resamples: of the bootstrap.
        stream: source of the resamples.

    Returns:
        For each pair, `difference` by metric: value (committee minus the other), low, high, and
        whether the 95 % interval excludes 0. Only seeds that both have are compared.
    """
    result = []
    for subject, probs in rows:
        if (subject.rule, subject.mode) != SUBJECT:
            continue
        for rule in AGAINST:
            for other, others in rows:
                if other.data == subject.data and other.rule == rule:
                    result.append(_compare(subject, probs, other, others, resamples, stream))
    return [entry for entry in result if entry is not None]


def _compare(
    a: Any, a_probs: np.ndarray, b: Any, b_probs: np.ndarray, resamples: int, stream: Stream
) -> dict[str, Any] | None:
    shared = sorted(set(a.seeds) & set(b.seeds))
    if not shared:
        return None
    first = a_probs[[a.seeds.index(seed) for seed in shared]]
    second = b_probs[[b.seeds.index(seed) for seed in shared]]
    how = {"stream": stream.child("compare", a.data), "resamples": resamples}
    differences = {
        name: _entry(paired_difference(loss(first, a.labels), loss(second, b.labels), **how))
        for name, loss in _PER_EXAMPLE.items()
    }
    differences["ece"] = _entry(paired_ece_difference(first, second, a.labels, **how))
    return {
        "data": a.data,
        "rule": a.rule,
        "predict": a.mode,
        "minus": {"rule": b.rule, "predict": b.mode},
        "seeds": len(shared),
        "difference": differences,
    }


def _entry(difference: Difference) -> dict[str, Any]:
    interval = difference.interval
    return {
        "value": difference.value,
        "low": interval.low,
        "high": interval.high,
        "excludes_zero": difference.excludes_zero,
        "definition": interval.definition,
    }
