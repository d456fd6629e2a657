"""learn/pyro_svi/run: whose globals it leaves alone, and what it refuses to run."""

import random

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

from bayesnn_spike.calibration import fit_netcal
from bayesnn_spike.learn.pyro_svi import Signs, TraceGraph, likelihood, sample_signs, svi
from bayesnn_spike.rng import Stream
from tests.calibration.cases import random_case
from tests.learn.pyro_svi import problem

SHAPES = {"input.weight": (2, 3), "readout.weight": (2, 2)}
ZEROS = {n: torch.zeros(s, dtype=torch.float64) for n, s in SHAPES.items()}


def run(updates: int = 3, between=lambda: None):
    learn = problem.small_learner(TraceGraph(4))
    state = learn.init(Stream(5), problem.by_name(problem.LOGITS))
    for _ in range(updates):
        state, _ = learn.update(state, problem.BATCH)
        between()
    return learn.posterior(state).logits, state


def same(one, two) -> bool:
    return all(torch.equal(v, two[n]) for n, v in one.items())


def test_a_netcal_fit_between_updates_changes_nothing() -> None:
    """netcal clears Pyro's store in every fit, by itself and behind our adapter."""
    from netcal.scaling import TemperatureScaling

    probs, labels = random_case(60)
    expected, _ = run()

    def alone() -> None:
        with pytest.warns(DeprecationWarning, match="independent is deprecated"):
            TemperatureScaling().fit(probs, labels, tensorboard=False)

    assert same(run(between=alone)[0], expected)
    adapted = lambda: fit_netcal(TemperatureScaling(), probs, labels, stream=Stream(0))  # noqa: E731
    assert same(run(between=adapted)[0], expected)


def numpy_state() -> list[int]:
    return np.random.get_state()[1].tolist()  # noqa: NPY002 (it is what must not change)


def test_a_user_s_store_and_generators_are_left_alone() -> None:
    with pyro.get_param_store().scope() as mine:
        pyro.param("user", torch.tensor([1.0, 2.0]))
        pyro.param("input.weight.logits", torch.tensor(7.0))  # the name that the guide uses
        before = torch.get_rng_state(), random.getstate(), numpy_state()
        with pyro.poutine.trace() as traced:
            expected, _ = run()
        assert [n for n in traced.trace.nodes if "weight" in n] == []
        assert torch.equal(torch.get_rng_state(), before[0])
        assert (random.getstate(), numpy_state()) == before[1:]
        assert torch.equal(pyro.param("user").detach(), torch.tensor([1.0, 2.0]))
        assert torch.equal(pyro.param("input.weight.logits").detach(), torch.tensor(7.0))
    assert sorted(mine["params"]) == ["input.weight.logits", "user"]
    pyro.set_rng_seed(99)
    assert same(run()[0], expected)


def test_after_an_error_the_store_is_whole_again() -> None:
    learn = problem.small_learner(TraceGraph(4))
    state = learn.init(Stream(5))
    with pyro.get_param_store().scope():
        pyro.param("user", torch.tensor(1.0))
        with pytest.raises(ValueError, match="target batch_size"):
            learn.update(state, problem.BATCH._replace(labels=torch.zeros(3, dtype=torch.int64)))
        assert list(pyro.get_param_store()) == ["user"]


def test_a_bound_that_is_not_finite_is_refused() -> None:
    def model(batch) -> None:
        sample_signs(SHAPES, ZEROS)
        pyro.factor("broken", torch.tensor(torch.inf))

    guide = TraceGraph(1).guide(ZEROS)
    learn = svi(model, guide, TraceGraph(1, None), example=problem.BATCH)
    with (
        pytest.warns(UserWarning, match=r"Encountered \+?-?inf"),
        pytest.raises(ValueError, match=r"the bound is not finite \(inf\)"),
    ):
        learn.init(Stream(0))


def with_guide(guide):
    def model(batch) -> None:
        weights = sample_signs(SHAPES, ZEROS)
        likelihood(problem.NETWORK, problem.LOSS, weights, batch, problem.TEMPERATURE)

    return svi(model, guide, TraceGraph(2), example=problem.BATCH)


def test_a_guide_of_another_shape_is_refused() -> None:
    wrong = TraceGraph(2).guide({**ZEROS, "readout.weight": torch.zeros(3, 2).double()})
    with pytest.raises(ValueError, match=r"guide has .*\(3, 2\)}, the model .*\(2, 2\)}"):
        with_guide(wrong).init(Stream(0))
    with pytest.raises(
        ValueError, match=r"the guide has binary weights {'input.weight': \(2, 3\)},"
    ):
        with_guide(TraceGraph(2).guide({"input.weight": ZEROS["input.weight"]})).init(Stream(0))


def test_a_parameter_that_turns_up_late_is_refused() -> None:
    signs = TraceGraph(2).guide(ZEROS)

    def guide(batch) -> None:
        signs(batch)
        pyro.param(f"for {len(batch.labels)} examples", torch.zeros(()))

    learn = with_guide(guide)
    half = problem.BATCH._replace(spikes=problem.BATCH.spikes[:, :2], labels=torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"parameters \['for 2 examples'\] appeared"):
        learn.update(learn.init(Stream(0)), half)


def test_weights_that_depend_on_samples_have_no_mean_field_posterior() -> None:
    def guide(batch) -> None:
        shift = pyro.sample("shift", dist.Normal(0.0, 1.0), infer={"is_auxiliary": True})
        for name, zeros in ZEROS.items():
            pyro.sample(name, Signs(zeros + shift[..., None, None], 2))

    learn = with_guide(guide)
    with pytest.raises(ValueError, match=r"the guide's input\.weight depends on sampled values"):
        learn.posterior(learn.init(Stream(0)))
