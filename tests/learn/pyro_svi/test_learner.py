"""learn/pyro_svi/learner: where it comes to rest, models of one's own, what it refuses."""

import subprocess
import sys

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.distributions import constraints

from bayesnn_spike.learn import Cosine, Temperature
from bayesnn_spike.learn.initial import Given
from bayesnn_spike.learn.optimizers import Adam, Sgd
from bayesnn_spike.learn.pyro_svi import (
    Enumerated,
    PyroSvi,
    RelaxedStraightThrough,
    TraceGraph,
    likelihood,
    pyro_svi,
    sample_signs,
    svi,
)
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.rng import Stream
from tests.learn.pyro_svi import problem
from tests.learn.rules.problems import BATCH, outputs_are_losses
from tests.oracles import enumeration as exact
from tests.oracles import quadratic

REST = {
    1: ([1.063065, -1.119505, 0.681354], 1.65693328),
    4: ([4.252575, -3.755322, 3.105787], 0.59222266),
}
SHAPES = {"input.weight": (2, 3), "readout.weight": (2, 2)}
ZEROS = {n: torch.zeros(s, dtype=torch.float64) for n, s in SHAPES.items()}


def quadratic_learner(examples: int, elbo, optimizer):
    method = PyroSvi(Temperature(examples), elbo, optimizer, Given())
    prior = Bernoulli({"w": quadratic.PRIOR})
    return pyro_svi(
        method, quadratic.quadratic_problem(), outputs_are_losses, example=BATCH, prior=prior
    )


@pytest.mark.parametrize(
    ("examples", "optimizer", "steps"),
    # With rho 1/4 the bound is flat where it ends, 1 - mu^2 is 1e-3: steps that hardly remember.
    [(1, Sgd(1.5), 60), (4, Adam(Cosine(0.3, 150), beta1=0.0, beta2=0.5, eps=1e-12), 150)],
    ids=["rho 1", "rho 1/4"],
)
def test_the_exact_bound_comes_to_rest_where_3_8_d_says(examples, optimizer, steps) -> None:
    logits, energy = REST[examples]
    learn = quadratic_learner(examples, Enumerated(), optimizer)
    state = learn.init(Stream(0))
    for _ in range(steps):
        state, info = learn.update(state, BATCH)
    found = learn.posterior(state).logits["w"]
    expected = torch.tensor(logits, dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)
    assert float(info.loss) == pytest.approx(energy, abs=1e-6)


def test_the_score_function_comes_near_it() -> None:
    learn = quadratic_learner(1, TraceGraph(64), Adam(Cosine(0.1, 150)))
    state = learn.init(Stream(0))
    for _ in range(150):
        state, _ = learn.update(state, BATCH)
    found = learn.posterior(state).logits["w"]
    expected = torch.tensor(REST[1][0], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.1)


def hierarchical(elbo):
    """A learned p0 and a learned gain around the ten-weight network."""

    def model(batch) -> None:
        p0 = pyro.param("p0", torch.tensor(0.5).double(), constraint=constraints.unit_interval)
        gain = pyro.param("gain", torch.tensor(1.0).double(), constraint=constraints.positive)
        weights = sample_signs(SHAPES, p0.logit() / 2)
        scaled = lambda r, labels: problem.LOSS(gain * r, labels)  # noqa: E731
        likelihood(problem.NETWORK, scaled, weights, batch, problem.TEMPERATURE)

    guide = elbo.guide(problem.by_name(problem.LOGITS))
    return svi(model, guide, elbo, example=problem.BATCH, optimizer=Sgd(1.0), unit=problem.RHO)


def test_other_parameters_get_their_exact_gradients() -> None:
    """Through sigmoid and exp, where Pyro keeps p0 and the gain."""
    learn = hierarchical(Enumerated())
    state = learn.init(Stream(0))
    after, info = learn.update(state, problem.BATCH)
    table = exact.split(exact.sign_table(10), exact.parameters(problem.NETWORK))
    outputs, _ = torch.func.functional_call(problem.NETWORK, table, (problem.BATCH.spikes,))
    raw = {n: torch.zeros((), dtype=torch.float64, requires_grad=True) for n in ("p0", "gain")}
    losses = problem.LOSS(raw["gain"].exp() * outputs.detach(), problem.BATCH.labels)
    prior = (raw["p0"] / 2).expand(10)
    energy = exact.free_energy(problem.LOGITS, prior, losses, problem.RHO)
    assert float(info.loss) == pytest.approx(float(energy.detach()), rel=1e-6)
    for name, value in raw.items():
        (expected,) = torch.autograd.grad(energy, value, retain_graph=True)
        found = state.rule.params[name] - after.rule.params[name]
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    found = learn.parameters(after)
    torch.testing.assert_close(found["gain"], after.rule.params["gain"].exp())
    torch.testing.assert_close(found["p0"], after.rule.params["p0"].sigmoid())


@pytest.mark.parametrize("elbo", [TraceGraph(3), RelaxedStraightThrough(draws=3)], ids=repr)
def test_a_sampled_p0_and_gain_are_learned_by_sampling(elbo) -> None:
    like = torch.zeros((), dtype=torch.float64)

    def model(batch) -> None:
        p0 = pyro.sample("p0", dist.Beta(2.0 + like, 2.0 + like))
        gain = pyro.sample("gain", dist.LogNormal(like, 0.5 + like))
        weights = sample_signs(SHAPES, p0.logit() / 2)
        scaled = lambda r, labels: problem.LOSS(gain[..., None, None, None] * r, labels)  # noqa: E731
        likelihood(problem.NETWORK, scaled, weights, batch, problem.TEMPERATURE)

    signs = elbo.guide(ZEROS)

    def guide(batch) -> None:
        a = pyro.param("a", 5.0 + like, constraint=constraints.positive)
        pyro.sample("p0", dist.Beta(a, 5.0 + like))
        m = pyro.param("m", like.clone())
        pyro.sample("gain", dist.LogNormal(m, 0.1 + like))
        signs(batch)

    learn = svi(model, guide, elbo, example=problem.BATCH)
    first = learn.init(Stream(1))
    state, _ = learn.update(first, problem.BATCH)
    again, _ = learn.update(first, problem.BATCH)
    for name, value in state.rule.params.items():
        assert not torch.equal(value, first.rule.params[name]), name
        assert torch.equal(value, again.rule.params[name]), name
    assert learn.posterior(state).logits.keys() == SHAPES.keys()


def test_init_takes_values_and_refuses_unknown_names() -> None:
    learn = hierarchical(Enumerated())
    state = learn.init(Stream(0), {"gain": torch.tensor(0.75).double()})
    assert float(state.rule.params["gain"]) == 0.75
    with pytest.raises(ValueError, match=r"no parameters \['gian'\]; .* have .*'gain'"):
        learn.init(Stream(0), {"gian": torch.tensor(0.7)})
    with pytest.raises(ValueError, match=r"gain must have shape \(\), got \(2,\)"):
        learn.init(Stream(0), {"gain": torch.zeros(2)})


def test_plates_of_the_model_s_own() -> None:
    """A sampled gain for every class, beside K particles."""
    like = torch.zeros((), dtype=torch.float64)

    def model(batch) -> None:
        weights = sample_signs(SHAPES, ZEROS)
        with pyro.plate("classes", 2):
            gain = pyro.sample("gain", dist.LogNormal(like, 0.5 + like))
        scaled = lambda r, labels: problem.LOSS(gain[..., None, None, :] * r, labels)  # noqa: E731
        likelihood(problem.NETWORK, scaled, weights, batch, problem.TEMPERATURE)

    signs = TraceGraph(3).guide(ZEROS)

    def guide(batch) -> None:
        signs(batch)
        with pyro.plate("classes", 2):
            pyro.sample("gain", dist.LogNormal(pyro.param("m", torch.zeros(2).double()), 0.1))

    learn = svi(model, guide, TraceGraph(3, None), example=problem.BATCH, plates=1)
    state, info = learn.update(learn.init(Stream(0)), problem.BATCH)
    assert bool(torch.isfinite(info.loss))
    assert bool((state.rule.params["m"] != 0).all())


def test_without_pyro_the_extra_is_named() -> None:
    code = "import sys; sys.modules['pyro'] = None; import bayesnn_spike.learn.pyro_svi"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert (
        "needs pyro-ppl, which is not installed: pip install 'bayesnn_spike[bayes]'" in done.stderr
    )


def test_guards() -> None:
    with pytest.raises(ValueError, match="rho must be positive"):
        PyroSvi(Temperature(4, tempering=0.0))
    with pytest.raises(ValueError, match="unit must be positive"):
        svi(lambda batch: None, lambda batch: None, TraceGraph(), example=BATCH, unit=0.0)
