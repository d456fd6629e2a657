"""learn/schedule: step sizes by hand."""

import math

import pytest

from bayesnn_spike.learn.schedule import Constant, Cosine, as_schedule


def test_constant() -> None:
    assert [Constant(0.3)(step) for step in (0, 7, 10**9)] == [0.3] * 3


def test_cosine_goes_from_its_value_to_zero_and_stays() -> None:
    """The first step takes the whole value: the schedule is asked before the step is counted."""
    schedule = Cosine(2.0, 4)
    half = 1 + math.sqrt(0.5)
    expected = [2.0, half, 1.0, 2 - half, 0.0, 0.0]
    assert [schedule(step) for step in range(6)] == pytest.approx(expected)


def test_cosine_by_epochs_holds_its_value_for_an_epoch() -> None:
    schedule, plain = Cosine(2.0, 12, every=3), Cosine(2.0, 12)
    found = [schedule(step) for step in range(14)]
    assert found == [plain(3 * (step // 3)) for step in range(14)]
    assert found[0] == found[2] == 2.0
    assert found[12] == 0.0


@pytest.mark.parametrize("options", [{"steps": 0}, {"steps": 5, "every": 0}, {"steps": -1}])
def test_counts_are_positive(options: dict) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Cosine(1.0, **options)


def test_a_number_is_a_constant_schedule() -> None:
    assert as_schedule(2) == Constant(2.0)
    assert as_schedule(Cosine(1.0, 3)) == Cosine(1.0, 3)


def test_any_function_of_the_step_is_a_schedule() -> None:
    assert as_schedule(lambda step: 1 / (1 + step))(3) == 0.25


@pytest.mark.parametrize("value", [0.0, -0.1, float("nan")])
def test_a_step_size_is_positive(value: float) -> None:
    for build in (Constant, lambda v: Cosine(v, 10), as_schedule):
        with pytest.raises(ValueError, match="step size must be positive"):
            build(value)
