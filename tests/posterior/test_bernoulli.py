"""posterior/bernoulli: against the enumeration of all weights, and draws against their law."""

import math
from itertools import product

import pytest
import torch

from bayesnn_spike.ops.draw import draw_signs
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.posterior.bernoulli import logcosh, signs
from bayesnn_spike.rng import Stream
from bayesnn_spike.weights import DrawnSigns

LOGITS = {
    "a": torch.tensor([[0.3, -1.2], [0.0, 2.5]], dtype=torch.float64),
    "b": torch.tensor([-0.4, 0.9, 0.1], dtype=torch.float64),
}
PRIOR = Bernoulli({"a": torch.full_like(LOGITS["a"], 0.2), "b": torch.full_like(LOGITS["b"], -0.1)})


def all_weights() -> dict[str, torch.Tensor]:
    """All 2^7 weight vectors, `[128, *shape]`."""
    table = torch.tensor(list(product((-1.0, 1.0), repeat=7)), dtype=torch.float64)
    return {"a": table[:, :4].reshape(-1, 2, 2), "b": table[:, 4:]}


def test_log_prob_is_the_product_of_the_weights_probabilities() -> None:
    weights = all_weights()
    p = torch.ones(128, dtype=torch.float64)
    for name, logits in LOGITS.items():
        plus = torch.sigmoid(2 * logits)
        p = p * torch.where(weights[name] > 0, plus, 1 - plus).flatten(1).prod(1)
    found = Bernoulli(LOGITS).log_prob(weights)
    torch.testing.assert_close(found, p.log())
    assert float(found.exp().sum()) == pytest.approx(1, abs=1e-12)


def test_mean_mode_entropy_and_kl_by_enumeration() -> None:
    posterior, weights = Bernoulli(LOGITS), all_weights()
    log_q = posterior.log_prob(weights)
    q = log_q.exp()
    for name in LOGITS:
        expected = torch.einsum("k,k...->...", q, weights[name])[None]
        torch.testing.assert_close(posterior.mean()[name], expected)
        best = weights[name][q.argmax()]
        assert torch.equal(posterior.mode()[name][0].where(LOGITS[name] != 0, best), best)
    torch.testing.assert_close(posterior.entropy(), -(q * log_q).sum())
    kl = (q * (log_q - PRIOR.log_prob(weights))).sum()
    torch.testing.assert_close(posterior.kl(PRIOR), kl)


def test_kl_is_zero_at_the_prior_and_positive_elsewhere() -> None:
    assert float(PRIOR.kl(PRIOR)) == 0
    generator = Stream(0).generator()
    for _ in range(100):
        other = {n: 3 * torch.randn(v.shape, generator=generator) for n, v in LOGITS.items()}
        prior = {n: torch.randn(v.shape, generator=generator) for n, v in LOGITS.items()}
        assert float(Bernoulli(other).kl(Bernoulli(prior))) > 0


def test_the_gradients_of_kl_are_the_closed_forms() -> None:
    """dKL/dlambda = (lambda - lambda0)(1 - mu^2), so dKL/dmu = lambda - lambda0."""
    logits = {n: v.clone().requires_grad_() for n, v in LOGITS.items()}
    grads = torch.autograd.grad(Bernoulli(logits).kl(PRIOR), list(logits.values()))
    for (name, values), grad in zip(LOGITS.items(), grads, strict=True):
        shift = values - PRIOR.logits[name]
        torch.testing.assert_close(grad, shift * (1 - values.tanh().square()))


def test_saturated_logits_stay_finite() -> None:
    far = Bernoulli({"w": torch.tensor([100.0, -100.0, 1e4])})
    near = Bernoulli({"w": torch.zeros(3)})
    assert float(far.entropy()) == 0
    assert float(far.kl(near)) == pytest.approx(3 * math.log(2))
    # 200 nats by weight, and 2e4: log cosh of 1e4 does not overflow.
    assert float(near.kl(far)) == pytest.approx(100 + 100 + 1e4 - 3 * math.log(2))
    assert far.log_prob(far.mode()).tolist() == [0]


def test_draws_come_from_the_parameter_s_own_stream_in_any_chunks() -> None:
    posterior, stream = Bernoulli(LOGITS), Stream(3)
    whole = posterior.sample(6, stream)
    for name, values in LOGITS.items():
        signs = draw_signs(values, stream=stream.child(name), draws=6)
        assert isinstance(whole[name], DrawnSigns)
        assert torch.equal(whole[name].dense(torch.float64), signs)
        parts = [posterior.sample(2, stream)[name], posterior.sample(4, stream, first=2)[name]]
        assert torch.equal(torch.cat([part.dense(torch.float64) for part in parts]), signs)


def test_mean_and_variance_of_draws() -> None:
    draws, posterior = 40_000, Bernoulli(LOGITS)
    sample = posterior.sample(draws, Stream(1))
    for name, values in LOGITS.items():
        signs, mu = sample[name].dense(torch.float64), values.tanh()
        variance = 1 - mu.square()
        error = (signs.mean(0) - mu).abs() / (variance / draws).sqrt()
        assert float(error.max()) < 5
        torch.testing.assert_close(signs.var(0), variance, rtol=0, atol=0.02)


def test_mode_is_the_sign_and_zero_counts_as_plus() -> None:
    values = torch.tensor([0.0, -0.0, 1e-30, -1e-30])
    assert signs(values).tolist() == [1, 1, 1, -1]
    assert Bernoulli({"w": values}).mode()["w"].tolist() == [[1, 1, 1, -1]]


def test_logcosh_is_exact_from_tiny_to_huge() -> None:
    x = torch.tensor([0.0, 0.3, -2.0, 15.0, -1e6], dtype=torch.float64)
    expected = [0.0, math.log(math.cosh(0.3)), math.log(math.cosh(2))]
    expected += [15 - math.log(2) + math.log1p(math.exp(-30)), 1e6 - math.log(2)]
    assert logcosh(x).tolist() == pytest.approx(expected, rel=1e-14, abs=1e-15)


def test_a_scalar_is_a_parameter_too() -> None:
    posterior = Bernoulli({"w": torch.tensor(0.5)})
    sample = posterior.sample(4, Stream(0))
    expected = sample["w"].dense() * 0.5 - math.log(2 * math.cosh(0.5))
    torch.testing.assert_close(posterior.log_prob(sample), expected)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"logits\['w'\] has 1 values .* first at \(1,\)"):
        Bernoulli({"w": torch.tensor([0.0, value])})


def test_weights_and_priors_of_another_shape_are_refused() -> None:
    posterior = Bernoulli({"w": torch.zeros(3)})
    with pytest.raises(ValueError, match=r"missing \['w'\], unexpected \['v'\]"):
        posterior.log_prob({"v": torch.ones(2, 3)})
    with pytest.raises(ValueError, match=r"weights\['w'\] must have shape \(2, 3\), got \(2, 1\)"):
        posterior.log_prob({"w": torch.ones(2, 1)})
    with pytest.raises(ValueError, match=r"the prior does not match .* missing \['w'\]"):
        posterior.kl(Bernoulli({}))
    with pytest.raises(ValueError, match=r"prior logits\['w'\] must have shape \(3,\), got \(1,\)"):
        posterior.kl(Bernoulli({"w": torch.zeros(1)}))
