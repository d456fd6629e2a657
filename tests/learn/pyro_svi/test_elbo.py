"""learn/pyro_svi/elbo: Pyro's bounds and gradients against enumeration."""

import math

import pytest
import torch
from pyro import get_param_store
from torch import Tensor

from bayesnn_spike.learn import Temperature
from bayesnn_spike.learn.initial import Given
from bayesnn_spike.learn.optimizers import Sgd
from bayesnn_spike.learn.pyro_svi import (
    DecayingAverage,
    Enumerated,
    Neural,
    PyroSvi,
    RelaxedStraightThrough,
    TraceGraph,
    pyro_model,
    pyro_svi,
)
from bayesnn_spike.learn.target import Target
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.rng import Stream
from tests.learn.pyro_svi import problem
from tests.learn.rules.problems import BATCH, linear, outputs_are_losses
from tests.oracles import enumeration as exact
from tests.oracles import quadratic


def assert_mean(rows: Tensor, expected: Tensor) -> None:
    error = rows.std(0) / math.sqrt(len(rows))
    assert float(((rows.mean(0) - expected).abs() / error).max()) < 5


def kind(value) -> str:
    return type(value).__name__


def rate(batch) -> Tensor:
    return batch.spikes.mean((0, 1))


def test_pyro_s_enumerated_bound_is_ours() -> None:
    """-rho ELBO = F to rounding; asked for is 1e-6."""
    prior = Bernoulli(problem.by_name(problem.PRIOR))
    model = pyro_model(problem.NETWORK, problem.LOSS, problem.TEMPERATURE, prior)
    elbo = Enumerated()
    guide = elbo.guide(problem.by_name(problem.LOGITS))
    with get_param_store().scope():
        found = elbo.objective().loss(model, guide, problem.BATCH)
    assert problem.RHO * found == pytest.approx(float(problem.free_energy()), abs=1e-12)


def test_it_is_the_bound_of_a_target() -> None:
    """ELBO = E_q[log target] + entropy of q."""
    prior = Bernoulli(problem.by_name(problem.PRIOR))
    target = Target(problem.NETWORK, problem.LOSS, problem.BATCH, problem.TEMPERATURE, prior)
    table = exact.split(exact.sign_table(10), exact.parameters(problem.NETWORK))
    q = exact.probabilities(problem.LOGITS.tanh())
    expected = q @ target.log_prob(table) - q @ q.log()
    _, info = problem.small_learner(Enumerated()).update(
        problem.small_learner(Enumerated()).init(Stream(0), problem.by_name(problem.LOGITS)),
        problem.BATCH,
    )
    assert float(info.loss) == pytest.approx(-problem.RHO * float(expected), rel=1e-6)


def test_the_enumerated_gradient_is_exact() -> None:
    learn = problem.small_learner(Enumerated())
    (found,) = problem.gradients(learn, problem.by_name(problem.LOGITS), 1)
    torch.testing.assert_close(found, problem.gradient(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("baseline", [None, DecayingAverage(), Neural(rate)], ids=kind)
def test_trace_graph_gradients_are_unbiased(baseline) -> None:
    learn = problem.small_learner(TraceGraph(400, baseline))
    rows = problem.gradients(learn, problem.by_name(problem.LOGITS), 40)
    assert_mean(rows, problem.gradient())
    error = rows.std(0).max() / math.sqrt(len(rows))
    assert float(error) < problem.gradient().abs().max() / 10  # it could be seen failing


def test_a_single_draw_is_unbiased_too() -> None:
    learn = problem.small_learner(TraceGraph(1))
    rows = problem.gradients(learn, problem.by_name(problem.LOGITS), 150)
    assert_mean(rows, problem.gradient())


def test_baselines_take_variance_away() -> None:
    runs = {
        name: problem.gradients(
            problem.small_learner(TraceGraph(50, baseline)), problem.by_name(problem.LOGITS), 35
        )[15:]
        for name, baseline in (("none", None), ("average", DecayingAverage(0.8)))
    }
    noise = {name: float(rows.var(0).sum()) for name, rows in runs.items()}
    assert noise["average"] < noise["none"] / 2


def test_the_relaxed_bound_is_unbiased_in_its_value() -> None:
    """Its draws are exact signs and its KL is exact: only gradients are biased."""
    learn = problem.small_learner(RelaxedStraightThrough(1.0, 500))
    state = learn.init(Stream(1), problem.by_name(problem.LOGITS))
    values = []
    for step in range(30):
        _, info = learn.update(state._replace(step=torch.tensor(step)), problem.BATCH)
        values.append(info.loss.double())
    assert_mean(torch.stack(values)[:, None], problem.free_energy()[None])


def slopes(logits: Tensor, tau: float) -> tuple[Tensor, Tensor]:
    """E[slope] and E[w slope] of tanh((lambda + delta) / tau), by the midpoint rule in u."""
    u = (torch.arange(400_000, dtype=torch.float64) + 0.5) / 400_000
    z = logits[:, None] + u.logit() / 2
    slope = torch.cosh(z / tau).pow(-2) / tau
    return slope.mean(1), (z.sign() * slope).mean(1)


@pytest.mark.parametrize("tau", [1.0, 0.3])
def test_the_relaxed_gradient_has_the_documented_bias(tau: float) -> None:
    """3.8(d) with g = A w - b at exact signs: E[s g] in place of (A - diag A) mu - b."""
    logits = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)
    mu = logits.tanh()
    method = PyroSvi(Temperature(2), RelaxedStraightThrough(tau, 4000), Sgd(1.0), Given())
    prior = Bernoulli({"w": quadratic.PRIOR})
    network = quadratic.quadratic_problem()
    learn = pyro_svi(method, network, outputs_are_losses, example=BATCH, prior=prior)
    rows = problem.gradients(learn, {"w": logits}, 40, BATCH)
    slope, signed = slopes(logits, tau)
    divergence = 0.5 * (logits - quadratic.PRIOR) * (1 - mu**2)
    expected = quadratic.exact_gradient(mu) * slope + quadratic.A.diagonal() * signed + divergence
    assert_mean(rows, expected)
    exactly = quadratic.exact_gradient(mu) * (1 - mu**2) + divergence
    error = rows.std(0) / math.sqrt(len(rows))
    assert float(((expected - exactly).abs() / error).max()) > 10


def test_on_a_linear_loss_the_bias_is_the_closed_form() -> None:
    """3.5 at tau 1: E[s] = (k + 1)^2 ((k + 1) ln k - 2 (k - 1)) / (k - 1)^3, k = e^(2 lambda)."""
    logits = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    k = (2 * logits).exp()
    scale = (k + 1) ** 2 * ((k + 1) * k.log() - 2 * (k - 1)) / (k - 1) ** 3
    torch.testing.assert_close(
        scale, torch.tensor([0.7677, 1.0794, 2.3126]).double(), rtol=0, atol=5e-5
    )
    c = torch.tensor([0.7, -0.4, 1.1], dtype=torch.float64)
    method = PyroSvi(Temperature(10), RelaxedStraightThrough(1.0, 4000), Sgd(1.0), Given())
    prior = Bernoulli({"w": logits})  # no KL, and no gradient of it
    learn = pyro_svi(method, linear(c.tolist()), outputs_are_losses, example=BATCH, prior=prior)
    rows = problem.gradients(learn, {"w": logits}, 40, BATCH)
    assert_mean(rows / (1 - logits.tanh() ** 2), c * scale)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: TraceGraph(0), "draws must be positive"),
        (lambda: RelaxedStraightThrough(0.0), "tau must be positive"),
        (lambda: RelaxedStraightThrough(draws=0), "draws must be positive"),
        (lambda: DecayingAverage(1.0), "DecayingAverage.decay must lie in"),
        (lambda: Neural(rate, hidden=0), "Neural.hidden must be positive"),
        (lambda: Neural(rate, decay=-1), "Neural.decay must lie in"),
        (
            lambda: Enumerated().guide({"a": torch.zeros(3, 5), "b": torch.zeros(6)}),
            "enumeration would run 2\\^21 networks",
        ),
    ],
)
def test_guards(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
