"""What one call of a synapse tells: its inputs, its weights, its geometry.

Oracle: tests/energy/test_count.py (brute force over every weight, input and step).
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bayesnn_spike.energy.counts import SynapseCounts
from bayesnn_spike.energy.fanout import Window, connections, full_connections
from bayesnn_spike.nn import Conv2d, Linear
from bayesnn_spike.weights import SignLeaf, is_signs

SYNAPSES = (Linear, Conv2d, nn.Linear, nn.Conv2d)


class Pooled(NamedTuple):
    """Where values came from: spikes of these magnitudes, averaged over `area` cells.

    A sum over the cells is an average of spikes that are `area` times as large.
    """

    levels: tuple[float, ...] | None
    area: int


class Run(NamedTuple):
    """The call of the whole network that a layer's call is part of."""

    steps: int
    examples: int


def synapse(
    name: str, module: nn.Module, x: Tensor, pooled: Pooled | None, run: Run
) -> SynapseCounts:
    """Count one call of a layer of `SYNAPSES`; arguments as in `layer`."""
    bias = module.bias is not None
    if isinstance(module, Linear | nn.Linear):
        return layer(name, module.weight, x, None, pooled, run, bias=bias)
    return layer(name, module.weight, x, window_of(name, module), pooled, run, bias=bias)


def layer(
    name: str,
    weight: Tensor,
    x: Tensor,
    window: Window | None,
    pooled: Pooled | None,
    run: Run,
    *,
    bias: bool,
) -> SynapseCounts:
    """Count one product of inputs and weights.

    Args:
        name: the module's path.
        weight: `[M, N]` or `[O, C / groups, kh, kw]`, numbers or signs.
        x: inputs `[*lead, *features]`, numbers.
        window: geometry of a convolution, None for a linear layer.
        pooled: what is known of the inputs' origin.
        run: steps and examples of the network's call.
        bias: whether a bias is added.

    Raises:
        ValueError: a weight with draws of its own.
    """
    feature_dims, base = (1, 2) if window is None else (3, 4)
    if weight.ndim != base:
        raise ValueError(
            f"{name}: the network's own weight has shape {tuple(weight.shape)}, {weight.ndim} axes "
            f"for {base}; give draws to count as weights={{...}}"
        )
    features, outputs = tuple(x.shape[-feature_dims:]), weight.shape[0]
    x, held = _one_of_equal_steps(x, feature_dims)
    own = magnitude_levels(x)
    known = Pooled(own, 1) if pooled is None else pooled
    lead = x.flatten(0, -feature_dims - 1)  # [n, *features]
    applications = len(lead) * held
    distinct = len(lead) if held > 1 else _distinct(lead, run)

    nonzero = (lead != 0).sum(0).double().cpu()
    magnitude = lead.abs().sum(0, dtype=torch.float64).cpu()
    full = full_connections(outputs, features, window)
    ops = round(float((nonzero * full).sum())) * held
    weights, zeros, binary = _weights(weight)
    effective = ops
    if zeros:
        fan = connections(weight.detach()[None], features, window).cpu()
        effective = round(float((nonzero * fan).sum())) * held
    fan_in = math.prod(weight.shape[1:])
    places = _places(outputs, features, window)
    return SynapseCounts(
        name=name,
        kind="linear" if window is None else "conv2d",
        applications=applications,
        distinct=distinct,
        dense=applications * fan_in * places,
        connections=applications * round(float(full.sum())),
        inputs=applications * math.prod(features),
        outputs=applications * places,
        nonzero=round(float(nonzero.sum())) * held,
        magnitude=float(magnitude.sum()) * held,
        ops=ops,
        effective=effective,
        weighted=float((magnitude * full).sum()) * held,
        weights=weights,
        zero_weights=zeros,
        levels=known.levels,
        area=known.area if known.levels is not None else 1,
        ternary=own is not None and set(own) <= {1.0},
        binary=binary,
        bias=bias,
        fan_in=fan_in,
    )


def magnitude_levels(x: Tensor) -> tuple[float, ...] | None:
    """Return the magnitudes other than 0 if there is one at most; None if there are more."""
    if not x.numel():
        return ()
    magnitude = x.abs()
    top = magnitude.max()
    if not bool(((magnitude == 0) | (magnitude == top)).all()):
        return None
    return (float(top),) if float(top) else ()


def window_of(name: str, module: Conv2d | nn.Conv2d) -> Window:
    """Return the geometry of a convolution.

    Raises:
        ValueError: padding with something else than zeros.
    """
    kernel = tuple(module.weight.shape[-2:])
    if isinstance(module, Conv2d):
        side, stride = (module.padding,) * 2, (module.stride,) * 2
        return Window(kernel, stride, (side, side), (1, 1), 1)
    if module.padding_mode != "zeros":
        raise ValueError(
            f"{name}: padding_mode {module.padding_mode!r} is not counted, only 'zeros'"
        )
    if module.padding == "same":
        spans = [d * (k - 1) for d, k in zip(module.dilation, kernel, strict=True)]
        padding = tuple((span // 2, span - span // 2) for span in spans)
    elif module.padding == "valid":
        padding = ((0, 0), (0, 0))
    else:
        padding = tuple((side, side) for side in module.padding)
    return Window(kernel, module.stride, padding, module.dilation, module.groups)


def _one_of_equal_steps(x: Tensor, feature_dims: int) -> tuple[Tensor, int]:
    """Where time is only expanded (stride 0): one step, and how many there were."""
    time = x.ndim - feature_dims - 2
    if time < 0 or x.stride(time) != 0 or x.shape[time] == 1:
        return x, 1
    return x.narrow(time, 0, 1), x.shape[time]


def _distinct(lead: Tensor, run: Run) -> int:
    """Applications `[n, *features]`, those of an example with equal steps counted once."""
    if run.steps == 1 or len(lead) % (run.steps * run.examples):
        return len(lead)
    steps = lead.unflatten(0, (-1, run.steps, run.examples))
    same = (steps == steps[:, :1]).flatten(3).all(-1).all(1)
    return len(lead) - int(same.sum()) * (run.steps - 1)


def _places(outputs: int, features: tuple[int, ...], window: Window | None) -> int:
    """Outputs of one application."""
    if window is None:
        return outputs
    sides = [
        (size + sum(pad) - d * (k - 1) - 1) // s + 1
        for size, pad, d, k, s in zip(
            features[1:],
            window.padding,
            window.dilation,
            window.kernel,
            window.stride,
            strict=True,
        )
    ]
    return outputs * math.prod(sides)


def _weights(weight: Any) -> tuple[int, int, bool]:
    """Weights, zeros among them, and whether all have one magnitude."""
    if is_signs(weight) or isinstance(weight, SignLeaf):
        return math.prod(weight.shape), 0, True
    values = weight.detach()
    zeros = values.numel() - int(torch.count_nonzero(values))
    return values.numel(), zeros, not zeros and magnitude_levels(values) is not None
