"""Problem 3.8(d) of the specification: linear regression with three binary weights."""

import torch
from torch import Tensor, nn

from bayesnn_spike.ops.synapse import linear
from tests.learn.rules.problems import Problem

N, D, SIGMA = 12, 3, 0.7
ROW, COLUMN = torch.meshgrid(torch.arange(N), torch.arange(D), indexing="ij")
X = ((3 * ROW + 5 * COLUMN) % 7 - 3).double() / 3
Y = X @ torch.tensor([1.0, -1.0, 1.0]).double() + 0.3 * (-1.0) ** torch.arange(N).double()
VARIANCE = N * SIGMA**2
A, B, C0 = X.T @ X / VARIANCE, X.T @ Y / VARIANCE, Y @ Y / (2 * VARIANCE)
OFF = A - torch.diag(A.diagonal())
PRIOR = torch.tensor([0.2, 0.0, -0.1], dtype=torch.float64)


def loss(w: Tensor) -> Tensor:
    """||y - X w||^2 / (2 N sigma^2) of `[K, 3]`."""
    return ((Y - w @ X.T) ** 2).sum(-1) / (2 * VARIANCE)


def multilinear(w: Tensor) -> Tensor:
    """The same on {-1, +1}^3, with w_i^2 = 1 put in: its gradient has no diagonal."""
    return (w @ OFF * w).sum(-1) / 2 - w @ B + C0 + A.diagonal().sum() / 2


def expected_loss(mu: Tensor) -> Tensor:
    """mu'A mu / 2 + sum A_ii (1 - mu_i^2) / 2 - b'mu + c0."""
    return mu @ A @ mu / 2 + (A.diagonal() * (1 - mu**2)).sum() / 2 - B @ mu + C0


def exact_gradient(mu: Tensor) -> Tensor:
    """(A - diag A) mu - b."""
    return OFF @ mu - B


def quadratic_problem() -> Problem:
    """The loss as it is, for estimators that differentiate it."""
    return Problem(D, loss)


def multilinear_problem() -> Problem:
    """Its multilinear form, on which the mean-parameter estimator is exact."""
    return Problem(D, multilinear)


class Regression(nn.Module):
    """The same as a layer of one unit with an example each, for per-example noise."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(1, D, dtype=torch.float64))

    def forward(self, x: Tensor, state: None = None) -> tuple[Tensor, None]:
        current = linear(x, self.w)[..., 0]  # [K, T = 1, N]
        return ((Y - current) ** 2).sum((-1, -2)) / (2 * VARIANCE), None


def clamp_free_bound(rho: float) -> float:
    """The largest step with a guarantee: 1 / (||A - diag A||_2 + rho)."""
    return 1 / (float(torch.linalg.matrix_norm(OFF, 2)) + rho)
