"""Rules, steps and first latents refuse values that would spoil a training silently."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from bayesnn_spike.learn import Constant, Cosine, Temperature
from bayesnn_spike.learn.estimators import Flipout, LocalReparameterisation, Score
from bayesnn_spike.learn.initial import CoinFlip, Normal, Uniform
from bayesnn_spike.learn.optimizers import Adam, Momentum, Sgd
from bayesnn_spike.learn.rules import BayesBiSNN, Bop, StraightThrough

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "sgd, negative step": (lambda: Sgd(-0.1), "step size must be positive"),
    "adam, negative step": (lambda: Adam(-0.1), "step size must be positive"),
    "adam, NaN step": (lambda: Adam(math.nan), "step size must be positive"),
    "adam, beta1 of 1": (lambda: Adam(0.1, beta1=1.0), "Adam.beta1 must lie in"),
    "adam, eps of 0": (lambda: Adam(0.1, eps=0.0), "Adam.eps must be positive"),
    "momentum, beta of 1": (lambda: Momentum(0.1, beta=1.0), "Momentum.beta must lie in"),
    "constant, zero": (lambda: Constant(0.0), "step size must be positive"),
    "cosine, no steps": (lambda: Cosine(0.1, 0), "steps must be positive"),
    "bayes, negative limit": (
        lambda: BayesBiSNN(Temperature(10), limit=-1.0),
        "BayesBiSNN.limit must be positive",
    ),
    "straight-through, limit of 0": (
        lambda: StraightThrough(limit=0.0),
        "StraightThrough.limit must be positive",
    ),
    "bop, rate above 1": (lambda: Bop(rate=2.0), "Bop.rate must lie in"),
    "bop, negative threshold": (lambda: Bop(threshold=-1.0), "Bop.threshold must be at least 0"),
    "coin flip of nothing": (lambda: CoinFlip(0.0), "CoinFlip.magnitude must be positive"),
    "uniform without width": (lambda: Uniform(0.0), "Uniform.bound must be positive"),
    "normal without width": (lambda: Normal(-1.0), "Normal.deviation must be positive"),
    "temperature of no examples": (lambda: Temperature(0), "examples"),
    "negative tempering": (lambda: Temperature(5, tempering=-1.0), "tempering must lie in"),
    "flipout without draws": (lambda: Flipout(draws=0), "draws must be positive"),
    "local without draws": (lambda: LocalReparameterisation(draws=0), "draws must be positive"),
    "score with one draw": (lambda: Score(draws=1), "at least 2 draws"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_value_without_meaning_is_refused_where_it_is_made(case: str) -> None:
    make, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        make()
