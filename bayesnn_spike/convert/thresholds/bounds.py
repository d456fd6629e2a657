"""Thresholds from the largest activations that neurons shall stand for.

An activation `bound` at rate 1 means a threshold of `bound / s` where s is the scale of the current
into the neuron.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from torch import Tensor

from bayesnn_spike.convert.options import NeuronOptions
from bayesnn_spike.convert.plan import Plan
from bayesnn_spike.convert.refuse import ConversionError, Reason
from bayesnn_spike.convert.scales import scales
from bayesnn_spike.encoding import Direct, SignedRate


def from_bounds(plan: Plan, bounds: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return thresholds at which every neuron's scale is its bound.

    Args:
        plan: without batch normalisation.
        bounds: positive, 0-dim or `[C]`, for every neuron, in units of the network's activations.

    Oracle: tests/convert/thresholds/test_bounds.py.
    """
    thresholds: dict[str, Tensor] = {}
    for step in plan.neurons():
        before = scales(plan, thresholds)[step.inputs[0]]
        thresholds[step.name] = bounds[step.name] / before
    return thresholds


@final
@dataclass(frozen=True)
class Qcfs:
    """The learned bounds of a network that was trained with `QcfsReLU`.

    With direct input, v_init = 1/2, no leak, the immediate order and T = levels the spiking network
    computes what the network computes, as long as inputs of a layer come evenly.

    Source: Bu et al., ICLR 2022. Oracle: tests/convert/test_qcfs.py.
    """

    def find(
        self, plan: Plan, images: Tensor, encoder: Direct | SignedRate, options: NeuronOptions
    ) -> dict[str, Tensor]:
        """Return a threshold for every neuron.

        Raises:
            ConversionError: a neuron's activation is no `QcfsReLU`; all are named.
        """
        del encoder, options
        advice = "train with convert.with_qcfs first, or take Maximum()"
        wrong = [
            Reason(step.path, "not a QcfsReLU, so it has no bound", advice)
            for step in plan.neurons()
            if step.operation.bound is None
        ]
        if wrong:
            raise ConversionError(wrong)
        bounds = {step.name: images.new_tensor(step.operation.bound) for step in plan.neurons()}
        return from_bounds(plan, bounds)
