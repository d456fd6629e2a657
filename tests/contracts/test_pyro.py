"""Learners of Pyro keep the laws of learners: `test_rules` has those of rules."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from bayesnn_spike.io import load_tree, save_tree
from bayesnn_spike.learn import RateCrossEntropy
from bayesnn_spike.learn.pyro_svi import (
    Enumerated,
    Neural,
    PyroSvi,
    RelaxedStraightThrough,
    SviLearner,
    TraceGraph,
    pyro_svi,
)
from bayesnn_spike.models import mlp
from bayesnn_spike.rng import Stream
from bayesnn_spike.weights import dense
from tests.contracts.rule_cases import TEMPERATURE, batch, leaves


def rate(given) -> Tensor:
    return given.spikes.mean((0, 1))


CASES = {
    "enumerated": Enumerated(),
    "trace graph": TraceGraph(4),
    "trace graph, one draw": TraceGraph(1, None),
    "trace graph, neural": TraceGraph(4, Neural(rate)),
    "relaxed": RelaxedStraightThrough(draws=3),
    "relaxed, one draw": RelaxedStraightThrough(),
}
NAMES = pytest.mark.parametrize("name", CASES)


def build(name: str, dtype: torch.dtype = torch.float32) -> SviLearner:
    network = mlp(6, (1 if name == "enumerated" else 5,), 3).to(dtype)
    method = PyroSvi(TEMPERATURE, CASES[name])
    return pyro_svi(method, network, RateCrossEntropy(), example=batch(0, dtype))


def train(learn: SviLearner, state, first: int, last: int, **options):
    for index in range(first, last):
        state, _ = learn.update(state, batch(index, **options))
    return state


def assert_same(one, two) -> None:
    for (path, a), (other, b) in zip(leaves(one), leaves(two), strict=True):
        assert path == other
        assert a.dtype == b.dtype
        assert torch.equal(a, b), path


@NAMES
def test_an_update_is_a_function_of_its_arguments(name: str) -> None:
    learn = build(name)
    state = train(learn, learn.init(Stream(1)), 0, 1)
    given = batch(2)
    before = [(path, t.clone(), t._version) for path, t in leaves((state, given))]
    after, info = learn.update(state, given)
    torch.rand(3)  # the global generator is nobody's input
    again, info_again = build(name).update(state, given)
    assert_same(after, again)
    assert torch.equal(info.loss, info_again.loss)
    for (path, copy, version), (_, now) in zip(before, leaves((state, given)), strict=True):
        assert torch.equal(copy, now), path
        assert now._version == version, path


@NAMES
def test_the_state_keeps_its_structure_and_moves(name: str) -> None:
    learn = build(name)
    first = learn.init(Stream(1))
    state = train(learn, first, 0, 2)
    described = [
        [(path, t.shape, t.dtype, t.requires_grad) for path, t in leaves(s)] for s in (first, state)
    ]
    assert described[0] == described[1]
    assert not any(t.requires_grad for _, t in leaves(state))
    assert int(state.step) == 2
    for key, logits in state.rule.params.items():
        if key.endswith(".logits"):
            assert not torch.equal(logits, first.rule.params[key]), key


@NAMES
def test_saved_and_loaded_it_goes_on_identically(name: str, tmp_path: Path) -> None:
    learn = build(name)
    middle = train(learn, learn.init(Stream(1)), 0, 2)
    path = tmp_path / "state.safetensors"
    save_tree(path, middle, {})
    loaded = load_tree(path, like=build(name).init(Stream(99)))
    assert_same(loaded, middle)
    assert_same(*(train(build(name), state, 2, 4) for state in (middle, loaded)))


@NAMES
def test_float64_stays_float64(name: str) -> None:
    learn = build(name, torch.float64)
    first = learn.init(Stream(1))
    state = train(learn, first, 0, 1, dtype=torch.float64)
    assert {t.dtype for _, t in leaves(state)} == {torch.float64, torch.int64}
    assert all(w.dtype == torch.float64 for w in learn.posterior(state).mean().values())


@NAMES
def test_seeds_differ_and_are_all_there_is(name: str) -> None:
    learn = build(name)
    one, two, other = (learn.init(Stream(seed)) for seed in (1, 1, 2))
    assert_same(one, two)
    different = [
        path
        for (path, a), (_, b) in zip(leaves(one), leaves(other), strict=True)
        if not torch.equal(a, b)
    ]
    assert "seed/" in different
    assert any(path.startswith("rule/") for path in different)


@NAMES
def test_updates_draw_anew_at_every_step(name: str) -> None:
    learn = build(name)
    state = learn.init(Stream(1))
    losses = [
        float(learn.update(state._replace(step=torch.tensor(step)), batch(0))[1].loss)
        for step in (0, 0, 1)
    ]
    assert losses[0] == losses[1]
    assert (losses[0] == losses[2]) is (name == "enumerated")


@NAMES
def test_the_posterior_samples_binary_networks_and_is_no_view(name: str) -> None:
    learn = build(name)
    state = train(learn, learn.init(Stream(1)), 0, 1)
    before = [t.clone() for _, t in leaves(state)]
    sample = learn.posterior(state).sample(4, Stream(3))
    values = torch.cat([dense(w).flatten(1) for w in sample.values()], 1)
    assert set(values.unique().tolist()) == {-1.0, 1.0}
    assert len({tuple(row.tolist()) for row in values}) > 1
    for logits in learn.posterior(state).logits.values():
        logits.zero_()
    for copy, (path, now) in zip(before, leaves(state), strict=True):
        assert torch.equal(copy, now), path
