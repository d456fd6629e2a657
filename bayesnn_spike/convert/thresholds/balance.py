"""The paper's thresholds, and their percentile: options of the layer-by-layer search."""

from dataclasses import dataclass
from typing import final

from torch import Tensor

from bayesnn_spike.checks import require_positive
from bayesnn_spike.convert.options import NeuronOptions
from bayesnn_spike.convert.plan import Plan
from bayesnn_spike.convert.thresholds.search import Fixed, search
from bayesnn_spike.encoding import Direct, SignedRate


@final
@dataclass(frozen=True)
class Maximum:
    """A layer's threshold is the largest current that any of its neurons gets at any step.

    Attributes:
        scale: multiplies all thresholds at the end: smaller fires more and clips more. 0.7 is the
            published choice for some hundred steps, less is better for fewer.
        fixed: thresholds that are given, by patterns of neurons' names, such as
            `(("block*", 1.0),)` of the paper's residual networks; they are not scaled.

    Source: Rathi et al., ICLR 2020. Oracle: tests/convert/thresholds/test_balance.py.
    """

    scale: float = 1.0
    fixed: Fixed = ()

    def __post_init__(self) -> None:
        require_positive(self.scale, "Maximum.scale")

    def find(
        self, plan: Plan, images: Tensor, encoder: Direct | SignedRate, options: NeuronOptions
    ) -> dict[str, Tensor]:
        """Return a threshold for every neuron; see `search`."""
        return search(
            plan,
            images,
            encoder,
            options,
            percentile=100.0,
            scale=self.scale,
            fixed=self.fixed,
        )


@final
@dataclass(frozen=True)
class Percentile:
    """As `Maximum`, with a percentile over images and neurons in place of the maximum at a step.

    Attributes:
        q: in (0, 100].
        scale: as in `Maximum`.
        fixed: as in `Maximum`.

    Source: DIET-SNN (q = 99.7). Oracle: tests/convert/thresholds/test_balance.py.
    """

    q: float
    scale: float = 1.0
    fixed: Fixed = ()

    def __post_init__(self) -> None:
        require_positive(self.scale, "Percentile.scale")
        if not 0 < self.q <= 100:
            raise ValueError(f"Percentile.q must lie in (0, 100], got {self.q!r}")

    def find(
        self, plan: Plan, images: Tensor, encoder: Direct | SignedRate, options: NeuronOptions
    ) -> dict[str, Tensor]:
        """Return a threshold for every neuron; see `search`."""
        return search(
            plan,
            images,
            encoder,
            options,
            percentile=self.q,
            scale=self.scale,
            fixed=self.fixed,
        )
