"""QCFS: a ReLU that takes as few levels as a spiking neuron can, so that conversion loses little.

    a = bound * clip(floor(z levels / bound + 1/2) / levels, 0, 1)

With T = levels steps, constant input, thresholds `bound` and the membrane at half of it at rest, a
spiking neuron computes exactly this.
"""

from typing import final

import torch
from torch import Tensor, nn

from bayesnn_spike.checks import require_positive, require_whole


@final
class QcfsReLU(nn.Module):
    """The quantised, clipped and shifted ReLU, with a learned bound.

    Args:
        levels: L >= 1, steps up to the bound; it need not be the T of the spiking network.
        bound: first value of the largest activation, positive; a parameter of one number.

    Raises:
        ValueError: a count that is not a whole number above 0, or a bound that is not positive;
            (at call) a bound that training has made so.

    Source: Bu et al., ICLR 2022 (clip-floor-shift), formula as restated in the literature.
    Oracle: tests/convert/test_qcfs.py.
    """

    def __init__(self, levels: int, bound: float) -> None:
        super().__init__()
        require_whole(levels, "QcfsReLU.levels")
        require_positive(bound, "QcfsReLU.bound")
        self.levels = int(levels)
        self.bound = nn.Parameter(torch.tensor(float(bound)))

    def forward(self, z: Tensor) -> Tensor:
        """Map pre-activations of any shape; the floor passes gradients on as they are."""
        if not torch.compiler.is_compiling() and not bool(self.bound > 0):
            raise ValueError(
                f"the bound of a QcfsReLU has become {self.bound.item():g}; start from a larger "
                "one, or learn it more slowly"
            )
        part = (z / self.bound).clamp(0, 1)
        rounded = (part * self.levels + 0.5).floor() / self.levels
        return self.bound * (part + (rounded - part).detach())

    def extra_repr(self) -> str:
        return f"levels={self.levels}, bound={float(self.bound.detach()):.6g}"
