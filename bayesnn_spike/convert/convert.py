"""From a trained network of `torch.nn` to a spiking one of ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, final

from torch import Tensor, nn

from bayesnn_spike.checks import require_kind, require_positive, require_whole
from bayesnn_spike.convert.bias import add_current, source
from bayesnn_spike.convert.build import build
from bayesnn_spike.convert.check import require_thresholds
from bayesnn_spike.convert.fold import fold_norms
from bayesnn_spike.convert.options import NeuronOptions
from bayesnn_spike.convert.plan import Plan
from bayesnn_spike.convert.report import ConversionReport, measure
from bayesnn_spike.convert.scales import scales
from bayesnn_spike.convert.thresholds import Maximum
from bayesnn_spike.convert.trace import trace
from bayesnn_spike.encoding import Direct, SignedRate
from bayesnn_spike.nn import Graph


class Thresholds(Protocol):
    """How thresholds are found: `Maximum`, `Percentile`, `LocalBalance`, `Qcfs`."""

    def find(
        self, plan: Plan, images: Tensor, encoder: Direct | SignedRate, options: NeuronOptions
    ) -> Mapping[str, Tensor]:
        """Return a positive threshold, 0-dim or `[C]`, for every neuron of the plan."""
        ...


@final
@dataclass(frozen=True, eq=False)
class Conversion:
    """A spiking network, and what is known about it.

    Attributes:
        network: `forward(x [*K, T, B, *in], state=None) -> (currents of the readout [*K, T, B, C],
            state)`, an ordinary module in evaluation mode.
        report: what the conversion did, a row a layer; `str()` is a table.
        plan: what the network computes, with the weights of the user's network.
        scales: units of the user's network that one spike a step stands for, by name of the layer,
            when the network was converted.
    """

    network: Graph
    report: ConversionReport
    plan: Plan
    scales: dict[str, Tensor]

    def descale(self, summed: Tensor, steps: int) -> Tensor:
        """Return the logits of the user's network that a readout stands for.

        Args:
            summed: `[..., C]`, the readout summed over time.
            steps: T, positive.

        Raises:
            ValueError: no steps.

        Source: logits = U_T / T times the scale of the readout (prod V without residual branches).
        Oracle: tests/convert/test_convert.py.
        """
        require_positive(steps, "steps")
        return summed / steps * self.scales[self.plan.output]


def convert(
    ann: nn.Module,
    images: Tensor,
    *,
    thresholds: Thresholds = Maximum(),
    encoder: Direct | SignedRate = Direct(64),
    neuron: NeuronOptions = NeuronOptions(),
    report_images: int = 64,
) -> Conversion:
    """Convert a network of linear layers, convolutions, ReLU, average pooling and sums.

    Batch normalisation is folded, biases are rescaled, dropout stays where it was. Layers keep the
    user's names, with "_" for ".". The user's module is not changed.

    Args:
        ann: any module of one input that torch.fx can follow.
        images: `[n, *in]` floats, examples from the training set, as the network takes them.
        thresholds: how they are found.
        encoder: of the images while thresholds are found, and of the report; its `steps` are T.
        neuron: options of all neurons.
        report_images: how many of the images, evenly spaced, the report runs through the spiking
            network; all of them set the thresholds.

    Raises:
        TypeError: a network that is no module or is converted already, or thresholds, an encoder or
            options of neurons that are no such value.
        ConversionError: something cannot be converted; every reason is named.
        ValueError: the images do not fit (axes, precision, device, values that are not finite) or
            leave a layer without a positive current, the encoder has too few steps for the delayed
            order, or `shift_steps` where neurons have no layer of weights of their own.

    Source: Rathi et al., ICLR 2020, with biases, batch normalisation and sums by bookkeeping of
    scales. Oracle: tests/convert/test_convert.py.
    """
    require_thresholds(thresholds)
    require_kind(encoder, "encoder", Direct, SignedRate)
    require_kind(neuron, "neuron", NeuronOptions)
    require_whole(report_images, "report_images")
    plan = fold_norms(trace(ann, images))
    # Too few steps for the delayed order would else show as a layer without currents.
    ones = {step.name: plan.number(1.0) for step in plan.neurons()}
    build(plan, ones, neuron).require_steps(encoder.steps)
    if neuron.shift_steps is not None:
        for step in plan.neurons():
            source(plan, step)
    found = dict(thresholds.find(plan, images, encoder, neuron))
    network = build(plan, found, neuron)
    if neuron.shift_steps is not None:
        for step in plan.neurons():
            add_current(network, plan, step, found[step.name] / (2 * neuron.shift_steps))
    known = scales(plan, found)
    report = measure(network, plan, known, _some(images, report_images), encoder)
    return Conversion(network, report, plan, known)


def _some(images: Tensor, count: int) -> Tensor:
    """Some of the images, evenly spaced: they may be in the order of their classes."""
    if len(images) <= count:
        return images
    return images[[i * len(images) // count for i in range(count)]]
