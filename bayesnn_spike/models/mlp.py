"""Fully connected spiking networks: end to end, or with local readouts."""

from collections.abc import Callable
from itertools import pairwise

from torch import nn

from bayesnn_spike.neurons import LIF, Refractory, SynapticTrace
from bayesnn_spike.nn import Dropout, Flatten, Linear, LocalReadouts, Sequential
from bayesnn_spike.rng import Stream


def mlp(
    n_in: int,
    hidden: tuple[int, ...] = (256,),
    n_out: int = 10,
    *,
    feature_dims: int = 1,
    gain_in: float = 4.0,
    gain_hidden: float = 2.0,
    gain_out: float = 4.0,
    neuron: Callable[[], nn.Module] = LIF,
    dropout: float = 0.0,
) -> Sequential:
    """Build spikes -> (linear -> neuron) x hidden -> linear readout of every step.

    Args:
        n_in: inputs, after flattening.
        hidden: units of every hidden layer.
        n_out: classes C.
        feature_dims: feature axes of the input (3 for `[T, B, P, H, W]`), flattened first.
        gain_in: gain of the first layer; currents are gain / sqrt(fan_in) * W x.
        gain_hidden: gain between hidden layers.
        gain_out: gain of the readout. It acts as an inverse temperature of the softmax: tune it.
        neuron: builds one neuron layer.
        dropout: rate behind every neuron layer; 0 adds none.

    Returns:
        A module `forward(x [*K, T, B, *in], state) -> (r [*K, T, B, C], state)`. Average r over T
        for the logits. All weights (`input.weight`, `hidden1.weight`, ..., `readout.weight`) may
        be binary.
    """
    layers: dict[str, nn.Module] = {}
    if feature_dims > 1:
        layers["flatten"] = Flatten(feature_dims)
    sizes = (n_in, *hidden)
    for index, (before, after) in enumerate(pairwise(sizes)):
        name = "input" if index == 0 else f"hidden{index}"
        layers[name] = Linear(before, after, gain=gain_in if index == 0 else gain_hidden)
        layers[f"neuron{index}"] = neuron()
        if dropout:
            layers[f"dropout{index}"] = Dropout(dropout)
    layers["readout"] = Linear(sizes[-1], n_out, gain=gain_out)
    return Sequential(**layers)


def local_mlp(
    n_in: int,
    hidden: tuple[int, ...] = (256, 256),
    n_out: int = 1,
    *,
    stream: Stream,
    feature_dims: int = 1,
    tau_mem: float = 10.0,
    tau_syn: float = 6.0,
    tau_ref: float = 2.0,
    v_threshold: float = 0.0,
) -> LocalReadouts:
    """Build BiSNN's fully connected network: spike-response neurons, a local readout per layer.

    Args:
        n_in: inputs, after flattening.
        hidden: units of every layer (20-256-256 for two moons: 70,656 binary weights).
        n_out: readout units per layer; 1 is a two-class logit.
        stream: draws the fixed readouts.
        feature_dims: feature axes of the input, flattened first.
        tau_mem: membrane time constant, in steps.
        tau_syn: synaptic time constant, in steps.
        tau_ref: refractory time constant, in steps.
        v_threshold: 0 as released.
    """
    sizes = (n_in, *hidden)
    blocks: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers: dict[str, nn.Module] = {}
        if not blocks and feature_dims > 1:
            layers["flatten"] = Flatten(feature_dims)
        layers["trace"] = SynapticTrace(tau_mem=tau_mem, tau_syn=tau_syn)
        layers["synapse"] = Linear(before, after)
        layers["neuron"] = Refractory(tau_ref=tau_ref, v_threshold=v_threshold)
        blocks.append(Sequential(**layers))
    return LocalReadouts(blocks, sizes=list(hidden), n_out=n_out, stream=stream)
