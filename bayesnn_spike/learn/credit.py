"""Credit: run the network with drawn weights and ask what each draw cost.

Since loss k depends on weights k only, one backward pass from the sum of losses gives the gradient
of every draw by itself, `[K, *shape]`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bayesnn_spike.nn.state import map_state
from bayesnn_spike.types import Weights


class Draw(NamedTuple):
    """Weights a rule hands to the network for one training step.

    Attributes:
        weights: by parameter name, `[K, *shape]` or a tensor type of `bayesnn_spike.weights`.
        leaves: the tensors to differentiate at; empty if the rule needs losses only.
        noise: what the rule needs again in `step`; never looked at by anyone else.
    """

    weights: Weights
    leaves: Weights
    noise: Any = None


class Credit(NamedTuple):
    """What the drawn weights cost.

    Attributes:
        losses: `[K]`, mean over the batch, detached.
        grads: d losses[k] / d leaves[k] by name, `[K, *shape]`; a leaf the loss does not depend on
            has zeros.
    """

    losses: Tensor
    grads: Weights


def credit(
    network: nn.Module,
    loss: Callable[[Any, Tensor], Tensor],
    draw: Draw,
    spikes: Tensor,
    labels: Tensor,
    state: Any = None,
) -> tuple[Credit, Any]:
    """Run `network` on `spikes [T, B, *in]` and differentiate the loss at the draw's leaves.

    Args:
        network: `forward(x, state) -> (outputs, state)`.
        loss: maps (outputs, labels) to `[K]`.
        draw: the weights.
        spikes: `[T, B, *in]`.
        labels: `[B]`.
        state: carried from the chunk before (detached), or None.

    Returns:
        The credit, and the network's state after the last step, detached.

    Raises:
        ValueError: the loss is not `[K]`, or not finite.
    """
    with torch.set_grad_enabled(bool(draw.leaves)):
        outputs, after = functional_call(network, draw.weights, (spikes, state))
        losses = loss(outputs, labels)
    if losses.ndim != 1:
        raise ValueError(f"a loss must return one value a draw, [K], got {tuple(losses.shape)}")
    if not bool(torch.isfinite(losses.detach()).all()):
        raise ValueError(
            f"the loss is not finite ({losses.detach().tolist()}): lower the step size or the gain"
        )
    grads: Weights = {}
    if draw.leaves:
        names, leaves = list(draw.leaves), list(draw.leaves.values())
        found = torch.autograd.grad(losses.sum(), leaves, allow_unused=True, materialize_grads=True)
        grads = dict(zip(names, found, strict=True))
    return Credit(losses.detach(), grads), map_state(torch.Tensor.detach, after)
