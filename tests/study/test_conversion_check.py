"""study/conversion_check: impossible recipes are refused, and the reasons are true."""

import pytest
import torch

from bayesnn_spike.learn import SummedCrossEntropy, learner
from bayesnn_spike.learn.initial import Given
from bayesnn_spike.learn.optimizers import Sgd
from bayesnn_spike.learn.rules import Gradient
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.conversion_check import build_ann, require_possible, skeleton
from bayesnn_spike.study.conversion_config import whole
from bayesnn_spike.study.errors import ConfigError
from bayesnn_spike.types import Batch
from tests.study.tiny_recipe import recipe

SHAPE = (3, 32, 32)


def check(**blocks) -> None:
    config = recipe(**blocks)
    ann = build_ann(config, shape=SHAPE, classes=10, stream=Stream(0))
    require_possible(config, skeleton(config, ann, SHAPE))


def test_a_possible_recipe_passes() -> None:
    check()
    check(hybrid={"steps": 6, "horizon": None})
    check(conversion={"order": "immediate", "steps": 1}, hybrid={"steps": 1, "horizon": 1})
    check(hybrid={"steps": 12, "horizon": 12})
    residual = {"model": "resnet", "form": "ResNet8"}
    config = recipe(hybrid={"horizon": None})
    network = {k: v for k, v in config.network.model_dump().items() if k in ("width", "init")}
    tree = whole(config) | {"network": network | residual}
    tree["conversion"]["thresholds"]["fixed"] = {"block*": 1.0}
    other = type(config).model_validate(tree)
    ann = build_ann(other, shape=SHAPE, classes=10, stream=Stream(0))
    require_possible(other, skeleton(other, ann, SHAPE))


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ({"hybrid": {"steps": 5, "horizon": None}}, r"hybrid\.steps: 5 time steps cannot cross 5"),
        ({"conversion": {"steps": 5}}, r"conversion\.steps: 5 time steps cannot cross 5"),
        ({"hybrid": {"horizon": 5}}, r"hybrid\.horizon: within 5 .* at least 6, or null"),
        (
            {"conversion": {"thresholds": {"kind": "maximum", "fixed": {"rlu*": 1.0}}}},
            r"conversion\.thresholds\.fixed: unknown neurons 'rlu\*'; did you mean 'relu",
        ),
    ],
)
def test_impossible_ones_are_refused(blocks: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(**blocks)


def test_all_reasons_come_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        check(conversion={"steps": 3}, hybrid={"steps": 4})
    lines = str(error.value).splitlines()
    assert lines[0].startswith("tiny: conversion.steps: 3 time steps")
    assert lines[1].strip().startswith("hybrid.steps: 4 time steps")


def test_a_network_that_does_not_fit_the_images_is_refused() -> None:
    config = recipe(network={"form": "VGG16"})
    with pytest.raises(ConfigError, match="tiny: network: 4 poolings halve a map of 28 x 28"):
        build_ann(config, shape=(1, 28, 28), classes=10, stream=Stream(0))


@pytest.mark.parametrize(("horizon", "learns"), [(5, False), (6, True)])
def test_the_reason_for_a_longer_horizon_is_true(horizon: int, learns: bool) -> None:
    """The first layer's gradient is exactly 0 up to the number of spiking layers."""
    config = recipe(network={"dropout": 0.0})
    ann = build_ann(config, shape=SHAPE, classes=10, stream=Stream(0))
    network = skeleton(config, ann, SHAPE)
    with torch.no_grad():
        for name, value in network.named_buffers():
            if name.endswith("v_threshold"):
                value.fill_(0.1)
    rule = Gradient(Sgd(1.0), Given())
    learn = learner(rule, network, SummedCrossEntropy(), horizon=horizon)
    state = learn.init(Stream(0))
    spikes = torch.randn(12, 2, *SHAPE, generator=Stream(1).generator()).sign()
    after, _ = learn.update(state, Batch(spikes, torch.tensor([0, 1])))
    moved = {n: not torch.equal(after.rule.latents[n], w) for n, w in state.rule.latents.items()}
    assert moved["head.weight"]
    assert moved["conv1.weight"] is learns
