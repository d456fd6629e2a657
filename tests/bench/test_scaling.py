"""Sizes along an axis, and straight lines with known answers."""

import numpy as np
import pytest

from bayesnn_spike.bench.scaling import AXES, groups, straight_line


@pytest.mark.parametrize("axis", AXES)
def test_the_work_grows_with_the_axis(axis: str) -> None:
    found = list(groups(axis, "cpu", quick=False))
    values = np.array([group.extra["value"] for group in found])
    macs = np.array([group.macs for group in found])
    assert [group.extra["axis"] for group in found] == [axis] * len(found)
    assert values[-1] / values[0] >= 16
    np.testing.assert_allclose(macs / values, macs[0] / values[0])
    assert {group.bench for group in found} == {"scaling"}


def test_one_size_runs() -> None:
    group = next(groups("width", "cpu", quick=True))
    for who in ("cpu", "torch-fused-t"):
        entry = group.build(who)
        assert entry.check() is None
        entry.run()


def test_a_straight_line_is_found() -> None:
    a, b, deviation = straight_line([1, 2, 4, 8], [3.0, 5.0, 9.0, 17.0])
    assert (a, b) == pytest.approx((1.0, 2.0))
    assert deviation == pytest.approx(0.0, abs=1e-12)


def test_a_point_beside_the_line_is_a_deviation() -> None:
    *_, deviation = straight_line([1, 2, 4, 8, 16], [1.0, 2.0, 4.0, 8.0, 32.0])
    assert deviation > 0.15


def test_a_cost_below_zero_at_zero_is_no_line() -> None:
    """Times that grow faster than their size are held against a line through zero."""
    a, b, deviation = straight_line([1, 2, 4], [1.0, 3.0, 7.0])
    assert a == 0
    assert b > 0
    assert deviation > 0.15
