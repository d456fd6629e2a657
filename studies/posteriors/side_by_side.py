"""Many small problems trained in one go: problem s is row s of every leaf.

Simulation-based calibration needs hundreds of trainings of a network of ten weights, which one by
one are all overhead. Leaves are `[S, *shape]` and the network runs K S draws at once. Estimators
and optimizers act on single weights, so that no problem sees another; only flipout's signs of the
examples are the same for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from problem import Problem
from torch import Tensor, nn
from torch.func import functional_call, vmap

from bayesnn_spike.learn import Cosine, learner
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators import Score
from bayesnn_spike.learn.initial import CoinFlip
from bayesnn_spike.learn.optimizers import Adam
from bayesnn_spike.learn.pyro_svi import PyroSvi, pyro_svi
from bayesnn_spike.learn.rules import BayesBiSNN
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch, Weights
from bayesnn_spike.weights import dense
from bayesnn_spike.weights.perturbed import FlipoutWeight, LocalWeight

START = CoinFlip(0.1)
"""Near even odds: where a posterior ends is then the method's doing, hardly that of the start."""


def train_bayes(
    problems: Sequence[Problem], estimator: Any, stream: Stream, *, updates: int, step: float
) -> list[Bernoulli]:
    """Return the posterior that Bayes-BiSNN finds for every problem: full batches, no bound."""
    network, batch = Together(problems[0].network, len(problems)), _joined(problems)
    if isinstance(estimator, Score):
        estimator = ScoreOfEach(estimator, len(problems))
    temperature, adam = problems[0].temperature, _adam(step, updates)
    rule = BayesBiSNN(temperature, estimator, adam, limit=None, initial=START)
    task = learner(rule, network, Losses(len(problems)))
    state = task.init(stream)
    state = state._replace(rule=state.rule._replace(prior=network.stacked(problems)))
    return _train(task, state, batch, updates, network)


def train_pyro(
    problems: Sequence[Problem], elbo: Any, stream: Stream, *, updates: int, step: float
) -> list[Bernoulli]:
    """Return the guides that Pyro finds with as many updates."""
    network, batch = Together(problems[0].network, len(problems)), _joined(problems)
    how = PyroSvi(problems[0].temperature, elbo, _adam(step, updates), START)
    prior = Bernoulli(network.stacked(problems))
    loss = Losses(len(problems), summed=True)
    task = pyro_svi(how, network, loss, example=batch, prior=prior)
    return _train(task, task.init(stream), batch, updates, network)


class Together(nn.Module):
    """A network with a row of weights for every problem.

    Spikes are `[T, S B, N]`, problem after problem; weights `[S, *shape]` or `[K, S, *shape]`.
    """

    def __init__(self, network: nn.Module, problems: int) -> None:
        super().__init__()
        self.network = [network]  # in a list, so that its parameters are not ours
        self.problems = problems
        self.names = {name: name.replace(".", "_") for name, _ in network.named_parameters()}
        for name, p in network.named_parameters():
            rows = nn.Parameter(p.detach().expand(problems, *p.shape).clone())
            self.register_parameter(self.names[name], rows)

    def forward(self, x: Tensor, state: None = None) -> tuple[Tensor, None]:
        """Map spikes to readouts `[K S, T, B, C]`."""
        del state
        weights = {name: _rows(getattr(self, ours)) for name, ours in self.names.items()}
        each = x.unflatten(1, (self.problems, -1)).transpose(0, 1)  # [S, T, B, N]
        count = next(iter(weights.values())).shape[0]
        each = each.repeat(count // self.problems, 1, 1, 1)
        return functional_call(self.network[0], weights, (each,))[0], None

    def stacked(self, problems: Sequence[Problem]) -> Weights:
        """Return the logits of the problems' priors by our names."""
        return {
            ours: torch.stack([p.prior.logits[name] for p in problems])
            for name, ours in self.names.items()
        }

    def each(self, logits: Weights) -> list[Weights]:
        """Return logits by the network's own names, problem by problem."""
        return [{n: logits[o][s].clone() for n, o in self.names.items()}
                for s in range(self.problems)]  # fmt: skip


@dataclass(frozen=True)
class Losses:
    """Cross-entropy as of `RateCrossEntropy`, of every draw on its own problem's data.

    Attributes:
        problems: S.
        summed: over problems, `[K]`, in place of `[K S]`; the gradients are the same.
    """

    problems: int
    summed: bool = False

    def __call__(self, readout: Tensor, labels: Tensor) -> Tensor:
        """Map `[K S, T, B, C]` and `[S B]` to `[K S]`."""
        logits = readout.mean(-3)
        repeats = len(logits) // self.problems
        wanted = labels.view(self.problems, -1).repeat(repeats, 1)
        losses = F.cross_entropy(logits.transpose(1, 2), wanted, reduction="none").mean(-1)
        return losses.view(repeats, self.problems).sum(1) if self.summed else losses


@dataclass(frozen=True)
class ScoreOfEach:
    """The score estimator, every problem with its own losses and baseline."""

    inner: Score
    problems: int

    def draw(self, logits: Weights, stream: Stream) -> Draw:
        return self.inner.draw(logits, stream)

    def gradient(self, logits: Weights, draw: Draw, credit: Credit) -> Weights:
        def one(own: Weights, signs: Weights, losses: Tensor) -> Weights:
            return self.inner.gradient(own, Draw(signs, {}), Credit(losses, {}))

        losses = credit.losses.view(-1, self.problems)
        return vmap(one, in_dims=(0, 1, 1))(logits, draw.weights, losses)


def _rows(weight: Any) -> Any:
    """`[K, S, *shape]` as `[K S, *shape]`."""
    if isinstance(weight, FlipoutWeight):
        return FlipoutWeight(_rows(weight.mean), _rows(weight.signs), weight.stream)
    if isinstance(weight, LocalWeight):
        return LocalWeight(_rows(weight.mean), weight.stream)
    return dense(weight).flatten(0, -3)


def _joined(problems: Sequence[Problem]) -> Batch:
    spikes = torch.cat([p.train.spikes for p in problems], 1)
    return Batch(spikes, torch.cat([p.train.labels for p in problems]))


def _adam(step: float, updates: int) -> Adam:
    return Adam(Cosine(step, updates), beta1=0.9, eps=1e-12)


def _train(task: Any, state: Any, batch: Batch, updates: int, network: Together) -> list[Bernoulli]:
    for _ in range(updates):
        state, _ = task.update(state, batch)
    return [Bernoulli(logits) for logits in network.each(task.posterior(state).logits)]
