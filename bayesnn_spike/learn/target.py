"""What a posterior over binary weights is proportional to, on data that stay.

    log target(w) = log p0(w) - L(w) / rho

L is the mean loss and rho the temperature of `Temperature`: with tempering 1 this is the log of
prior times likelihood. Enumeration, Markov chains and evidence bounds all start from here.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bayesnn_spike.checks import require_positive
from bayesnn_spike.learn.binary import binary_shapes
from bayesnn_spike.learn.credit import Draw, credit
from bayesnn_spike.learn.temperature import Temperature
from bayesnn_spike.nn.evaluating import evaluating
from bayesnn_spike.ops.synapse.choice import MIN_OUTPUTS
from bayesnn_spike.posterior.bernoulli import Bernoulli
from bayesnn_spike.posterior.flat import shapes_of, size_of
from bayesnn_spike.types import Batch, Weights
from bayesnn_spike.weights import dense, is_signs, pack_signs, pack_spikes, sign_leaves


@final
@dataclass(frozen=True, eq=False)
class Target:
    """The tempered posterior of a network's binary weights, up to its evidence.

    Args:
        network: `forward(x [*K, T, B, *in], state) -> (outputs, state)`; all parameters are binary.
        loss: maps (outputs, labels) to `[K]`, the mean over the batch.
        batch: all the data: spikes `[T, B, *in]` and labels `[B]`.
        temperature: rho; its `examples` is B, for L is the mean over these examples. A posterior as
            sharp as that of N examples has the tempering B / N.
        prior: p0, logits by the network's names. None is fair coins.
        draws_at_once: networks that are run side by side; changes no result but by rounding.

    Raises:
        ValueError: rho is 0 (there is no distribution), the temperature counts other examples than
            the batch has, the prior's names or shapes differ, or a parameter cannot be binary.

    Oracle: tests/learn/test_target.py (enumeration).
    """

    network: nn.Module
    loss: Any
    batch: Batch
    temperature: Temperature
    prior: Bernoulli | None = None
    draws_at_once: int = 256

    def __post_init__(self) -> None:
        require_positive(self.temperature.rho, "rho")
        require_positive(self.draws_at_once, "draws_at_once")
        counted, examples = self.temperature.examples, len(self.batch.labels)
        if counted != examples:
            raise ValueError(
                f"the temperature is that of {counted} examples, the target has {examples}: pass "
                f"examples={examples}; a posterior as sharp as that of {counted} examples has the "
                f"tempering {self.temperature.tempering * examples / counted:g}"
            )
        shapes = self.shapes  # refuses what cannot be binary
        if self.prior is not None and shapes_of(self.prior.logits) != shapes:
            raise ValueError(f"the prior has {shapes_of(self.prior.logits)}, the network {shapes}")
        if self.prior is not None:
            # Rows of all weights are laid out in the network's order, whatever the prior's is.
            ordered = Bernoulli({name: self.prior.logits[name] for name in shapes})
            object.__setattr__(self, "prior", ordered)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of one network's weights."""
        return binary_shapes(self.network)

    @property
    def size(self) -> int:
        """d, the number of weights."""
        return size_of(self.shapes)

    @cached_property
    def dtype(self) -> torch.dtype:
        """Of the weights that the network is run with: that of its parameters."""
        return next(self.network.parameters()).dtype

    @cached_property
    def _packed_spikes(self) -> Any:
        return pack_spikes(self.batch.spikes)

    def losses(self, weights: Weights) -> Tensor:
        """Return L of each of K networks, `[K]`, for weights with leaves `[K, *shape]`."""
        count = len(next(iter(weights.values())))
        found = []
        with torch.no_grad(), evaluating(self.network):
            for first in range(0, count, self.draws_at_once):
                some = {n: w[first : first + self.draws_at_once] for n, w in weights.items()}
                found.append(self._run(some))
        return torch.cat(found)

    @cached_property
    def _pays_off(self) -> bool:
        """Whether bits are faster than numbers: a word of signs has room for 64 outputs."""
        return any(len(s) > 1 and s[0] >= MIN_OUTPUTS for s in self.shapes.values())

    def _run(self, weights: Weights) -> Tensor:
        if self._pays_off:
            weights = pack_signs(weights)
        else:
            weights = {n: dense(w).to(self.dtype) for n, w in weights.items()}
        packed = any(is_signs(w) for w in weights.values())
        spikes = self._packed_spikes if packed else self.batch.spikes.to(self.dtype)
        outputs, _ = functional_call(self.network, weights, (spikes,))
        return self.loss(outputs, self.batch.labels)

    def log_likelihood(self, weights: Weights) -> Tensor:
        """Return -L / rho of each draw, `[K]`, float64."""
        return -self.losses(weights).double() / self.temperature.rho

    def log_prior(self, weights: Weights) -> Tensor:
        """Return log p0 of each draw, `[K]`, float64."""
        prior = self.prior or Bernoulli({n: torch.zeros(s) for n, s in self.shapes.items()})
        doubles = Bernoulli({n: v.double() for n, v in prior.logits.items()})
        return doubles.log_prob({n: dense(w).double() for n, w in weights.items()})

    def log_prob(self, weights: Weights) -> Tensor:
        """Return log p0(w) - L(w) / rho of each draw, `[K]`, float64."""
        return self.log_prior(weights) + self.log_likelihood(weights)

    def with_gradient(self, weights: Weights) -> tuple[Tensor, Weights]:
        """Return log_prob `[K]`, and the gradients of the likelihood's part in w, `[K, *shape]`.

        The derivative treats w as real numbers and neurons by their surrogate: what a proposal
        may look at, and no acceptance should trust.
        """
        values = {n: dense(w).to(self.dtype) for n, w in weights.items()}
        count = len(next(iter(values.values())))
        losses, grads = [], []
        with evaluating(self.network):
            for first in range(0, count, self.draws_at_once):
                some = {n: w[first : first + self.draws_at_once] for n, w in values.items()}
                cost, _ = credit(
                    self.network,
                    self.loss,
                    Draw(*sign_leaves(some)),
                    self.batch.spikes.to(self.dtype),
                    self.batch.labels,
                )
                losses.append(cost.losses)
                grads.append(cost.grads)
        rho = self.temperature.rho
        likelihood = -torch.cat(losses).double() / rho
        slopes = {n: -torch.cat([g[n] for g in grads]) / rho for n in values}
        return self.log_prior(values) + likelihood, slopes


def require_on_cpu(target: Target, what: str) -> None:
    """Raise ValueError unless network, data and prior of a target are on the CPU."""
    tensors = {"the network": [*target.network.parameters(), *target.network.buffers()]}
    tensors["the batch"] = list(target.batch)
    tensors["the prior"] = [] if target.prior is None else list(target.prior.logits.values())
    for place, found in tensors.items():
        devices = sorted({str(tensor.device) for tensor in found} - {"cpu"})
        if devices:
            raise ValueError(
                f"{what} on the CPU only, {place} is on {devices[0]}: move it there with .cpu()"
            )
