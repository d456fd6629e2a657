"""Binary weights as a distribution of Pyro: independent signs with support {-1, +1}."""

from collections.abc import Iterator
from itertools import product
from typing import Any, final

import pyro.distributions as dist
import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import logsigmoid

from bayesnn_spike.checks import require_interval, require_positive

MOST_ENUMERATED = 20
"""Binary weights whose 2^d values fit into memory."""


@final
class Signs(dist.TorchDistribution):
    """q(w) = prod_i exp(logits_i w_i) / (2 cosh logits_i), as one site of a whole parameter.

    The same family and the same numbers as `bayesnn_spike.posterior.Bernoulli`. Its support can be
    enumerated: all 2^d values of the parameter's d weights along one new axis.

    Args:
        logits: natural parameters (half log-odds) `[*batch, *event]`.
        event_dim: trailing axes that are one parameter; None is all of them.
        tau: None draws exact signs without a gradient. A positive number draws the same signs and
            sends gradients to the logits as if the draw had been tanh((logits + delta) / tau), with
            2 delta logistic: straight-through, biased, see `RelaxedStraightThrough`.

    Raises:
        ValueError: tau is not positive, event_dim is no number of axes of the logits, (at
            log_prob) a value is neither -1 nor +1, or (at enumerate_support) more than 20 weights.

    Source: Maddison et al. 2017; Jang et al. 2017 for straight-through draws.
    Oracle: tests/learn/pyro_svi/test_signs.py (enumeration).
    """

    has_enumerate_support = True
    arg_constraints = {"logits": constraints.real}  # noqa: RUF012 (torch's own protocol)

    def __init__(
        self, logits: Tensor, event_dim: int | None = None, *, tau: float | None = None
    ) -> None:
        event_dim = logits.ndim if event_dim is None else event_dim
        require_interval(event_dim, "event_dim", 0, logits.ndim)
        if tau is not None:
            require_positive(tau, "tau")
        self.logits, self.tau = logits, tau
        split = logits.ndim - event_dim
        super().__init__(logits.shape[:split], logits.shape[split:], validate_args=False)

    @property
    def has_rsample(self) -> bool:
        """Whether draws have a gradient: with a tau."""
        return self.tau is not None

    @property
    def support(self) -> constraints.Constraint:
        """-1 and +1, for all weights of a parameter together."""
        return constraints.independent(_SIGN, self.event_dim)

    @property
    def mean(self) -> Tensor:
        """tanh(logits)."""
        return self.logits.tanh()

    def expand(self, batch_shape: torch.Size, _instance: Any = None) -> "Signs":
        """Return the same distribution with more batch axes."""
        del _instance
        logits = self.logits.expand(*batch_shape, *self.event_shape)
        return Signs(logits, self.event_dim, tau=self.tau)

    def sample(self, sample_shape: torch.Size = torch.Size()) -> Tensor:
        """Return exact signs, from Pyro's generator, without a gradient."""
        with torch.no_grad():
            return _hard(self._noisy(sample_shape))

    def rsample(self, sample_shape: torch.Size = torch.Size()) -> Tensor:
        """Return the same signs as `sample`, with the gradient of their relaxation."""
        if self.tau is None:
            raise ValueError("signs without a tau have no gradient: take sample()")
        return _StraightThrough.apply(self._noisy(sample_shape), self.tau)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log q of values `[..., *event]`, summed over the event's axes."""
        if bool((value.detach().abs() != 1).any()):
            wrong = value.detach().flatten()[(value.detach().abs() != 1).flatten()][0]
            raise ValueError(
                f"binary weights are -1 or +1, got {float(wrong):g}: a site of Signs takes no real "
                "values; sample real parameters from another distribution, or name them pyro.param"
            )
        terms = logsigmoid(2 * value * self.logits)
        return terms.sum(list(range(-self.event_dim, 0))) if self.event_dim else terms

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Return all values `[2^d, *batch, *event]`; batch axes of 1 unless `expand`.

        Raises:
            ValueError: d is more than 20.
        """
        d = self.event_shape.numel()
        if d > MOST_ENUMERATED:
            raise ValueError(
                f"2^{d} values of {d} binary weights cannot be enumerated, at most "
                f"2^{MOST_ENUMERATED}: take TraceGraph() or RelaxedStraightThrough()"
            )
        table = self.logits.new_tensor(list(product((-1.0, 1.0), repeat=d)))
        ones = (1,) * len(self.batch_shape)
        values = table.reshape(-1, *ones, *self.event_shape)
        return values.expand(-1, *self.batch_shape, *self.event_shape) if expand else values

    def _noisy(self, sample_shape: torch.Size) -> Tensor:
        """logits + delta: its sign is an exact draw, whatever the relaxation."""
        limits = torch.finfo(self.logits.dtype)
        low, high = (self.logits.new_tensor(u) for u in (limits.tiny, 1 - limits.eps))
        u = dist.Uniform(low, high).sample(self.shape(sample_shape))
        return self.logits + u.logit() / 2


@dist.kl.register_kl(Signs, Signs)
def kl_of_signs(q: Signs, p: Signs) -> Tensor:
    """KL(q || p) in nats `[*batch]`, in closed form; as `Bernoulli.kl`.

    `TraceMeanField_ELBO` finds it by itself. Oracle: tests/learn/pyro_svi/test_signs.py.
    """
    terms = sum(_kl_terms(q.logits, p.logits))
    return terms.sum(list(range(-q.event_dim, 0))) if q.event_dim else terms


def _kl_terms(q: Tensor, p: Tensor) -> Iterator[Tensor]:
    for w in (-2.0, 2.0):
        yield torch.sigmoid(w * q) * (logsigmoid(w * q) - logsigmoid(w * p))


def _hard(noisy: Tensor) -> Tensor:
    return (noisy >= 0).to(noisy.dtype).mul_(2).sub_(1)


class _StraightThrough(torch.autograd.Function):
    """Forward sign(z), backward the slope of tanh(z / tau)."""

    @staticmethod
    def forward(ctx: Any, noisy: Tensor, tau: float) -> Tensor:
        ctx.save_for_backward(noisy)
        ctx.tau = tau
        return _hard(noisy)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (noisy,) = ctx.saved_tensors
        return grad * torch.cosh(noisy / ctx.tau).pow(-2) / ctx.tau, None


class _Sign(constraints.Constraint):
    """-1 or +1."""

    is_discrete = True

    def check(self, value: Tensor) -> Tensor:
        return value.abs() == 1


_SIGN = _Sign()
