"""Functions from few standard normal numbers to the logits of a first layer."""

import math
from dataclasses import dataclass
from typing import final

import torch
from priors import SIZE, spread
from torch import Tensor

from bayesnn_spike.types import Weights


@final
@dataclass(frozen=True)
class Blocks:
    """One logit a block of side x side pixels of a map of a unit, scale times a number."""

    side: int
    scale: float

    def shapes(self, units: int) -> dict[str, tuple[int, ...]]:
        cells = -(-SIZE // self.side)
        return {"blocks": (units, 2, cells, cells)}

    def logits(self, z: Weights) -> Tensor:
        return (self.scale * spread(z["blocks"], self.side)).flatten(1)


@final
@dataclass(frozen=True)
class LowRank:
    """scale / sqrt(rank) U V: every unit mixes the same few templates, which are made of blocks.

    The sum has standard deviation `scale` under the prior, for any rank.
    """

    rank: int
    scale: float
    side: int = 1

    def shapes(self, units: int) -> dict[str, tuple[int, ...]]:
        cells = -(-SIZE // self.side)
        return {"mixture": (units, self.rank), "templates": (self.rank, 2, cells, cells)}

    def logits(self, z: Weights) -> Tensor:
        templates = spread(z["templates"], self.side).flatten(1)
        return z["mixture"] @ templates * (self.scale / math.sqrt(self.rank))


@final
@dataclass(frozen=True)
class Smooth:
    """A smooth random map: cosines of the lowest waves x waves frequencies.

    The prior's standard deviation of a frequency (i, j) falls as exp(-(i^2 + j^2) / waves^2); that
    of a pixel's logit is `scale` on average over pixels.
    """

    waves: int
    scale: float

    def shapes(self, units: int) -> dict[str, tuple[int, ...]]:
        return {"waves": (units, 2, self.waves, self.waves)}

    def logits(self, z: Weights) -> Tensor:
        place = (torch.arange(SIZE) + 0.5) / SIZE
        order = torch.arange(self.waves)
        basis = torch.cos(math.pi * order[:, None] * place)  # [waves, 34]
        basis = basis / basis.square().mean(1, keepdim=True).sqrt()
        fall = torch.exp(-(order.square() / self.waves**2).float())
        fall = fall / fall.square().sum().sqrt()
        basis = fall[:, None] * basis
        maps = torch.einsum("upij,ih,jw->uphw", z["waves"], basis, basis)
        return (self.scale * maps).flatten(1)
