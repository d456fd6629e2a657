"""Layers of ours for the steps of a plan, once scales and thresholds are known."""

import copy
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bayesnn_spike.convert.forward import per_channel
from bayesnn_spike.convert.keep import keep_form
from bayesnn_spike.convert.options import NeuronOptions
from bayesnn_spike.convert.plan import Add, Drop, Flatten, Plan, Pool, Rectify, Step, Synapse
from bayesnn_spike.convert.scales import common, gains, scales
from bayesnn_spike.neurons import ThresholdNeuron
from bayesnn_spike.nn import Add as Sum
from bayesnn_spike.nn import Conv2d, Dropout, Fold, Graph, Linear, Node
from bayesnn_spike.nn import Flatten as FlattenLayer


def build(plan: Plan, thresholds: Mapping[str, Tensor], options: NeuronOptions) -> Graph:
    """Build the spiking network of a plan.

    Args:
        plan: without batch normalisation.
        thresholds: positive, 0-dim or `[C]`, for every neuron of the plan.
        options: of the neurons.

    Returns:
        A network whose layers have the names of the plan's steps, in evaluation mode.

    Oracle: tests/convert/test_build.py.
    """
    found = scales(plan, thresholds)
    nodes = {}
    for step in plan.steps:
        if isinstance(step.operation, Rectify):
            layer = neuron(step, thresholds[step.name], options)
        else:
            layer = linear_layer(plan, step, found)
        nodes[step.name] = Node(layer, step.inputs)
    return keep_form(Graph(nodes, output=plan.output, feature_dims=len(plan.shape)).eval())


def neuron(step: Step, threshold: Tensor, options: NeuronOptions) -> ThresholdNeuron:
    """Build the neurons of a step, with a threshold of 0 axes or `[C]`."""
    dims = len(step.shape)
    return ThresholdNeuron(
        per_channel(threshold, dims).clone(),
        leak=options.leak,
        order=options.order,
        surrogate=options.surrogate,
        comparison=options.comparison,
        v_init=options.v_init,
        feature_dims=dims,
        learn_threshold=options.learn_threshold,
        learn_leak=options.learn_leak,
    )


def linear_layer(plan: Plan, step: Step, found: Mapping[str, Tensor]) -> nn.Module:
    """Build a step that has no membrane; `found` are the scales of its inputs."""
    dims = len(plan.shape_of(step.inputs[0]))
    match step.operation:
        case Synapse() as synapse:
            return _synapse(synapse, found[step.inputs[0]])
        case Pool(module):
            return Fold(copy.deepcopy(module), feature_dims=3)
        case Flatten():
            return FlattenLayer(dims)
        case Drop(rate):
            return Dropout(rate, feature_dims=dims)
        case Add():
            return Sum(*(per_channel(gain, dims) for gain in gains(step, found)))
        case other:
            raise TypeError(f"no layer for {type(other).__name__} of {step.path}")


@torch.no_grad()
def _synapse(synapse: Synapse, scale: Tensor) -> Linear | Conv2d:
    """A layer of scale exactly 1: sqrt(fan_in) / sqrt(fan_in)."""
    weight, bias = synapse.weight, synapse.bias
    if scale.ndim:
        ratio = scale / common(scale)
        weight = weight * (ratio if weight.ndim == 2 else ratio.view(1, -1, 1, 1))
    gain = math.sqrt(weight[0].numel())
    if weight.ndim == 2:
        n_out, n_in = weight.shape
        layer = Linear(n_in, n_out, gain=gain, bias=bias is not None)
    else:
        c_out, c_in, kernel, _ = weight.shape
        layer = Conv2d(
            c_in,
            c_out,
            kernel,
            stride=synapse.stride,
            padding=synapse.padding,
            gain=gain,
            bias=bias is not None,
        )
    layer.weight = nn.Parameter(weight.clone())
    if bias is not None:
        layer.bias = nn.Parameter(bias / common(scale))
    return layer
