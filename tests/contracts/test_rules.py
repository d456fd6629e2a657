"""Every learning rule keeps the same laws, for every horizon; the table is `rule_cases`."""

from pathlib import Path

import pytest
import torch

from bayesnn_spike.io import load_tree, save_tree
from bayesnn_spike.learn import rules
from bayesnn_spike.learn.learner import Learner, LearnerState
from bayesnn_spike.rng import Stream
from bayesnn_spike.weights import dense
from tests.contracts.rule_cases import CASES, HORIZONS, batch, build, leaves

NAMES = pytest.mark.parametrize("name", CASES)
HORIZON = pytest.mark.parametrize("horizon", HORIZONS, ids=lambda h: f"horizon {h}")


def train(learn: Learner, state: LearnerState, first: int, last: int, **options):
    infos = []
    for index in range(first, last):
        state, info = learn.update(state, batch(index, **options))
        infos.append(info)
    return state, infos


def assert_same(one, two) -> None:
    for (path, a), (other, b) in zip(leaves(one), leaves(two), strict=True):
        assert path == other
        assert a.dtype == b.dtype
        assert torch.equal(a, b), path


def test_the_table_has_every_rule() -> None:
    kinds = {type(case.rule).__name__ for case in CASES.values()}
    public = {name for name, value in vars(rules).items() if isinstance(value, type)}
    assert kinds == public


@NAMES
@HORIZON
def test_an_update_is_a_function_of_its_arguments(name: str, horizon: int | None) -> None:
    learn = build(name, horizon)
    state, _ = train(learn, learn.init(Stream(1)), 0, 2)
    given = batch(2)
    before = [(path, t.clone(), t._version) for path, t in leaves((state, given))]
    after, info = learn.update(state, given)
    again, info_again = build(name, horizon).update(state, given)
    assert_same(after, again)
    assert torch.equal(info.loss, info_again.loss)
    for (path, copy, version), (_, now) in zip(before, leaves((state, given)), strict=True):
        assert torch.equal(copy, now), path
        assert now._version == version, path


@NAMES
@HORIZON
def test_the_state_keeps_its_structure(name: str, horizon: int | None) -> None:
    learn = build(name, horizon)
    first = learn.init(Stream(1))
    state, infos = train(learn, first, 0, 3)
    described = [
        [(path, t.shape, t.dtype, t.requires_grad) for path, t in leaves(s)] for s in (first, state)
    ]
    assert described[0] == described[1]
    assert not any(t.requires_grad for _, t in leaves(state))
    assert int(state.step) == 3
    assert all(i.loss.shape == () and not i.loss.requires_grad for i in infos)


@NAMES
@HORIZON
def test_learning_moves_the_state(name: str, horizon: int | None) -> None:
    learn = build(name, horizon)
    first = learn.init(Stream(1))
    state, _ = train(learn, first, 0, 3)
    moved = {
        path
        for (path, a), (_, b) in zip(leaves(first), leaves(state), strict=True)
        if not torch.equal(a, b)
    }
    for parameter in ("input.weight", "readout.weight"):
        assert any(parameter in path for path in moved), parameter


@NAMES
@HORIZON
def test_saved_and_loaded_it_goes_on_identically(
    name: str, horizon: int | None, tmp_path: Path
) -> None:
    learn = build(name, horizon)
    middle, _ = train(learn, learn.init(Stream(1)), 0, 2)
    path = tmp_path / "state.safetensors"
    save_tree(path, middle, {})
    loaded = load_tree(path, like=learn.init(Stream(99)))
    assert_same(loaded, middle)
    ends = [train(build(name, horizon), state, 2, 4)[0] for state in (middle, loaded)]
    assert_same(*ends)


@NAMES
def test_float64_stays_float64(name: str) -> None:
    learn = build(name, None, torch.float64)
    first = learn.init(Stream(1))
    state, _ = train(learn, first, 0, 2, dtype=torch.float64)
    assert {t.dtype for _, t in leaves(state)} == {torch.float64, torch.int64}
    assert [t.dtype for _, t in leaves(first)] == [t.dtype for _, t in leaves(state)]
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
def test_training_draws_lead_with_k_and_differ_when_there_is_noise(name: str) -> None:
    case = CASES[name]
    state = build(name).init(Stream(1)).rule
    draws = [case.rule.draw(state, Stream(seed)) for seed in (5, 5, 6)]
    sizes = {len(leaf) for leaf in draws[0].leaves.values()}
    if draws[0].leaves:
        assert max(sizes) == case.draws
    for key, leaf in draws[0].leaves.items():
        assert leaf.is_leaf
        assert leaf.requires_grad
        assert torch.equal(leaf, draws[1].leaves[key])
    weights = [
        torch.cat([w.detach().flatten() for w in (d.leaves or d.weights).values()]) for d in draws
    ]
    perturbed = "flipout" in name or "local" in name  # their noise is in the currents
    assert torch.equal(weights[0], weights[2]) != (case.noisy and not perturbed)


@NAMES
def test_draws_of_a_spread_posterior_differ_and_those_of_a_point_do_not(name: str) -> None:
    case, learn = CASES[name], build(name)
    state, _ = train(learn, learn.init(Stream(1)), 0, 2)
    sample = learn.posterior(state).sample(4, Stream(3))
    rows = torch.cat([dense(w).flatten(1) for w in sample.values()], 1)
    distinct = len({tuple(row.tolist()) for row in rows})
    assert distinct > 1 if case.spread else distinct == 1
    members = getattr(case.rule, "n", None)
    if members:
        assert distinct == members


@NAMES
def test_chunks_of_a_sample_join_without_a_seam(name: str) -> None:
    learn = build(name)
    state, _ = train(learn, learn.init(Stream(1)), 0, 1)
    posterior = learn.posterior(state)
    whole = posterior.sample(7, Stream(3))
    parts = [posterior.sample(k, Stream(3), first=f) for f, k in ((0, 3), (3, 1), (4, 3))]
    for key, w in whole.items():
        assert torch.equal(torch.cat([dense(part[key]) for part in parts]), dense(w))


@NAMES
@HORIZON
def test_binary_methods_end_in_binary_networks(name: str, horizon: int | None) -> None:
    """Whatever they train with, what they answer with is -1 or +1."""
    case, learn = CASES[name], build(name, horizon)
    state, _ = train(learn, learn.init(Stream(1)), 0, 3)
    posterior = learn.posterior(state)
    values = torch.cat(
        [
            dense(w).flatten()
            for found in (posterior.mode(), posterior.sample(5, Stream(3)))
            for w in found.values()
        ]
    )
    assert (set(values.unique().tolist()) <= {-1.0, 1.0}) is case.binary


@NAMES
def test_the_posterior_is_no_view_of_the_state(name: str) -> None:
    learn = build(name)
    state, _ = train(learn, learn.init(Stream(1)), 0, 1)
    before = [t.clone() for _, t in leaves(state)]
    for found in (learn.posterior(state).sample(2, Stream(0)), learn.posterior(state).mean()):
        for w in found.values():
            dense(w).zero_()
    for copy, (path, now) in zip(before, leaves(state), strict=True):
        assert torch.equal(copy, now), path


@NAMES
def test_one_horizon_that_spans_all_is_none(name: str) -> None:
    ends = []
    for horizon in (None, 7, 50):
        learn = build(name, horizon)
        ends.append(train(learn, learn.init(Stream(1)), 0, 2)[0])
    assert_same(ends[0], ends[1])
    assert_same(ends[0], ends[2])
