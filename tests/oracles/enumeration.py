"""Everything about a network with few binary weights, from running all 2^d of them.

Loss, free energy, natural gradient, evidence and predictive are plain sums here, with nothing of
the package in them but the network itself. d up to about 14.
"""

from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from bayesnn_spike.learn import RateCrossEntropy
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.models import mlp
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch, Weights
from tests.ops import cases


def small_network() -> nn.Module:
    """A spiking network with ten binary weights, in float64."""
    return mlp(3, (2,), 2, gain_in=2.0, gain_out=2.0).double()


def small_batch() -> Batch:
    """Four examples of six steps on which its losses differ."""
    spikes = cases.spikes(6, 4, 3, seed=4, rate=0.5, dtype=torch.float64)
    return Batch(spikes, torch.tensor([0, 1, 1, 0]))


def sign_table(d: int) -> Tensor:
    """All of {-1, +1}^d, `[2^d, d]`."""
    return torch.tensor(list(product((-1.0, 1.0), repeat=d)), dtype=torch.float64)


def split(table: Tensor, params: Weights) -> Weights:
    """Cut rows `[K, d]` into weights `[K, *shape]`, in the order of the parameters."""
    parts = table.split([p.numel() for p in params.values()], dim=1)
    return {
        n: part.reshape(-1, *p.shape) for (n, p), part in zip(params.items(), parts, strict=True)
    }


def join(weights: Weights) -> Tensor:
    """The inverse of `split` for one vector: leaves `[*shape]` to `[d]`."""
    return torch.cat([w.flatten() for w in weights.values()])


def parameters(network: nn.Module) -> Weights:
    """The parameters as plain tensors by name."""
    return {n: p.detach() for n, p in network.named_parameters()}


def all_losses(network: nn.Module, batch: Batch, loss: Any = RateCrossEntropy()) -> Tensor:
    """L(w) of every w, `[2^d]`."""
    params = parameters(network)
    table = sign_table(sum(p.numel() for p in params.values()))
    outputs, _ = functional_call(network, split(table, params), (batch.spikes,))
    return loss(outputs, batch.labels).detach()


def probabilities(mu: Tensor) -> Tensor:
    """q(w) of every w from the means: prod (1 + w mu) / 2, `[2^d]`."""
    return ((1 + sign_table(len(mu)) * mu) / 2).prod(1)


def expected_loss(mu: Tensor, losses: Tensor) -> Tensor:
    """E_q L, a scalar."""
    return probabilities(mu) @ losses


def kl(logits: Tensor, prior: Tensor) -> Tensor:
    """sum over weights and signs of q log(q / p)."""
    total = torch.zeros((), dtype=logits.dtype)
    for w in (-2, 2):
        ratio = F.logsigmoid(w * logits) - F.logsigmoid(w * prior)
        total = total + (torch.sigmoid(w * logits) * ratio).sum()
    return total


def free_energy(logits: Tensor, prior: Tensor, losses: Tensor, rho: float) -> Tensor:
    """F(q) = E_q L + rho KL(q || prior)."""
    return expected_loss(logits.tanh(), losses) + rho * kl(logits, prior)


def gibbs(prior: Tensor, losses: Tensor, rho: float) -> tuple[Tensor, Tensor]:
    """(the optimal distribution over all w, the bound -rho log Z that no F can go below)."""
    log_weights = probabilities(prior.tanh()).log() - losses / rho
    return log_weights.softmax(0), -rho * log_weights.logsumexp(0)


def gradient(mu: Tensor, losses: Tensor) -> Tensor:
    """d E_q L / d mu_i = E over the others of (L(w_i = +1) - L(w_i = -1)) / 2: equation 3.3."""
    d = len(mu)
    cube = losses.view([2] * d)
    found = []
    for i in range(d):
        difference = (cube.select(i, 1) - cube.select(i, 0)) / 2
        others = torch.cat([mu[:i], mu[i + 1 :]])
        found.append(probabilities(others) @ difference.reshape(-1))
    return torch.stack(found)


def curvature(losses: Tensor, d: int) -> float:
    """A bound of the Hessian of E_q L in mu: the norm of the largest mixed differences."""
    cube = losses.view([2] * d)
    bound = torch.zeros(d, d, dtype=torch.float64)
    for i in range(d):
        for j in range(d):
            if i != j:
                mixed = cube.diff(dim=i).diff(dim=j) / 4
                bound[i, j] = mixed.abs().max()
    return float(torch.linalg.matrix_norm(bound, 2))


class Exact:
    """An estimator without error: it runs all 2^d networks and sums equation 3.3."""

    def draw(self, logits: Weights, stream: Stream) -> Draw:
        return Draw(split(sign_table(len(join(logits))), logits), {})

    def gradient(self, logits: Weights, draw: Draw, credit: Credit) -> Weights:
        found = gradient(join(logits).tanh(), credit.losses)
        return {n: g[0] for n, g in split(found[None], logits).items()}
