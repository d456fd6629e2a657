"""Chains of layers of neurons, run by their spikes: for prediction, without gradients."""

from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor

from bayesnn_spike.checks import require_shape, require_state
from bayesnn_spike.ops._dispatch import Implementation, Op, from_module, never
from bayesnn_spike.ops._lanes import cpu_refuses, require_steps
from bayesnn_spike.ops.cascade import reference
from bayesnn_spike.ops.cascade.chain import Chain as Chain
from bayesnn_spike.ops.cascade.chain import Layer as Layer
from bayesnn_spike.ops.cascade.chain import Neurons as Neurons
from bayesnn_spike.ops.cascade.fan import MOST, places
from bayesnn_spike.ops.fire.surrogate import Comparison


class Cascaded(NamedTuple):
    """What a cascade gives.

    Attributes:
        readout: `[T, B, *features]`, currents behind the last synapse.
        counts: how often every neuron fired, `[B, *features]` a layer; () unless asked for.
        state: membranes after the last step, `[B, *features]` a layer.
    """

    readout: Tensor
    counts: tuple[Tensor, ...]
    state: tuple[Tensor, ...]


def cascade(
    current: Tensor, chain: Chain, state: tuple[Tensor, ...] | None = None, *, counts: bool = False
) -> Cascaded:
    """Run a chain of layers of neurons over all time steps.

    Args:
        current: into the first layer's neurons, `[T, B, *chain.shape]`; a current that is the same
            at every step is best expanded in time.
        chain: the layers.
        state: membranes before the first step, as the result has them; None is rest.
        counts: count the spikes.

    Raises:
        ValueError: no time step, a current or a state that does not fit the chain, or a current
            that wants a gradient.

    Source: ops/cascade/README.md. Oracle: tests/ops/test_cascade.py.
    """
    require_steps(current, 0, "the current of cascade")
    require_shape(
        current, "the current of cascade", (*current.shape[:1], *current.shape[1:2], *chain.shape)
    )
    known = chain.tensors()[0]
    if (current.dtype, current.device) != (known.dtype, known.device):
        raise ValueError(
            f"the chain is {known.dtype} on {known.device}, the current is {current.dtype} on "
            f"{current.device}"
        )
    if current.requires_grad and torch.is_grad_enabled():
        raise ValueError(
            "cascade gives no gradients: call it under torch.no_grad(), or run the layers one by "
            "one (clocked_fire, mean_pool2d, conv2d, linear)"
        )
    rests = [
        layer.neurons.rest().expand(current.shape[1], *shape)
        for layer, shape in zip(chain.layers, chain.shapes, strict=False)
    ]
    if state is None:
        state = tuple(rests)
    if len(state) != len(rests):
        raise ValueError(f"the state has {len(state)} entries for {len(rests)} layers of neurons")
    for i, (membrane, like) in enumerate(zip(state, rests, strict=True)):
        require_state(membrane, f"the membrane of layer {i}", like)
    with torch.no_grad():
        return Cascaded(*_CASCADE(current, chain, state, counts=counts))


def _cpu_refuses(current: Tensor, chain: Chain, *_: Any, **__: Any) -> list[str]:
    reasons = cpu_refuses(current)
    for layer in chain.layers:
        if not isinstance(layer.neurons.comparison, Comparison):
            names = ", ".join(kind.__name__ for kind in get_args(Comparison))
            reasons.append(f"compiles the comparisons {names}, got {layer.neurons.comparison!r}")
    if not chain.finite:
        reasons.append("needs finite weights: it skips the products with 0, which are then NaN")
    largest = max(map(places, chain.shapes))
    if largest > MOST:
        reasons.append(f"numbers {MOST} places of a layer at most, got {largest}")
    return reasons


_CASCADE = Op(
    "cascade",
    (
        Implementation(
            "cpu", from_module("bayesnn_spike.ops.cascade.cpu", "cascade"), _cpu_refuses
        ),
        Implementation("reference", lambda: reference.cascade, never),
    ),
)
# So that `explain` takes the function that users know.
cascade.op = _CASCADE
