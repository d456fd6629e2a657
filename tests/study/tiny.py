"""A study that trains in milliseconds: two moons, ten time steps, 16 hidden units."""

import copy
from typing import Any

from bayesnn_spike.study.config import StudyConfig, parse_config

TREE: dict[str, Any] = {
    "study": "tiny",
    "question": "Does it run?",
    "data": [
        {
            "name": "two-moons",
            "bins": 10,
            "options": {"train_size": 64, "val_size": 32, "calib_size": 32, "test_size": 40},
        }
    ],
    "network": {"model": "mlp", "hidden": [16], "neuron": {"kind": "lif", "beta": 0.9}},
    "rules": {
        "straight_through": {"lr": 0.01, "epochs": 2},
        "bayes_bisnn": {"lr": 0.3, "epochs": 2, "estimator": "flipout", "tempering": 1e-3},
        "st_ensemble": {"of": "straight_through", "n": 2},
    },
    "predict": {"draws": 4},
    "seeds": 2,
    "batch_size": 16,
    "bootstrap": 100,
}


def tree(**changes: Any) -> dict[str, Any]:
    """The configuration as a file holds it, with some top-level keys replaced."""
    return copy.deepcopy(TREE) | changes


def config(**changes: Any) -> StudyConfig:
    return parse_config(tree(**changes))


def one_rule(**changes: Any) -> StudyConfig:
    """Straight-through alone, one seed: a single cell."""
    rules = {"straight_through": {"lr": 0.01, "epochs": 2}}
    return config(**{"rules": rules, "seeds": 1, **changes})


FOLDS = {"kind": "folds", "n": 3}


def with_folds(**protocol: Any) -> list[dict[str, Any]]:
    """The data block under cross-validation."""
    return [copy.deepcopy(TREE["data"][0]) | {"protocol": FOLDS | protocol}]
