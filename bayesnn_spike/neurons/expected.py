"""The expected spike of one step whose membrane is normal: the Gaussian surrogate, exactly.

A unit fires where m + s eps >= theta, eps standard normal. Its mean is

    P(fire) = Phi((m - theta) / s),    dP/dm = phi((m - theta) / s) / s

so the slope is that of a `Gaussian` surrogate of sigma = s, with no choice left in it: m and s are
the mean and deviation of a current under local reparameterisation, m = mu x and
s^2 = (1 - mu^2) x^2. It holds for one step from rest. Later steps of a neuron that resets or leaks
share the noise of the first, so that their spikes are not independent and no such formula holds.
"""

import math

import torch
from torch import Tensor

from bayesnn_spike.checks import require_positive


def firing_probability(mean: Tensor, deviation: Tensor, v_threshold: float = 1.0) -> Tensor:
    """P(m + s eps >= theta) of normal membranes, differentiable in mean and deviation.

    Exact for normal currents. For a sum of independent binary weights it has the error of the
    central limit theorem, at most 0.56 sum E|t_i|^3 / (sum Var t_i)^(3/2) over the terms
    t_i = (w_i - mu_i) x_i, where E|t_i|^3 = (1 - mu_i^2) (1 + mu_i^2) |x_i|^3.

    Args:
        mean: m `[*shape]`, units of the membrane.
        deviation: s `[*shape]`, not negative; where it is 0 the unit is deterministic and has no
            slope.
        v_threshold: theta, positive.

    Returns:
        `[*shape]` in [0, 1].

    Raises:
        ValueError: the threshold is not positive, or a deviation is negative.

    Source: Peters and Welling 2018; the bound: Berry-Esseen with Shevtsova's constant.
    Oracle: tests/neurons/test_expected.py (sampling, enumeration).
    """
    require_positive(v_threshold, "v_threshold")
    if bool((deviation < 0).any()):
        raise ValueError("a deviation is negative; pass the square root of a variance")
    noisy = deviation > 0
    spread = torch.where(noisy, deviation, 1.0)
    # erfc keeps small probabilities that 1 + erf would lose.
    chance = torch.erfc((v_threshold - mean) / (spread * math.sqrt(2))) / 2
    return torch.where(noisy, chance, (mean >= v_threshold).to(mean.dtype))
