"""convert/quantise: which ReLUs are replaced, by what bound, and that none is left."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bayesnn_spike.convert import (
    ConversionError,
    NeuronOptions,
    Qcfs,
    QcfsReLU,
    convert,
    with_qcfs,
)
from bayesnn_spike.encoding import Direct
from tests.convert.nets import Function, chain, images, residual, seeded


@pytest.mark.parametrize("percentile", [100.0, 90.0])
def test_bounds_come_from_the_images(percentile: float) -> None:
    net, x = chain().train(), images(20, 1, 8, 8)
    before = copy.deepcopy(net.state_dict())
    ann = with_qcfs(net, 4, x, percentile=percentile)
    values = net.conv1(x).relu().flatten().sort().values
    rank = round(percentile / 100 * len(values))
    assert ann.relu1.bound.item() == pytest.approx(float(values[rank - 1].detach()))
    assert isinstance(net.relu1, nn.ReLU)
    assert ann.training
    assert ann.drop2.training
    assert all(torch.equal(value, before[n]) for n, value in net.state_dict().items())
    assert "relu1.bound" in dict(ann.named_parameters())


def percentile_by_hand(values: torch.Tensor, percentile: float) -> float:
    """The value of rank percentile / 100 times the count."""
    return float(values.flatten().sort().values[round(percentile / 100 * values.numel()) - 1])


def test_one_relu_at_several_places_becomes_several() -> None:
    """Red before: the second place stayed a plain ReLU."""
    relu, x = nn.ReLU(), images(50, 6)
    net = nn.Sequential(nn.Linear(6, 8), relu, nn.Linear(8, 8), relu, nn.Linear(8, 3))
    quantised = with_qcfs(seeded(net), 4, x, percentile=90.0)
    first = net[0](x).relu()
    second = net[2](first).relu()
    for place, values in ((1, first), (3, second)):
        act = quantised[place]
        assert isinstance(act, QcfsReLU)
        assert act.bound.item() == pytest.approx(percentile_by_hand(values.detach(), 90.0))
    assert quantised[1] is not quantised[3]
    assert net[1] is net[3] is relu
    options = NeuronOptions(v_init=0.5)
    made = convert(quantised, x, thresholds=Qcfs(), encoder=Direct(4), neuron=options)
    bounds = [quantised[place].bound.item() for place in (1, 3)]
    assert [float(made.scales[name]) for name in ("1", "3")] == pytest.approx(bounds)


def test_calls_of_one_module_share_the_larger_bound() -> None:
    net = Function(
        lambda self, x: self.c(self.act(self.b(self.act(self.a(x))))),
        **{name: nn.Linear(6, 6) for name in "abc"},
        act=nn.ReLU(),
    )
    x = images(40, 6)
    first = seeded(net).a(x).relu()
    both = (first.detach(), net.b(first).relu().detach())
    wanted = max(percentile_by_hand(values, 90.0) for values in both)
    assert with_qcfs(net, 4, x, percentile=90.0).act.bound.item() == pytest.approx(wanted)


def test_a_relu_that_would_stay_is_refused_by_name() -> None:
    """Red before: it stayed, and nobody said so until after the training."""
    with pytest.raises(ConversionError) as caught:
        with_qcfs(residual(), 4, images(4, 1, 8, 8))
    assert [reason.where for reason in caught.value.reasons] == [
        "blocks.0.relu()",
        "blocks.0.relu() (call 2)",
        "blocks.1.relu()",
        "blocks.1.relu() (call 2)",
    ]
    assert "a ReLU that is no module; make it an nn.ReLU module" in str(caught.value)
    mixed = Function(
        lambda self, x: self.c(F.relu(self.b(self.act(self.a(x))))),
        **{name: nn.Linear(3, 3) for name in "abc"},
        act=nn.ReLU(),
    )
    with pytest.raises(ConversionError, match=r"for 1 reason:\n  relu\(\): a ReLU that is no"):
        with_qcfs(seeded(mixed), 4, images(4, 3))


def test_what_would_not_convert_is_refused_before_the_training() -> None:
    x = images(4, 3)
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.GELU(), nn.Linear(3, 2))
    with pytest.raises(ConversionError, match="3: GELU does not convert"):
        with_qcfs(seeded(net), 4, x)
    done = with_qcfs(seeded(nn.Sequential(nn.Linear(3, 9), nn.ReLU(), nn.Linear(9, 2))), 4, x)
    with pytest.raises(ValueError, match=r"no nn\.ReLU module to replace"):
        with_qcfs(done, 4, x)
    for wrong in ("net", None, nn.Linear):
        with pytest.raises(TypeError, match=r"must be a module of torch\.nn, got"):
            with_qcfs(wrong, 4, x)
    with pytest.raises(ConversionError, match="the network's output is an activation"):
        with_qcfs(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), 4, x)
    with pytest.raises(ConversionError, match="the network's output is an activation"):
        with_qcfs(nn.ReLU(), 4, x)


def test_what_has_no_bound_is_refused() -> None:
    x = images(4, 3)
    dead = seeded(nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2)))
    with pytest.raises(ValueError, match=r"percentile=0\.99 of the activations of \['1'\] is 0"):
        with_qcfs(chain_of_zeros(), 4, x, percentile=0.99)
    with torch.no_grad():
        dead[0].bias.fill_(-100)
    with pytest.raises(ValueError, match=r"no activation of \['1'\] is positive"):
        with_qcfs(dead, 4, x)
    with pytest.raises(ValueError, match="percentile"):
        with_qcfs(dead, 4, x, percentile=0)
    for levels in (2.5, x):
        with pytest.raises(ValueError, match="levels must be a whole number, got "):
            with_qcfs(dead, levels, x)


def chain_of_zeros() -> nn.Module:
    """Two of three activations are 0 on every image."""
    net = seeded(nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2)))
    with torch.no_grad():
        net[0].bias.copy_(torch.tensor([-100.0, -100.0, 100.0]))
    return net
