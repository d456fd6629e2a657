"""The prices are Horowitz's, and a table that cannot be is refused."""

import pytest

from bayesnn_spike.energy import (
    FP16,
    FP32,
    INT8,
    INT8_ADD,
    INT16_ADD,
    INT32,
    INT32_ADD,
    Adder,
    CostTable,
)


def test_prices_at_45_nm() -> None:
    assert [(t.mac_pj, t.ac_pj) for t in (FP32, FP16, INT32, INT8)] == [
        *((4.6, 0.9), (1.5, 0.4), (3.2, 0.1), (0.23, 0.03)),
    ]
    # The multiplications of Horowitz's table.
    assert [round(t.multiply_pj, 10) for t in (FP32, FP16, INT32, INT8)] == [3.7, 1.1, 3.1, 0.2]
    assert all("ISSCC 2014" in t.source for t in (FP32, FP16, INT32, INT8))
    assert [(a.bits, a.pj) for a in (INT8_ADD, INT16_ADD, INT32_ADD)] == [
        *((8, 0.03), (16, 0.05), (32, 0.1)),
    ]


def test_an_accumulator_holds_what_fits() -> None:
    assert INT8_ADD.holds(127)
    assert not INT8_ADD.holds(128)
    assert INT16_ADD.holds(8192)


def test_signs_are_a_price_of_their_own() -> None:
    table = FP32.with_signs(INT16_ADD)
    assert table.sign_add == INT16_ADD
    assert (table.mac_pj, table.name) == (FP32.mac_pj, FP32.name)
    assert FP32.sign_add is None


def test_impossible_prices_are_refused() -> None:
    with pytest.raises(ValueError, match="ac_pj must be positive"):
        CostTable("free", 1.0, 0.0, "")
    with pytest.raises(ValueError, match="costs less than its AC"):
        CostTable("odd", 0.5, 0.9, "")
    with pytest.raises(ValueError, match="bits must be positive"):
        Adder(0, 0.1)
    with pytest.raises(ValueError, match="pj must be positive"):
        Adder(8, -0.1)
