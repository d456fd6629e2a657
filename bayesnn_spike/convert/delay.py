"""When the last layer first hears of the input: where a delayed readout begins."""

import math

import torch
from torch import Tensor

from bayesnn_spike.convert.check import require_conversion, require_images
from bayesnn_spike.convert.convert import Conversion
from bayesnn_spike.convert.forward import activations, per_channel
from bayesnn_spike.convert.plan import INPUT, Rectify
from bayesnn_spike.neurons import Delayed


@torch.no_grad()
def estimate_delay(conversion: Conversion, images: Tensor) -> int:
    """Return the number of steps t0 before the readout hears of the input, for `curve(delay=...)`.

    A layer waits for its fastest neuron, (V - u_0) / max E[relu(z)] steps at a mean current of
    E[relu(z)] over images, and one more in the delayed order. Waits add up along the longest path.

    Args:
        conversion: its scales and first membranes are used.
        images: `[n, *in]`, some of the training set.

    Returns:
        Steps, rounded up.

    Raises:
        TypeError: no conversion, but for instance its network.
        ValueError: images that do not fit, or a layer that they never make active.

    Source: local threshold balancing (CVPR 2025), t0 ~ sum_l (theta - u_0) / max E[relu(z)], as
    restated in the literature. Oracle: tests/convert/test_delay.py.
    """
    require_conversion(conversion)
    plan = conversion.plan
    require_images(images, like=plan.number(1.0), shape=plan.shape)
    values = activations(plan, images)
    waits: dict[str, float] = {INPUT: 0.0}
    for step in plan.steps:
        waits[step.name] = max(waits[name] for name in step.inputs)
        if not isinstance(step.operation, Rectify):
            continue
        neuron = conversion.network.get_submodule(step.name)
        # In units of the activations: what firing at every step stands for, over the mean.
        unit = per_channel(conversion.scales[step.name], len(step.shape))
        left = ((1 - neuron.v_init) * unit).expand(step.shape)
        mean = values[step.name].mean(0)
        if not bool((mean > 0).any()):
            raise ValueError(f"no activation of {step.path} is positive on these images")
        steps = float(torch.where(mean > 0, left / mean, math.inf).min())
        waits[step.name] += max(steps, 0.0) + isinstance(neuron.order, Delayed)
    return math.ceil(waits[plan.output])
