"""How readouts over draws and time become probabilities. The order matters for calibration.

| value | probability of one member | probability reported |
| --- | --- | --- |
| SoftmaxOfRate | softmax(mean_t r) | mean_k softmax(mean_t r): goes with `RateCrossEntropy` |
| MeanOfSteps | mean_t softmax(r_t) | mean_k mean_t softmax(r_t): goes with `StepCrossEntropy` |
| SoftmaxOfMean | softmax(mean_t r) | softmax(mean_k mean_t r) |

Source: the three orders found in the papers' codes. Oracle: tests/predict/test_pooling.py.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor


@final
@dataclass(frozen=True)
class SoftmaxOfRate:
    """mean_k softmax(mean_t r)."""

    formula: ClassVar[str] = "mean_k softmax(mean_t r)"

    def members(self, readout: Tensor) -> Tensor:
        """Map `[K, T, B, C]` to log-probabilities `[K, B, C]`."""
        return readout.mean(1).log_softmax(-1)

    def pool(self, members: Tensor) -> Tensor:
        """Map log-probabilities `[K, N, C]` to probabilities `[N, C]`."""
        return members.exp().mean(0)


@final
@dataclass(frozen=True)
class MeanOfSteps:
    """mean_k mean_t softmax(r_t)."""

    formula: ClassVar[str] = "mean_k mean_t softmax(r_t)"

    def members(self, readout: Tensor) -> Tensor:
        """Map `[K, T, B, C]` to log-probabilities `[K, B, C]`."""
        return readout.softmax(-1).mean(1).log()

    def pool(self, members: Tensor) -> Tensor:
        """Map log-probabilities `[K, N, C]` to probabilities `[N, C]`."""
        return members.exp().mean(0)


@final
@dataclass(frozen=True)
class SoftmaxOfMean:
    """softmax(mean_k mean_t r)."""

    formula: ClassVar[str] = "softmax(mean_k mean_t r)"

    def members(self, readout: Tensor) -> Tensor:
        """Map `[K, T, B, C]` to log-probabilities `[K, B, C]`."""
        return readout.mean(1).log_softmax(-1)

    def pool(self, members: Tensor) -> Tensor:
        """Map log-probabilities `[K, N, C]` to probabilities `[N, C]`.

        Log-probabilities differ from logits by a constant a member, which the softmax removes.
        """
        return members.mean(0).softmax(-1)


Pooling = SoftmaxOfRate | MeanOfSteps | SoftmaxOfMean
