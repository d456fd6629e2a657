"""From the settings of a cell to the library's values: the rule, the network, the loss.

Oracle: tests/study/test_build.py.
"""

import math
from dataclasses import dataclass
from typing import Any, final

from torch import nn

from bayesnn_spike.export.network import build_network
from bayesnn_spike.learn import Local, Rule, Temperature
from bayesnn_spike.learn.rules import (
    IVON,
    BayesBiSNN,
    Bop,
    Ensemble,
    Gradient,
    StBiSNN,
    StraightThrough,
)
from bayesnn_spike.learn.schedule import Schedule
from bayesnn_spike.nn import LocalReadouts
from bayesnn_spike.posterior.prior import prior_logits
from bayesnn_spike.predict import MeanOfSteps, SoftmaxOfMean, SoftmaxOfRate
from bayesnn_spike.study import values

POOLINGS = {
    "softmax_of_rate": SoftmaxOfRate(),
    "mean_of_steps": MeanOfSteps(),
    "softmax_of_mean": SoftmaxOfMean(),
}


@final
@dataclass(frozen=True)
class Length:
    """How long a training is.

    Attributes:
        examples: N, the training examples.
        batches: updates in an epoch.
        chunks: steps of the rule in an update: more than one under a horizon.
        scored_steps: terms of one example's log-likelihood.
    """

    examples: int
    batches: int
    chunks: int = 1
    scored_steps: int = 1


def make_network(
    settings: dict[str, Any], *, shape: tuple[int, ...], classes: int
) -> tuple[nn.Module, dict[str, Any]]:
    """Build a cell's network; a rule's own gains replace the network's.

    Returns:
        The network, and its description for the artifact.

    Raises:
        DescriptionError: a value that the model refuses.
    """
    description = {k: v for k, v in settings["network"].items() if v is not None}
    for key in ("gain_in", "gain_out"):
        gain = settings["recipe"].get(key)
        if gain is not None:
            description[key] = gain
    return build_network(description, shape=shape, classes=classes), description


def make_loss(settings: dict[str, Any], network: nn.Module) -> Any:
    """Build a cell's loss; a network with local readouts takes it at every one of them."""
    inner = values.loss(settings["credit"]["loss"])
    return Local(inner) if isinstance(network, LocalReadouts) else inner


def make_rule(name: str, recipe: dict[str, Any], length: Length) -> Rule:
    """Build a learning rule.

    Args:
        name: of the rule in the configuration.
        recipe: its settings, as `Rules.recipe` returns them.
        length: of the training, for the schedule and the temperature.
    """
    if name == "st_ensemble":
        return Ensemble(make_rule(recipe["of"], recipe, length), recipe["n"])
    if name == "bop":
        return Bop(_schedule(recipe, "rate", length), recipe["threshold"])
    lr, initial = _schedule(recipe, "lr", length), values.initial(recipe["initial"])
    if name == "full_precision":
        return Gradient(values.optimizer(recipe["optimizer"], lr), initial)
    if name == "straight_through":
        optimizer = values.optimizer(recipe["optimizer"], lr)
        return StraightThrough(optimizer, recipe["limit"], initial)
    if name == "st_bisnn":
        return StBiSNN(lr, initial)
    if name == "ivon":
        given = {k: recipe[k] for k in ("draws", "beta2", "hessian", "prior_precision")}
        return IVON(make_temperature(recipe, length), lr, initial=initial, **given)
    return BayesBiSNN(
        temperature=make_temperature(recipe, length),
        estimator=values.estimator(recipe["estimator"]),
        optimizer=values.optimizer(recipe["optimizer"], lr),
        prior_logits=prior_logits(recipe["prior_p"]),
        limit=recipe["limit"],
        initial=initial,
    )


def make_temperature(recipe: dict[str, Any], length: Length) -> Temperature:
    """Return the posterior's temperature: N, scored steps and tempering."""
    return Temperature(length.examples, length.scored_steps, recipe["tempering"])


def measure_length(settings: dict[str, Any], *, examples: int, steps: int, loss: Any) -> Length:
    """Count what the schedule and the temperature need.

    Args:
        settings: of the cell.
        examples: N, the training examples.
        steps: T, the time steps of an example.
        loss: the cell's loss.
    """
    credit = settings["credit"]
    learned = steps - credit["burn_in"]
    chunks = 1 if credit["horizon"] is None else math.ceil(learned / credit["horizon"])
    batches = max(1, examples // settings["batch_size"])
    return Length(examples, batches, chunks, loss.scored_steps(learned, credit["horizon"]))


def _schedule(recipe: dict[str, Any], key: str, length: Length) -> Schedule:
    every = length.batches * length.chunks
    return values.SCHEDULES[recipe["schedule"]](recipe[key], recipe["epochs"] * every, every)
