"""Percentile bootstrap: intervals of scores, and of the paired difference of two methods.

Examples are drawn with replacement; with several seeds, seeds are drawn too, independently of
the examples. Every seed of both methods sees the same drawn examples, so what two methods have
in common cancels in their difference. Seed s of one method is paired with seed s of the other.

With pooled cross-validation predictions (see `pool_folds`) nothing changes: each seed has one
prediction for each example.

Two things to know when reading an interval. Few seeds (5, say) give too narrow a share of seed
variance, by a factor (S - 1) / S. And an ECE is never negative, so resampling adds to it what
noise adds: its interval can lie above the value itself when the value is near `ece_noise_floor`.

Source: Efron & Tibshirani 1993, ch. 13; for two crossed factors Owen 2007 ("pigeonhole
    bootstrap", which errs on the wide side).
Oracle: tests/calibration/test_bootstrap.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from bayesnn_spike.calibration.binning import Binning
from bayesnn_spike.calibration.ece import DEFAULT_NORM
from bayesnn_spike.calibration.inputs import Array, as_losses, checked_seeds, top_label
from bayesnn_spike.calibration.norms import Norm
from bayesnn_spike.calibration.reliability import DEFAULT_BINNING
from bayesnn_spike.calibration.resample import example_counts, resampled_errors, seed_shares
from bayesnn_spike.calibration.score import Interval
from bayesnn_spike.rng import Stream

RESAMPLES = 2000


@final
@dataclass(frozen=True)
class Difference:
    """Method a minus method b, in the units of the loss.

    Attributes:
        value: difference of the means over seeds and examples.
        interval: its paired bootstrap interval.
        share_below_zero: share of the resamples in which a is lower than b.
    """

    value: float
    interval: Interval
    share_below_zero: float

    def __float__(self) -> float:
        return self.value

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return 0.0 not in self.interval


def mean_interval(
    losses: Array, *, stream: Stream, resamples: int = RESAMPLES, level: float = 0.95
) -> Interval:
    """Return the interval of a mean loss over examples, and over seeds if there are several.

    Args:
        losses: `[N]` or `[S, N]` loss of each example (accuracy: 1 where right).
        stream: source of the resamples.
        resamples: how many.
        level: nominal coverage.

    Raises:
        ValueError: wrong shape, values that are not finite, or a level outside (0, 1).
    """
    values = as_losses(losses, "losses")
    drawn = _resample(values.shape, _means(values), stream, resamples)
    return _interval(drawn, values.shape, level)


def ece_interval(
    probs: Array,
    labels: Array,
    *,
    stream: Stream,
    binning: Binning = DEFAULT_BINNING,
    norm: Norm = DEFAULT_NORM,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> Interval:
    """Return the interval of the ECE, which is computed anew from every resample.

    Args:
        probs: `[N, C]` or `[S, N, C]` probabilities; with seeds, of the mean ECE over seeds.
        labels: `[N]` class indices.
        stream, resamples, level: as in `mean_interval`.
        binning, norm: the definition of the ECE.
    """
    values, targets = checked_seeds(probs, labels)
    drawn = _resample(values.shape[:2], _errors(values, targets, binning, norm), stream, resamples)
    return _interval(drawn, values.shape[:2], level)


def paired_difference(
    a: Array, b: Array, *, stream: Stream, resamples: int = RESAMPLES, level: float = 0.95
) -> Difference:
    """Return the difference of two methods' mean losses, a minus b, with its interval.

    Args:
        a, b: `[N]` or `[S, N]` loss of each example under each method, same examples and the
            same number of seeds.
        stream, resamples, level: as in `mean_interval`.

    Raises:
        ValueError: the shapes differ, or anything `mean_interval` refuses.
    """
    first, second = as_losses(a, "a"), as_losses(b, "b")
    _require_pairs(first.shape, second.shape)
    # A difference of means over the same examples is the mean of the differences.
    gaps = first - second
    drawn = _resample(gaps.shape, _means(gaps), stream, resamples)
    return _difference(float(gaps.mean()), drawn, gaps.shape, level)


def paired_ece_difference(
    a: Array,
    b: Array,
    labels: Array,
    *,
    stream: Stream,
    binning: Binning = DEFAULT_BINNING,
    norm: Norm = DEFAULT_NORM,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> Difference:
    """Return the difference of two methods' ECE (mean over seeds), a minus b, with its interval.

    Args:
        a, b: `[N, C]` or `[S, N, C]` probabilities of each method on the same examples.
        labels: `[N]` class indices.
        stream, resamples, level: as in `mean_interval`.
        binning, norm: the definition of the ECE.

    Raises:
        ValueError: the numbers of seeds differ, or the inputs are no probabilities.
    """
    first, targets = checked_seeds(a, labels)
    second, _ = checked_seeds(b, labels)
    _require_pairs(first.shape[:2], second.shape[:2])
    of_a = _errors(first, targets, binning, norm)
    of_b = _errors(second, targets, binning, norm)
    shape = first.shape[:2]
    drawn = _resample(shape, lambda counts: of_a(counts) - of_b(counts), stream, resamples)
    whole = np.ones((1, shape[1]), dtype=np.int64)
    value = float((of_a(whole) - of_b(whole)).mean())
    return _difference(value, drawn, shape, level)


_PerSeed = Callable[[np.ndarray], np.ndarray]  # counts [r, N] -> statistic [r, S]


def _means(losses: np.ndarray) -> _PerSeed:
    return lambda counts: counts.astype(np.float64) @ losses.T / losses.shape[1]


def _errors(values: np.ndarray, targets: np.ndarray, binning: Binning, norm: Norm) -> _PerSeed:
    confidence, correct = top_label(values, targets)

    def statistic(counts: np.ndarray) -> np.ndarray:
        per_seed = [
            resampled_errors(c, y, counts, binning, norm)
            for c, y in zip(confidence, correct, strict=True)
        ]
        return np.stack(per_seed, axis=1)

    return statistic


def _resample(
    shape: tuple[int, int], statistic: _PerSeed, stream: Stream, resamples: int
) -> np.ndarray:
    """Return the statistic `[resamples]`, averaged over the seeds that each resample drew."""
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples!r}")
    seeds, examples = shape
    blocks = example_counts(stream.child("examples"), examples, resamples)
    per_seed = np.concatenate([statistic(counts) for counts in blocks])
    return (per_seed * seed_shares(stream.child("seeds"), seeds, resamples)).sum(axis=1)


def _interval(drawn: np.ndarray, shape: tuple[int, int], level: float) -> Interval:
    if not 0 < level < 1:
        raise ValueError(f"level must lie strictly between 0 and 1, got {level!r}")
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail])
    seeds, examples = shape
    over = f"{examples} examples" if seeds == 1 else f"{examples} examples and {seeds} seeds"
    definition = f"{100 * level:g} % percentile bootstrap over {over}, {len(drawn)} resamples"
    return Interval(float(low), float(high), level, definition)


def _difference(
    value: float, drawn: np.ndarray, shape: tuple[int, int], level: float
) -> Difference:
    return Difference(value, _interval(drawn, shape, level), float((drawn < 0).mean()))


def _require_pairs(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    if a != b:
        raise ValueError(
            f"a paired difference needs the same seeds and examples on both sides, "
            f"got [S, N] = {list(a)} and {list(b)}"
        )
