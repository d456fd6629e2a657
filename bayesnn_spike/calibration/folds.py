"""Pools the predictions of cross-validation: each example is predicted once, out of its fold.

Oracle: tests/calibration/test_folds.py.
"""

from collections.abc import Iterable

import numpy as np

from bayesnn_spike.calibration.inputs import Array, as_numpy, as_probabilities


def pool_folds(parts: Iterable[tuple[Array, Array]]) -> np.ndarray:
    """Put the predictions of all test folds into the order of the examples.

    Args:
        parts: for each fold (indices `[n]` of its test examples, probabilities `[n, C]`).

    Returns:
        `[N, C]` float64; row i is the prediction of example i by the model that had not seen it.

    Raises:
        ValueError: no fold, folds of different numbers of classes, an index without or with two
            predictions, or a fold whose indices and predictions differ in number.
    """
    checked = []
    for number, (indices, probs) in enumerate(parts):
        rows, values = as_numpy(indices, "indices"), as_probabilities(probs)
        if rows.shape != values.shape[:1]:
            raise ValueError(
                f"fold {number} has indices of shape {rows.shape} for {len(values)} predictions"
            )
        checked.append((rows, values))
    if not checked:
        raise ValueError("pool_folds needs at least one fold")
    widths = sorted({values.shape[1] for _, values in checked})
    if len(widths) > 1:
        raise ValueError(f"the folds differ in their numbers of classes: {widths}")
    rows = np.concatenate([rows for rows, _ in checked])
    seen, times = np.unique(rows, return_counts=True)
    if (times > 1).any():
        raise ValueError(
            f"{int((times > 1).sum())} examples have more than one prediction, "
            f"first example {int(seen[times > 1][0])}"
        )
    if not np.array_equal(seen, np.arange(len(rows))):
        absent = int(np.setdiff1d(np.arange(len(rows)), seen)[0])
        raise ValueError(f"the folds do not cover the examples: example {absent} has no prediction")
    return np.concatenate([values for _, values in checked])[np.argsort(rows)]
