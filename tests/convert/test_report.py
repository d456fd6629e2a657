"""convert/report: numbers by hand, and the table."""

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import Maximum, convert
from bayesnn_spike.encoding import Direct, direct
from tests.convert.nets import chain, images, mlp


def test_one_neuron_by_hand() -> None:
    """Currents .4, .2 and -.3 at V = .4 x .75 = .3 over ten steps: rates 1, .6 and 0."""
    net = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU(), nn.Linear(1, 1, bias=False))
    with torch.no_grad():
        net[0].weight.fill_(1), net[2].weight.fill_(1)
    x = torch.tensor([[0.4], [0.2], [-0.3]])
    made = convert(net, x, thresholds=Maximum(0.75), encoder=Direct(10))
    (row,) = made.report.layers
    assert (row.name, row.path) == ("1", "1")
    assert row.threshold == pytest.approx(0.3)
    assert row.scale == pytest.approx(0.3)
    assert row.clipped == 0.5  # .4 > .3, of two positive activations
    assert row.rate == pytest.approx(1.6 / 3)
    assert row.error == pytest.approx((0.1 + 0.02) / 3)
    assert row.activation == pytest.approx(0.6 / 3)
    assert (made.report.steps, made.report.images) == (10, 3)


def test_the_table_names_every_layer() -> None:
    x = images(40, 1, 8, 8)
    made = convert(chain(), x, encoder=Direct(8))
    lines = str(made.report).splitlines()
    assert lines[0].split() == [
        *("neurons", "from", "threshold", "scale", "clipped", "rate", "error", "activation")
    ]
    assert [line.split()[0] for line in lines[1:-1]] == ["relu1", "relu2", "relu3"]
    assert lines[-1] == "(40 images, 8 time steps)"


def test_maximum_clips_nothing_under_constant_input_and_smaller_scales_clip_more() -> None:
    x = images(40, 1, 8, 8)
    shares = [
        convert(chain(), x, encoder=Direct(8), thresholds=Maximum(s)).report.layers[0].clipped
        for s in (1.0, 0.5, 0.25)
    ]
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert shares[2] > shares[1]


def test_more_steps_have_less_error_in_every_layer() -> None:
    """As 1 / T: about a quarter at four times the steps."""
    x = images(40, 50)
    reports = [convert(mlp(), x, encoder=Direct(t)).report.layers for t in (32, 128, 512)]
    for layer in range(3):
        errors = [report[layer].error for report in reports]
        assert errors[0] > 3.2 * errors[1] > 3.2**2 * errors[2]
        assert errors[2] < 0.04 * reports[2][layer].activation


def test_the_post_reset_membrane_stays_below_the_largest_current() -> None:
    """With V = the largest current, immediate order, on the images it was found on: at every
    step of every layer."""
    x, state = images(40, 50), None
    made = convert(mlp(), x, encoder=Direct(32)).network
    for _ in range(32):
        _, state = made(direct(x, 1), state)
        for name, after in zip(made.reads(), state, strict=True):
            if after is not None:
                assert after.membrane.max().item() < float(made.get_submodule(name).v_threshold)
