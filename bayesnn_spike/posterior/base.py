"""What every posterior over weights can do."""

from abc import ABC, abstractmethod

from torch import Tensor

from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


class AbstractPosterior(ABC):
    """A distribution over weights by name. `predict` needs nothing else of it."""

    @abstractmethod
    def sample(self, k: int, stream: Stream, *, first: int = 0) -> Weights:
        """Return draws `first` to `first + k` of this stream: leaves `[k, *shape]`.

        Draw i is the same whatever k and first are, so a committee can be drawn in chunks.
        """

    @abstractmethod
    def mode(self) -> Weights:
        """Return the most probable weights: leaves `[1, *shape]`."""

    @abstractmethod
    def mean(self) -> Weights:
        """Return the expected weights: leaves `[1, *shape]`; for binary weights not binary."""

    @abstractmethod
    def log_prob(self, weights: Weights) -> Tensor:
        """Return log q of each draw, `[K]`, for weights with leaves `[K, *shape]`."""
