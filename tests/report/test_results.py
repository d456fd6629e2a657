"""Reading a study's output folder."""

import json

import numpy as np
import pytest

from bayesnn_spike.report.results import (
    ReportError,
    first_answers,
    read_records,
    read_summary,
)
from tests.calibration.cases import random_case
from tests.report.cases import summary, write_study


@pytest.fixture
def folder(tmp_path):
    return write_study(tmp_path / "toy")


def test_the_folds_of_the_first_seed_are_put_together(folder):
    row = summary()["rows"][1]
    answers = first_answers(read_records(folder), row)
    probs, labels = random_case(60, 4, seed=0)
    order = np.r_[np.arange(0, 60, 2), np.arange(1, 60, 2)]
    assert answers.seed == 0
    np.testing.assert_array_equal(answers.probs, probs[order])
    np.testing.assert_array_equal(answers.labels, labels[order])
    np.testing.assert_array_equal(answers.correct, (probs.argmax(axis=1) == labels)[order])
    np.testing.assert_allclose(answers.epistemic, 0.1 * (1 - probs[order].max(axis=1)))


def test_a_seed_without_all_its_folds_is_passed_over(folder):
    (folder / "cells" / "nmnist-fold1-bayes_bisnn-seed0" / "record.json").unlink()
    row = summary()["rows"][1]
    assert first_answers(read_records(folder), row).seed == 1
    assert first_answers([], row) is None


def test_an_example_in_two_folds_is_refused(folder):
    cells = folder / "cells"
    (cells / "nmnist-fold1-bayes_bisnn-seed0" / "predictions.npz").write_bytes(
        (cells / "nmnist-fold0-bayes_bisnn-seed0" / "predictions.npz").read_bytes()
    )
    with pytest.raises(ReportError, match="seed 0: an example is in two folds"):
        first_answers(read_records(folder), summary()["rows"][1])


@pytest.mark.parametrize("damage", ["missing", "cut", "empty", "other"])
def test_damaged_predictions_are_named(folder, damage):
    path = folder / "cells" / "nmnist-fold0-straight_through-seed0" / "predictions.npz"
    if damage == "missing":
        path.unlink()
    elif damage == "other":
        np.savez(path, a=np.zeros(1))
    else:
        path.write_bytes(path.read_bytes()[: 100 if damage == "cut" else 0])
    with pytest.raises(ReportError, match=r"straight_through-seed0/predictions\.npz: cannot be"):
        first_answers(read_records(folder), summary()["rows"][0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "summary.json: cannot be read"),
        ("{", "summary.json: cannot be read"),
        ("[]", "must hold a JSON object, it holds a list"),
        (json.dumps({"study": "toy"}), r"no summary of a study: \['rows'\] missing"),
    ],
)
def test_a_damaged_summary_is_named(tmp_path, text, message):
    if text is not None:
        (tmp_path / "summary.json").write_text(text)
    with pytest.raises(ReportError, match=message):
        read_summary(tmp_path)
