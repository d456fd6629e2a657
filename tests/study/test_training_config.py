"""Trainings as configuration: what is accepted, and refusals that name the nearest right key."""

import pytest
from pydantic import ValidationError

from bayesnn_spike.study.training_config import HybridConfig, TrainingConfig

SGD = {"kind": "sgd", "lr": 0.01}


def test_defaults_are_those_that_are_documented():
    found = TrainingConfig(epochs=3, optimizer=SGD)
    assert (found.batch_size, found.schedule.kind, found.clip) == (64, "constant", None)
    assert (found.optimizer.momentum, found.optimizer.nesterov) == (0.9, False)
    hybrid = HybridConfig(epochs=3, optimizer=SGD, steps=8)
    assert (hybrid.surrogate, hybrid.leak, hybrid.readout) == ("spike_time", 1.0, "sum")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"epoch": 3}, "unknown key 'epoch'; did you mean 'epochs'"),
        ({"optimizer": {"kind": "sgd", "lr": 1, "momentun": 0.9}}, "did you mean 'momentum'"),
        ({"optimizer": {"kind": "adam", "lr": 1, "amsgrda": True}}, "did you mean 'amsgrad'"),
        ({"optimizer": {"kind": "rmsprop", "lr": 1}}, "'sgd', 'adam'"),
        ({"optimizer": {"kind": "sgd", "lr": 0}}, "greater than 0"),
        ({"schedule": {"kind": "steps", "at": [1.5]}}, "less than 1"),
        ({"schedule": {"kind": "every", "epochs": 5}}, "divide_by"),
        ({"surrogate": "spike_tme"}, "did you mean 'spike_time'"),
        ({"surrogate": {"kind": "linear", "gama": 1}}, "did you mean 'gamma'"),
        ({"surrogate": {"kind": "spike_time", "alpha": -1}}, "alpha must be positive"),
        ({"leak": 1.1}, "less than or equal to 1"),
        ({"readout": "max"}, "'sum' or 'mean'"),
        ({"dropout": 1.0}, "less than 1"),
    ],
)
def test_what_is_wrong_is_refused(changed, message):
    sound = {"epochs": 3, "optimizer": SGD, "steps": 8}
    HybridConfig(**sound)
    with pytest.raises(ValidationError, match=message):
        HybridConfig(**{**sound, **changed})
