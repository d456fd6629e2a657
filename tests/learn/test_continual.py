"""learn/continual: on linear losses sequential Bayes is joint Bayes, exactly; with coresets too."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bayesnn_spike.events.ledger import SplitError
from bayesnn_spike.learn import RateCrossEntropy, Temperature
from bayesnn_spike.learn.carry import restarted
from bayesnn_spike.learn.continual import (
    Elastic,
    Naive,
    PosteriorToPrior,
    Task,
    class_tasks,
    frozen_share,
    learn_tasks,
)
from bayesnn_spike.learn.coreset import Coreset
from bayesnn_spike.learn.estimators import MeanParameter
from bayesnn_spike.learn.fisher import diagonal_fisher
from bayesnn_spike.learn.initial import CoinFlip, Given
from bayesnn_spike.learn.optimizers import Adam, Sgd
from bayesnn_spike.learn.rules import IVON, BayesBiSNN, Bop, Gradient, StraightThrough
from bayesnn_spike.models import mlp
from bayesnn_spike.posterior import Bernoulli, Point
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch
from tests.learn.rules.problems import outputs_are_losses
from tests.learn.toy import ToyData

SIZES, FEATURES, PRIOR = (8, 20, 12), 3, 0.2


class LinearCosts(nn.Module):
    """L(w) = mean over the batch of w . x_e: linear in w, an example each its own cost."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(FEATURES))

    def forward(self, x: Tensor, state: None = None) -> tuple[Tensor, None]:
        return self.w @ x[0].mean(0), None


class Costs:
    """Examples whose spikes are their costs; every example asked for is counted."""

    def __init__(self) -> None:
        self.costs = torch.randn(sum(SIZES), FEATURES, generator=Stream(1).generator()) / 10
        self.seen = np.zeros(sum(SIZES), dtype=int)

    def batch(self, indices: np.ndarray) -> Batch:
        np.add.at(self.seen, indices, 1)
        chosen = torch.tensor(indices)
        return Batch(self.costs[chosen][None], torch.zeros(len(chosen), dtype=torch.int64))


def tasks() -> list[Task]:
    edges = np.cumsum((0, *SIZES))
    return [Task((i,), np.arange(*edges[i : i + 2])) for i in range(3)]


def bayes(examples: int) -> BayesBiSNN:
    """eta = 1 / rho: one step to the optimum."""
    return BayesBiSNN(
        Temperature(examples), MeanParameter(), Sgd(examples), PRIOR, limit=None, initial=Given()
    )


def learned(method, given: list[Task], **options) -> list:
    options = {"epochs": 2, "batch_size": 100, "stream": Stream(0), **options}
    found = learn_tasks(method, LinearCosts(), outputs_are_losses, Costs(), given, **options)
    return list(found)


def test_sequential_bayes_is_joint_bayes() -> None:
    """lambda = lambda0 - sum of all costs, after every task, whatever the sizes of tasks."""
    costs, ends = Costs().costs, np.cumsum(SIZES)
    for trained, end in zip(learned(PosteriorToPrior(bayes), tasks()), ends, strict=True):
        found = trained.posterior.logits["w"]
        torch.testing.assert_close(found, PRIOR - costs[:end].sum(0), rtol=1e-5, atol=1e-5)
    (joint,) = learned(PosteriorToPrior(bayes), [Task((0, 1, 2), np.arange(sum(SIZES)))])
    torch.testing.assert_close(found, joint.posterior.logits["w"], rtol=1e-5, atol=1e-5)


def test_the_naive_learner_knows_the_last_task_only() -> None:
    last = learned(Naive(bayes), tasks())[-1].posterior.logits["w"]
    expected = PRIOR - Costs().costs[-SIZES[-1] :].sum(0)
    torch.testing.assert_close(last, expected, rtol=1e-5, atol=1e-5)


def test_the_wrong_count_of_examples_is_seen() -> None:
    """The first task's N for all: the answer differs, so the equality above has teeth."""
    wrong = learned(PosteriorToPrior(lambda n: bayes(SIZES[0])), tasks())[-1].posterior.logits["w"]
    right = PRIOR - Costs().costs.sum(0)
    assert float((wrong - right).abs().max()) > 0.1


def test_a_coreset_counts_no_example_twice() -> None:
    """With one as without one: the posterior that predicts is that of all examples so far."""
    costs, ends, sizes = Costs().costs, np.cumsum(SIZES), []
    found = learned(PosteriorToPrior(bayes), tasks(), coreset=Coreset(3))
    for trained, end in zip(found, ends, strict=True):
        whole = PRIOR - costs[:end].sum(0)
        torch.testing.assert_close(trained.posterior.logits["w"], whole, rtol=1e-5, atol=1e-5)
        # What is carried on has not seen the coreset.
        assert float((trained.state.logits["w"] - whole).abs().max()) > 0.01
        sizes.append(end)
    assert sizes == [8, 28, 40]


def test_a_coreset_as_large_as_a_later_task_is_refused_before_anything_is_learned() -> None:
    data = Costs()
    options = {"epochs": 1, "batch_size": 100, "stream": Stream(0), "coreset": Coreset(12)}
    given = [tasks()[1], tasks()[2], tasks()[0]]
    run = learn_tasks(
        PosteriorToPrior(bayes), LinearCosts(), outputs_are_losses, data, given, **options
    )
    with pytest.raises(ValueError, match="task 1: a coreset of 12 leaves nothing of 12"):
        next(run)
    assert not data.seen.any()


def test_a_coreset_divides_a_task() -> None:
    indices = np.arange(100, 120)
    learned_from, kept = Coreset(5).divide(indices, Stream(0))
    assert len(kept) == 5
    assert sorted([*learned_from, *kept]) == list(indices)
    assert not np.array_equal(kept, Coreset(5).divide(indices, Stream(1))[1])
    with pytest.raises(ValueError, match="a coreset of 20 leaves nothing of 20"):
        Coreset(20).divide(indices, Stream(0))


@pytest.mark.parametrize(
    ("method", "name"),
    [
        (PosteriorToPrior(lambda n: BayesBiSNN(Temperature(n), initial=CoinFlip(0.5))), "logits"),
        (PosteriorToPrior(lambda n: IVON(Temperature(n))), "means"),
        (Elastic(lambda n: Gradient(Adam(0.05))), "weights"),
        (Elastic(lambda n: StraightThrough(Adam(0.05))), "weights"),
        (Naive(lambda n: IVON(Temperature(n))), "means"),
        (Naive(lambda n: StraightThrough()), "weights"),
    ],
)
def test_every_method_runs_a_spiking_network_and_repeats_itself(method, name: str) -> None:
    """Equal streams give equal bits; the second task moves what the first left."""
    data = ToyData()
    given = class_tasks(data.labels, np.arange(22), ((0, 1), (2,)))
    runs = [
        list(
            learn_tasks(
                method,
                mlp(4, (5,), 3),
                RateCrossEntropy(),
                data,
                given,
                epochs=1,
                batch_size=4,
                stream=Stream(seed),
            )
        )
        for seed in (3, 3, 4)
    ]
    ends = [getattr(run[-1].posterior, name)["readout.weight"] for run in runs]
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])
    assert [trained.task for trained in runs[0]] == [0, 1]


def test_ewc_anchors_at_the_fisher_information_of_the_task() -> None:
    data, network = ToyData(), mlp(4, (5,), 3)
    given = class_tasks(data.labels, np.arange(22), ((0, 1), (2,)))
    method = Elastic(lambda n: StraightThrough(Adam(0.05)), strength=2.0)
    options = {"epochs": 1, "batch_size": 4, "stream": Stream(3)}
    first, second = learn_tasks(method, network, RateCrossEntropy(), data, given, **options)
    assert not bool(first.state.precision["input.weight"].any())
    batch = data.batch(given[0].indices)
    fisher = diagonal_fisher(network, first.posterior.weights, RateCrossEntropy(), batch)
    assert method.rule(7).strength == 2.0
    for name, values in fisher.items():
        expected = len(given[0].indices) * values
        torch.testing.assert_close(second.state.precision[name][0], expected)
        assert torch.equal(second.state.anchor[name], first.state.inner.latents[name])


def test_the_optimizer_starts_afresh_and_the_prior_stays() -> None:
    rule = bayes(4)
    state = rule.init({"w": torch.ones(2)}, Stream(0))
    moved = state._replace(optimizer=state.optimizer._replace(count=torch.tensor(9)))
    again = restarted(moved, rule)
    assert int(again.optimizer.count) == 0
    assert again.prior is moved.prior
    point = StraightThrough(Adam(0.1))
    latents = point.init({"w": torch.ones(2)}, Stream(0))
    latents = latents._replace(optimizer=latents.optimizer._replace(count=torch.tensor(9)))
    assert int(restarted(latents, point).optimizer.count) == 0
    assert torch.equal(restarted(latents, point).latents["w"], latents.latents["w"])
    with pytest.raises(TypeError, match="the optimizer of Bop cannot be restarted"):
        restarted(Bop().init({"w": torch.ones(2)}, Stream(0)), Bop())
    with pytest.raises(TypeError, match="StraightThrough has no posterior that can become a prior"):
        PosteriorToPrior(lambda n: point).carry(latents, point, None)


def test_tasks_are_the_examples_of_their_classes() -> None:
    labels = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])
    found = class_tasks(labels, np.array([0, 1, 2, 3, 4]), ((3, 0), (1,)))
    assert [task.indices.tolist() for task in found] == [[0, 3, 4], [1]]
    assert [task.classes for task in found] == [(3, 0), (1,)]
    with pytest.raises(SplitError, match="a class is in two tasks"):
        class_tasks(labels, np.arange(8), ((0, 1), (1, 2)))
    with pytest.raises(SplitError, match=r"no example has a class of the task \[7\]"):
        class_tasks(labels, np.arange(8), ((0,), (7,)))
    with pytest.raises(ValueError, match="the number of tasks must be positive"):
        learned(Naive(bayes), [])


def test_the_share_of_frozen_weights() -> None:
    posterior = Bernoulli({"a": torch.tensor([5.1, -6.0, 0.0]), "b": torch.tensor([[5.0]])})
    assert frozen_share(posterior) == 2 / 4
    assert frozen_share(posterior, above=4.9) == 3 / 4
    assert frozen_share(Point({"a": torch.ones(2)})) is None
