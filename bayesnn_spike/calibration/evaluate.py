"""All scores of a prediction at once, on a split that has fitted nothing.

    scores = evaluate(probs, labels, split=dataset.splits["test"], ledger=run.ledger)
    scores.nll.value, scores.nll.interval, scores.nll.definition

Oracle: tests/calibration/test_evaluate.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from bayesnn_spike.calibration.binning import Binning
from bayesnn_spike.calibration.bootstrap import RESAMPLES, ece_interval, mean_interval
from bayesnn_spike.calibration.ece import DEFAULT_NORM, ece
from bayesnn_spike.calibration.folds import pool_folds
from bayesnn_spike.calibration.inputs import Array, checked
from bayesnn_spike.calibration.noise_floor import NoiseFloor, ece_noise_floor
from bayesnn_spike.calibration.norms import Norm
from bayesnn_spike.calibration.proper import (
    accuracy,
    brier,
    example_brier,
    example_correct,
    example_nll,
    nll,
)
from bayesnn_spike.calibration.reliability import DEFAULT_BINNING
from bayesnn_spike.calibration.score import Score
from bayesnn_spike.events.splits import Ledger, Split
from bayesnn_spike.rng import Stream

DEFAULT_STREAM = Stream(0).child("calibration", "evaluate")
"""Where the resamples come from unless said otherwise: the same for everyone, so that two
evaluations of the same predictions agree to the last bit."""


@final
@dataclass(frozen=True)
class Scores:
    """The scores of one prediction; every one has its definition and bootstrap interval.

    Attributes:
        split: name of the split.
        digest: digest of the split's examples; of pooled folds, their digests joined by "+".
        examples: number of examples.
        accuracy, nll, brier, ece: the scores.
        ece_floor: the ECE that perfect calibration would show here.
    """

    split: str
    digest: str
    examples: int
    accuracy: Score
    nll: Score
    brier: Score
    ece: Score
    ece_floor: NoiseFloor

    def values(self) -> dict[str, float]:
        """Return the four numbers by name, for a summary."""
        return {score.name: score.value for score in self._all()}

    def definitions(self) -> dict[str, str]:
        """Return the definition of every number by name, for a report."""
        named = {score.name: score.definition for score in self._all()}
        return {**named, "ece_floor": self.ece_floor.definition}

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        floor = self.ece_floor
        return {
            "split": self.split,
            "digest": self.digest,
            "examples": self.examples,
            **{score.name: score.as_dict() for score in self._all()},
            "ece_floor": {
                "mean": floor.mean,
                "sd": floor.sd,
                "high": floor.high,
                "definition": floor.definition,
            },
        }

    def _all(self) -> tuple[Score, ...]:
        return self.accuracy, self.nll, self.brier, self.ece


def evaluate(
    probs: Array,
    labels: Array,
    *,
    split: Split,
    ledger: Ledger,
    stream: Stream = DEFAULT_STREAM,
    binning: Binning = DEFAULT_BINNING,
    norm: Norm = DEFAULT_NORM,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> Scores:
    """Score predictions on a split that was not used to fit anything.

    Args:
        probs: `[N, C]` probabilities, in the order of the split's examples.
        labels: `[N]` class indices.
        split: the split the examples come from.
        ledger: what was fitted on which examples.
        stream: source of the bootstrap resamples and of the noise floor's labels.
        binning, norm: the definition of the ECE.
        resamples, level: of the bootstrap intervals.

    Raises:
        SplitReuseError: some of the split's examples fitted something.
        ValueError: the split has another number of examples than `probs`.
    """
    ledger.require_unused(split)
    values, targets = checked(probs, labels)
    if len(values) != len(split.indices):
        raise ValueError(
            f"split {split.name!r} has {len(split.indices)} examples, but probs has {len(values)}"
        )
    measured = _measure(values, targets, stream, binning, norm, resamples, level)
    return Scores(split.name, split.digest, len(targets), *measured)


def evaluate_folds(
    parts: Iterable[tuple[Array, Split, Ledger]],
    labels: Array,
    *,
    stream: Stream = DEFAULT_STREAM,
    binning: Binning = DEFAULT_BINNING,
    norm: Norm = DEFAULT_NORM,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> Scores:
    """Score the pooled predictions of a cross-validation.

    Args:
        parts: for each fold (probabilities `[n, C]`, its test split, the ledger of its model).
        labels: `[N]` class indices of all examples.
        stream, binning, norm, resamples, level: as in `evaluate`.

    Raises:
        SplitReuseError: a fold's model was fitted on some of its test examples.
        ValueError: the folds do not cover every example exactly once.
    """
    folds = list(parts)
    for _, split, ledger in folds:
        ledger.require_unused(split)
    pooled = pool_folds((split.indices, probs) for probs, split, _ in folds)
    values, targets = checked(pooled, labels)
    measured = _measure(values, targets, stream, binning, norm, resamples, level)
    digest = "+".join(split.digest for _, split, _ in folds)
    return Scores(f"{len(folds)} folds pooled", digest, len(targets), *measured)


def _measure(
    values: np.ndarray,
    targets: np.ndarray,
    stream: Stream,
    binning: Binning,
    norm: Norm,
    resamples: int,
    level: float,
) -> tuple[Score, Score, Score, Score, NoiseFloor]:
    """Return accuracy, NLL, Brier score, ECE with intervals, and the noise floor."""
    # One stream for all intervals: every score sees the same resampled examples.
    how = {"stream": stream.child("resamples"), "resamples": resamples, "level": level}
    means = [
        (accuracy(values, targets), example_correct(values, targets)),
        (nll(values, targets), example_nll(values, targets)),
        (brier(values, targets), example_brier(values, targets)),
    ]
    scores = [replace(score, interval=mean_interval(terms, **how)) for score, terms in means]
    error = ece(values, targets, binning=binning, norm=norm)
    error = replace(
        error, interval=ece_interval(values, targets, binning=binning, norm=norm, **how)
    )
    floor = ece_noise_floor(values, stream=stream.child("floor"), binning=binning, norm=norm)
    return *scores, error, floor
