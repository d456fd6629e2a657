"""The same spikes with other weights: thresholds of 1, and sums in place of means over windows.

Oracle: tests/convert/test_folded.py.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from bayesnn_spike.convert.check import require_network
from bayesnn_spike.neurons import ThresholdNeuron
from bayesnn_spike.nn import Add, Conv2d, Dropout, Flatten, Fold, Graph, Linear

INPUT = "input"


@torch.no_grad()
def fold_thresholds(network: Graph) -> Graph:
    """Return a copy in which every threshold is 1, and weights, biases and gains are divided by it.

    The spikes are the same, up to the rounding of ties.

    Args:
        network: a converted network.

    Raises:
        TypeError: no converted network but for instance a Conversion.
        ValueError: a neuron's current has nothing to divide before it, or also goes elsewhere; or
            a threshold a channel would have to pass a layer that mixes channels.

    Source: W in / V >= 1 where W in >= V. Oracle: tests/convert/test_folded.py.
    """
    require_network(network)
    made = copy.deepcopy(network)
    reads = made.reads()
    for name, inputs in reads.items():
        layer = made.get_submodule(name)
        if isinstance(layer, ThresholdNeuron):
            _divide(made, reads, inputs[0], name, layer.v_threshold.detach().clone())
            layer.v_threshold.fill_(1.0)
    return made


@torch.no_grad()
def sum_pools(network: Graph) -> Graph:
    """Return a copy whose average pools add, and whose next layers' weights are divided instead.

    What the next layer reads are then counts of spikes, and its products are additions.

    Args:
        network: a converted network.

    Raises:
        TypeError: no converted network but for instance a Conversion.
        ValueError: a pool that is not a plain `AvgPool2d` (adaptive pools depend on the map), or
            has no layer of weights behind it.

    Source: W mean_k(s) = (W / k^2) sum_k(s). Oracle: tests/convert/test_folded.py.
    """
    require_network(network)
    made = copy.deepcopy(network)
    reads = made.reads()
    for name in reads:
        pool = getattr(made.get_submodule(name), "module", None)
        if not isinstance(pool, nn.AvgPool2d | nn.AdaptiveAvgPool2d):
            continue
        plain = isinstance(pool, nn.AvgPool2d) and (
            pool.count_include_pad or pool.padding in (0, (0, 0))
        )
        if not plain or pool.ceil_mode or pool.divisor_override is not None:
            raise ValueError(f"{name} is no plain AvgPool2d, whose windows all have one size")
        side = pool.kernel_size
        size = side * side if isinstance(side, int) else side[0] * side[1]
        pool.divisor_override = 1
        for reader in [r for r, inputs in reads.items() if name in inputs]:
            _ahead(made, reads, reader, name, lambda value, size=size: value.div_(size))
    return made


def _divide(
    network: Graph, reads: dict[str, tuple[str, ...]], name: str, reader: str, by: Tensor
) -> None:
    """Divide the current that a layer gives by a number, or `[C, 1, 1]` or `[N]`."""
    others = [r for r, inputs in reads.items() if name in inputs and r != reader]
    layer = None if name == INPUT else network.get_submodule(name)
    if others:
        raise ValueError(f"the current of {name!r} also goes to {others}: it cannot be divided")
    if isinstance(layer, Linear | Conv2d):
        rows = by.reshape(-1) if by.numel() > 1 else by.reshape(())
        shape = (-1, *[1] * (layer.weight.ndim - 1)) if rows.ndim else ()
        layer.weight.div_(rows.view(shape))
        if layer.bias is not None:
            layer.bias.div_(rows)
    elif isinstance(layer, Add):
        for gain_name, gain in list(layer.named_buffers()):
            setattr(layer, gain_name, gain / by)
    elif isinstance(layer, Fold | Dropout) or (isinstance(layer, Flatten) and by.numel() == 1):
        _divide(network, reads, reads[name][0], name, by)
    else:
        what = "the input" if layer is None else type(layer).__name__
        raise ValueError(
            f"the current into {reader!r} comes from {what} ({name!r}), where nothing can be "
            f"divided by a threshold of shape {tuple(by.shape)}"
        )


def _ahead(
    network: Graph,
    reads: dict[str, tuple[str, ...]],
    name: str,
    source: str,
    change: Callable[[Tensor], Tensor],
) -> None:
    """Change the weights of the layers that read a value, through layers without any."""
    layer = network.get_submodule(name)
    if isinstance(layer, Linear | Conv2d):
        change(layer.weight)
    elif isinstance(layer, Add):
        for place, read in enumerate(reads[name]):
            if read == source:
                change(layer.get_buffer(f"gain{place}"))
    elif isinstance(layer, Flatten | Dropout):
        readers = [r for r, inputs in reads.items() if name in inputs]
        for reader in readers:
            _ahead(network, reads, reader, name, change)
    else:
        raise ValueError(f"{name!r}, a {type(layer).__name__}, has no weights for a pool before it")
