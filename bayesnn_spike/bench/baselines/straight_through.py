"""What every baseline's training step shares: signs, spikes, Adam and the clamp.

w = sign(v) with the gradient passed through, a fast sigmoid of slope 2 as the derivative of the
spike, cross-entropy of the mean readout, Adam, latents clamped to [-1, 1]: the rule
`learn.StraightThrough`. Oracle: tests/bench/baselines/test_straight_through.py.
"""

from collections.abc import Callable
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bayesnn_spike.types import Batch, Weights

LR, SLOPE = 1e-2, 2.0


class _Sign(torch.autograd.Function):
    """-1 or +1 forward, the identity backward."""

    @staticmethod
    def forward(v: Tensor) -> Tensor:
        return (v >= 0).to(v.dtype).mul_(2).sub_(1)

    @staticmethod
    def setup_context(_ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing of either is needed backward."""

    @staticmethod
    def backward(_ctx: Any, grad: Tensor) -> Tensor:
        return grad


class _Spike(torch.autograd.Function):
    """The step forward, 1 / (1 + slope |x|)^2 backward."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return (x >= 0).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        del output
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad / x.abs().mul_(SLOPE).add_(1).square_()


def spike(x: Tensor) -> Tensor:
    """Return the step of x = membrane - threshold, with a surrogate as its derivative."""
    return _Spike.apply(x)


@final
class StraightThrough:
    """A training step around a baseline's forward pass.

    Args:
        run: maps (spikes, weights) to logits `[B, C]`.
        latents: first real values by name, `[*shape]`; copied.
    """

    def __init__(self, run: Callable[[Tensor, Weights], Tensor], latents: Weights) -> None:
        self._run = run
        self.latents = {name: nn.Parameter(v.clone()) for name, v in latents.items()}
        self._optimizer = torch.optim.Adam(self.latents.values(), lr=LR, fused=True)

    def step(self, batch: Batch) -> Tensor:
        """Take one step on a batch and return its loss, a scalar."""
        self._optimizer.zero_grad(set_to_none=True)
        weights = {name: _Sign.apply(v) for name, v in self.latents.items()}
        loss = F.cross_entropy(self._run(batch.spikes, weights), batch.labels)
        loss.backward()
        self._optimizer.step()
        with torch.no_grad():
            for v in self.latents.values():
                v.clamp_(-1, 1)
        return loss.detach()
