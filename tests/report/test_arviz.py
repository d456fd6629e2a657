"""Posterior and predictions as InferenceData: names, shapes, numbers, and a file and back."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bayesnn_spike.calibration import nll
from bayesnn_spike.predict import Predictive
from bayesnn_spike.report._arviz_compat import _arviz
from bayesnn_spike.report.arviz import sampled_labels, to_arviz
from bayesnn_spike.report.function_draws import (
    FunctionDraws,
    Origin,
    draws_of_chains,
    draws_of_posterior,
    draws_of_predictions,
)
from bayesnn_spike.rng import Stream
from tests.oracles import enumeration
from tests.report import posterior_case


def restarts() -> FunctionDraws:
    one = posterior_case.target()
    fits = [posterior_case.mean_field(one, scale) for scale in (0.8, 0.4)]
    return draws_of_posterior(one, fits, draws=9, stream=Stream(3))


def test_groups_have_their_variables_and_axes() -> None:
    draws = restarts()
    data = to_arviz(draws, stream=Stream(1), probes=[2, 5, 7], classes=["left", "right"])
    assert set(data.groups()) == {
        *("posterior", "posterior_predictive", "pointwise_log_likelihood"),
        *("sample_stats", "observed_data"),
    }
    sizes = {name: dict(values.sizes) for name, values in data.posterior.data_vars.items()}
    sample = {"chain": 2, "draw": 9}
    assert sizes == {
        "probability": {**sample, "probe": 3, "class": 2},
        "activity": {**sample, "layer": 1},
        **dict.fromkeys(("loss", "accuracy", "log_prior", "log_q"), sample),
    }
    assert dict(data.posterior_predictive["label"].sizes) == {**sample, "example": 12}
    assert dict(data.pointwise_log_likelihood["label"].sizes) == {**sample, "example": 12}
    np.testing.assert_array_equal(data.observed_data["label"], draws.labels)
    probe = data.posterior["probability"].sel({"probe": 5, "class": "right"})
    np.testing.assert_array_equal(probe, draws.probabilities[:, :, 5, 1])
    np.testing.assert_array_equal(data.sample_stats["lp"], draws.log_joint())
    assert data.posterior.attrs["origin"] == Origin.RESTARTS.value
    assert data.posterior.attrs["tempering"] == posterior_case.TEMPERING


def test_the_log_likelihood_adds_up_to_the_scores() -> None:
    values = Stream(2).numpy().dirichlet([0.3, 0.3, 0.3], (2, 5, 40))
    values[0, 0, 0] = [1.0, 0.0, 0.0]
    labels = torch.arange(40) % 3
    labels[0] = 2  # a certain error, which the score floors
    many = [Predictive(torch.tensor(v.mean(0)), torch.tensor(v), "mean") for v in values]
    data = to_arviz(draws_of_predictions(many, labels, origin=Origin.RESTARTS))
    mean = -data.log_likelihood["label"].mean("example")
    for chain in range(2):
        for draw in range(5):
            expected = float(nll(values[chain, draw], labels))
            np.testing.assert_allclose(mean.values[chain, draw], expected, rtol=1e-12)
    assert "label" not in data.posterior_predictive  # nothing to draw it with
    assert "sample_stats" not in data.groups()


def test_what_the_sampler_knows_goes_along() -> None:
    one = posterior_case.target()
    signs = enumeration.sign_table(one.size)[:20].view(2, 10, 10)
    data = to_arviz(draws_of_chains(one, signs, sample_stats={"flips": torch.ones(2, 10)}))
    assert set(data.sample_stats.data_vars) == {"lp", "flips"}
    assert "log_q" not in data.posterior


def test_a_file_gives_the_same_back(tmp_path: Path) -> None:
    data = to_arviz(restarts(), stream=Stream(1))
    data.to_netcdf(str(tmp_path / "posterior.nc"))
    again = _arviz().from_netcdf(str(tmp_path / "posterior.nc"))
    assert set(again.groups()) == set(data.groups())
    for group in data.groups():
        for name, values in getattr(data, group).data_vars.items():
            np.testing.assert_array_equal(getattr(again, group)[name], values)
        assert getattr(again, group).attrs == getattr(data, group).attrs


def test_labels_are_drawn_with_their_probabilities() -> None:
    p = np.array([0.5, 0.0, 0.2, 0.3])
    drawn = sampled_labels(np.broadcast_to(p, (4, 25_000, 4)), Stream(9))
    shares = np.bincount(drawn.ravel(), minlength=4) / 1e5
    assert (np.abs(shares - p) <= 5 * np.sqrt(p * (1 - p) / 1e5)).all()
    certain = sampled_labels(np.eye(3)[None].repeat(50, 0), Stream(9))
    np.testing.assert_array_equal(certain, np.broadcast_to([0, 1, 2], (50, 3)))
    again = sampled_labels(np.broadcast_to(p, (4, 25_000, 4)), Stream(9))
    np.testing.assert_array_equal(again, drawn)


def test_guards() -> None:
    with pytest.raises(ValueError, match="classes must name 2 classes, got 3"):
        to_arviz(restarts(), classes=["a", "b", "c"])
    with pytest.raises(ValueError, match="indices of the 12 examples"):
        to_arviz(restarts(), probes=[12])
    with pytest.raises(ValueError, match="indices of the 12 examples"):
        to_arviz(restarts(), probes=[])
