"""learn/temperature: rho comes from counts, and the counts are shown."""

import pytest

from bayesnn_spike.learn import Local, RateCrossEntropy, StepCrossEntropy, Temperature


@pytest.mark.parametrize(
    ("temperature", "rho"),
    [
        (Temperature(200), 5e-3),  # two moons, one likelihood term an example
        (Temperature(200, 90), 1 / 18_000),  # and one for each of 90 scored steps
        (Temperature(54_000), 1 / 54_000),  # BayesBiNN on MNIST, r = 1
        (Temperature(9000, 300, 0.5), 0.5 / 2_700_000),
        (Temperature(10, tempering=0.0), 0.0),
    ],
)
def test_rho_by_hand(temperature: Temperature, rho: float) -> None:
    assert temperature.rho == pytest.approx(rho, rel=1e-14)


def test_losses_know_how_many_steps_they_score() -> None:
    assert RateCrossEntropy().scored_steps(100) == 1
    assert StepCrossEntropy().scored_steps(100) == 100
    assert Local(StepCrossEntropy()).scored_steps(100) == 100
    assert Local(RateCrossEntropy()).scored_steps(100) == 1


def test_a_horizon_makes_every_chunk_a_term_of_the_likelihood() -> None:
    # On chunks of one step both losses are the same number, so their temperatures must agree.
    assert RateCrossEntropy().scored_steps(100, 1) == StepCrossEntropy().scored_steps(100, 1) == 100
    assert RateCrossEntropy().scored_steps(100, 30) == 4
    assert Local(RateCrossEntropy()).scored_steps(10, 5) == 2


def test_all_three_parts_are_shown() -> None:
    assert str(Temperature(200, 90, 0.1)) == (
        "rho 5.56e-06 = tempering 0.1 / (200 examples x 90 scored steps)"
    )


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"examples": 0}, "examples"),
        ({"examples": 0.5}, "examples"),
        ({"examples": 5, "scored_steps": 0}, "scored_steps"),
        ({"examples": 5, "tempering": -0.1}, "tempering"),
        ({"examples": 5, "tempering": float("nan")}, "tempering"),
    ],
)
def test_counts_below_one_and_negative_tempering_are_refused(options: dict, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must lie in"):
        Temperature(**options)
