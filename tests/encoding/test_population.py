import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bayesnn_spike.encoding import population


def test_rates_by_hand():
    rates = population(torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64), units=3)
    expected = torch.tensor([1, 0, 0, 0.5, 0.5, 0, 0, 0, 1], dtype=torch.float64)
    torch.testing.assert_close(rates, expected)


def test_it_is_the_published_code_up_to_its_rounded_width():
    # Source: 0.5 + 0.5 cos(clip(pi (100 x - c_j) / 11.11, -pi, pi)), c_j = 100 j / 9.
    x = torch.linspace(0, 1, 101, dtype=torch.float64)
    centres = torch.arange(10, dtype=torch.float64) * 100 / 9
    angle = torch.pi * (100 * x[:, None] - centres) / 11.11
    published = 0.5 + 0.5 * torch.cos(angle.clamp(-torch.pi, torch.pi))
    torch.testing.assert_close(population(x[:, None]), published, rtol=0, atol=2e-4)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4), st.integers(2, 20))
def test_rates_sum_to_one_and_two_units_at_most_are_active(values, units):
    rates = population(torch.tensor(values, dtype=torch.float64), units=units)
    rates = rates.reshape(len(values), units)
    torch.testing.assert_close(rates.sum(1), torch.ones(len(values), dtype=torch.float64))
    assert int((rates > 1e-12).sum(1).max()) <= 2
    assert float(rates.min()) >= 0
    assert float(rates.max()) <= 1


def test_coordinates_keep_their_order():
    rates = population(torch.zeros(4, 3, 2), units=5)
    assert rates.shape == (4, 3, 10)
    assert rates[0, 0].tolist() == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        population(torch.tensor([1.5]))
    with pytest.raises(ValueError, match="at least 2 units"):
        population(torch.tensor([0.5]), units=1)
