"""The diagonal of the Fisher information of a network's weights."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bayesnn_spike.checks import require_positive
from bayesnn_spike.learn.losses import class_logits
from bayesnn_spike.nn.evaluating import evaluating
from bayesnn_spike.types import Batch, Weights


def diagonal_fisher(
    network: nn.Module,
    weights: Weights,
    loss: Callable[[Any, Tensor], Tensor],
    batch: Batch,
    *,
    examples_at_once: int = 16,
) -> Weights:
    """Return mean_e sum_c p(c | e) (d log p(c | e) / dw)^2, leaves `[*shape]`.

    The expectation over labels is that of the network's own answers, exact: one backward pass a
    class. Every example is one of the K of the axes, so that a pass gives its gradients apart. A
    weight that the answers do not depend on has no information: zeros, as in `credit`.

    Args:
        network: `forward(x [*K, T, B, *in], state) -> (readout [*K, T, B, C], state)`.
        weights: those of one network, leaves `[*shape]`: real, or -1/+1.
        loss: of one example, -log p(label): `RateCrossEntropy`.
        batch: the examples; labels are not looked at.
        examples_at_once: side by side; changes results by rounding at most.

    Raises:
        ValueError: a count below 1, no examples, or a loss whose exp(-loss) over the classes does
            not add to 1 (several readouts, or several scored steps).

    Source: Kirkpatrick et al. 2017; the expectation of Kunstner et al. 2019, not their "empirical
    Fisher". Oracle: tests/learn/test_fisher.py (logistic regression in closed form).
    """
    require_positive(examples_at_once, "examples_at_once")
    require_positive(len(batch.labels), "the number of examples")
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    with evaluating(network):
        for spikes in batch.spikes.split(examples_at_once, dim=1):
            found = _squares(network, weights, loss, spikes.transpose(0, 1).unsqueeze(2))
            total = {name: t + found[name] for name, t in total.items()}
    return {name: t / len(batch.labels) for name, t in total.items()}


def _squares(
    network: nn.Module, weights: Weights, loss: Callable[[Any, Tensor], Tensor], spikes: Tensor
) -> Weights:
    """The sum over examples `[E, T, 1, *in]` of the expected squares."""
    count = len(spikes)
    leaves = {
        name: w.detach().expand(count, *w.shape).contiguous().requires_grad_()
        for name, w in weights.items()
    }
    outputs, _ = functional_call(network, leaves, (spikes, None))
    classes = _classes(outputs)
    labels = torch.arange(classes, device=spikes.device).unsqueeze(1)
    losses = torch.stack([loss(outputs, label) for label in labels])  # [C, E]
    shares = (-losses.detach()).exp()
    if not torch.allclose(shares.sum(0), torch.ones_like(shares[0]), atol=1e-3):
        raise ValueError(
            "the Fisher information needs a loss that is -log p(label) of each example: one "
            "readout and one scored step, as RateCrossEntropy has"
        )
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    for c in range(classes):
        grads = torch.autograd.grad(
            losses[c].sum(),
            list(leaves.values()),
            retain_graph=c + 1 < classes,
            allow_unused=True,
            materialize_grads=True,
        )
        for name, g in zip(leaves, grads, strict=True):
            total[name] += torch.einsum("k,k...->...", shares[c], g.square())
    return total


def _classes(outputs: Any) -> int:
    readout = outputs[-1] if isinstance(outputs, tuple) else outputs
    return class_logits(readout).shape[-1]
