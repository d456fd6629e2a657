"""What a sequence of tasks does to scores: the matrix of continual learning, as numbers.

R[i, j] is the score on task j after learning tasks 0 to i: an accuracy, or any score for which
more is better. Source: Lopez-Paz and Ranzato 2017 (average accuracy, transfers); Chaudhry et al.
2018 (forgetting). Oracle: tests/calibration/test_continual.py (matrices by hand).
"""

from collections.abc import Sequence

import numpy as np

from bayesnn_spike.calibration.inputs import Array, as_numpy, as_probabilities
from bayesnn_spike.calibration.score import Score


def average_accuracy(matrix: Array) -> Score:
    """Return the mean over all tasks after the last: mean_j R[T-1, j].

    Args:
        matrix: `[T, T]`.

    Raises:
        ValueError: the matrix is not square, or has a value that is not finite.
    """
    values = _square(matrix, least=1)
    text = f"mean over {len(values)} tasks after the last"
    return Score("average_accuracy", float(values[-1].mean()), text)


def backward_transfer(matrix: Array) -> Score:
    """Return what later tasks changed: mean_{j < T-1} R[T-1, j] - R[j, j]. Negative is forgetting.

    Raises:
        ValueError: fewer than 2 tasks, or as `average_accuracy`.
    """
    values = _square(matrix, least=2)
    change = values[-1, :-1] - values.diagonal()[:-1]
    text = f"after the last task minus just after the task, mean over {len(change)} tasks"
    return Score("backward_transfer", float(change.mean()), text)


def forgetting(matrix: Array) -> Score:
    """Return the loss from the best so far: mean_{j < T-1} max_{j <= i < T-1} R[i, j] - R[T-1, j].

    Raises:
        ValueError: as `backward_transfer`.
    """
    values = _square(matrix, least=2)
    last = len(values) - 1
    lost = [values[j:last, j].max() - values[last, j] for j in range(last)]
    text = f"best before the last task minus after it, mean over {last} tasks"
    return Score("forgetting", float(np.mean(lost)), text)


def within_classes(probs: Array, classes: Sequence[int]) -> np.ndarray:
    """Return `[N, C]` probabilities given that the class is one of a task's: the others are 0.

    This is what a learner answers who is told the task (task-incremental); without it the classes
    of all tasks compete (class-incremental). Where all of a task's classes have probability 0 they
    share it evenly.

    Args:
        probs: `[N, C]` probabilities.
        classes: indices of the task's classes.

    Raises:
        ValueError: no class, or a class that does not exist.
    """
    values = as_probabilities(probs)
    chosen = np.unique(np.asarray(classes, dtype=np.int64))
    if not len(chosen) or chosen[0] < 0 or chosen[-1] >= values.shape[1]:
        raise ValueError(f"classes {list(classes)} are not among the {values.shape[1]} classes")
    kept = np.zeros_like(values)
    kept[:, chosen] = values[:, chosen]
    total = kept.sum(1, keepdims=True)
    empty = total[:, 0] == 0
    kept[np.ix_(empty, chosen)] = 1.0
    return kept / kept.sum(1, keepdims=True)


def _square(matrix: Array, *, least: int) -> np.ndarray:
    values = np.asarray(as_numpy(matrix, "matrix"), dtype=np.float64)
    if values.ndim != 2 or values.shape[0] != values.shape[1] or len(values) < least:
        raise ValueError(
            f"the matrix must be [T, T] with at least {least} tasks, got {list(values.shape)}"
        )
    if not np.isfinite(values).all():
        raise ValueError("the matrix holds values that are not finite")
    return values
