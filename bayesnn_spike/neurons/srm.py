"""The spike-response neuron of BiSNN, in two halves around the synapse.

    Q_t = b Q_{t-1} + x_t,   P_t = a P_{t-1} + Q_{t-1}        SynapticTrace (input side)
    R_t = c R_{t-1} + s_{t-1},   U_t = I_t - R_t,   s_t = 1[U_t >= 0]        Refractory

P and Q belong to the presynaptic unit, so dU/dW is the trace P exactly. Both kernels are delayed by
one step and not normalised. Source: kclip/BayesBiSNN model/LIF_base.py (formulas only);
tau_mem = 10, tau_syn = 6, tau_ref = 2 steps there.
Oracle: tests/neurons/test_srm.py (golden trace of six steps).
"""

import math
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from bayesnn_spike.checks import require_positive
from bayesnn_spike.ops.fire import RefractoryState, refractory_fire
from bayesnn_spike.ops.fire.surrogate import AtOrAbove, Boxcar, Comparison, Surrogate, spike
from bayesnn_spike.ops.trace import trace


class TraceState(NamedTuple):
    """Membrane trace P and synaptic trace Q after the last step, each one step's shape."""

    membrane: Tensor
    synaptic: Tensor


@final
class SynapticTrace(nn.Module):
    """Filter spikes into the membrane trace P of the spike-response neuron.

    Args:
        tau_mem: membrane time constant, in steps.
        tau_syn: synaptic time constant, in steps.
        feature_dims: trailing feature axes of the input.
    """

    def __init__(
        self, *, tau_mem: float = 10.0, tau_syn: float = 6.0, feature_dims: int = 1
    ) -> None:
        super().__init__()
        require_positive(tau_mem, "tau_mem")
        require_positive(tau_syn, "tau_syn")
        self.alpha, self.beta = math.exp(-1 / tau_mem), math.exp(-1 / tau_syn)
        self.feature_dims = feature_dims

    def forward(self, x: Tensor, state: TraceState | None = None) -> tuple[Tensor, TraceState]:
        """Map spikes `[*K, T, B, *features]` to traces P of the same shape, and the last state."""
        time = x.ndim - self.feature_dims - 2
        q0 = None if state is None else state.synaptic
        q, q_last = trace(x, q0, decay=self.beta, time_dim=time)
        before = torch.zeros_like(q_last) if q0 is None else q0
        steps = x.shape[time]
        delayed = torch.cat([before.unsqueeze(time), q.narrow(time, 0, steps - 1)], time)
        p0 = None if state is None else state.membrane
        p, p_last = trace(delayed, p0, decay=self.alpha, time_dim=time)
        return p, TraceState(p_last, q_last)


@final
class Refractory(nn.Module):
    """Threshold with a refractory trace of the neuron's own spikes.

    Args:
        tau_ref: time constant of the refractory trace, in steps.
        v_threshold: 0 as in the released code; a silent neuron then fires at the first step.
        surrogate: derivative of the spike; boxcar of width 1 as released.
        comparison: AtOrAbove() as released.
        pool: side of a max pooling of U before the output's threshold (maps only); the refractory
            trace follows the spikes before pooling, as released.
        feature_dims: trailing feature axes of the input.
    """

    def __init__(
        self,
        *,
        tau_ref: float = 2.0,
        v_threshold: float = 0.0,
        surrogate: Surrogate = Boxcar(1.0),
        comparison: Comparison = AtOrAbove(),
        pool: int = 1,
        feature_dims: int = 1,
    ) -> None:
        super().__init__()
        require_positive(tau_ref, "tau_ref")
        if pool > 1 and feature_dims != 3:
            raise ValueError(f"pool={pool} needs maps (feature_dims=3), got {feature_dims}")
        self.decay, self.v_threshold = math.exp(-1 / tau_ref), float(v_threshold)
        self.surrogate, self.comparison = surrogate, comparison
        self.pool, self.feature_dims = pool, feature_dims

    def forward(
        self, current: Tensor, state: RefractoryState | None = None
    ) -> tuple[Tensor, RefractoryState]:
        """Map currents `[*K, T, B, *features]` to spikes (maps pooled where asked), and state."""
        spikes, state, membrane = refractory_fire(
            current,
            state,
            time_dim=current.ndim - self.feature_dims - 2,
            decay=self.decay,
            v_threshold=self.v_threshold,
            surrogate=self.surrogate,
            comparison=self.comparison,
        )
        if self.pool > 1:
            maps = membrane.flatten(0, -4)
            pooled = nn.functional.max_pool2d(maps, self.pool).unflatten(0, membrane.shape[:-3])
            spikes = spike(pooled - self.v_threshold, self.surrogate, self.comparison)
        return spikes, state
