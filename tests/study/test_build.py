"""Settings become the library's rule, network, loss, and the length that schedules need."""

from typing import Any

import pytest

from bayesnn_spike.learn import Local, RateCrossEntropy, StepCrossEntropy
from bayesnn_spike.learn.estimators import Flipout
from bayesnn_spike.learn.initial import CoinFlip, Normal, Uniform
from bayesnn_spike.learn.optimizers import Adam
from bayesnn_spike.learn.rules import (
    IVON,
    BayesBiSNN,
    Bop,
    Ensemble,
    Gradient,
    StBiSNN,
    StraightThrough,
)
from bayesnn_spike.learn.schedule import Constant, Cosine
from bayesnn_spike.learn.temperature import Temperature
from bayesnn_spike.nn import LocalReadouts
from bayesnn_spike.study.build import Length, make_loss, make_network, make_rule, measure_length
from bayesnn_spike.study.grid import cells
from tests.study.tiny import config

LENGTH = Length(examples=700, batches=10, chunks=2, scored_steps=5)
RULES = {
    "full_precision": {"lr": 0.03, "epochs": 6},
    "straight_through": {"lr": 0.01, "epochs": 6, "limit": None, "schedule": "constant"},
    "st_bisnn": {"lr": 750, "epochs": 6},
    "bop": {"rate": 1e-3, "threshold": 1e-5, "epochs": 6},
    "bayes_bisnn": {
        "lr": 0.3,
        "epochs": 6,
        "estimator": "flipout",
        "tempering": 1e-3,
        "limit": 2,
        "prior_p": 0.5,
    },
    "ivon": {"lr": 0.1, "epochs": 6, "tempering": 0.1, "draws": 2},
    "st_ensemble": {"of": "straight_through", "n": 5},
}
# 6 epochs of 10 batches of 2 chunks; the step size changes once an epoch.
ST = StraightThrough(Adam(Constant(0.01)), None, Uniform(0.1))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("full_precision", Gradient(Adam(Cosine(0.03, 120, 20)))),
        ("straight_through", ST),
        ("st_bisnn", StBiSNN(Cosine(750, 120, 20), CoinFlip(10))),
        ("bop", Bop(Cosine(1e-3, 120, 20), 1e-5)),
        (
            "bayes_bisnn",
            BayesBiSNN(
                Temperature(700, 5, 1e-3),
                Flipout(),
                Adam(Cosine(0.3, 120, 20), beta1=0.95, eps=1e-12),
                0.0,
                2.0,
                CoinFlip(2.0),
            ),
        ),
        (
            "ivon",
            IVON(Temperature(700, 5, 0.1), Cosine(0.1, 120, 20), 2, initial=Normal(1.0)),
        ),
        ("st_ensemble", Ensemble(ST, 5)),
    ],
)
def test_a_recipe_makes_its_rule(name: str, expected: Any) -> None:
    recipe = config(rules=RULES).rules.recipe(name, "two-moons", {})
    assert make_rule(name, recipe, LENGTH) == expected


def test_every_rule_of_the_configuration_is_tried_above() -> None:
    assert set(RULES) == set(type(config().rules).model_fields)


def settings(**changes: Any) -> dict[str, Any]:
    return cells(config(**changes))[0].settings


@pytest.mark.parametrize(
    ("credit", "expected"),
    [
        ({}, Length(100, 6, 1, 1)),
        ({"loss": "step"}, Length(100, 6, 1, 10)),
        ({"horizon": 1}, Length(100, 6, 10, 10)),
        ({"horizon": 4}, Length(100, 6, 3, 3)),
        ({"horizon": 4, "burn_in": 1, "loss": "step"}, Length(100, 6, 3, 9)),
    ],
)
def test_lengths_by_hand(credit: dict[str, Any], expected: Length) -> None:
    made = settings(credit=credit)
    network, _ = make_network(made, shape=(20,), classes=2)
    loss = make_loss(made, network)
    assert measure_length(made, examples=100, steps=10, loss=loss) == expected


def test_a_rule_has_its_own_gains() -> None:
    rules = {"straight_through": {"lr": 0.01, "epochs": 2, "gain_out": 8.0}}
    made = settings(rules=rules)
    network, description = make_network(made, shape=(20,), classes=2)
    assert (description["gain_in"], description["gain_out"]) == (4.0, 8.0)
    assert network.readout.scale == pytest.approx(8.0 / 16**0.5)


def test_local_readouts_take_the_loss_at_every_layer() -> None:
    made = settings(
        network={"model": "local_mlp", "hidden": [8, 8], "n_out": 1}, credit={"loss": "step"}
    )
    network, _ = make_network(made, shape=(20,), classes=2)
    assert isinstance(network, LocalReadouts)
    assert make_loss(made, network) == Local(StepCrossEntropy())
    plain, _ = make_network(settings(), shape=(20,), classes=2)
    assert make_loss(settings(), plain) == RateCrossEntropy()
