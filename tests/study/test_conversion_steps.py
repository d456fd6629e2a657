"""study/conversion_steps: the values of the library step as `make_optimizer` does in torch."""

import pytest
import torch
from torch import nn

from bayesnn_spike.learn import Accumulate, Credit, StepEach
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.conversion_build import lr_factor, make_optimizer
from bayesnn_spike.study.conversion_steps import (
    RecipeSchedule,
    make_chunks,
    make_rule,
    steps_a_batch,
)
from bayesnn_spike.study.training_config import HybridConfig, TrainingConfig

ADAM = {"kind": "adam", "lr": 0.01}
PER_EPOCH = 3


def training(**keys) -> TrainingConfig:
    return TrainingConfig(epochs=4, **{"optimizer": ADAM, **keys})


def hybrid(**keys) -> HybridConfig:
    return HybridConfig(epochs=4, steps=10, **{"optimizer": ADAM, **keys})


@pytest.mark.parametrize(
    "optimizer",
    [
        {"kind": "sgd", "lr": 0.1, "momentum": 0.8, "weight_decay": 5e-2, "nesterov": True},
        {"kind": "sgd", "lr": 0.1, "momentum": 0.8},
        {"kind": "sgd", "lr": 0.1, "momentum": 0.0, "weight_decay": 0.1},
        {"kind": "adam", "lr": 0.1, "weight_decay": 0.1},
        {"kind": "adam", "lr": 0.1, "amsgrad": True},
        {"kind": "adamw", "lr": 0.1, "weight_decay": 0.3},
        {"kind": "adamw", "lr": 0.1, "weight_decay": 0.3, "amsgrad": True},
    ],
)
@pytest.mark.parametrize(
    ("schedule", "clip"),
    [
        ({"kind": "steps", "at": [0.25, 0.75], "divide_by": 3}, None),
        ({"kind": "cosine", "warm_up": 0.3}, 0.7),
    ],
)
def test_every_step_is_that_of_torch(optimizer, schedule, clip) -> None:
    config = training(optimizer=optimizer, schedule=schedule, clip=clip)
    params = {"a": torch.linspace(-1, 1, 6).view(2, 3), "b": torch.ones(4)}
    theirs = {name: nn.Parameter(value.clone()) for name, value in params.items()}
    torch_optimizer = make_optimizer(config, theirs.values())
    rule = make_rule(config, per_epoch=PER_EPOCH)
    state = rule.init(params, Stream(0))
    generator = Stream(5).generator()
    for step in range(4 * PER_EPOCH):
        grads = {n: torch.randn(p.shape, generator=generator) for n, p in params.items()}
        for name, parameter in theirs.items():
            parameter.grad = grads[name].clone()
        if clip is not None:
            nn.utils.clip_grad_norm_(theirs.values(), clip)
        factor = lr_factor(config, step / PER_EPOCH, per_epoch=PER_EPOCH)
        torch_optimizer.param_groups[0]["lr"] = 0.1 * factor
        torch_optimizer.step()
        credit = Credit(torch.zeros(1), {n: g[None] for n, g in grads.items()})
        state = rule.step(state, rule.draw(state, Stream(0)), credit)
        for name, parameter in theirs.items():
            torch.testing.assert_close(state.latents[name][0], parameter.detach())


def test_the_schedule_counts_the_optimizer_s_steps() -> None:
    schedule = {"kind": "every", "epochs": 2, "divide_by": 2}
    sizes = RecipeSchedule(training(schedule=schedule), 3)
    assert [sizes(step) for step in (0, 5, 6, 11)] == [0.01, 0.01, 0.005, 0.005]


def test_the_first_step_of_a_warm_up_is_one() -> None:
    sizes = RecipeSchedule(training(schedule={"kind": "cosine", "warm_up": 0.5}), 3)
    assert [sizes(step) for step in range(6)] == pytest.approx([0.01 * n / 6 for n in range(1, 7)])


def test_learned_leaks_and_thresholds_stay_in_their_bounds() -> None:
    rule = make_rule(hybrid(optimizer={"kind": "sgd", "lr": 1, "momentum": 0}), per_epoch=1)
    params = {"relu1.leak": torch.tensor(0.9), "relu1.v_threshold": torch.tensor(1.0)}
    state = rule.init(params, Stream(0))
    grads = {"relu1.leak": torch.tensor([-3.0]), "relu1.v_threshold": torch.tensor([3.0])}
    after = rule.step(state, rule.draw(state, Stream(0)), Credit(torch.zeros(1), grads))
    assert [float(v) for v in after.latents.values()] == pytest.approx([1.0, 1e-3])
    assert make_rule(training(), per_epoch=1).bounds == ()


def test_chunks() -> None:
    assert make_chunks(hybrid()) == Accumulate(running=True)
    assert make_chunks(hybrid(chunks="accumulate")) == Accumulate()
    assert make_chunks(hybrid(chunks="step")) == StepEach()
    assert steps_a_batch(hybrid(horizon=4)) == 1
    assert steps_a_batch(hybrid(chunks="step")) == 1
    assert steps_a_batch(hybrid(horizon=4, chunks="step")) == 3
