"""How a plain or converted network is trained, as configuration: optimizer, schedule, surrogate.

Oracle: tests/study/test_training_config.py.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)
from pydantic_core import PydanticCustomError

from bayesnn_spike.export.values import DescriptionError, Table, make
from bayesnn_spike.ops.fire.spike_time import LinearRatio, SpikeTime
from bayesnn_spike.study.strict import Strict

RATIO_SURROGATES: Table = {"spike_time": SpikeTime, "linear": LinearRatio}


def named(table: Table, what: str) -> AfterValidator:
    """Return a pydantic check: the description must build; the description itself is kept."""

    def check(description: Any) -> Any:
        try:
            make(table, description, what=what)
        except DescriptionError as error:
            message = {"message": str(error)}
            raise PydanticCustomError("description", "{message}", message) from error
        return description

    return AfterValidator(check)


Share = Annotated[float, Field(ge=0, lt=1)]
SurrogateName = Annotated[str | dict[str, Any], named(RATIO_SURROGATES, "surrogate")]


class SgdConfig(Strict):
    """`torch.optim.SGD`."""

    kind: Literal["sgd"]
    lr: PositiveFloat
    momentum: Share = 0.9
    weight_decay: NonNegativeFloat = 0.0
    nesterov: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> "SgdConfig":
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov: needs a momentum")
        return self


class AdamConfig(Strict):
    """`torch.optim.Adam`, or `AdamW`, whose weight decay is no gradient."""

    kind: Literal["adam", "adamw"]
    lr: PositiveFloat
    weight_decay: NonNegativeFloat = 0.0
    amsgrad: bool = False


class ConstantSchedule(Strict):
    """The same step size always."""

    kind: Literal["constant"] = "constant"


class StepsSchedule(Strict):
    """Divided at shares `at` of all epochs, rounded down to whole ones."""

    kind: Literal["steps"]
    at: tuple[Share, ...]
    divide_by: PositiveFloat = 10.0


class EverySchedule(Strict):
    """Divided every so many epochs."""

    kind: Literal["every"]
    epochs: PositiveInt
    divide_by: PositiveFloat


class CosineSchedule(Strict):
    """A cosine to 0, after a share of all epochs in which the step size rises linearly."""

    kind: Literal["cosine"]
    warm_up: Share = 0.0


class TrainingConfig(Strict):
    """How a network is trained.

    Attributes:
        clip: largest norm of the gradient; null is none.
    """

    epochs: PositiveInt
    batch_size: PositiveInt = 64
    optimizer: Annotated[SgdConfig | AdamConfig, Field(discriminator="kind")]
    schedule: Annotated[
        ConstantSchedule | StepsSchedule | EverySchedule | CosineSchedule,
        Field(discriminator="kind"),
    ] = ConstantSchedule()
    clip: PositiveFloat | None = None


class HybridConfig(TrainingConfig):
    """The training of the spiking network.

    Attributes:
        steps: time steps T.
        leak: factor of the membrane a step in this training; the conversion is without leak.
        dropout, dropout_fc: rates; null keeps those of the ANN.
        readout: logits are the readout's `sum` over time (as published) or its `mean`.
        horizon: time steps between truncations of the gradient; null is none.
        chunks: what the steps between two truncations are for. `running`: the loss of the readout
            so far, and one step of the optimizer a mini-batch, as in the paper's first code;
            `accumulate`: the loss of their own readout, one step a mini-batch; `step`: a step each.
        learn_threshold, learn_leak: train them as well.
    """

    steps: PositiveInt
    surrogate: SurrogateName = "spike_time"
    leak: Annotated[float, Field(gt=0, le=1)] = 1.0
    dropout: Share | None = None
    dropout_fc: Share | None = None
    readout: Literal["sum", "mean"] = "sum"
    horizon: PositiveInt | None = None
    chunks: Literal["running", "accumulate", "step"] = "running"
    learn_threshold: bool = False
    learn_leak: bool = False
