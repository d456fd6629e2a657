"""All scores at once, and the refusal of a split that fitted something."""

import json

import numpy as np
import pytest

from bayesnn_spike.calibration import accuracy, brier, ece, evaluate, evaluate_folds, nll
from bayesnn_spike.calibration.noise_floor import ece_noise_floor
from bayesnn_spike.events.splits import Ledger, Split, SplitReuseError, folds
from bayesnn_spike.rng import Stream
from tests.calibration.cases import random_case

PROBS, LABELS = random_case(200, seed=1)
TEST = Split("toy:1", "test", np.arange(100, 300))
FAST = {"resamples": 200}


def test_the_scores_are_the_scores():
    scores = evaluate(PROBS, LABELS, split=TEST, ledger=Ledger(), **FAST)
    for function in (accuracy, nll, brier, ece):
        single = function(PROBS, LABELS)
        found = getattr(scores, single.name)
        assert (found.value, found.definition) == (single.value, single.definition)
        assert "over 200 examples, 200 resamples" in found.interval.definition
    assert scores.accuracy.value in scores.accuracy.interval
    assert (scores.split, scores.digest, scores.examples) == ("test", TEST.digest, 200)
    assert scores.values() == {
        "accuracy": scores.accuracy.value,
        "nll": scores.nll.value,
        "brier": scores.brier.value,
        "ece": scores.ece.value,
    }


def test_the_floor_stands_beside_the_ece():
    scores = evaluate(PROBS, LABELS, split=TEST, ledger=Ledger(), **FAST)
    other = ece_noise_floor(PROBS, stream=Stream(99))
    assert scores.ece_floor.mean == pytest.approx(other.mean, abs=4 * other.sd / 20)
    assert scores.definitions()["ece_floor"].startswith("labels drawn 1000 times")
    assert scores.definitions()["nll"] == scores.nll.definition


def test_a_split_that_fitted_something_is_refused_under_any_name():
    renamed = Split("toy:1", "calib", np.arange(290, 310))
    ledger = Ledger().fitted("temperature", renamed)
    with pytest.raises(
        SplitReuseError, match=r"temperature was fitted on split 'calib'.*shares 10"
    ):
        evaluate(PROBS, LABELS, split=TEST, ledger=ledger, **FAST)


def test_a_split_that_fitted_nothing_here_is_taken():
    ledger = Ledger().fitted("weights", Split("toy:1", "train", np.arange(100)))
    assert evaluate(PROBS, LABELS, split=TEST, ledger=ledger, **FAST).examples == 200


def test_a_split_of_another_size_is_refused():
    split = Split("toy:1", "test", np.arange(7))
    with pytest.raises(ValueError, match="'test' has 7 examples, but probs has 200"):
        evaluate(PROBS, LABELS, split=split, ledger=Ledger(), **FAST)


def test_the_json_form_is_json():
    scores = evaluate(PROBS, LABELS, split=TEST, ledger=Ledger(), **FAST)
    plain = json.loads(json.dumps(scores.as_dict(), allow_nan=False))
    assert plain["nll"]["value"] == scores.nll.value
    assert plain["ece_floor"]["sd"] == scores.ece_floor.sd


def _five_folds():
    parts = []
    for fold in folds(LABELS, 5, dataset="toy:1", seed=0):
        rest = np.setdiff1d(np.arange(200), fold.indices)
        ledger = Ledger().fitted("weights", Split("toy:1", "train", rest))
        parts.append((PROBS[fold.indices], fold, ledger))
    return parts


def test_pooled_folds_score_like_one_prediction():
    pooled = evaluate_folds(_five_folds(), LABELS, **FAST)
    whole = evaluate(PROBS, LABELS, split=TEST, ledger=Ledger(), **FAST)
    assert pooled.values() == whole.values()
    assert pooled.ece.interval == whole.ece.interval
    assert pooled.split == "5 folds pooled"
    assert pooled.digest.count("+") == 4


def test_a_fold_that_was_trained_on_is_refused():
    parts = _five_folds()
    probs, fold, ledger = parts[3]
    parts[3] = (probs, fold, ledger.fitted("temperature", fold))
    with pytest.raises(SplitReuseError, match="temperature was fitted on split 'fold3'"):
        evaluate_folds(parts, LABELS, **FAST)
