"""Temperature scaling finds what was done to the probabilities."""

import numpy as np
import pytest
import torch
from netcal.scaling import TemperatureScaling

from bayesnn_spike.calibration import Temperature, accuracy, fit_netcal, fit_temperature, nll
from bayesnn_spike.calibration.recalibrate import LIMITS
from bayesnn_spike.rng import Stream
from tests.calibration.cases import random_case


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_a_known_temperature_is_found_again(temperature):
    """softmax(z / T) sharpened by T has the fit of z times T: exactly, not only on average."""
    probs, labels = random_case(800, seed=1)
    plain = fit_temperature(probs, labels)
    sharpened = probs**temperature
    sharpened /= sharpened.sum(axis=1, keepdims=True)
    fitted = fit_temperature(sharpened, labels)
    assert fitted.value == pytest.approx(temperature * plain.value, rel=1e-6)
    assert plain.value == pytest.approx(1.0, abs=0.15)  # the labels were drawn from probs


def test_the_fit_is_the_minimum():
    probs, labels = random_case(300, seed=2, sharpness=1.8)
    fitted = fit_temperature(probs, labels)
    assert fitted.nll_after == pytest.approx(nll(fitted(probs), labels).value, rel=1e-12)
    assert fitted.nll_before == nll(probs, labels).value
    assert fitted.nll_after < fitted.nll_before
    for factor in (0.999, 1.001):
        assert nll(Temperature(fitted.value * factor)(probs), labels).value > fitted.nll_after
    assert fitted.examples == 300
    assert not fitted.at_limit


def test_the_derivative_vanishes_at_the_fit():
    probs, labels = random_case(300, seed=3, sharpness=1.8)
    scaled = fit_temperature(probs, labels)(probs)
    z = np.log(probs)
    slope = ((scaled * z).sum(axis=1) - z[np.arange(300), labels]).mean()
    assert abs(slope) < 1e-9


def test_against_netcal():
    probs, labels = random_case(1000, classes=3, seed=4, sharpness=2.0)
    theirs = fit_netcal(TemperatureScaling(), probs, labels, stream=Stream(0))(probs)
    ours = fit_temperature(probs, labels)
    # netcal's optimiser stops at its own tolerance; it cannot beat the minimum.
    assert ours.nll_after <= nll(theirs, labels).value + 1e-9
    np.testing.assert_allclose(ours(probs), theirs, atol=2e-3)


def test_no_ranking_changes():
    probs, labels = random_case(200, seed=5)
    scaled = Temperature(3.0)(probs)
    np.testing.assert_array_equal(scaled.argmax(axis=1), probs.argmax(axis=1))
    assert accuracy(scaled, labels).value == accuracy(probs, labels).value
    np.testing.assert_allclose(scaled.sum(axis=1), 1)


def test_by_hand():
    scaled = Temperature(2.0)(np.array([[0.8, 0.2]]))
    np.testing.assert_allclose(scaled, [[2 / 3, 1 / 3]])  # sqrt(.8) : sqrt(.2) is 2 : 1
    np.testing.assert_allclose(Temperature(1.0)(np.array([[0.8, 0.2]])), [[0.8, 0.2]])


def test_a_tensor_stays_a_tensor_of_its_dtype():
    scaled = Temperature(2.0)(torch.tensor([[0.8, 0.2]]))
    torch.testing.assert_close(scaled, torch.tensor([[2 / 3, 1 / 3]]))


def test_data_without_a_minimum_end_at_the_limit():
    probs = np.array([[0.6, 0.4], [0.4, 0.6]])
    right = fit_temperature(probs, np.array([0, 1]))
    wrong = fit_temperature(probs, np.array([1, 0]))
    assert (right.value, wrong.value) == LIMITS
    assert right.at_limit
    assert wrong.at_limit


def test_exact_zeros_are_no_obstacle():
    probs = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    fitted = fit_temperature(probs, np.array([0, 1, 1]))
    assert np.isfinite(fitted.nll_after)
    # Two of three right: the best certain-or-not prediction gives the right answer 2/3.
    np.testing.assert_allclose(fitted(probs).max(axis=1), 2 / 3, rtol=1e-6)


def test_the_fit_is_deterministic():
    probs, labels = random_case(100, seed=6)
    assert fit_temperature(probs, labels) == fit_temperature(probs, labels)


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_a_senseless_temperature_is_refused(value):
    with pytest.raises(ValueError, match="a temperature must be positive and finite"):
        Temperature(value)
