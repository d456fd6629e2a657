"""The four scores of a study, how folds are pooled, and how seeds become mean and spread.

Oracle: tests/study/test_scores.py.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bayesnn_spike.calibration import accuracy, brier, ece, nll, pool_folds
from bayesnn_spike.study.record import Scored

METRICS = {"accuracy": accuracy, "nll": nll, "brier": brier, "ece": ece}


def pool(tests: Sequence[Scored], probs: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities `[N, C]` and labels `[N]` of all folds of one seed, in one order.

    Raises:
        ValueError: an example is in two folds.
    """
    indices = np.concatenate([test.indices for test in tests])
    # Positions among the scored examples: these need not be the whole data set.
    place = np.searchsorted(np.sort(indices), indices)
    sizes = np.cumsum([len(test.indices) for test in tests])[:-1]
    pooled = pool_folds(zip(np.split(place, sizes), probs, strict=True))
    return pooled, np.concatenate([test.labels for test in tests])[np.argsort(indices)]


def score(probs: np.ndarray, labels: np.ndarray) -> dict[str, dict[str, Any]]:
    """Return every score of predictions `[S, N, C]`, as mean, spread and values over seeds."""
    return {
        name: spread([float(metric(one, labels)) for one in probs])
        for name, metric in METRICS.items()
    }


def spread(values: Sequence[float] | np.ndarray) -> dict[str, Any]:
    """Return mean, standard deviation (ddof 1; null for one value) and the values."""
    numbers = [float(value) for value in values]
    deviation = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None
    return {"mean": float(np.mean(numbers)), "std": deviation, "values": numbers}
