"""The leaky (LIF) and the perfect (IF) integrate-and-fire neuron.

The time axis is found from the features: an input `[*K, T, B, *features]` with `feature_dims`
trailing axes has time at axis `-feature_dims - 2`.
"""

import math
from typing import final

from torch import Tensor, nn

from bayesnn_spike.checks import require_interval, require_positive
from bayesnn_spike.ops.fire import fire
from bayesnn_spike.ops.fire.surrogate import (
    AtOrAbove,
    Comparison,
    FastSigmoid,
    Reset,
    Subtract,
    Surrogate,
)


class _Membrane(nn.Module):
    """What LIF and IF share: the options, and one call of the op."""

    def __init__(
        self,
        beta: float,
        v_threshold: float,
        reset: Reset,
        surrogate: Surrogate,
        comparison: Comparison,
        detach_reset: bool,
        feature_dims: int,
    ) -> None:
        super().__init__()
        require_interval(beta, "beta", 0.0, 1.0)
        require_positive(v_threshold, "v_threshold")
        self.beta, self.v_threshold = float(beta), float(v_threshold)
        self.reset, self.surrogate, self.comparison = reset, surrogate, comparison
        self.detach_reset, self.feature_dims = detach_reset, feature_dims

    def forward(self, current: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map currents `[*K, T, B, *features]` to spikes of the same shape, and the last membrane.

        Raises:
            ValueError: the state's shape, dtype or device is not that of one time step.
        """
        return fire(
            current,
            state,
            time_dim=current.ndim - self.feature_dims - 2,
            beta=self.beta,
            v_threshold=self.v_threshold,
            surrogate=self.surrogate,
            reset=self.reset,
            comparison=self.comparison,
            detach_reset=self.detach_reset,
        )

    def extra_repr(self) -> str:
        return (
            f"beta={self.beta:.6g}, v_threshold={self.v_threshold:g}, reset={self.reset}, "
            f"surrogate={self.surrogate}, feature_dims={self.feature_dims}"
        )


@final
class LIF(_Membrane):
    """Leaky integrate-and-fire: v <- beta v + current, spike at the threshold, reset.

    Args:
        beta: leak per step in [0, 1]; `LIF.from_tau` computes it from time constants.
        v_threshold: firing threshold, positive.
        reset: Subtract() (soft, default) or ToValue(v_reset) (hard).
        surrogate: derivative of the spike in the backward pass.
        comparison: AtOrAbove() (default) or Above().
        detach_reset: the reset passes no gradient.
        feature_dims: trailing feature axes of the input: 1 after linear layers, 3 after maps.

    Source: bayesnn_spike/ops/fire/README.md. Oracle: tests/neurons/test_lif.py.
    """

    def __init__(
        self,
        *,
        beta: float = 0.9,
        v_threshold: float = 1.0,
        reset: Reset = Subtract(),
        surrogate: Surrogate = FastSigmoid(2.0),
        comparison: Comparison = AtOrAbove(),
        detach_reset: bool = True,
        feature_dims: int = 1,
    ) -> None:
        super().__init__(
            beta, v_threshold, reset, surrogate, comparison, detach_reset, feature_dims
        )

    @classmethod
    def from_tau(cls, *, tau_mem_ms: float, dt_ms: float, **options) -> "LIF":
        """Build from the membrane's time constant: beta = exp(-dt_ms / tau_mem_ms)."""
        require_positive(tau_mem_ms, "tau_mem_ms")
        require_positive(dt_ms, "dt_ms")
        return cls(beta=math.exp(-dt_ms / tau_mem_ms), **options)


@final
class IF(_Membrane):
    """Integrate-and-fire without leak: v <- v + current. Arguments as in `LIF`, without beta."""

    def __init__(
        self,
        *,
        v_threshold: float = 1.0,
        reset: Reset = Subtract(),
        surrogate: Surrogate = FastSigmoid(2.0),
        comparison: Comparison = AtOrAbove(),
        detach_reset: bool = True,
        feature_dims: int = 1,
    ) -> None:
        super().__init__(1.0, v_threshold, reset, surrogate, comparison, detach_reset, feature_dims)
