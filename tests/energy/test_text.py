"""Units and columns."""

import pytest

from bayesnn_spike.energy.text import joules, table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0015567, "1.557 mJ"),
        (0.0, "0 J"),
        (2.0, "2 J"),
        (1e-6, "1 µJ"),
        (4.6e-12, "4.6 pJ"),
        (5e-14, "0.05 pJ"),
        (-3e-9, "-3 nJ"),
    ],
)
def test_energies_have_a_unit(value: float, text: str) -> None:
    assert joules(value) == text


def test_columns_line_up() -> None:
    text = table("title", ("a", "number"), [("first", "1"), ("b", "1,000,000")])
    assert text.splitlines() == [
        "title",
        "a         number",
        "----------------",
        "first          1",
        "b      1,000,000",
    ]
