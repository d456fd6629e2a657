"""The multi-sample bound of the evidence, and what its gradient gives each draw.

    r_k = log p0(w_k) - L(w_k) / rho - log q(w_k)        log importance ratio of draw k
    F_K = -rho log (1/K) sum_k exp(r_k)                   E F_K falls with K towards -rho log Z

E F_1 is the free energy E_q[L] + rho KL(q || p0). Z = sum_w p0(w) exp(-L(w) / rho).
"""

import math

from torch import Tensor

from bayesnn_spike.checks import require_ndim, require_positive


def multi_sample_bound(log_ratios: Tensor, rho: float) -> Tensor:
    """F_K of draws from q, the loss's units: an upper bound of -rho log Z in the mean.

    Args:
        log_ratios: r `[K]` or `[M, K]`, one row an independent estimate. For a `Target` and a
            posterior: `target.log_prob(w) - posterior.log_prob(w)` of its draws.
        rho: the temperature.

    Returns:
        A scalar, or `[M]`.

    Raises:
        ValueError: rho is not positive, or r has other axes.

    Source: Burda, Grosse and Salakhutdinov 2016, equation 8, tempered.
    Oracle: tests/learn/test_bound.py.
    """
    require_positive(rho, "rho")
    require_ndim(log_ratios, "log_ratios", "[K] or [M, K]", 1, 2)
    return -rho * (log_ratios.logsumexp(-1) - math.log(log_ratios.shape[-1]))


def leave_one_out_advantages(log_ratios: Tensor, rho: float) -> Tensor:
    """A_k with E sum_k A_k grad log q(w_k) = grad E F_K, `[K]`.

    A_k = -rho (log sum_j exp(r_j) - log sum_j exp(r_j^-k) - s_k). In r^-k the mean of the other r
    stands at place k, so that the baseline does not depend on draw k; s = softmax(r) is what r_k
    itself contributes, since it holds -log q(w_k).

    Args:
        log_ratios: r `[K]`, at least two.
        rho: the temperature.

    Raises:
        ValueError: fewer than two draws.

    Source: Mnih and Rezende 2016 (VIMCO), the geometric mean as the baseline.
    Oracle: tests/learn/test_bound.py (all K-tuples).
    """
    require_ndim(log_ratios, "log_ratios", "[K]", 1)
    k = len(log_ratios)
    if k < 2:
        raise ValueError(f"the leave-one-out baseline needs at least 2 draws, got {k}")
    others = (log_ratios.sum() - log_ratios) / (k - 1)
    replaced = log_ratios.expand(k, k).clone()
    replaced.diagonal().copy_(others)
    signal = log_ratios.logsumexp(0) - replaced.logsumexp(1)
    return -rho * (signal - log_ratios.softmax(0))
