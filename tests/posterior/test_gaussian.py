"""posterior/gaussian: densities and KL against torch.distributions, draws against their law."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from bayesnn_spike.posterior import Gaussian
from bayesnn_spike.posterior.gaussian import standard_normal
from bayesnn_spike.rng import Stream

MEANS = {
    "a": torch.tensor([[0.3, -1.2], [0.0, 2.5]], dtype=torch.float64),
    "b": torch.tensor([-0.4, 0.9, 0.1], dtype=torch.float64),
}
PRECISIONS = {
    "a": torch.tensor([[4.0, 0.25], [1.0, 100.0]], dtype=torch.float64),
    "b": torch.tensor([2.0, 0.5, 9.0], dtype=torch.float64),
}
POSTERIOR = Gaussian(MEANS, PRECISIONS)
PRIOR = Gaussian(
    {n: torch.full_like(v, 0.2) for n, v in MEANS.items()},
    {n: torch.full_like(v, 1.5) for n, v in MEANS.items()},
)


def normals(posterior: Gaussian) -> dict[str, Normal]:
    return {n: Normal(m, posterior.precisions[n].rsqrt()) for n, m in posterior.means.items()}


def test_log_prob_is_the_sum_of_the_weights_densities() -> None:
    weights = POSTERIOR.sample(6, Stream(2))
    expected = sum(q.log_prob(weights[n]).flatten(1).sum(1) for n, q in normals(POSTERIOR).items())
    torch.testing.assert_close(POSTERIOR.log_prob(weights), expected)


def test_kl_is_that_of_normals() -> None:
    q, p = normals(POSTERIOR), normals(PRIOR)
    expected = sum(kl_divergence(q[n], p[n]).sum() for n in q)
    torch.testing.assert_close(POSTERIOR.kl(PRIOR), expected)
    assert float(POSTERIOR.kl(POSTERIOR)) == 0


def test_mode_and_mean_are_the_means_and_copies() -> None:
    for found in (POSTERIOR.mode(), POSTERIOR.mean()):
        for name, values in MEANS.items():
            assert torch.equal(found[name], values[None])
            assert found[name].data_ptr() != values.data_ptr()


def test_draws_are_the_same_in_any_chunks() -> None:
    whole = POSTERIOR.sample(6, Stream(3))
    parts = [POSTERIOR.sample(k, Stream(3), first=f) for f, k in ((0, 1), (1, 3), (4, 2))]
    for name, values in whole.items():
        assert values.shape == (6, *MEANS[name].shape)
        assert torch.equal(torch.cat([part[name] for part in parts]), values)
        assert len(values.flatten(1).unique(dim=0)) == 6


def test_mean_variance_and_independence_of_draws() -> None:
    """At 5 sigma: se of a mean is sd / sqrt(n), of a variance v sqrt(2 / n), of a product v."""
    n = 40_000
    sample = POSTERIOR.sample(n, Stream(1))
    for name, mean in MEANS.items():
        variance = 1 / PRECISIONS[name]
        z = (sample[name].mean(0) - mean) / (variance / n).sqrt()
        assert float(z.abs().max()) < 5
        z = (sample[name].var(0) / variance - 1) / (2 / n) ** 0.5
        assert float(z.abs().max()) < 5
    rows = torch.cat([((sample[m] - MEANS[m]) * PRECISIONS[m].sqrt()).flatten(1) for m in MEANS], 1)
    products = (rows.T @ rows / n - torch.eye(7)).abs() * n**0.5
    assert float((products - products.diag().diag()).max()) < 5


def test_the_noise_is_normal_in_its_tails() -> None:
    """The share beyond 1, 2, 3 deviations, binomial at 5 sigma; the largest possible is finite."""
    n = 200_000
    z = standard_normal(torch.zeros(n, dtype=torch.float64), Stream(4), 1)[0]
    for bound, share in ((1, 0.3173105), (2, 0.0455003), (3, 0.0026998)):
        found = float((z.abs() > bound).double().mean())
        assert abs(found - share) < 5 * (share * (1 - share) / n) ** 0.5
    extreme = torch.special.ndtri(torch.tensor(0.5 / 2**31, dtype=torch.float64))
    assert -6.4 < float(extreme) < -6.2


def test_wrong_parameters_are_refused() -> None:
    one = {"w": torch.ones(2)}
    with pytest.raises(ValueError, match=r"precisions\['w'\] must be positive, the least is 0.0"):
        Gaussian(one, {"w": torch.tensor([1.0, 0.0])})
    with pytest.raises(ValueError, match=r"means\['w'\] has 1 values that are not finite"):
        Gaussian({"w": torch.tensor([1.0, float("nan")])}, one)
    with pytest.raises(ValueError, match=r"precisions\['w'\] must have shape \(2,\), got \(3,\)"):
        Gaussian(one, {"w": torch.ones(3)})
    with pytest.raises(ValueError, match=r"precisions does not match the means: missing \['w'\]"):
        Gaussian(one, {})
    with pytest.raises(ValueError, match=r"weights\['w'\] must have shape \(4, 2\), got \(4, 3\)"):
        Gaussian(one, one).log_prob({"w": torch.ones(4, 3)})
