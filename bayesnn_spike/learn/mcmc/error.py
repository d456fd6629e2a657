"""The Monte-Carlo standard error of means over chains, from batch means."""

import math

from torch import Tensor

LEAST_BATCHES = 20
"""Fewer would make the error itself a guess: with 20, it is right to some 16 percent."""


def batch_means_error(values: Tensor) -> Tensor:
    """Return the standard error of the mean over chains and draws.

    The spread of the means of batches around the mean of everything, over the root of their number.
    With 20 chains or more a batch is a whole chain: chains are independent, so the error is right
    however slowly they move. With fewer, chains are cut into batches of about sqrt(draws), which
    must be much longer than the autocorrelation.

    Args:
        values: `[C, n, *shape]`.

    Returns:
        `[*shape]` float64.

    Raises:
        ValueError: fewer than 20 batches in all.

    Source: Flegal & Jones 2010, "Batch means and spectral variance estimators", batches pooled.
    Oracle: tests/learn/mcmc/test_error.py (autoregression of known variance).
    """
    chains, draws = values.shape[:2]
    length = draws if chains >= LEAST_BATCHES else max(1, math.isqrt(draws))
    batches = chains * (draws // length)
    if batches < LEAST_BATCHES:
        raise ValueError(
            f"a standard error needs {LEAST_BATCHES} batches, {chains} chains of {draws} draws "
            f"make {batches}: run more chains or longer ones"
        )
    kept = values[:, : draws // length * length].double()
    means = kept.reshape(batches, length, *values.shape[2:]).mean(1)
    return (means.var(0) / batches).sqrt()
