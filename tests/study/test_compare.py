"""Comparisons: signs, pairs, and which rows are compared."""

from dataclasses import dataclass

import numpy as np
import pytest

from bayesnn_spike.rng import Stream
from bayesnn_spike.study.compare import comparisons

LABELS = np.arange(60) % 2


@dataclass
class Row:
    data: str
    rule: str
    mode: str
    seeds: tuple[int, ...]
    labels: np.ndarray


def row(rule: str, mode: str, confidence: float, *, seeds: int = 3, data: str = "d"):
    """Always right, with a confidence that the seeds change by a little."""
    right = confidence + 0.001 * np.arange(seeds)[:, None] * np.ones(len(LABELS))
    probs = np.empty((seeds, len(LABELS), 2))
    probs[:, np.arange(len(LABELS)), LABELS] = right
    probs[:, np.arange(len(LABELS)), 1 - LABELS] = 1 - right
    return Row(data, rule, mode, tuple(range(seeds)), LABELS), probs


def test_the_difference_is_the_committee_minus_the_other() -> None:
    rows = [row("bayes_bisnn", "committee", 0.9), row("straight_through", "mode", 0.8)]
    (found,) = comparisons(rows, resamples=200, stream=Stream(0))
    assert found["minus"] == {"rule": "straight_through", "predict": "mode"}
    nll = found["difference"]["nll"]
    expected = np.mean([np.log((0.8 + s / 1000) / (0.9 + s / 1000)) for s in range(3)])
    assert nll["value"] == pytest.approx(expected)
    assert nll["low"] <= nll["value"] <= nll["high"] < 0
    assert nll["excludes_zero"]
    ece = found["difference"]["ece"]
    assert ece["value"] == pytest.approx(-0.1)
    accuracy = found["difference"]["accuracy"]
    assert (accuracy["value"], accuracy["excludes_zero"]) == (0.0, False)


def test_every_other_rule_of_the_same_data_is_compared_once() -> None:
    others = ("straight_through", "st_bisnn", "bop", "full_precision")
    rows = [row(rule, "mode", 0.7) for rule in others]
    rows += [row("bayes_bisnn", "mode", 0.7), row("bayes_bisnn", "committee", 0.8)]
    rows += [row("st_ensemble", "committee", 0.8), row("bop", "mode", 0.6, data="e")]
    found = comparisons(rows, resamples=100, stream=Stream(0))
    assert {entry["minus"]["rule"] for entry in found} == {*others, "st_ensemble"}
    assert {(entry["data"], entry["predict"]) for entry in found} == {("d", "committee")}
    assert len(found) == 5


def test_only_shared_seeds_are_compared() -> None:
    rows = [row("bayes_bisnn", "committee", 0.9), row("bop", "mode", 0.8, seeds=2)]
    (found,) = comparisons(rows, resamples=100, stream=Stream(0))
    assert found["seeds"] == 2
    expected = np.mean([np.log((0.8 + s / 1000) / (0.9 + s / 1000)) for s in range(2)])
    assert found["difference"]["nll"]["value"] == pytest.approx(expected)


def test_nothing_is_compared_without_a_shared_seed() -> None:
    other, probs = row("bop", "mode", 0.8, seeds=1)
    other.seeds = (7,)
    rows = [row("bayes_bisnn", "committee", 0.9), (other, probs)]
    assert comparisons(rows, resamples=100, stream=Stream(0)) == []
