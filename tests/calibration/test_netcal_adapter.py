"""netcal behind the adapter leaves no trace: store, random state, files, method."""

import numpy as np
import pyro
import pytest
import torch
from netcal.binning import HistogramBinning, IsotonicRegression
from netcal.scaling import LogisticCalibration, TemperatureScaling

from bayesnn_spike.calibration import ece, fit_netcal, nll
from bayesnn_spike.rng import Stream
from tests.calibration.cases import random_case

FAST_BAYES = {"method": "variational", "vi_epochs": 2}


@pytest.fixture
def user_parameter():
    with pyro.get_param_store().scope():
        pyro.param("user", torch.tensor([1.0, 2.0]))
        yield


def test_netcal_alone_wipes_the_store(user_parameter):
    """The hazard is real; should netcal mend it, the adapter may go."""
    probs, labels = random_case(100)
    with pytest.warns(DeprecationWarning, match="independent is deprecated"):
        TemperatureScaling().fit(probs, labels, tensorboard=False)
    assert "user" not in pyro.get_param_store()


@pytest.mark.parametrize("method", [TemperatureScaling(), TemperatureScaling(**FAST_BAYES)])
def test_the_param_store_survives(user_parameter, method):
    probs, labels = random_case(100)
    fitted = fit_netcal(method, probs, labels, stream=Stream(0))
    fitted(probs)
    torch.testing.assert_close(pyro.param("user").detach(), torch.tensor([1.0, 2.0]))
    assert list(pyro.get_param_store()) == ["user"]


def test_random_states_and_folders_survive(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    probs, labels = random_case(100)
    before = torch.random.get_rng_state()
    fitted = fit_netcal(TemperatureScaling(**FAST_BAYES), probs, labels, stream=Stream(1))
    first = fitted(probs)
    torch.testing.assert_close(torch.random.get_rng_state(), before)
    assert list(tmp_path.iterdir()) == []
    again = fit_netcal(TemperatureScaling(**FAST_BAYES), probs, labels, stream=Stream(1))(probs)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first.sum(axis=1), 1)


@pytest.mark.parametrize(
    "method", [HistogramBinning(bins=10), IsotonicRegression(), LogisticCalibration()]
)
@pytest.mark.parametrize("classes", [2, 4])
def test_an_overconfident_model_is_mended(method, classes):
    probs, labels = random_case(2000, classes=classes, seed=1, sharpness=2.5)
    fitted = fit_netcal(method, probs[:1000], labels[:1000], stream=Stream(0))
    mapped = fitted(probs[1000:])
    assert mapped.shape == (1000, classes)
    np.testing.assert_allclose(mapped.sum(axis=1), 1)
    assert ece(mapped, labels[1000:]).value < ece(probs[1000:], labels[1000:]).value / 2
    if not isinstance(method, IsotonicRegression):  # which gives exact zeros
        assert nll(mapped, labels[1000:]).value < nll(probs[1000:], labels[1000:]).value


def test_two_bayesian_classes_have_two_columns():
    probs, labels = random_case(100, classes=2)
    fitted = fit_netcal(TemperatureScaling(**FAST_BAYES), probs, labels, stream=Stream(0))
    assert fitted(probs).shape == (100, 2)


def test_the_callers_method_stays_unfitted():
    probs, labels = random_case(100)
    method = HistogramBinning(bins=5)
    fit_netcal(method, probs, labels, stream=Stream(0))
    assert method.num_classes is None


def test_an_absent_class_is_refused():
    probs, labels = random_case(100)
    with pytest.raises(ValueError, match=r"classes \[4\] have none"):
        fit_netcal(TemperatureScaling(), probs, np.minimum(labels, 3), stream=Stream(0))


def test_another_number_of_classes_is_refused():
    probs, labels = random_case(100)
    fitted = fit_netcal(HistogramBinning(), probs, labels, stream=Stream(0))
    with pytest.raises(ValueError, match="fitted on 5 classes, got 3"):
        fitted(random_case(10, classes=3)[0])


def test_a_row_without_probability_is_refused():
    class Nothing:
        def fit(self, X, y):
            return self

        def transform(self, X):
            return np.zeros_like(X)

    probs, labels = random_case(100)
    fitted = fit_netcal(Nothing(), probs, labels, stream=Stream(0))
    with pytest.raises(ValueError, match="no probability to any class of example 0"):
        fitted(probs)
