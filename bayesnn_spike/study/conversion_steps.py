"""How a recipe's trainings step, as values of the library: optimizer, step sizes, clipping, chunks.

`make_optimizer` and `lr_factor` of `bayesnn_spike/study/conversion_build.py` are the same for loops
of one's own with `torch.optim`. Oracle: tests/study/test_conversion_steps.py (step by step equal).
"""

import math
from dataclasses import dataclass
from typing import final

from bayesnn_spike.learn import Accumulate, StepEach
from bayesnn_spike.learn.initial import Given
from bayesnn_spike.learn.optimizers import Adam, AmsGrad, Decayed, HeavyBall, Optimizer, Sgd
from bayesnn_spike.learn.rules import Gradient
from bayesnn_spike.study.conversion_build import lr_factor
from bayesnn_spike.study.training_config import HybridConfig, SgdConfig, TrainingConfig

LEAST_THRESHOLD = 1e-3


@final
@dataclass(frozen=True)
class RecipeSchedule:
    """The step sizes of a training.

    Attributes:
        config: has the first one and the schedule.
        per_epoch: steps of the optimizer in an epoch.
    """

    config: TrainingConfig
    per_epoch: int

    def __call__(self, step: int) -> float:
        """Return the size of a step, counted from 0."""
        epoch = step / self.per_epoch
        return self.config.optimizer.lr * lr_factor(self.config, epoch, per_epoch=self.per_epoch)


def make_rule(config: TrainingConfig, *, per_epoch: int) -> Gradient:
    """Return gradient descent from given weights.

    Args:
        config: of the training. Learned leaks and thresholds of a spiking network are kept in their
            bounds.
        per_epoch: steps of the optimizer in an epoch.
    """
    bounds = ()
    if isinstance(config, HybridConfig):
        bounds = (("*.leak", 0.0, 1.0), ("*.v_threshold", LEAST_THRESHOLD, math.inf))
    return Gradient(_optimizer(config, per_epoch), Given(), bounds, config.clip)


def make_chunks(config: HybridConfig) -> StepEach | Accumulate:
    """Return what the chunks of a mini-batch are for."""
    return StepEach() if config.chunks == "step" else Accumulate(config.chunks == "running")


def steps_a_batch(config: HybridConfig) -> int:
    """Return how often the optimizer steps in a mini-batch."""
    if config.horizon is None or config.chunks != "step":
        return 1
    return math.ceil(config.steps / config.horizon)


def _optimizer(config: TrainingConfig, per_epoch: int) -> Optimizer | Decayed:
    options, lr = config.optimizer, RecipeSchedule(config, per_epoch)
    if isinstance(options, SgdConfig):
        found = HeavyBall(lr, options.momentum, options.nesterov) if options.momentum else Sgd(lr)
    else:
        found = AmsGrad(lr) if options.amsgrad else Adam(lr)
    if options.weight_decay:
        return Decayed(found, options.weight_decay, decoupled=options.kind == "adamw")
    return found
