"""The neuron of converted networks: a threshold and a leak that are tensors, and may be learned."""

from typing import final

import torch
from torch import Tensor, nn

from bayesnn_spike.checks import require_interval, require_kind
from bayesnn_spike.ops.fire import clocked_fire
from bayesnn_spike.ops.fire.spike_time import (
    ClockState,
    Delayed,
    Immediate,
    LinearRatio,
    Order,
    RatioSurrogate,
    SpikeTime,
)
from bayesnn_spike.ops.fire.surrogate import Above, AtOrAbove, Comparison


def require_firing(
    order: Order, surrogate: RatioSurrogate, comparison: Comparison | None, *, prefix: str = ""
) -> None:
    """Raise TypeError unless these are values that `ThresholdNeuron` takes.

    Args:
        order, surrogate, comparison: as of the neuron.
        prefix: of their names in messages, such as "NeuronOptions.".
    """
    require_kind(order, f"{prefix}order", Immediate, Delayed)
    require_kind(surrogate, f"{prefix}surrogate", LinearRatio, SpikeTime)
    if comparison is not None:
        require_kind(comparison, f"{prefix}comparison", Above, AtOrAbove)


@final
class ThresholdNeuron(nn.Module):
    """Integrate-and-fire with soft reset, as conversion from ReLU networks needs it.

    The threshold and the leak are in the state_dict: as buffers, or as parameters where they are
    learned. Handed in by `torch.func.functional_call` they may have a leading draw axis K.

    Args:
        v_threshold: a positive number, or a tensor that broadcasts to the features: `[N]` after
            linear layers, `[C, 1, 1]` for a threshold a channel of maps.
        leak: factor of the membrane a step, in [0, 1]; 1 integrates without leak.
        order: Immediate(), or Delayed() as in the paper of hybrid conversion, with one step of
            latency a layer.
        surrogate: LinearRatio() or SpikeTime().
        comparison: ties; None is AtOrAbove() for Immediate and Above() for Delayed.
        v_init: the membrane at rest as a part of the threshold; 1/2 makes the rate round where 0
            makes it truncate. A tensor that broadcasts to the features is kept as a buffer.
        feature_dims: trailing feature axes of the input: 1 after linear layers, 3 after maps.
        learn_threshold: make v_threshold a parameter.
        learn_leak: make leak a parameter.

    Raises:
        TypeError: an order, a surrogate or a comparison that is none of the values named above.
        ValueError: a threshold that is not positive and finite, has more axes than the features, or
            a leak outside [0, 1].

    Source: bayesnn_spike/ops/fire/README.md. Oracle: tests/neurons/test_threshold_neuron.py.
    """

    def __init__(
        self,
        v_threshold: float | Tensor = 1.0,
        *,
        leak: float = 1.0,
        order: Order = Immediate(),
        surrogate: RatioSurrogate = LinearRatio(),
        comparison: Comparison | None = None,
        v_init: float | Tensor = 0.0,
        feature_dims: int = 1,
        learn_threshold: bool = False,
        learn_leak: bool = False,
    ) -> None:
        super().__init__()
        require_firing(order, surrogate, comparison)
        require_interval(leak, "leak", 0.0, 1.0)
        given = v_threshold if isinstance(v_threshold, Tensor) else torch.tensor(float(v_threshold))
        threshold = given.detach().clone()
        if threshold.ndim > feature_dims:
            raise ValueError(
                f"v_threshold of shape {tuple(threshold.shape)} has more axes than the "
                f"{feature_dims} of the features (feature_dims)"
            )
        if not bool(((threshold > 0) & threshold.isfinite()).all()):
            raise ValueError(f"v_threshold must be positive and finite, got {v_threshold!r}")
        _keep(self, "v_threshold", threshold, learn_threshold)
        _keep(self, "leak", threshold.new_tensor(float(leak)), learn_leak)
        self._axes = threshold.ndim
        self.order, self.surrogate = order, surrogate
        if isinstance(v_init, Tensor):
            self.register_buffer("v_init", v_init.detach().clone())
        else:
            self.v_init = float(v_init)
        if comparison is None:
            comparison = Above() if isinstance(order, Delayed) else AtOrAbove()
        self.comparison, self.feature_dims = comparison, feature_dims

    def forward(
        self, current: Tensor, state: ClockState | None = None
    ) -> tuple[Tensor, ClockState]:
        """Map currents `[*K, T, B, *features]` to spikes of the same shape, and the last state.

        Raises:
            ValueError: the state's shape, dtype or device is not that of one time step.
        """
        draws = [
            value.shape[0]
            for value, axes in ((self.v_threshold, self._axes), (self.leak, 0))
            if value.ndim > axes
        ]
        if draws and current.ndim == self.feature_dims + 2:
            current = current.expand(max(draws), *current.shape)
        return clocked_fire(
            current,
            state,
            time_dim=current.ndim - self.feature_dims - 2,
            v_threshold=self._of_a_step(self.v_threshold, self._axes),
            leak=self._of_a_step(self.leak, 0),
            surrogate=self.surrogate,
            order=self.order,
            comparison=self.comparison,
            v_init=self.v_init,
        )

    @torch.no_grad()
    def clamp_(self, *, least: float = 1e-3) -> None:
        """Bring a learned leak back into [0, 1] and a learned threshold to `least` or above.

        To be called after each step of an optimiser of `torch.optim`. A `learner` keeps parameters
        of its own: its rule takes `Gradient(bounds=...)`.
        """
        if isinstance(self.leak, nn.Parameter):
            self.leak.clamp_(0.0, 1.0)
        if isinstance(self.v_threshold, nn.Parameter):
            self.v_threshold.clamp_(min=least)

    def extra_repr(self) -> str:
        return (
            f"v_threshold={_short(self.v_threshold)}, leak={_short(self.leak)}, "
            f"order={self.order}, surrogate={self.surrogate}, v_init={_short(self.v_init)}, "
            f"feature_dims={self.feature_dims}"
        )

    def _of_a_step(self, value: Tensor, axes: int) -> Tensor:
        """Put a leading draw axis before B: `[K, *own]` to `[K, 1, ..., *own]`."""
        if value.ndim == axes:
            return value
        missing = self.feature_dims + 1 - axes
        return value.reshape(value.shape[0], *[1] * missing, *value.shape[1:])


def _short(value: float | Tensor) -> str:
    many = isinstance(value, Tensor) and value.numel() != 1
    return f"{tuple(value.shape)}" if many else f"{float(value):g}"


def _keep(module: nn.Module, name: str, value: Tensor, learned: bool) -> None:
    if learned:
        module.register_parameter(name, nn.Parameter(value))
    else:
        module.register_buffer(name, value)
