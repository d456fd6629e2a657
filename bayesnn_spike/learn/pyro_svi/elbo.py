"""Evidence bounds and mean-field guides of Pyro, as values.

| value | Pyro's objective | draws | gradient in the logits |
| --- | --- | --- | --- |
| `Enumerated()` | `TraceEnum_ELBO` | none | exact; up to 20 weights |
| `TraceGraph()` | `TraceGraph_ELBO` | exact signs | unbiased: score function, baselines |
| `RelaxedStraightThrough()` | `TraceMeanField_ELBO` | exact signs | biased data part, exact KL |

All three estimate the same bound, ELBO = -E_q[L] / rho - KL(q || p0) = -F / rho, in nats. Pyro
does the bookkeeping (which cost depends on which site, baselines, sums over enumerated values);
ours are the distribution `Signs`, its support of 2^d values, its KL and its relaxation.

Oracle: tests/learn/pyro_svi/test_elbo.py (enumeration).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, final

import pyro
import torch
from pyro.infer import ELBO, TraceEnum_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO, config_enumerate
from torch import Tensor

from bayesnn_spike.checks import require_decay, require_positive
from bayesnn_spike.learn.pyro_svi.signs import MOST_ENUMERATED, Signs
from bayesnn_spike.posterior.flat import size_of
from bayesnn_spike.types import Batch, Weights

Guide = Callable[[Batch], Any]
AVERAGE = "__baseline_avg_downstream_cost_"
"""How Pyro names its decaying averages in the parameter store."""


@final
@dataclass(frozen=True)
class Enumerated:
    """The exact bound: all values of every site, site times site.

    Every parameter is one site of 2^(its weights) values on an axis of its own; Pyro multiplies the
    axes out, and the network runs all 2^d combinations side by side.
    """

    def objective(self, plates: int = 0) -> ELBO:
        """Return Pyro's objective."""
        return TraceEnum_ELBO(max_plate_nesting=plates)

    def guide(self, logits: Mapping[str, Tensor]) -> Guide:
        """Return the mean-field guide that starts from logits `{name: [*shape]}`.

        Raises:
            ValueError: more than 20 weights altogether.
        """
        d = size_of({n: tuple(v.shape) for n, v in logits.items()})
        if d > MOST_ENUMERATED:
            raise ValueError(
                f"enumeration would run 2^{d} networks, at most 2^{MOST_ENUMERATED}: take "
                "TraceGraph() or RelaxedStraightThrough()"
            )
        return config_enumerate(_mean_field(logits))


@final
@dataclass(frozen=True)
class DecayingAverage:
    """Pyro's baseline: b <- decay b + (1 - decay) cost, for each particle and site; starts at 0.

    Args:
        decay: in [0, 1).
    """

    decay: float = 0.9

    def __post_init__(self) -> None:
        require_decay(self.decay, "DecayingAverage.decay")


@final
@dataclass(frozen=True)
class Neural:
    """A decaying average, and a small network that learns from the batch what it leaves.

    b = average + v . tanh(U features + c) + e, fitted by least squares along with the logits; its
    parameters are `<site>.baseline.*`. Its output starts at 0.

    Args:
        features: maps a batch to `[F]`, such as the mean spikes of every channel.
        hidden: units.
        decay: of the average, in [0, 1).

    Source: Mnih and Gregor 2014.
    """

    features: Callable[[Batch], Tensor]
    hidden: int = 8
    decay: float = 0.9

    def __post_init__(self) -> None:
        require_positive(self.hidden, "Neural.hidden")
        require_decay(self.decay, "Neural.decay")


@final
@dataclass(frozen=True)
class TraceGraph:
    """Score-function gradients of exact draws, each site against the costs it can change.

    Args:
        draws: K, run side by side as a plate of Pyro.
        baseline: `DecayingAverage(decay)`, `Neural(features)` or None. None is unbiased too, and
            of higher variance.

    Source: Schulman et al. 2015; Mnih and Gregor 2014 for the baselines.
    """

    draws: int = 8
    baseline: DecayingAverage | Neural | None = DecayingAverage()

    def __post_init__(self) -> None:
        require_positive(self.draws, "draws")

    def objective(self, plates: int = 0) -> ELBO:
        """Return Pyro's objective."""
        return TraceGraph_ELBO(self.draws, plates, vectorize_particles=True)

    def guide(self, logits: Mapping[str, Tensor]) -> Guide:
        """Return the mean-field guide that starts from logits `{name: [*shape]}`."""
        axes = (self.draws,) if self.draws > 1 else ()
        return _mean_field(logits, baseline=self.baseline, axes=axes)


@final
@dataclass(frozen=True)
class RelaxedStraightThrough:
    """Exact signs forward, the slope of tanh((lambda + delta) / tau) backward; the KL exact.

    In mu the data part has the mean E[s g(w)], s = (1 - tanh(z)^2) / (tau (1 - mu^2)): for a linear
    loss c.w that is c E[s], where c is exact. At tau 1 E[s] is 2/3 for an undecided weight and
    2.3 at logit 2; at tau 0.1 it is 0.99 and 1.01. The KL has no bias. A spiking network adds the
    bias of its neurons' surrogates.

    Args:
        tau: relaxation temperature; small is less biased and noisier.
        draws: K, run side by side as a plate of Pyro.

    Source: Maddison et al. 2017; Jang et al. 2017.
    """

    tau: float = 0.5
    draws: int = 1

    def __post_init__(self) -> None:
        require_positive(self.tau, "tau")
        require_positive(self.draws, "draws")

    def objective(self, plates: int = 0) -> ELBO:
        """Return Pyro's objective."""
        return TraceMeanField_ELBO(self.draws, plates, vectorize_particles=True)

    def guide(self, logits: Mapping[str, Tensor]) -> Guide:
        """Return the mean-field guide that starts from logits `{name: [*shape]}`."""
        return _mean_field(logits, tau=self.tau)


Elbo = Enumerated | TraceGraph | RelaxedStraightThrough


def _mean_field(
    logits: Mapping[str, Tensor],
    *,
    tau: float | None = None,
    baseline: DecayingAverage | Neural | None = None,
    axes: tuple[int, ...] = (),
) -> Guide:
    """Independent signs; the parameter of site `name` is `name.logits`."""
    first = {name: v.detach().clone() for name, v in logits.items()}

    def guide(batch: Batch) -> Weights:
        weights = {}
        for name, start in first.items():
            values = pyro.param(f"{name}.logits", start)
            options = (
                {} if baseline is None else {"baseline": _options(name, baseline, batch, axes)}
            )
            site = Signs(values, start.ndim, tau=tau)
            weights[name] = pyro.sample(name, site, infer=options)
        return weights

    return guide


def _options(
    name: str, baseline: DecayingAverage | Neural, batch: Batch, axes: tuple[int, ...]
) -> dict[str, Any]:
    options = {"use_decaying_avg_baseline": True, "baseline_beta": baseline.decay}
    if isinstance(baseline, Neural):
        network = _Regressor(f"{name}.baseline", baseline.hidden, axes)
        options |= {"nn_baseline": network, "nn_baseline_input": baseline.features(batch)}
    return options


@final
@dataclass(frozen=True)
class _Regressor:
    """`[F]` to one value a particle; its parameters live in Pyro's store."""

    name: str
    hidden: int
    axes: tuple[int, ...]

    def __call__(self, x: Tensor) -> Tensor:
        size = prod(x.shape)
        scale = x.new_tensor(size**-0.5)
        start = pyro.distributions.Normal(0 * scale, scale)
        u = pyro.param(f"{self.name}.u", lambda: start.sample((self.hidden, size)))
        c = pyro.param(f"{self.name}.c", lambda: x.new_zeros(self.hidden))
        v = pyro.param(f"{self.name}.v", lambda: x.new_zeros(self.hidden))
        e = pyro.param(f"{self.name}.e", lambda: x.new_zeros(()))
        return (torch.tanh(u @ x.flatten() + c) @ v + e).expand(self.axes)
