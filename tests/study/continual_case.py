"""A study of continual learning that trains in milliseconds: first one moon, then the other."""

import copy
from typing import Any

from bayesnn_spike.study.continual_config import ContinualConfig, parse_continual

BAYES = {"lr": 0.3, "epochs": 1, "estimator": "flipout", "tempering": 1e-3, "limit": 8.0}
TREE: dict[str, Any] = {
    "study": "tiny-continual",
    "data": {
        "name": "two-moons",
        "bins": 6,
        "options": {"train_size": 48, "val_size": 24, "calib_size": 16, "test_size": 20},
    },
    "tasks": [[1], [0]],
    "network": {"model": "mlp", "hidden": [8]},
    "predict": {"draws": 3},
    "methods": {
        "naive": {
            "carry": "naive",
            "rule": "straight_through",
            "settings": {"lr": 0.05, "epochs": 1},
        },
        "ewc": {
            "carry": "ewc",
            "rule": "straight_through",
            "strength": 5.0,
            "settings": {"lr": 0.05, "epochs": 1},
        },
        "bayes": {"carry": "posterior_to_prior", "rule": "bayes_bisnn", "settings": BAYES},
        "joint": {"carry": "joint", "rule": "bayes_bisnn", "settings": BAYES},
    },
    "seeds": 2,
    "batch_size": 8,
    "search": {
        "budget": 2,
        "grid": {
            "naive": {"settings.lr": [0.01, 0.05]},
            "ewc": {"strength": [1.0, 10.0]},
            "bayes": {"settings.tempering": [1e-3, 1e-2]},
            "joint": {"settings.tempering": [1e-3, 1e-2]},
        },
    },
}


def tree(**changes: Any) -> dict[str, Any]:
    """The configuration as a file holds it, with some top-level keys replaced."""
    return copy.deepcopy(TREE) | changes


def config(**changes: Any) -> ContinualConfig:
    return parse_continual(tree(**changes))
