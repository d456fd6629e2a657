import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayesnn_spike.events import EventError
from bayesnn_spike.events.readers import COCHLEA, DVS128, NMNIST, Cut, Refuse, Sensor, Sort, Unwrap
from bayesnn_spike.events.readers.policies import first_backwards

TIMES = np.array([3, 7, 7, 5, 9, 2])


def applied(policy, times: np.ndarray) -> tuple[list[int], list[int]]:
    """The times after the policy, and which events they belong to."""
    after, order = policy.apply(times)
    return after.tolist(), np.arange(len(times))[order].tolist()


def test_each_policy_on_one_example() -> None:
    assert applied(Refuse(), TIMES) == (TIMES.tolist(), [0, 1, 2, 3, 4, 5])
    assert applied(Sort(), TIMES) == ([2, 3, 5, 7, 7, 9], [5, 0, 3, 1, 2, 4])
    assert applied(Cut(), TIMES) == ([3, 7, 7], [0, 1, 2])
    assert applied(Unwrap(8), np.array([6, 7, 1, 0, 7, 2]))[0] == [6, 7, 9, 8, 15, 18]
    assert applied(Cut(), np.array([1, 2, 2])) == ([1, 2, 2], [0, 1, 2])


def test_the_first_step_backwards_is_found_for_unsigned_times_too() -> None:
    assert first_backwards(TIMES) == 3
    assert first_backwards(TIMES.astype(np.uint32)) == 3
    assert first_backwards(np.array([1, 1, 2])) is None
    assert first_backwards(np.array([], dtype=np.int64)) is None


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40))
def test_unwrapping_undoes_wrapping(steps: list[int]) -> None:
    true = np.cumsum(steps)
    np.testing.assert_array_equal(Unwrap(64).apply(true % 64)[0], true - true[0] // 64 * 64)


@pytest.mark.parametrize("period", [0, -1])
def test_a_period_that_is_not_positive_is_refused(period: int) -> None:
    with pytest.raises(EventError, match="period_us"):
        Unwrap(period)


@pytest.mark.parametrize("sides", [(0, 3), (3, -1), (3.0, 3), (True, 3)])
def test_a_sensor_without_pixels_is_refused(sides: tuple) -> None:
    with pytest.raises(EventError, match="sensor"):
        Sensor(*sides)


def test_the_named_sensors() -> None:
    assert [str(sensor) for sensor in (NMNIST, DVS128, COCHLEA)] == ["34x34", "128x128", "700x1"]
