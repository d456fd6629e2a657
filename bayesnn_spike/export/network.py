"""A network as data: the name of a model and its arguments, from which it is built again.

    {"model": "mlp", "hidden": [256], "gain_in": 4.0, "neuron": {"kind": "lif", "beta": 0.9}}

Studies write such descriptions in their configuration, artifacts carry them in their header. Those
of converted networks are written by `describe_network`.
Oracle: tests/export/test_network.py.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from bayesnn_spike.convert.describe import assemble, describe
from bayesnn_spike.convert.keep import keep_form
from bayesnn_spike.export.values import NEURONS, DescriptionError, make, unknown
from bayesnn_spike.models import lenet, local_mlp, mlp
from bayesnn_spike.nn import Graph
from bayesnn_spike.rng import Stream

CONVERTED = "converted"
"""The model of converted networks, which are described layer by layer."""


def build_network(
    description: Mapping[str, Any], *, shape: tuple[int, ...], classes: int
) -> nn.Module:
    """Build the network that a description names.

    Args:
        description: `model` and the keyword arguments of that model; `neuron` as in
            `bayesnn_spike.export.values`, and `readout_seed` for models with fixed readouts.
        shape: of one time step of one example, without T and B.
        classes: number of classes; two classes with `n_out: 1` are one logit.

    Raises:
        DescriptionError: an unknown model or argument, or a value that the model refuses.
    """
    options = dict(description)
    name = options.pop("model", None)
    if name == CONVERTED:
        return _converted(**options)
    if name not in MODELS:
        raise DescriptionError(unknown(str(name), MODELS, what="model"))
    model, prepare = MODELS[name]
    known = {*inspect.signature(model).parameters, "readout_seed"} - {
        *("n_in", "shape", "stream", "feature_dims")
    }
    for key in options:
        if key not in known:
            raise DescriptionError(unknown(key, known, what=f"argument of model {name!r}:"))
    try:
        return prepare(options, shape, classes)
    except (TypeError, ValueError) as error:
        raise DescriptionError(f"model {name!r}: {error}") from error


def describe_network(network: nn.Module) -> dict[str, Any]:
    """Return the description of a converted network: `build_network` builds it, without numbers.

    Raises:
        DescriptionError: another module, which only the description it was built from tells of; or
            a layer that no conversion makes.
    """
    if not isinstance(network, Graph):
        raise DescriptionError(
            f"network is a {type(network).__name__}: give the description it was built from, such "
            "as {'model': 'mlp', 'hidden': [256]}, or a network that convert made"
        )
    found = describe(network)
    try:
        assemble(found)
    except ValueError as error:
        raise DescriptionError(str(error)) from error
    return {"model": CONVERTED, "graph": found}


def _converted(graph: Mapping[str, Any] | None = None, **options: Any) -> Graph:
    if graph is None or options:
        what = "needs 'graph'" if graph is None else f"takes 'graph' only, not {sorted(options)}"
        raise DescriptionError(f"model {CONVERTED!r} {what}: see describe_network")
    try:
        return keep_form(assemble(graph))
    except (KeyError, TypeError, ValueError) as error:
        raise DescriptionError(f"model {CONVERTED!r}: {error}") from error


def _mlp(options: dict[str, Any], shape: tuple[int, ...], classes: int) -> nn.Module:
    neuron = options.pop("neuron", "lif")
    make(NEURONS, neuron, what="neuron")  # a wrong neuron is reported as such
    options.setdefault("n_out", classes)
    return mlp(
        math.prod(shape),
        _sizes(options),
        feature_dims=len(shape),
        neuron=lambda: make(NEURONS, neuron, what="neuron"),
        **options,
    )


def _local_mlp(options: dict[str, Any], shape: tuple[int, ...], classes: int) -> nn.Module:
    stream = _readouts(options)
    options.setdefault("n_out", classes)
    sizes = _sizes(options)
    return local_mlp(math.prod(shape), sizes, stream=stream, feature_dims=len(shape), **options)


def _lenet(options: dict[str, Any], shape: tuple[int, ...], classes: int) -> nn.Module:
    if len(shape) != 3:
        raise DescriptionError(f"lenet needs maps [P, H, W], the data are {list(shape)}")
    stream = _readouts(options)
    options.setdefault("n_out", classes)
    for key in ("channels", "pools"):
        if key in options:
            options[key] = tuple(options[key])
    return lenet(shape, stream=stream, **options)


def _sizes(options: dict[str, Any]) -> tuple[int, ...]:
    return tuple(options.pop("hidden", (256,)))


def _readouts(options: dict[str, Any]) -> Stream:
    return Stream(options.pop("readout_seed", 0)).child("readouts")


_Prepare = Callable[[dict[str, Any], tuple[int, ...], int], nn.Module]
MODELS: Mapping[str, tuple[Callable[..., nn.Module], _Prepare]] = {
    "mlp": (mlp, _mlp),
    "local_mlp": (local_mlp, _local_mlp),
    "lenet": (lenet, _lenet),
}
"""The models a description may name, with what turns a description into their arguments."""
