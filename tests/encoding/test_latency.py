import math

import pytest
import torch

from bayesnn_spike.encoding import Charging, Linear, latency


def test_linear_delays_by_hand():
    values = torch.tensor([1.0, 0.75, 0.5, 0.25, 0.01, 0.0])
    spikes = latency(values, steps=5)
    expected = torch.zeros(5, 6, dtype=torch.uint8)
    for unit, step in enumerate([0, 1, 2, 3, 4]):
        expected[step, unit] = 1
    torch.testing.assert_close(spikes, expected)


def test_one_spike_at_most(stream):
    values = torch.rand(50, 3, generator=stream.generator())
    spikes = latency(values, steps=8, curve=Charging())
    assert spikes.shape == (8, 50, 3)
    assert int(spikes.sum(0).max()) == 1


def test_charging_follows_the_membrane():
    curve = Charging(tau=0.2, threshold=0.1)
    values = torch.tensor([1.0, 0.2, 0.11, 0.1, 0.0], dtype=torch.float64)
    expected = [0.2 * math.log(v / (v - 0.1)) for v in (1.0, 0.2, 0.11)]
    expected = torch.tensor([*expected, math.inf, math.inf], dtype=torch.float64)
    torch.testing.assert_close(curve.delay(values), expected)
    # Steps round(99 delay): 2.09, 13.7, 47.5 (just below), never, never.
    spikes = latency(values, steps=100, curve=curve)
    assert spikes.argmax(0).tolist()[:3] == [2, 14, 47]
    assert spikes.sum(0).tolist() == [1, 1, 1, 0, 0]


def test_one_step_holds_everything_that_fires():
    values = torch.tensor([0.0, 0.3, 1.0])
    assert latency(values, steps=1, curve=Linear()).tolist() == [[0, 1, 1]]


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan")])
def test_values_outside_the_unit_interval_are_refused(bad):
    with pytest.raises(ValueError, match=r"values must lie in \[0, 1\]"):
        latency(torch.tensor([bad]), steps=2)


@pytest.mark.parametrize("arguments", [{"tau": 0.0}, {"threshold": 0.0}, {"threshold": 1.0}])
def test_bad_curves_are_refused(arguments):
    with pytest.raises(ValueError, match="charging needs"):
        Charging(**arguments)
