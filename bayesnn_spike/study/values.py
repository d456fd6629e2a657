"""The values of the library that a study may name, and the checks of such names.

One place for all of them: a new estimator or step is one more line here.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from bayesnn_spike.export.values import NEURONS, DescriptionError, Table, make
from bayesnn_spike.learn import RateCrossEntropy, StepCrossEntropy
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
from bayesnn_spike.learn.initial import CoinFlip, Normal, Uniform
from bayesnn_spike.learn.optimizers import Adam, AmsGrad, HeavyBall, Momentum, Sgd
from bayesnn_spike.learn.schedule import Constant, Cosine, Schedule

ESTIMATORS: Table = {
    "relaxed": Relaxed,
    "hard": HardStraightThrough,
    "mean_parameter": MeanParameter,
    "flipout": Flipout,
    "local": LocalReparameterisation,
    "score": Score,
    "arm": Arm,
    "disarm": DisArm,
    "gumbel_straight_through": GumbelStraightThrough,
    "gumbel_rao": GumbelRao,
}
SCALES: Table = {"exact": ExactScale, "eps": EpsScale}
OPTIMIZERS: Table = {
    "adam": Adam,
    "amsgrad": AmsGrad,
    "heavy_ball": HeavyBall,
    "momentum": Momentum,
    "sgd": Sgd,
}
INITIALS: Table = {"coin_flip": CoinFlip, "uniform": Uniform, "normal": Normal}
LOSSES: Table = {"rate": RateCrossEntropy, "step": StepCrossEntropy}
NESTED: Mapping[str, Table] = {"scale": SCALES}


def constant(value: float, steps: int, every: int) -> Schedule:
    """The same step size always."""
    del steps, every
    return Constant(value)


SCHEDULES: Mapping[str, Callable[[float, int, int], Schedule]] = {
    "constant": constant,
    "cosine": Cosine,
}
"""Each takes the first step size, the steps of the whole run, and the steps of an epoch."""


def estimator(description: Any) -> Any:
    """Build an estimator from its description."""
    return make(ESTIMATORS, description, what="estimator", nested=NESTED)


def optimizer(description: Any, lr: float | Schedule) -> Any:
    """Build an optimizer from its description and a step size."""
    options = description if isinstance(description, Mapping) else {"kind": description}
    if "lr" in options:
        raise DescriptionError("optimizer: the step size is the rule's own key, lr")
    return make(OPTIMIZERS, {**options, "lr": lr}, what="optimizer")


def initial(description: Any) -> Any:
    """Build first latents from their description."""
    return make(INITIALS, description, what="initial")


def loss(description: Any) -> Any:
    """Build a loss from its description."""
    return make(LOSSES, description, what="loss")


def neuron(description: Any) -> Any:
    """Build a neuron from its description."""
    return make(NEURONS, description, what="neuron")


def _checked(build: Callable[[Any], Any]) -> AfterValidator:
    """A pydantic check: the description must build; the description itself is kept."""

    def check(description: Any) -> Any:
        try:
            build(description)
        except DescriptionError as error:
            message = {"message": str(error)}
            raise PydanticCustomError("description", "{message}", message) from error
        return description

    return AfterValidator(check)


Named = str | dict[str, Any]
EstimatorName = Annotated[Named, _checked(estimator)]
OptimizerName = Annotated[Named, _checked(lambda description: optimizer(description, 0.1))]
InitialName = Annotated[Named, _checked(initial)]
LossName = Annotated[Named, _checked(loss)]
NeuronName = Annotated[Named, _checked(neuron)]
