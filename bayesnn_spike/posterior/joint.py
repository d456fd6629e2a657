"""Independent posteriors over disjoint groups of parameters, seen as one."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.posterior.base import AbstractPosterior
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


@final
@dataclass(frozen=True)
class Joint(AbstractPosterior):
    """The product of posteriors over disjoint names.

    Args:
        parts: posteriors by group; no name may occur in two.

    Raises:
        ValueError: two groups hold the same parameter.
    """

    parts: dict[str, AbstractPosterior]

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for group, part in self.parts.items():
            for name in part.mode():
                if name in seen:
                    raise ValueError(f"parameter {name!r} is in {seen[name]!r} and in {group!r}")
                seen[name] = group

    def sample(self, k: int, stream: Stream, *, first: int = 0) -> Weights:
        return self._merge([p.sample(k, stream, first=first) for p in self.parts.values()])

    def mode(self) -> Weights:
        return self._merge([p.mode() for p in self.parts.values()])

    def mean(self) -> Weights:
        return self._merge([p.mean() for p in self.parts.values()])

    def log_prob(self, weights: Weights) -> Tensor:
        total = torch.zeros(())
        for part in self.parts.values():
            total = total + part.log_prob({name: weights[name] for name in part.mode()})
        return total

    @staticmethod
    def _merge(draws: list[Weights]) -> Weights:
        return {name: values for draw in draws for name, values in draw.items()}
