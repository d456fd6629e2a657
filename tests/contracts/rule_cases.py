"""One entry for every learning rule, and for Bayes-BiSNN with every estimator.

All run on one small network and one batch; names of learners are (rule, horizon).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bayesnn_spike.learn import Learner, RateCrossEntropy, Temperature, learner
from bayesnn_spike.learn.estimators import (
    Arm,
    DisArm,
    EpsScale,
    ExactScale,
    Flipout,
    GumbelRao,
    GumbelStraightThrough,
    HardStraightThrough,
    LocalReparameterisation,
    MeanParameter,
    Relaxed,
    Score,
)
from bayesnn_spike.learn.initial import CoinFlip
from bayesnn_spike.learn.optimizers import Adam, Momentum, Sgd
from bayesnn_spike.learn.rules import (
    EWC,
    IVON,
    BayesBiSNN,
    Bop,
    ByGroup,
    Ensemble,
    Gradient,
    ImportanceWeighted,
    StBiSNN,
    StraightThrough,
)
from bayesnn_spike.learn.schedule import Cosine
from bayesnn_spike.models import mlp
from bayesnn_spike.types import Batch
from tests.ops import cases

HORIZONS = (None, 3, 1)
TEMPERATURE = Temperature(40)


@dataclass(frozen=True)
class Case:
    """A rule and what is known of it.

    Attributes:
        rule: the rule.
        draws: K of its training draws.
        binary: its posterior is over -1/+1.
        spread: its posterior is not a point.
        noisy: its training draws depend on the stream.
    """

    rule: Any
    draws: int = 1
    binary: bool = True
    spread: bool = False
    noisy: bool = False


def bayes(estimator: Any, draws: int, *, noisy: bool = True, **options: Any) -> Case:
    rule = BayesBiSNN(TEMPERATURE, estimator, initial=CoinFlip(0.5), **options)
    return Case(rule, draws, spread=True, noisy=noisy)


HARD = BayesBiSNN(TEMPERATURE, HardStraightThrough(3), initial=CoinFlip(0.5))
CASES = {
    "gradient": Case(Gradient(Adam(0.05)), binary=False),
    "gradient, sgd, cosine": Case(Gradient(Sgd(Cosine(0.1, 6))), binary=False),
    "straight_through": Case(StraightThrough(Adam(0.02))),
    "bop": Case(Bop(0.1, 1e-4)),
    "st_bisnn": Case(StBiSNN(50.0)),
    "bayes, relaxed": bayes(Relaxed(0.5, 3), 3),
    "bayes, relaxed, clipped": bayes(Relaxed(0.1, 2, ExactScale(10.0)), 2),
    "bayes, relaxed as published": bayes(
        Relaxed(1.0, 1, EpsScale()), 1, optimizer=Momentum(5.0, 0.0), limit=None
    ),
    "bayes, hard": bayes(HardStraightThrough(3), 3, optimizer=Sgd(2.0)),
    "bayes, mean parameter": bayes(MeanParameter(), 1, noisy=False),
    "bayes, flipout": bayes(Flipout(), 1),
    "bayes, flipout, several": bayes(Flipout(3), 3),
    "bayes, local": bayes(LocalReparameterisation(), 1),
    "bayes, local, several": bayes(LocalReparameterisation(3), 3),
    "bayes, score": bayes(Score(4), 4),
    "bayes, arm": bayes(Arm(2), 4),
    "bayes, disarm": bayes(DisArm(2), 4),
    "bayes, gumbel straight-through": bayes(GumbelStraightThrough(0.5, 3), 3),
    "bayes, gumbel-rao": bayes(GumbelRao(0.5, 3), 3),
    "bayes, gumbel-rao at 0": bayes(GumbelRao(0.0, 2), 2),
    "importance-weighted": Case(
        ImportanceWeighted(TEMPERATURE, 4, initial=CoinFlip(0.5)), 4, spread=True, noisy=True
    ),
    "ensemble of gradient": Case(Ensemble(Gradient(Adam(0.05)), 3), 3, binary=False, spread=True),
    "ensemble of straight_through": Case(Ensemble(StraightThrough(), 3), 3, spread=True),
    "ensemble of st_bisnn": Case(Ensemble(StBiSNN(50.0), 2), 2, spread=True),
    "ensemble of bop": Case(Ensemble(Bop(0.1), 2), 2, spread=True),
    "ivon": Case(IVON(TEMPERATURE, draws=2), 2, binary=False, spread=True, noisy=True),
    "ewc of straight_through": Case(EWC(StraightThrough(), 40)),
    "ewc of gradient": Case(EWC(Gradient(Adam(0.05)), 40), binary=False),
    "by_group": Case(
        ByGroup((("readout.*", Gradient(Adam(0.05))), ("*", HARD))),
        3,
        binary=False,
        spread=True,
        noisy=True,
    ),
    "by_group, both binary": Case(
        ByGroup((("readout.*", StraightThrough()), ("*", HARD))), 3, spread=True, noisy=True
    ),
}


def build(name: str, horizon: int | None = None, dtype: torch.dtype = torch.float32) -> Learner:
    """The learner of a case on a network with ties of every kind."""
    network = mlp(6, (5,), 3).to(dtype)
    return learner(CASES[name].rule, network, RateCrossEntropy(), horizon=horizon)


def batch(index: int, dtype: torch.dtype = torch.float32) -> Batch:
    """Four examples of seven steps."""
    labels = (torch.arange(4) + index) % 3
    return Batch(cases.spikes(7, 4, 6, seed=index, rate=0.4, dtype=dtype), labels)


def leaves(tree: Any) -> list[tuple[str, Tensor]]:
    """Every tensor of a state with its path; anything else is an error."""
    if isinstance(tree, Tensor):
        return [("", tree)]
    if isinstance(tree, dict):
        children = list(tree.items())
    elif isinstance(tree, tuple):
        names = getattr(tree, "_fields", range(len(tree)))
        children = list(zip(names, tree, strict=True))
    else:
        raise TypeError(f"a learner's state holds {type(tree).__name__}")
    return [(f"{name}/{path}", leaf) for name, child in children for path, leaf in leaves(child)]
