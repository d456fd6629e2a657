"""A converted network as data: wiring and options, everything that is in no tensor.

    {"output": "2", "feature_dims": 1, "nodes": [
        {"name": "0", "inputs": ["input"], "kind": "Linear", "shape": [8, 4], "scale": 1.0, ...}]}

Oracle: tests/convert/test_describe.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from bayesnn_spike.neurons import Above, AtOrAbove, Delayed, Immediate, ThresholdNeuron
from bayesnn_spike.nn import Add, Conv2d, Dropout, Flatten, Fold, Graph, Linear, Node
from bayesnn_spike.ops.fire.spike_time import LinearRatio, SpikeTime

VALUES = {kind.__name__: kind for kind in (Above, AtOrAbove, Delayed, Immediate)} | {
    kind.__name__: kind for kind in (LinearRatio, SpikeTime)
}
"""Options that are values themselves, by name."""

POOLS: dict[str, tuple[type[nn.Module], tuple[str, ...]]] = {
    "AvgPool2d": (
        nn.AvgPool2d,
        (
            *("kernel_size", "stride", "padding", "ceil_mode"),
            *("count_include_pad", "divisor_override"),
        ),
    ),
    "AdaptiveAvgPool2d": (nn.AdaptiveAvgPool2d, ("output_size",)),
}
"""Pools by name, with their options."""


def describe(network: Graph) -> dict[str, Any]:
    """Return what a converted network is beside its tensors: JSON values.

    Args:
        network: as it is now. A layer that no conversion makes is told of by its class; `assemble`
            cannot build it.
    """
    nodes = []
    for name, inputs in network.reads().items():
        layer = network.get_submodule(name)
        kind = type(layer).__name__
        known = kind in _LAYERS and type(layer) is _LAYERS[kind][0]
        options = _LAYERS[kind][1](layer) if known else {}
        kind = kind if known else f"{type(layer).__module__}.{kind}"
        nodes.append({"name": name, "inputs": list(inputs), "kind": kind, **options})
    return {"output": network.returns(), "feature_dims": network.feature_dims, "nodes": nodes}


def assemble(description: Mapping[str, Any]) -> Graph:
    """Build the network that a description tells of, with tensors of the right shapes.

    Args:
        description: as `describe` returns it.

    Returns:
        A network in evaluation mode; its numbers are to be loaded.

    Raises:
        ValueError: a kind of layer that no conversion makes, or options that it does not have; the
            layer is named.
    """
    nodes = {}
    for node in description["nodes"]:
        options = {k: v for k, v in node.items() if k not in ("name", "inputs", "kind")}
        where = f"layer {node['name']!r} of kind {node['kind']!r}"
        if node["kind"] not in _LAYERS:
            raise ValueError(
                f"{where} is none that a conversion makes, so it cannot be built from a "
                "description: keep networks with layers of your own by torch.save(state_dict())"
            )
        try:
            layer = _LAYERS[node["kind"]][2](**options)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{where} cannot be built: {error}") from error
        nodes[node["name"]] = Node(layer, tuple(node["inputs"]))
    made = Graph(nodes, output=description["output"], feature_dims=description["feature_dims"])
    return made.eval()


def value_of(value: Any) -> dict[str, Any]:
    """Return an option that is a value itself as data."""
    return {"kind": type(value).__name__, **asdict(value)}


def _value(data: Mapping[str, Any]) -> Any:
    return VALUES[data["kind"]](**{k: v for k, v in data.items() if k != "kind"})


def pool_of(module: nn.Module) -> dict[str, Any]:
    """Return an average pool as data; any other module by its name alone."""
    kind = type(module).__name__
    names = POOLS[kind][1] if kind in POOLS else ()
    return {"kind": kind, **{name: _listed(getattr(module, name)) for name in names}}


def pool(data: Mapping[str, Any]) -> nn.Module:
    """Return the pool that `pool_of` made data of.

    Raises:
        KeyError: it was none.
    """
    made, names = POOLS[data["kind"]]
    lists = {name: data[name] for name in names}
    return made(**{k: tuple(v) if isinstance(v, list) else v for k, v in lists.items()})


def _listed(value: Any) -> Any:
    """Tuples as lists, as they come out of a file."""
    return list(value) if isinstance(value, tuple) else value


def _of_synapse(layer: Linear | Conv2d) -> dict[str, Any]:
    found = {
        "shape": list(layer.weight.shape),
        "scale": float(layer.scale),
        "bias": layer.bias is not None,
    }
    if isinstance(layer, Conv2d):
        found |= {"stride": layer.stride, "padding": layer.padding}
    return found


def _linear(*, shape: list[int], scale: float, bias: bool) -> Linear:
    layer = Linear(shape[1], shape[0], bias=bias)
    layer.scale = scale
    return layer


def _conv2d(*, shape: list[int], scale: float, bias: bool, stride: int, padding: int) -> Conv2d:
    layer = Conv2d(shape[1], shape[0], shape[2], stride=stride, padding=padding, bias=bias)
    layer.scale = scale
    return layer


def _of_neuron(layer: ThresholdNeuron) -> dict[str, Any]:
    tensor = isinstance(layer.v_init, torch.Tensor)
    return {
        "threshold": list(layer.v_threshold.shape),
        "v_init": list(layer.v_init.shape) if tensor else layer.v_init,
        "order": value_of(layer.order),
        "comparison": value_of(layer.comparison),
        "surrogate": value_of(layer.surrogate),
        "feature_dims": layer.feature_dims,
        "learn_threshold": isinstance(layer.v_threshold, nn.Parameter),
        "learn_leak": isinstance(layer.leak, nn.Parameter),
    }


def _neuron(
    *,
    threshold: list[int],
    v_init: list[int] | float,
    order: Mapping[str, Any],
    comparison: Mapping[str, Any],
    surrogate: Mapping[str, Any],
    **options: Any,
) -> ThresholdNeuron:
    return ThresholdNeuron(
        torch.ones(threshold),
        v_init=torch.zeros(v_init) if isinstance(v_init, list) else v_init,
        order=_value(order),
        comparison=_value(comparison),
        surrogate=_value(surrogate),
        **options,
    )


def _of_add(layer: Add) -> dict[str, Any]:
    return {"gains": [list(gain.shape) for gain in layer.buffers()]}


def _add(*, gains: list[list[int]]) -> Add:
    return Add(*(torch.ones(shape) for shape in gains))


def _fold(*, module: Mapping[str, Any]) -> Fold:
    return Fold(pool(module), feature_dims=3)


_LAYERS: dict[str, tuple[type[nn.Module], Callable[[Any], dict], Callable[..., nn.Module]]] = {
    "Linear": (Linear, _of_synapse, _linear),
    "Conv2d": (Conv2d, _of_synapse, _conv2d),
    "ThresholdNeuron": (ThresholdNeuron, _of_neuron, _neuron),
    "Fold": (Fold, lambda layer: {"module": pool_of(layer.module)}, _fold),
    "Flatten": (Flatten, lambda layer: {"feature_dims": layer.feature_dims}, Flatten),
    "Dropout": (
        Dropout,
        lambda layer: {"rate": layer.rate, "feature_dims": layer.feature_dims},
        Dropout,
    ),
    "Add": (Add, _of_add, _add),
}
