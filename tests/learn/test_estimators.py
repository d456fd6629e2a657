"""learn/estimators: what each draws and how it weighs gradients; bias is the oracles' matter."""

import math

import pytest
import torch

from bayesnn_spike.learn.credit import Credit
from bayesnn_spike.learn.estimators import (
    Arm,
    DisArm,
    EpsScale,
    ExactScale,
    Flipout,
    GumbelRao,
    GumbelStraightThrough,
    HardStraightThrough,
    LocalReparameterisation,
    MeanParameter,
    Relaxed,
    Score,
    _draws,
)
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.rng import Stream
from bayesnn_spike.weights import FlipoutWeight, LocalWeight
from tests.ops import cases

LOGITS = {"a": torch.tensor([[0.0, 0.5], [-1.0, 2.0]], dtype=torch.float64)}
STREAM = Stream(3)
ALL = [
    Relaxed(draws=3),
    Relaxed(scale=EpsScale()),
    HardStraightThrough(3),
    MeanParameter(),
    Flipout(),
    LocalReparameterisation(),
    Score(3),
    Arm(2),
    DisArm(2),
    GumbelStraightThrough(0.5, 3),
    GumbelRao(0.5, 3),
]

# 3.8(e): logits (0, .5, -1, 2), u = (.5, .25, .9, .01).
GOLDEN = {
    1.0: ((0, -0.04926623, 0.09829388, -0.28907803), (1, 1.26845408, 2.35809242, 12.97131204)),
    0.5: ((0, -0.09829388, 0.19470656, -0.53356786), (2, 2.51851019, 4.58165777, 20.24902998)),
    0.1: (
        (0, -0.45664288, 0.75570425, -0.99480807),
        (10, 10.06395272, 10.21279251, 1.46592695),
    ),
}


@pytest.mark.parametrize("tau", GOLDEN)
def test_the_relaxed_draw_and_its_scale_are_the_golden_ones(tau: float, monkeypatch) -> None:
    u = torch.tensor([[[0.5, 0.25], [0.9, 0.01]]], dtype=torch.float64)
    words = (u * 2**31 - 0.5).round().to(torch.int64)
    monkeypatch.setattr(_draws, "random_bits", lambda *_, **__: words)
    relaxed = Relaxed(tau=tau)
    draw = relaxed.draw(LOGITS, STREAM)
    w, s = (torch.tensor(v, dtype=torch.float64).view(1, 2, 2) for v in GOLDEN[tau])
    torch.testing.assert_close(draw.weights["a"].detach(), w, rtol=0, atol=1e-8)
    gradient = relaxed.gradient(LOGITS, draw, Credit(torch.zeros(1), {"a": torch.ones(1, 2, 2)}))
    torch.testing.assert_close(gradient["a"], s[0], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("tau", [2.0, 0.5, 0.1])
def test_the_scale_is_what_autograd_finds_through_the_draw(tau: float) -> None:
    """dL/dlambda through w~ is g (1 - w~^2) / tau; over sech^2 lambda that is s g."""
    logits = LOGITS["a"].clone().requires_grad_()
    draw = Relaxed(tau=tau, draws=5).draw(LOGITS, STREAM)
    noise = draw.noise["a"] * tau - LOGITS["a"]
    w = ((logits + noise) / tau).tanh()
    g = cases.normal(5, 2, 2)
    (grad,) = torch.autograd.grad((w * g).sum(), logits)
    natural = grad * LOGITS["a"].cosh().square() / 5
    found = Relaxed(tau=tau, draws=5).gradient(LOGITS, draw, Credit(torch.zeros(5), {"a": g}))
    torch.testing.assert_close(found["a"], natural)


def test_relaxed_draws_agree_in_sign_with_exact_draws_of_the_stream() -> None:
    logits = {"a": cases.normal(40, 50)}
    relaxed = Relaxed(tau=1.0, draws=4).draw(logits, STREAM).weights["a"].detach()
    hard = HardStraightThrough(4).draw(logits, STREAM).weights["a"].detach()
    clear = relaxed.abs() > 1e-6
    assert torch.equal(relaxed[clear].sign(), hard[clear])
    assert float(clear.double().mean()) > 0.9999


def test_a_maximum_clips_the_scale() -> None:
    z = torch.tensor([0.0, 0.1, 3.0], dtype=torch.float64)
    logits = torch.full((3,), 2.0, dtype=torch.float64)
    free, clipped = ExactScale()(logits, z, 1.0), ExactScale(5.0)(logits, z, 1.0)
    assert torch.equal(clipped, free.clamp(max=5.0))
    assert float(free[0]) == pytest.approx(math.cosh(2) ** 2)


def test_the_published_scale_is_the_exact_one_where_nothing_saturates() -> None:
    logits = torch.linspace(-2, 2, 21, dtype=torch.float64)
    z = (logits + 0.3) / 0.5
    torch.testing.assert_close(EpsScale(0.0)(logits, z, 0.5), ExactScale()(logits, z, 0.5))


@pytest.mark.parametrize(
    "estimator",
    [HardStraightThrough(3), Score(3), GumbelStraightThrough(0.5, 3), GumbelRao(0.5, 3)],
)
def test_exact_draws_are_those_of_the_posterior(estimator) -> None:
    draw = estimator.draw(LOGITS, STREAM)
    signs = Bernoulli(LOGITS).sample(3, STREAM)["a"].dense(torch.float64)
    assert torch.equal(draw.weights["a"].detach(), signs)


def test_mean_parameter_runs_the_mean() -> None:
    draw = MeanParameter().draw(LOGITS, STREAM)
    assert torch.equal(draw.weights["a"].detach(), LOGITS["a"].tanh()[None])


@pytest.mark.parametrize(
    ("estimator", "kind"), [(Flipout(), FlipoutWeight), (LocalReparameterisation(), LocalWeight)]
)
def test_perturbed_draws_hand_out_a_tensor_type_around_the_mean(estimator, kind: type) -> None:
    draw = estimator.draw(LOGITS, STREAM)
    weight = draw.weights["a"]
    assert isinstance(weight, kind)
    assert weight.mean is draw.leaves["a"]
    assert torch.equal(weight.mean.detach(), LOGITS["a"].tanh()[None])
    if kind is FlipoutWeight:
        signs = Bernoulli(LOGITS).sample(1, STREAM)["a"].dense(torch.float64)
        assert torch.equal(weight.signs, signs)


@pytest.mark.parametrize("estimator", [HardStraightThrough(3), MeanParameter(), Flipout()])
def test_gradients_are_averaged_over_draws(estimator) -> None:
    k = 3 if estimator == HardStraightThrough(3) else 1
    grads = {"a": cases.normal(k, 2, 2)}
    draw = estimator.draw(LOGITS, STREAM)
    found = estimator.gradient(LOGITS, draw, Credit(torch.zeros(k), grads))
    torch.testing.assert_close(found["a"], grads["a"].mean(0))


def test_the_score_by_hand() -> None:
    """mean_k (L_k - mean of the others) w_k / (1 + w_k mu)."""
    draw = Score(3).draw(LOGITS, STREAM)
    losses = torch.tensor([1.0, 4.0, 10.0], dtype=torch.float64)
    advantage = [1.0 - 7.0, 4.0 - 5.5, 10.0 - 2.5]
    w, mu = draw.weights["a"], LOGITS["a"].tanh()
    expected = sum(a * w[k] / (1 + w[k] * mu) for k, a in enumerate(advantage)) / 3
    torch.testing.assert_close(Score(3).gradient(LOGITS, draw, Credit(losses, {}))["a"], expected)
    assert draw.leaves == {}


@pytest.mark.parametrize("estimator", ALL, ids=repr)
def test_a_draw_follows_from_its_arguments_and_keeps_dtype_and_shape(estimator) -> None:
    logits = {"a": torch.zeros(4, 6), "b": torch.zeros(7)}
    draws = [estimator.draw(logits, stream) for stream in (STREAM, STREAM, Stream(4))]
    for name, values in logits.items():
        one, two, other = (
            d.weights[name].mean
            if name in d.leaves and d.weights[name] is not d.leaves[name]
            else d.weights[name].detach()
            for d in draws
        )
        assert one.shape[1:] == values.shape
        assert one.dtype == values.dtype
        assert torch.equal(one, two)
        if not isinstance(estimator, MeanParameter | Flipout | LocalReparameterisation):
            assert not torch.equal(one, other)
    for leaf in draws[0].leaves.values():
        assert leaf.is_leaf
        assert leaf.requires_grad


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Relaxed(tau=0.0), "tau must be positive"),
        (lambda: Relaxed(draws=0), "draws must be positive"),
        (lambda: HardStraightThrough(0), "draws must be positive"),
        (lambda: Score(1), "leave-one-out baseline needs at least 2 draws, got 1"),
        (lambda: Arm(0), "pairs must be positive"),
        (lambda: DisArm(0), "pairs must be positive"),
        (lambda: GumbelStraightThrough(0.0), "tau must be positive"),
        (lambda: GumbelStraightThrough(draws=0), "draws must be positive"),
        (lambda: GumbelRao(-0.1), "tau must lie in"),
        (lambda: GumbelRao(draws=0), "draws must be positive"),
    ],
)
def test_wrong_options_are_refused(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
