"""learn/mcmc/error: on autoregressions, whose standard error is known."""

import pytest
import torch

from bayesnn_spike.learn.mcmc import batch_means_error
from tests.ops import cases

PHI = 0.8


def autoregression(chains: int, draws: int, *, seed: int) -> torch.Tensor:
    """x <- 0.8 x + noise from its own law; the mean of n has variance 25 / n in the limit."""
    noise = cases.normal(chains, draws, seed=seed).double()
    values = [noise[:, 0] / (1 - PHI**2) ** 0.5]
    for index in range(1, draws):
        values.append(PHI * values[-1] + noise[:, index])
    return torch.stack(values, 1)


def exact(chains: int, draws: int) -> float:
    lags = torch.arange(1, draws, dtype=torch.float64)
    total = 1 + 2 * float(((1 - lags / draws) * PHI**lags).sum())
    return (total / (1 - PHI**2) / draws / chains) ** 0.5


@pytest.mark.parametrize(("chains", "draws"), [(400, 50), (4, 40_000)])
def test_the_error_of_an_autoregression(chains: int, draws: int) -> None:
    """Chains as batches, and batches of 200 inside 4 chains: both within 12 percent."""
    found = float(batch_means_error(autoregression(chains, draws, seed=2)))
    assert found == pytest.approx(exact(chains, draws), rel=0.12)
    naive = (1 / (1 - PHI**2) / chains / draws) ** 0.5
    assert found > 2 * naive


def test_axes_after_the_draws_are_kept() -> None:
    values = cases.normal(20, 7, 3, seed=1)
    found = batch_means_error(values)
    assert found.shape == (3,)
    torch.testing.assert_close(found[1], batch_means_error(values[..., 1]))
    means = values.double().mean(1)
    torch.testing.assert_close(found, means.std(0) / 20**0.5)


def test_too_few_batches_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 20 batches, 2 chains of 70 draws make 16"):
        batch_means_error(torch.zeros(2, 70))
    assert float(batch_means_error(torch.zeros(2, 110))) == 0
