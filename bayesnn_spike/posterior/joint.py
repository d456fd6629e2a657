"""Independent posteriors over disjoint groups of parameters, seen as one."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.posterior.base import AbstractPosterior
from bayesnn_spike.posterior.bernoulli import Bernoulli
from bayesnn_spike.posterior.empirical import Empirical
from bayesnn_spike.posterior.gaussian import Gaussian
from bayesnn_spike.posterior.point import Point
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


@final
@dataclass(frozen=True)
class Joint(AbstractPosterior):
    """The product of posteriors over disjoint names.

    Two `Empirical` parts are no product: draw i takes member i of both, for they are two groups of
    one ensemble, trained together. Such a joint samples, and has no log q.

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
        parts = self.parts.values()
        return self._merge([p.sample(k, _own(p, stream), first=first) for p in parts])

    def mode(self) -> Weights:
        return self._merge([p.mode() for p in self.parts.values()])

    def mean(self) -> Weights:
        return self._merge([p.mean() for p in self.parts.values()])

    def log_prob(self, weights: Weights) -> Tensor:
        """Return the sum of the parts' log q of each draw, `[K]`.

        Raises:
            ValueError: two parts are ensembles.
        """
        paired = [g for g, p in self.parts.items() if isinstance(p, Empirical) and p.members > 1]
        if len(paired) > 1:
            raise ValueError(
                f"the groups {paired} are ensembles that are drawn side by side, member by member, "
                "so their law is no product; put their weights into one Empirical"
            )
        total = torch.zeros(())
        for part in self.parts.values():
            total = total + part.log_prob({name: weights[name] for name in part.mode()})
        return total

    @staticmethod
    def _merge(draws: list[Weights]) -> Weights:
        return {name: values for draw in draws for name, values in draw.items()}


def _own(part: AbstractPosterior, stream: Stream) -> Stream:
    """The stream of one part: what does not draw name by name would repeat another part's draws."""
    if isinstance(part, Bernoulli | Gaussian | Point | Empirical | Joint):
        return stream
    return stream.child("part", *sorted(part.mode()))
