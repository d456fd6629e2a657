"""What a conversion did: thresholds, firing rates, and how far they are from the activations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from bayesnn_spike.convert.forward import activations, per_channel
from bayesnn_spike.convert.plan import Plan
from bayesnn_spike.convert.running import spike_counts
from bayesnn_spike.encoding import Direct, SignedRate
from bayesnn_spike.nn import Graph

IMAGES = 32
# The largest activation itself is not above its threshold by a rounding.
_ABOVE = 1 + 1e-5


class LayerReport(NamedTuple):
    """One layer of neurons.

    Attributes:
        name: of the neurons in the spiking network.
        path: the module or function in the user's network.
        threshold: mean over channels where there is one a channel.
        scale: the activation that firing at every step stands for; mean over channels.
        clipped: share of positive activations above that.
        rate: mean spikes a neuron and step.
        error: mean |rate times scale - activation|, in units of the activation.
        activation: mean activation, to compare the error with.
    """

    name: str
    path: str
    threshold: float
    scale: float
    clipped: float
    rate: float
    error: float
    activation: float


@final
@dataclass(frozen=True)
class ConversionReport:
    """A row a layer of neurons, in order.

    Attributes:
        layers: the rows.
        steps: T of the measurement.
        images: how many it was made on.
    """

    layers: tuple[LayerReport, ...]
    steps: int
    images: int

    def __str__(self) -> str:
        head = ("neurons", "from", "threshold", "scale", "clipped", "rate", "error", "activation")
        rows = [
            (
                row.name,
                row.path,
                f"{row.threshold:.4g}",
                f"{row.scale:.4g}",
                f"{row.clipped:.2%}",
                f"{row.rate:.2%}",
                f"{row.error:.3g}",
                f"{row.activation:.3g}",
            )
            for row in self.layers
        ]
        table = align([head, *rows])
        return f"{table}\n({self.images} images, {self.steps} time steps)"


def align(rows: list[tuple[str, ...]]) -> str:
    """Return rows as lines with columns as wide as their longest entry."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


@torch.no_grad()
def measure(
    network: Graph,
    plan: Plan,
    scales: Mapping[str, Tensor],
    images: Tensor,
    encoder: Direct | SignedRate,
) -> ConversionReport:
    """Run both networks on images and compare them, layer by layer.

    Args:
        network: converted from the plan.
        plan: what the user's network computes.
        scales: of the plan's steps.
        images: `[n, *in]`.
        encoder: of the images, over `encoder.steps` steps.

    Raises:
        ValueError: the delayed order with too few steps.

    Oracle: tests/convert/test_report.py.
    """
    steps, sums = list(plan.neurons()), {}
    for first in range(0, len(images), IMAGES):
        some = images[first : first + IMAGES]
        wanted = activations(plan, some)
        counts = spike_counts(network, some, encoder, first_example=first)
        for step in steps:
            aim = wanted[step.name]
            unit = per_channel(scales[step.name], len(step.shape))
            rate = counts[step.name] / encoder.steps
            found = torch.stack(
                [
                    (aim > unit * _ABOVE).sum(),
                    (aim > 0).sum(),
                    rate.sum(dtype=torch.float64),
                    (rate * unit - aim).abs().sum(dtype=torch.float64),
                    aim.sum(dtype=torch.float64),
                    torch.tensor(aim.numel(), device=aim.device),
                ]
            ).double()
            sums[step.name] = sums.get(step.name, 0) + found
    layers = []
    for step in steps:
        above, positive, rate, error, total, count = sums[step.name].tolist()
        layers.append(
            LayerReport(
                step.name,
                step.path,
                float(network.get_submodule(step.name).v_threshold.mean()),
                float(scales[step.name].mean()),
                above / max(positive, 1),
                rate / count,
                error / count,
                total / count,
            )
        )
    return ConversionReport(tuple(layers), encoder.steps, len(images))
