"""Where a confidence falls, above all on the edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayesnn_spike.calibration import EqualMass, EqualWidth, LeftClosed, RightClosed


def test_left_closed_bins_put_an_edge_above_and_one_into_the_last():
    values = np.array([0.0, 1 / 3, 2 / 3, 1.0])
    np.testing.assert_array_equal(EqualWidth(3, LeftClosed()).assign(values), [0, 1, 2, 2])


def test_right_closed_bins_put_an_edge_below_and_zero_into_the_first():
    values = np.array([0.0, 1 / 3, 2 / 3, 1.0])
    np.testing.assert_array_equal(EqualWidth(3, RightClosed()).assign(values), [0, 0, 1, 2])


@given(bins=st.integers(1, 200), k=st.integers(0, 200))
def test_a_vote_of_k_of_the_bins_lies_exactly_on_its_edge(bins, k):
    k = min(k, bins)
    value = np.array([k / bins])
    assert EqualWidth(bins).assign(value)[0] == min(k, bins - 1)
    assert EqualWidth(bins, RightClosed()).assign(value)[0] == max(k - 1, 0)


def test_equal_mass_bins_differ_by_at_most_one():
    values = np.random.Generator(np.random.Philox(0)).random(103)
    counts = np.bincount(EqualMass(10).assign(values), minlength=10)
    assert counts.sum() == 103
    assert set(counts.tolist()) == {10, 11}


def test_equal_mass_bins_are_ordered_by_confidence():
    values = np.array([0.9, 0.1, 0.5, 0.7])
    np.testing.assert_array_equal(EqualMass(2).assign(values), [1, 0, 0, 1])


def test_equal_mass_keeps_ties_together_whatever_the_order():
    values = np.array([0.5, 0.5, 0.5, 0.9])
    np.testing.assert_array_equal(EqualMass(2).assign(values), [0, 0, 0, 1])
    np.testing.assert_array_equal(EqualMass(2).assign(values[::-1]), [1, 0, 0, 0])


def test_equal_mass_clamps_to_the_number_of_examples():
    np.testing.assert_array_equal(EqualMass(15).assign(np.array([0.2, 0.9])), [0, 1])


def test_equal_mass_bins_follow_the_resample():
    values = np.array([0.1, 0.2, 0.3, 0.4])
    counts = np.array([[1, 1, 1, 1], [3, 1, 0, 0], [0, 0, 1, 3]])
    index = EqualMass(2).assign_resampled(values, counts)
    # An undrawn example (count 0) has a bin too, but no weight.
    assert index[0].tolist() == [0, 0, 1, 1]
    assert index[1, :2].tolist() == [0, 1]
    assert index[2, 2:].tolist() == [0, 0]


def test_ranges_of_equal_mass_bins_are_what_they_hold():
    low, high = EqualMass(3).ranges(np.array([0.5, 0.2, 0.2, 0.2]))
    np.testing.assert_array_equal(low, [0.2, np.nan, 0.5])
    np.testing.assert_array_equal(high, [0.2, np.nan, 0.5])


@pytest.mark.parametrize("kind", [EqualWidth, EqualMass])
@pytest.mark.parametrize("bins", [0, -1, 2.0, True])
def test_a_senseless_number_of_bins_is_refused(kind, bins):
    with pytest.raises(ValueError, match="bins must be an integer of at least 1"):
        kind(bins)


def test_definitions_name_the_rule():
    assert EqualWidth().definition == "15 equal-width bins, left-closed, last bin closed"
    assert EqualMass(7).definition == "7 equal-mass bins, ties kept together"
