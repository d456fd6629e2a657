"""Local threshold balancing: a bound of activations for every channel, between clip and waste.

    theta_c <- theta_c + 2 mean(relu(z_c - theta_c))       in rounds, from 0

while every layer passes on min(relu(z), theta). The mean is over images and places of the map.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.checks import require_size, require_whole
from bayesnn_spike.convert.forward import activations, per_channel
from bayesnn_spike.convert.options import NeuronOptions
from bayesnn_spike.convert.plan import Plan, Rectify, Step
from bayesnn_spike.convert.thresholds.bounds import from_bounds
from bayesnn_spike.encoding import Direct, SignedRate

_IMAGES = 64


@final
@dataclass(frozen=True)
class LocalBalance:
    """A threshold a channel (a neuron after linear layers), found without spikes.

    All images count in every round, so their order does not matter. A channel that is never active
    gets the mean of its layer's: it does not fire in any case.

    Attributes:
        rounds: how often all thresholds move; they come closer to the largest activation with each.
        scale: multiplies all of them at the end.

    Raises:
        TypeError: a scale that is no number.
        ValueError: rounds that are no whole number of 1 or more, or a scale that is not positive.

    Source: local threshold balancing (CVPR 2025), the update as restated in the literature.
    Oracle: tests/convert/thresholds/test_local.py.
    """

    rounds: int = 100
    scale: float = 1.0

    def __post_init__(self) -> None:
        require_whole(self.rounds, "LocalBalance.rounds")
        require_size(self.scale, "LocalBalance.scale")

    @torch.no_grad()
    def find(
        self, plan: Plan, images: Tensor, encoder: Direct | SignedRate, options: NeuronOptions
    ) -> dict[str, Tensor]:
        """Return thresholds `[C]` for every layer of neurons; encoder and options do not count.

        Raises:
            ValueError: a layer is never active on these images.
        """
        del encoder, options
        bounds = {step.name: images.new_zeros(step.shape[0]) for step in plan.neurons()}
        for _ in range(self.rounds):
            moves = {name: torch.zeros_like(bound) for name, bound in bounds.items()}
            for some in images.split(_IMAGES):
                _clipped(plan, some, bounds, moves)
            for name, move in moves.items():
                bounds[name] = bounds[name] + 2 * move / len(images)
        for name, bound in bounds.items():
            active = bound > 0
            if not bool(active.any()):
                raise ValueError(
                    f"no activation of {plan[name].path} is positive on these {len(images)} "
                    "images: take others, or take the layer out of the network"
                )
            bounds[name] = torch.where(active, bound, bound[active].mean()) * self.scale
        return from_bounds(plan, bounds)


def _clipped(
    plan: Plan, images: Tensor, bounds: dict[str, Tensor], moves: dict[str, Tensor]
) -> None:
    """Run some images with clipped activations, and add up what is above the bounds."""

    def clip(step: Step, value: Tensor) -> Tensor:
        if not isinstance(step.operation, Rectify):
            return value
        bound = per_channel(bounds[step.name], len(step.shape))
        above = (value - bound).clamp(min=0)
        over_map = above.flatten(2).mean(2) if above.ndim > 2 else above
        moves[step.name] += over_map.sum(0)
        return value - above

    activations(plan, images, change=clip)
