"""learn/rules/bayes_bisnn, consolidate: the posterior of one task is the prior of the next."""

import pytest
import torch

from bayesnn_spike.learn import Temperature, learner
from bayesnn_spike.learn.estimators import MeanParameter
from bayesnn_spike.learn.initial import Given
from bayesnn_spike.learn.optimizers import Adam, Momentum, Sgd
from bayesnn_spike.learn.rules import BayesBiSNN, consolidate
from bayesnn_spike.learn.rules.bayes_bisnn import BayesState
from bayesnn_spike.rng import Stream
from tests.learn.rules.problems import BATCH, linear, outputs_are_losses

START = {"w": torch.tensor([0.5, -1.5, 0.0], dtype=torch.float64)}


def bayes(examples: int, optimizer=None) -> BayesBiSNN:
    return BayesBiSNN(
        Temperature(examples),
        estimator=MeanParameter(),
        optimizer=optimizer or Sgd(examples),  # eta = 1 / rho: one step to the optimum
        prior_logits=0.2,
        limit=None,
        initial=Given(),
    )


def train(rule: BayesBiSNN, state: BayesState, costs: list[float], steps: int) -> BayesState:
    learn = learner(rule, linear(costs), outputs_are_losses)
    whole = learn.init(Stream(0), START)._replace(rule=state)
    for _ in range(steps):
        whole, _ = learn.update(whole, BATCH)
    return whole.rule


def test_two_tasks_in_sequence_equal_joint_training() -> None:
    """Linear losses, exact: lambda* = lambda0 - (N1 c1 + N2 c2), whatever the order."""
    n1, n2 = 40, 10
    c1, c2 = [0.01, -0.02, 0.03], [-0.05, 0.01, 0.02]
    first = train(bayes(n1), bayes(n1).init(START, Stream(0)), c1, 3)
    second = train(bayes(n2), consolidate(first, bayes(n2)), c2, 3)
    joint_costs = [(n1 * a + n2 * b) / (n1 + n2) for a, b in zip(c1, c2, strict=True)]
    both = bayes(n1 + n2)
    joint = train(both, both.init(START, Stream(0)), joint_costs, 3)
    expected = [0.2 - (n1 * a + n2 * b) for a, b in zip(c1, c2, strict=True)]
    assert second.logits["w"].tolist() == pytest.approx(expected, abs=1e-12)
    assert joint.logits["w"].tolist() == pytest.approx(expected, abs=1e-12)


def test_the_wrong_count_of_examples_is_seen() -> None:
    """The bookkeeping has teeth: the second task with the first one's N ends elsewhere."""
    first = train(bayes(40), bayes(40).init(START, Stream(0)), [0.01] * 3, 3)
    right = train(bayes(10), consolidate(first, bayes(10)), [0.02] * 3, 3)
    wrong = train(bayes(40), consolidate(first, bayes(40)), [0.02] * 3, 3)
    assert not torch.allclose(right.logits["w"], wrong.logits["w"])


@pytest.mark.parametrize("optimizer", [Sgd(0.3), Momentum(0.3, 0.9), Adam(0.3)])
def test_without_data_the_logits_stay_where_they_are(optimizer) -> None:
    rule = bayes(5, optimizer)
    state = train(rule, rule.init(START, Stream(0)), [0.1, -0.2, 0.3], 4)
    new = consolidate(state, rule)
    after = train(rule, new, [0.0, 0.0, 0.0], 20)
    assert torch.equal(after.logits["w"], new.logits["w"])


def test_without_consolidating_they_go_back_to_the_old_prior() -> None:
    rule = bayes(5, Sgd(0.3))
    state = train(rule, rule.init(START, Stream(0)), [0.1, -0.2, 0.3], 4)
    after = train(rule, state, [0.0, 0.0, 0.0], 500)
    torch.testing.assert_close(after.logits["w"], state.prior["w"], rtol=0, atol=1e-10)


@pytest.mark.parametrize("optimizer", [Sgd(0.3), Momentum(0.3, 0.9), Adam(0.3)])
def test_nothing_is_shared_with_the_old_state(optimizer) -> None:
    rule = bayes(5, optimizer)
    state = train(rule, rule.init(START, Stream(0)), [0.1, -0.2, 0.3], 4)
    new = consolidate(state, rule)
    assert torch.equal(new.prior["w"], state.logits["w"])
    assert torch.equal(new.logits["w"], state.logits["w"])
    storages = [t.data_ptr() for t in (new.prior["w"], new.logits["w"], state.logits["w"])]
    assert len({*storages, state.prior["w"].data_ptr()}) == 4
    assert int(new.optimizer.count) == 0
    assert all(not bool(v.any()) for part in new.optimizer[1:] for v in part.values())


def test_a_certain_prior_holds_on() -> None:
    """lambda0 = 8 after the first task: a loss of the same size cannot turn the weight round."""
    rule = bayes(10)
    first = train(rule, rule.init(START, Stream(0)), [-0.8] * 3, 2)
    after = train(rule, consolidate(first, rule), [0.8] * 3, 2)
    assert first.logits["w"].tolist() == pytest.approx([8.2] * 3)
    assert after.logits["w"].tolist() == pytest.approx([0.2] * 3, abs=1e-12)
