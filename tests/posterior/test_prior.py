"""posterior/prior: a probability becomes a natural parameter, never the other way round."""

import pytest
import torch

from bayesnn_spike.posterior import prior_logits


@pytest.mark.parametrize("p0", [0.01, 0.3, 0.5, 0.731, 0.999])
def test_it_is_half_the_log_odds(p0: float) -> None:
    logit = torch.tensor(prior_logits(p0), dtype=torch.float64)
    assert float(torch.sigmoid(2 * logit)) == pytest.approx(p0, rel=1e-12)


def test_an_even_prior_is_zero() -> None:
    assert prior_logits(0.5) == 0


@pytest.mark.parametrize("p0", [0.0, 1.0, -0.1, 1.1, float("nan")])
def test_a_prior_that_no_data_could_move_is_refused(p0: float) -> None:
    with pytest.raises(ValueError, match="p0 must lie"):
        prior_logits(p0)
