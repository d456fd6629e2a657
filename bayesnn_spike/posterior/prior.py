"""The factorised prior over binary weights, by its natural parameter."""

import math

from bayesnn_spike.checks import require_interval


def prior_logits(p0: float) -> float:
    """Return half the log-odds of the prior probability p0 of a weight being +1.

    `prior_logits(0.5)` is 0: a probability is never taken for a natural parameter.

    Raises:
        ValueError: p0 is not strictly between 0 and 1.

    Source: lambda_0 = 0.5 log(p0 / (1 - p0)). Oracle: tests/posterior/test_bernoulli.py.
    """
    require_interval(p0, "p0", 0.0, 1.0)
    if p0 in (0.0, 1.0):
        raise ValueError(f"p0 must lie strictly between 0 and 1, got {p0}: no data could move it")
    return 0.5 * math.log(p0 / (1 - p0))
