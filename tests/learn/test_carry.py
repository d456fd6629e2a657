"""learn/carry: what goes on to the next task, group by group, and what is refused beforehand."""

import pytest
import torch

from bayesnn_spike.learn import RateCrossEntropy, Temperature
from bayesnn_spike.learn.carry import as_prior, require, restarted
from bayesnn_spike.learn.continual import Elastic, Naive, PosteriorToPrior, class_tasks, learn_tasks
from bayesnn_spike.learn.estimators import HardStraightThrough
from bayesnn_spike.learn.fisher import diagonal_fisher
from bayesnn_spike.learn.optimizers import Adam
from bayesnn_spike.learn.rules import (
    EWC,
    IVON,
    BayesBiSNN,
    Bop,
    ByGroup,
    Gradient,
    StraightThrough,
    consolidate,
)
from bayesnn_spike.models import mlp
from bayesnn_spike.rng import Stream
from tests.learn.toy import ToyData

PARAMS = {"input.weight": torch.ones(4, 3), "readout.weight": torch.ones(2, 4)}
BAYES = BayesBiSNN(Temperature(10), HardStraightThrough(), prior_logits=0.3)
DATA = ToyData()
TASKS = class_tasks(DATA.labels, range(22), ((0, 1), (2,)))


def groups(readout, other) -> ByGroup:
    return ByGroup((("readout.*", readout), ("*", other)))


def learned(method, data=DATA) -> list:
    found = learn_tasks(
        method,
        mlp(4, (5,), 3),
        RateCrossEntropy(),
        data,
        TASKS,
        epochs=1,
        batch_size=4,
        stream=Stream(3),
    )
    return list(found)


def test_each_group_is_consolidated_by_its_own_rule() -> None:
    ivon = IVON(Temperature(7))
    rule = groups(ivon, BAYES)
    state = rule.init(PARAMS, Stream(1))
    found = as_prior(state, rule)
    assert torch.equal(found["*"].prior["input.weight"], state["*"].logits["input.weight"])
    alone = consolidate(state["*"], BAYES)
    assert torch.equal(found["*"].prior["input.weight"], alone.prior["input.weight"])
    own = ivon.consolidate(state["readout.*"])
    for name in ("prior_means", "prior_precisions", "hessian"):
        values = getattr(found["readout.*"], name)["readout.weight"]
        assert torch.equal(values, getattr(own, name)["readout.weight"])


def test_a_group_with_a_point_rule_just_goes_on() -> None:
    real = Gradient(Adam(0.1))
    rule = groups(real, BAYES)
    state = rule.init(PARAMS, Stream(1))
    head = state["readout.*"]
    late = head._replace(optimizer=head.optimizer._replace(count=torch.tensor(9)))
    found = as_prior(state | {"readout.*": late}, rule)
    assert torch.equal(found["*"].prior["input.weight"], state["*"].logits["input.weight"])
    assert torch.equal(found["readout.*"].latents["readout.weight"], head.latents["readout.weight"])
    assert int(found["readout.*"].optimizer.count) == 0
    plain = restarted(state | {"readout.*": late}, rule)
    assert int(plain["readout.*"].optimizer.count) == 0
    assert bool((plain["*"].prior["input.weight"] == 0.3).all())


def test_groups_learn_tasks_and_the_second_starts_from_the_posterior_of_the_first() -> None:
    method = PosteriorToPrior(lambda n: groups(Gradient(Adam(0.05)), BayesBiSNN(Temperature(n))))
    first, second = learned(method)
    prior = second.state["*"].prior["input.weight"]
    assert torch.equal(prior, first.state["*"].logits["input.weight"])
    assert not torch.equal(prior, second.state["*"].logits["input.weight"])
    assert set(second.posterior.parts) == {"readout.*", "*"}


def test_elastic_groups_are_anchored_at_one_fisher_information() -> None:
    method = Elastic(lambda n: groups(Gradient(Adam(0.05)), StraightThrough(Adam(0.05))), 2.0)
    first, second = learned(method)
    weights = {n: w[0] for n, w in first.posterior.mode().items()}
    batch = DATA.batch(TASKS[0].indices)
    fisher = diagonal_fisher(mlp(4, (5,), 3), weights, RateCrossEntropy(), batch)
    for pattern, name in (("readout.*", "readout.weight"), ("*", "input.weight")):
        expected = len(TASKS[0].indices) * fisher[name]
        assert bool(expected.any())
        torch.testing.assert_close(second.state[pattern].precision[name][0], expected)
        assert torch.equal(
            second.state[pattern].anchor[name], first.state[pattern].inner.latents[name]
        )


class Untouched(ToyData):
    """Examples that nobody may ask for."""

    def batch(self, indices):
        raise AssertionError("an example was asked for: the training had begun")


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (
            PosteriorToPrior(lambda n: StraightThrough()),
            "StraightThrough has no posterior that can become a prior; take BayesBiSNN, IVON",
        ),
        (
            PosteriorToPrior(lambda n: groups(Gradient(Adam(0.1)), StraightThrough())),
            "ByGroup has no posterior that can become a prior",
        ),
        (Naive(lambda n: Bop()), "the optimizer of Bop cannot be restarted"),
        (Naive(lambda n: groups(Bop(), BAYES)), "the optimizer of Bop cannot be restarted"),
        (
            PosteriorToPrior(lambda n: groups(Bop(), BAYES)),
            "the optimizer of Bop cannot be restarted",
        ),
        (Elastic(lambda n: BAYES), "EWC holds the latents of a point rule: .* not BayesBiSNN"),
        (Elastic(lambda n: groups(BAYES, Gradient())), "point rule: .* not BayesBiSNN"),
        (
            # The second task's rule counts too.
            PosteriorToPrior(lambda n: BAYES if n > 10 else StraightThrough()),
            "StraightThrough has no posterior",
        ),
    ],
)
def test_a_pair_that_does_not_fit_is_refused_before_anything_is_trained(method, message) -> None:
    assert [len(task.indices) > 10 for task in TASKS] == [True, False]
    with pytest.raises(TypeError, match=message):
        learned(method, Untouched())


def test_what_fits_comes_back_as_it_is() -> None:
    for rule in (BAYES, IVON(Temperature(3)), StraightThrough(), groups(Gradient(), BAYES)):
        assert require(restarted, rule) is rule
    assert EWC(Gradient(), 3).rule == Gradient()
