"""What is let through and what is not, with the sentence that says how far off it is."""

import pytest
import torch

from bayesnn_spike.bench.agreement import BF16, EXACT, ROUNDED, SAME, Tolerance, mismatch

ONE = torch.tensor([0.25, 0.75])


@pytest.mark.parametrize(
    ("found", "tolerance"),
    [
        (ONE, EXACT),
        (ONE + 5e-6, SAME),
        (ONE + 5e-4, ROUNDED),
        (ONE + 1e-2, BF16),
        (torch.empty(0, 3)[:0], EXACT),
    ],
)
def test_what_agrees_is_let_through(found: torch.Tensor, tolerance: Tolerance) -> None:
    assert mismatch(found, ONE if len(found) else found, tolerance) is None


@pytest.mark.parametrize(
    ("found", "tolerance", "message"),
    [
        (ONE + 1e-6, EXACT, "by up to 1.01e-06"),
        (ONE + torch.tensor([0.0, 1e-4]), SAME, "by up to 0.0001"),
        (ONE + 5e-3, ROUNDED, "0.005 on average; allowed are 1 and 0.001"),
        (ONE + 0.1, BF16, "0.1 on average"),
        (ONE[:1], EXACT, r"shape \(1,\) instead of \(2,\)"),
        (ONE * torch.nan, BF16, "finite"),
    ],
)
def test_what_does_not_agree_is_refused(
    found: torch.Tensor, tolerance: Tolerance, message: str
) -> None:
    problem = mismatch(found, ONE, tolerance)
    assert problem is not None
    with pytest.raises(ValueError, match=message):
        raise ValueError(problem)


def test_one_spike_more_is_seen() -> None:
    """A spike of the last hidden layer moves a logit by gain / sqrt(512) / T."""
    logits = torch.zeros(1, 1, 10)
    moved = logits.clone()
    moved[..., 0] += 4 / 512**0.5 / 25
    assert mismatch(moved.softmax(-1), logits.softmax(-1), SAME) is not None
