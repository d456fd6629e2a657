"""The parts of the Brier score add up, exactly."""

import numpy as np
import pytest

from bayesnn_spike.calibration import EqualMass, EqualWidth, brier, brier_decomposition
from tests.calibration.cases import random_case


@pytest.mark.parametrize("binning", [EqualWidth(2), EqualWidth(15), EqualMass(7)])
@pytest.mark.parametrize("sharpness", [0.5, 1.0, 4.0])
def test_the_identity_with_the_residual_is_exact(binning, sharpness):
    probs, labels = random_case(seed=9, sharpness=sharpness)
    parts = brier_decomposition(probs, labels, binning=binning)
    total = parts.reliability - parts.resolution + parts.uncertainty + parts.residual
    np.testing.assert_allclose(total, parts.brier, rtol=0, atol=1e-12)
    assert parts.brier == brier(probs, labels).value
    assert parts.residual == parts.within_bin_variance - parts.within_bin_covariance


def test_equal_forecasts_in_a_bin_leave_no_residual():
    probs = np.repeat([[0.25, 0.75], [0.75, 0.25]], 4, axis=0)
    labels = np.array([1, 1, 0, 0, 0, 0, 0, 1])
    parts = brier_decomposition(probs, labels, binning=EqualWidth(2))
    assert parts.residual == 0
    # Each class: bins of 4 with p .25 and y .5, p .75 and y .5 (class 0: .5 and .75), base .625.
    assert parts.reliability == pytest.approx(2 * (0.5 * 0.25**2 + 0.5 * 0.0))
    assert parts.resolution == pytest.approx(2 * 0.125**2)
    assert parts.uncertainty == pytest.approx(2 * 0.625 * 0.375)


def test_the_base_rate_forecast_is_pure_uncertainty():
    labels = np.array([0, 0, 0, 1])
    parts = brier_decomposition(np.tile([0.75, 0.25], (4, 1)), labels)
    assert parts.reliability == pytest.approx(0, abs=1e-15)
    assert parts.resolution == pytest.approx(0, abs=1e-15)
    assert parts.brier == pytest.approx(parts.uncertainty)
    assert parts.definition == (
        "summed over classes, 15 equal-width bins, left-closed, last bin closed, 4 examples"
    )
