"""ops/fire/spike_time: the surrogates of z and of the clock, golden values and formulas."""

import math

import pytest
import torch

from bayesnn_spike.neurons import LinearRatio, SpikeTime

CLOCKS = {104: 0.106036, 150: 0.066939, 1000: 1.36200e-5, 1: 0.297015, 2: 0.294060, 3: 0.291134}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("dt", "expected"), CLOCKS.items())
def test_the_slope_of_a_spike_time(dt: int, expected: float, dtype: torch.dtype) -> None:
    """alpha exp(-beta dt) is not cut off at dt = 104, in float32 as in float64."""
    found = SpikeTime(0.3, 0.01).slope(torch.zeros((), dtype=dtype), torch.tensor(dt))
    assert found.dtype == dtype
    assert found.item() == pytest.approx(0.3 * math.exp(-0.01 * dt), rel=1e-6)
    assert found.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("legacy", [False, True])
def test_the_slopes_of_the_clocks_of_a_golden_train(dtype: torch.dtype, legacy: bool) -> None:
    """Spikes at 3, 6 and 8 of ten steps; before the first one alpha exp(-10), or exactly 0."""
    clocks = torch.tensor([999, 1000, 1001, 1002, 1, 2, 3, 1, 2, 1], dtype=torch.int32)
    found = SpikeTime(legacy_underflow=legacy).slope(torch.zeros(10, dtype=dtype), clocks)
    if legacy:
        assert found[:4].tolist() == [0.0] * 4
    else:
        assert found[:4].tolist() == pytest.approx([1.4e-5] * 4, rel=0.05)
    fired = [0.297015, 0.294060, 0.291134, 0.297015, 0.294060, 0.297015]
    assert found[4:].tolist() == pytest.approx(fired, rel=5e-6)


def test_the_legacy_slope_underflows_from_104_steps_on() -> None:
    """(exp(-dt))^beta in float32: the power of a number that is 0."""
    legacy, clean = SpikeTime(legacy_underflow=True), SpikeTime()
    for dtype in (torch.float32, torch.float64):
        z, dt = torch.zeros((), dtype=dtype), torch.arange(1, 1010, dtype=torch.int32)
        found = legacy.slope(z, dt)
        assert found.dtype == dtype
        assert bool((found[dt >= 104] == 0).all())
        assert bool((found[dt < 104] > 0).all())
        torch.testing.assert_close(found[:80], clean.slope(z, dt)[:80], rtol=1e-5, atol=0)
    assert bool((clean.slope(z, dt) > 0).all())


@pytest.mark.parametrize(
    ("z", "expected"), [(0.0, 0.3), (0.5, 0.15), (-0.5, 0.15), (1.0, 0), (-1.0, 0), (7.0, 0)]
)
def test_the_slope_of_a_linear_ratio(z: float, expected: float) -> None:
    found = LinearRatio(0.3).slope(torch.tensor(z), torch.tensor(1, dtype=torch.int32))
    assert found.item() == pytest.approx(expected)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan")])
def test_numbers_that_mean_nothing_are_refused(bad: float) -> None:
    for make, name in (
        (lambda: SpikeTime(alpha=bad), "SpikeTime.alpha"),
        (lambda: SpikeTime(beta=bad), "SpikeTime.beta"),
        (lambda: LinearRatio(bad), "LinearRatio.gamma"),
    ):
        with pytest.raises(ValueError, match=f"{name} must be positive"):
            make()
