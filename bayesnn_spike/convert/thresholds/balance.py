"""The paper's thresholds, and their percentile: options of the layer-by-layer search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor

from bayesnn_spike.checks import require_size
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

    Raises:
        TypeError: a scale that is no number, or `fixed` that are no such pairs.
        ValueError: a scale or a given threshold that is not positive and finite.

    Source: Rathi et al., ICLR 2020. Oracle: tests/convert/thresholds/test_balance.py.
    """

    scale: float = 1.0
    fixed: Fixed = ()

    def __post_init__(self) -> None:
        require_size(self.scale, "Maximum.scale")
        _require_fixed(self.fixed, "Maximum.fixed")

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

    Raises:
        TypeError: as `Maximum`, or a q that is no number.
        ValueError: as `Maximum`, or a q outside (0, 100].

    Source: DIET-SNN (q = 99.7). Oracle: tests/convert/thresholds/test_balance.py.
    """

    q: float
    scale: float = 1.0
    fixed: Fixed = ()

    def __post_init__(self) -> None:
        require_size(self.scale, "Percentile.scale")
        _require_fixed(self.fixed, "Percentile.fixed")
        require_size(self.q, "Percentile.q")
        if self.q > 100:
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


def _require_fixed(fixed: Any, name: str) -> None:
    """Raise unless they are pairs of a pattern and a positive number."""
    if isinstance(fixed, Mapping):
        raise TypeError(f"{name} must be pairs, got a mapping: give tuple(given.items()) of it")
    pairs = isinstance(fixed, Sequence) and all(
        isinstance(pair, Sequence) and len(pair) == 2 and isinstance(pair[0], str) for pair in fixed
    )
    if not pairs:
        raise TypeError(
            f'{name} must be pairs of a pattern and a threshold, as (("block*", 1.0),), '
            f"got {fixed!r}"
        )
    for pattern, value in fixed:
        require_size(value, f"the threshold of {pattern!r} in {name}")
