"""Bootstrap resamples as counts, and calibration errors of all of them at once.

A resample of N examples is a row of counts: how often each example was drawn. A mean over the
resample is then a product with the losses, and the bin sums of an ECE are a product with the
bins' indicator. The counts come in blocks of a fixed number of bytes; the block size changes
nothing, because the draws follow one another in one generator.

Oracle: tests/calibration/test_resample.py (each row equals the score of the drawn examples).
"""

from collections.abc import Iterator

import numpy as np

from bayesnn_spike.calibration.binning import Binning
from bayesnn_spike.calibration.norms import Norm
from bayesnn_spike.rng import Stream

BLOCK_BYTES = 1 << 26


def example_counts(
    stream: Stream, examples: int, resamples: int, *, block_bytes: int = BLOCK_BYTES
) -> Iterator[np.ndarray]:
    """Yield blocks `[r, examples]` of counts, `resamples` rows in all; every row sums to N."""
    generator = stream.numpy()
    rows = max(1, block_bytes // (8 * examples))
    for start in range(0, resamples, rows):
        r = min(rows, resamples - start)
        drawn = generator.integers(0, examples, size=(r, examples))
        drawn += np.arange(r)[:, None] * examples
        yield np.bincount(drawn.ravel(), minlength=r * examples).reshape(r, examples)


def seed_shares(stream: Stream, seeds: int, resamples: int) -> np.ndarray:
    """Return `[resamples, seeds]`: the share of each seed among `seeds` drawn with replacement."""
    drawn = stream.numpy().integers(0, seeds, size=(resamples, seeds))
    drawn += np.arange(resamples)[:, None] * seeds
    counts = np.bincount(drawn.ravel(), minlength=resamples * seeds)
    return counts.reshape(resamples, seeds) / seeds


def resampled_errors(
    confidence: np.ndarray,
    outcome: np.ndarray,
    counts: np.ndarray,
    binning: Binning,
    norm: Norm,
) -> np.ndarray:
    """Return the calibration error of every resample, binned afresh where the bins depend on it.

    Args:
        confidence, outcome: `[N]`.
        counts: `[R, N]`.

    Returns:
        `[R]`.
    """
    gap = outcome - confidence
    index = binning.assign_resampled(confidence, counts)
    if index.ndim == 1:
        members = (index[:, None] == np.arange(binning.bins)).astype(np.float64)
        both = np.concatenate([members, members * gap[:, None]], axis=1)
        sums = counts.astype(np.float64) @ both
        filled, gaps = sums[:, : binning.bins], sums[:, binning.bins :]
    else:
        rows = len(counts)
        place = (index + np.arange(rows)[:, None] * binning.bins).ravel()
        size = rows * binning.bins
        filled = np.bincount(place, counts.ravel(), minlength=size).reshape(rows, -1)
        gaps = np.bincount(place, (counts * gap).ravel(), minlength=size).reshape(rows, -1)
    total = filled.sum(axis=1, keepdims=True)
    return norm.reduce(gaps / np.maximum(filled, 1), filled / total)
