"""From a converted network to binary weights: their signs, or a distribution over signs."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import nn

from bayesnn_spike.checks import require_positive
from bayesnn_spike.convert.check import require_network
from bayesnn_spike.neurons import ThresholdNeuron
from bayesnn_spike.nn import Conv2d, Graph, Linear
from bayesnn_spike.types import Weights

INPUT = "input"


def hidden_synapses(network: Graph) -> list[str]:
    """Return the layers with weights that read spikes of neurons and lead to neurons, in order.

    They are what binary weights are usually kept to: the first layer and the readout stay real.
    """
    reads = network.reads()
    neurons = {n for n in reads if isinstance(network.get_submodule(n), ThresholdNeuron)}
    fed, read = {INPUT}, set()  # what the input reaches without a neuron; what neurons need
    for name, inputs in reads.items():
        if name not in neurons and fed & set(inputs):
            fed.add(name)
    for name, inputs in reversed(list(reads.items())):
        if name in neurons or (name in read and name not in neurons):
            read |= set(inputs)
    return [
        name
        for name in reads
        if isinstance(network.get_submodule(name), Linear | Conv2d)
        and name not in fed
        and name in read
    ]


@torch.no_grad()
def binarise(network: Graph, names: Sequence[str] | None = None) -> Graph:
    """Return a copy whose weights are -1 and +1 times one gain a layer, the mean size of them.

    The gain is the layer's `scale`; thresholds stay, because the currents keep their size.

    Args:
        network: a converted network.
        names: of layers with weights; None are the hidden ones.

    Raises:
        TypeError: no converted network but for instance a Conversion, or names that are a string.
        ValueError: a name that is no such layer, or a layer whose weights are all 0.

    Source: W ~ gain sign(W) with gain = mean |W| (least squares).
    Oracle: tests/convert/test_binary.py.
    """
    require_network(network)
    made = copy.deepcopy(network)
    for name, layer in _chosen(made, names).items():
        gain = float(layer.weight.abs().mean())
        _require_weights(name, gain)
        layer.weight.copy_(torch.where(layer.weight >= 0, 1.0, -1.0))
        _rescale(layer, gain)
    return made


@final
@dataclass(frozen=True, eq=False)
class BernoulliPrior:
    """A distribution over binary networks whose mean is a converted network.

    Attributes:
        network: the converted network with scales for weights of -1 and +1; the logits' names are
            among its parameters.
        logits: natural parameters by name: `posterior.Bernoulli(logits)` is the distribution, and
            `learner.init(stream, params=logits)` of a rule with `initial=Given()` starts from it.
        clipped: share of weights that were larger than the scale, by name.
    """

    network: Graph
    logits: Weights
    clipped: dict[str, float]


@torch.no_grad()
def bernoulli_prior(
    network: Graph, names: Sequence[str] | None = None, *, spread: float = 1.0, limit: float = 5.0
) -> BernoulliPrior:
    """Return logits with s tanh(logits) = clip(W, -s, s), s a layer's scale.

    The mean-field network, whose weights are the means tanh(logits), then has the currents of the
    converted one. The signs' noise is what the data are left to decide: a weight near 0 is a coin
    flip, one near s is settled.

    Args:
        network: a converted network.
        names: of layers with weights; None are the hidden ones.
        spread: s as a part of the layer's largest |W|, in (0, 1]. At 1 nothing is clipped but most
            weights are near coin flips; smaller is surer and clips more.
        limit: bound of |logits|, as that of the rule.

    Raises:
        TypeError: no converted network but for instance a Conversion, or names that are a string.
        ValueError: a spread outside (0, 1], a limit that is not positive, a name that is no layer
            with weights, or a layer whose weights are all 0.

    Source: mean-field of Bernoulli weights, E[w] = tanh(logits).
    Oracle: tests/convert/test_binary.py.
    """
    require_positive(limit, "limit")
    if not 0 < spread <= 1:
        raise ValueError(f"spread must lie in (0, 1], got {spread!r}")
    require_network(network)
    made = copy.deepcopy(network)
    logits, clipped = {}, {}
    for name, layer in _chosen(made, names).items():
        scale = spread * float(layer.weight.abs().max()) * layer.scale
        _require_weights(name, scale)
        mean = layer.weight * layer.scale / scale
        parameter = f"{name}.weight"
        clipped[parameter] = float((mean.abs() > 1).double().mean())
        logits[parameter] = mean.clamp(-1, 1).atanh().clamp(-limit, limit)
        layer.weight.copy_(logits[parameter].tanh())
        _rescale(layer, scale / layer.scale)
    return BernoulliPrior(made, logits, clipped)


def _chosen(network: Graph, names: Sequence[str] | None) -> dict[str, Linear | Conv2d]:
    if isinstance(names, str):
        raise TypeError(f"names must be several, as ({names!r},), got the string {names!r}")
    names = hidden_synapses(network) if names is None else list(names)
    found = {}
    for name in names:
        layer = network.get_submodule(name) if name in network.reads() else None
        if not isinstance(layer, Linear | Conv2d):
            raise ValueError(f"{name!r} is no layer with weights of this network")
        found[name] = layer
    if not found:
        raise ValueError("the network has no hidden layer of weights; give names")
    return found


def _require_weights(name: str, size: float) -> None:
    if not size > 0:
        raise ValueError(f"the weights of {name!r} are all 0: they have no sign")


def _rescale(layer: nn.Module, factor: float) -> None:
    """Multiply the scale; the bias, which is scaled as well, keeps its current."""
    layer.scale *= factor
    if layer.bias is not None:
        layer.bias.div_(factor)
