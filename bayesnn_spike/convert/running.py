"""Run a converted network in chunks of steps, by its spikes where it has that form and no hooks.

Oracle: tests/convert/test_running.py.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from bayesnn_spike.convert.cascade import Cascade, cascade
from bayesnn_spike.encoding import Direct, SignedRate
from bayesnn_spike.neurons import ThresholdNeuron
from bayesnn_spike.nn import Graph
from bayesnn_spike.nn.evaluating import evaluating

STEPS = 8
"""Steps at a time of what runs as a module."""


def run(
    network: Graph,
    images: Tensor,
    encoder: Direct | SignedRate,
    steps: int,
    *,
    first_example: int = 0,
) -> Iterator[Tensor]:
    """Yield the readout `[t, B, C]` of chunks of steps; the state is carried on.

    Args:
        network: a converted network; its dropout passes everything on.
        images: `[B, *in]`.
        encoder: of the images.
        steps: T of all chunks.
        first_example: number of the first image, for the encoder.
    """
    fast = _cascade(network, images)
    if fast is not None:
        network.require_steps(steps)
        return fast.run(images, encoder, steps, first_example)
    return _run_module(network, images, encoder, steps, first_example)


def _cascade(network: Graph, images: Tensor) -> Cascade | None:
    """The network by its spikes, unless it has hooks: they are called by its modules only."""
    hooked = any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    return None if hooked else cascade(network, images)


def _run_module(
    network: Graph, images: Tensor, encoder: Direct | SignedRate, steps: int, first_example: int
) -> Iterator[Tensor]:
    state, done = network.at_rest(steps), 0
    while done < steps:
        count = min(STEPS, steps - done)
        x = encoder.encode(images, steps=count, first_step=done, first_example=first_example)
        with torch.no_grad(), evaluating(network):
            readout, state = network(x, state)
        done += count
        yield readout


def spike_counts(
    network: Graph, images: Tensor, encoder: Direct | SignedRate, *, first_example: int = 0
) -> dict[str, Tensor]:
    """Return how often every neuron fires on every image, `[B, *features]` by the layer's name.

    Args:
        network: a converted network.
        images: `[B, *in]`.
        encoder: of the images, over `encoder.steps` steps.
        first_example: number of the first image, for the encoder.
    """
    fast = _cascade(network, images)
    if fast is not None:
        network.require_steps(encoder.steps)
        return fast.counts(images, encoder, encoder.steps, first_example)
    counts: dict[str, Tensor] = {}

    def count(name: str) -> Any:
        def hook(module: Any, inputs: Any, output: Any) -> None:
            del module, inputs
            spikes = output[0].sum(0)
            counts[name] = counts[name] + spikes if name in counts else spikes

        return hook

    hooks = [
        module.register_forward_hook(count(name))
        for name, module in network.named_modules()
        if isinstance(module, ThresholdNeuron)
    ]
    try:
        for _ in _run_module(network, images, encoder, encoder.steps, first_example):
            pass
    finally:
        for hook in hooks:
            hook.remove()
    return counts
