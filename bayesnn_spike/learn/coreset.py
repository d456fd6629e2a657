"""Coresets of continual learning: examples that are kept and that count once.

Oracle: tests/learn/test_continual.py (with one as without one, on linear losses).
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from bayesnn_spike.checks import require_positive
from bayesnn_spike.rng import Stream


@final
@dataclass(frozen=True)
class Coreset:
    """A few examples of each task that are kept out of its training, and learned before predicting.

    What is carried to the next task has not seen them; the networks that predict have seen them
    once, after all tasks so far. So no example counts twice.

    Args:
        examples: kept of each task.

    Source: Nguyen et al. 2018 (variational continual learning), algorithm 1.
    """

    examples: int

    def __post_init__(self) -> None:
        require_positive(self.examples, "Coreset.examples")

    def left(self, count: int) -> int:
        """Return how many of a task's examples are learned.

        Raises:
            ValueError: none.
        """
        if self.examples >= count:
            raise ValueError(f"a coreset of {self.examples} leaves nothing of {count}")
        return count - self.examples

    def divide(self, indices: np.ndarray, stream: Stream) -> tuple[np.ndarray, np.ndarray]:
        """Return (what is learned, what is kept), both sorted.

        Raises:
            ValueError: nothing would be left to learn from.
        """
        self.left(len(indices))
        order = stream.numpy().permutation(len(indices))
        return np.sort(indices[order[self.examples :]]), np.sort(indices[order[: self.examples]])
