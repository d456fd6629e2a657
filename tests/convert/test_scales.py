"""convert/scales: what one spike a step stands for, along every edge."""

import torch
from torch import nn

from bayesnn_spike.convert.fold import fold_norms
from bayesnn_spike.convert.scales import common, gains, scales
from bayesnn_spike.convert.trace import trace
from tests.convert.nets import Function, chain, images, residual, seeded


def test_a_chain_multiplies_thresholds() -> None:
    plan = trace(chain(), images(2, 1, 8, 8))
    found = scales(plan, {"relu1": torch.tensor(2.0), "relu2": torch.tensor(3.0)})
    assert float(found["input"]) == float(found["conv1"]) == 1
    assert float(found["pool1"]) == float(found["conv2"]) == 2
    assert float(found["fc1"]) == 6
    assert "relu3" not in found
    assert "fc2" not in found


def test_channels_are_spread_over_the_map_and_meet_in_the_next_layer() -> None:
    plan = trace(chain(), images(2, 1, 8, 8))
    channels = torch.arange(1.0, 7.0)
    found = scales(plan, {"relu1": torch.tensor(2.0), "relu2": channels})
    assert found["relu2"].tolist() == (2 * channels).tolist()
    assert found["flat"].shape == (96,)
    assert found["flat"][:17].tolist() == [2.0] * 16 + [4.0]
    assert float(found["fc1"]) == 7.0
    assert float(common(channels)) == 3.5


def test_a_junction_is_on_the_scale_of_its_first_branch() -> None:
    plan = fold_norms(trace(residual(), images(2, 1, 8, 8)))
    values = {step.name: torch.tensor(2.0) for step in plan.neurons()}
    found = scales(plan, values)
    # main branch: act (2) times blocks_0_relu (2); the skip comes from act
    assert float(found["blocks_0_add"]) == 4
    assert [float(g) for g in gains(plan["blocks_0_add"], found)] == [1, 0.5]
    assert float(found["blocks_0_relu_1"]) == 8
    assert float(found["head"]) == 32


def test_a_skip_of_channels_has_a_gain_a_channel() -> None:
    net = Function(
        lambda self, x: self.c((self.b(self.a(x).relu()) + self.a_(x).relu()).relu()),
        **{name: nn.Linear(2, 2) for name in ("a", "b", "c", "a_")},
    )
    plan = trace(seeded(net), images(2, 2))
    first, skip, _ = (step.name for step in plan.neurons())
    found = scales(plan, {first: torch.tensor(2.0), skip: torch.tensor([1.0, 4.0])})
    assert [g.tolist() for g in gains(plan["add"], found)] == [1.0, [0.5, 2.0]]
