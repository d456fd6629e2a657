"""Priors of the first layer's signs that share what a block of pixels has learned.

Each is asked every few updates for the logits that the rule pulls the weights to, and in the end
for what the posterior costs in nats: first the weights, then the prior's own parameters.
"""

from dataclasses import dataclass
from typing import Protocol, final

import torch
import torch.nn.functional as F
from torch import Tensor

from bayesnn_spike.posterior import Bernoulli

SIZE = 34
"""Side of the sensor's maps; two of them, OFF and ON, feed every hidden unit."""


class Prior(Protocol):
    """A prior of the weights `[M, 2 * 34 * 34]` of a first layer."""

    def logits(self, q: Tensor) -> Tensor:
        """Return the logits that weights with posterior logits q are pulled to, `[*q.shape]`."""

    def cost(self, q: Tensor) -> tuple[float, float]:
        """Return nats for the weights and nats for the prior's own parameters."""


@final
@dataclass(frozen=True)
class BlockProbability:
    """One probability a block of a unit, the best point estimate given the weights.

    The probability has the density Beta(a, a). Its mode is the mean of the block's own
    probabilities, drawn to 1/2 by 2 (a - 1) weights. With a = 1 it is the mean itself: empirical
    Bayes, and the probability costs nothing. Above, the fall of the log density from 1/2 is what
    the probability costs.

    Attributes:
        side: pixels; a block is side x side of one map of one unit.
        a: of the Beta density.
    """

    side: int
    a: float = 1.0

    def logits(self, q: Tensor) -> Tensor:
        maps = q.tanh().view(len(q), 2, SIZE, SIZE)
        means = F.avg_pool2d(maps, self.side, ceil_mode=True, count_include_pad=False)
        means = means * shrinkage(self.side, self.a)
        return torch.atanh(spread(means, self.side).clamp(-0.999, 0.999)).reshape(q.shape)

    def cost(self, q: Tensor) -> tuple[float, float]:
        prior = self.logits(q)
        nats = float(Bernoulli({"w": q}).kl(Bernoulli({"w": prior})))
        corners = prior.view(len(q), 2, SIZE, SIZE)[..., :: self.side, :: self.side]
        return nats, float(-(self.a - 1) * (1 - corners.double().tanh().square()).log().sum())


@final
@dataclass(frozen=True)
class Urn:
    """The same probabilities with density Beta(a, a), integrated out: Polya's urn in every block.

    p(w of a block) = B(a + k, a + n - k) / B(a, a) with k of n signs +1. Nothing is estimated and
    nothing is free. Under a mean field the pull on a weight is half the expected log-odds that the
    other weights of its block give it.
    """

    side: int
    a: float

    def logits(self, q: Tensor) -> Tensor:
        p = torch.sigmoid(2 * q).requires_grad_()
        with torch.enable_grad():
            (pull,) = torch.autograd.grad(self._expected(p), p)
        return pull / 2

    def cost(self, q: Tensor) -> tuple[float, float]:
        entropy = float(Bernoulli({"w": q}).entropy())
        return -entropy - float(self._expected(torch.sigmoid(2 * q))), 0.0

    def _expected(self, p: Tensor) -> Tensor:
        """E_q[log p(w)], from the law of every block's number of +1."""
        rest = -SIZE % self.side
        maps = F.pad(p.view(-1, 1, SIZE, SIZE), (0, rest, 0, rest))
        inside = F.pad(torch.ones(1, 1, SIZE, SIZE), (0, rest, 0, rest))
        blocks = F.unfold(maps, self.side, stride=self.side).transpose(1, 2).flatten(0, 1)
        counts = F.unfold(inside, self.side, stride=self.side).sum(1)[0]
        law = torch.ones(len(blocks), 1)
        for one in blocks.unbind(1):
            one = one[:, None]
            law = F.pad(law * (1 - one), (0, 1)) + F.pad(law * one, (1, 0))
        k = torch.arange(self.side**2 + 1)
        a = torch.tensor(self.a, dtype=torch.float64)
        n = counts[:, None].double()
        less = (n - k).clamp(min=0)
        table = torch.lgamma(a + k) + torch.lgamma(a + less) - torch.lgamma(2 * a + n)
        table = table + torch.lgamma(2 * a) - 2 * torch.lgamma(a)
        return (law * table.float().repeat(len(maps), 1)).sum(dtype=torch.float64)


def spread(blocks: Tensor, side: int) -> Tensor:
    """Give every pixel its block's value, `[..., h, w] -> [..., 34, 34]`."""
    wide = blocks.repeat_interleave(side, -1).repeat_interleave(side, -2)
    return wide[..., :SIZE, :SIZE]


def shrinkage(side: int, a: float) -> Tensor:
    """n / (n + 2 (a - 1)) of every block, n its pixels: those at the edge have fewer."""
    ones = torch.ones(1, 1, SIZE, SIZE)
    n = F.avg_pool2d(ones, side, ceil_mode=True, count_include_pad=False, divisor_override=1)
    return n[0] / (n[0] + 2 * (a - 1))
