"""learn/rules/ensemble: n members side by side are n runs alone."""

import pytest
import torch

from bayesnn_spike.learn import RateCrossEntropy, Temperature, learner
from bayesnn_spike.learn.optimizers import Adam, Sgd
from bayesnn_spike.learn.rules import BayesBiSNN, Bop, Ensemble, Gradient, StBiSNN, StraightThrough
from bayesnn_spike.models import mlp
from bayesnn_spike.posterior import Empirical
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch
from tests.ops import cases

RULES = {
    "gradient": Gradient(Adam(0.05)),
    "straight_through": StraightThrough(Adam(0.05)),
    "st_bisnn": StBiSNN(20.0),
    "bop": Bop(0.2, 1e-3),
}


def batches(count: int) -> list[Batch]:
    labels = torch.arange(6) % 3
    return [Batch(cases.spikes(4, 6, 5, seed=i, dtype=torch.float64), labels) for i in range(count)]


@pytest.mark.parametrize("name", RULES)
def test_members_learn_as_if_each_were_alone(name: str) -> None:
    rule, n = RULES[name], 3
    network = mlp(5, (8,), 3).double()
    together = learner(Ensemble(rule, n), network, RateCrossEntropy())
    alone = learner(rule, network, RateCrossEntropy())
    params = {k: p.detach().clone() for k, p in network.named_parameters()}
    state = together.init(Stream(0))
    init = Stream(0).child("init")
    singles = [
        alone.init(Stream(0))._replace(rule=rule.init(params, init.child("member", m)))
        for m in range(n)
    ]
    for batch in batches(8):
        state, info = together.update(state, batch)
        results = [alone.update(single, batch) for single in singles]
        singles = [single for single, _ in results]
        losses = torch.stack([one.loss for _, one in results])
        torch.testing.assert_close(info.loss, losses.mean())
    posterior = together.posterior(state)
    assert isinstance(posterior, Empirical)
    assert posterior.members == n
    for m, single in enumerate(singles):
        for key, w in alone.posterior(single).weights.items():
            torch.testing.assert_close(posterior.weights[key][m], w)


def test_members_differ_in_their_start() -> None:
    state = Ensemble(StraightThrough(), 4).init({"w": torch.ones(30)}, Stream(0))
    rows = state.latents["w"]
    assert rows.shape == (4, 30)
    assert len({tuple(row.tolist()) for row in rows}) == 4


def test_more_members_leave_the_first_as_they_were() -> None:
    two, five = (
        Ensemble(Gradient(Sgd(1.0)), n).init({"w": torch.ones(3)}, Stream(0)) for n in (2, 5)
    )
    assert torch.equal(five.latents["w"][:2], two.latents["w"])


def test_scalars_of_the_state_are_shared() -> None:
    state = Ensemble(Gradient(), 3).init({"w": torch.ones(3)}, Stream(0))
    assert state.optimizer.count.shape == ()


def test_what_is_no_ensemble_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 member, got 0"):
        Ensemble(Gradient(), 0)
    with pytest.raises(ValueError, match="rules that end in one network, BayesBiSNN does not"):
        Ensemble(BayesBiSNN(Temperature(10)), 2).init({"w": torch.ones(3)}, Stream(0))
