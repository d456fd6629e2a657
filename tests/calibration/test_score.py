"""A score is its number, and says what it is."""

import json

from bayesnn_spike.calibration import Interval, Score


def test_a_score_is_its_number():
    assert float(Score("ece", 0.25, "top label")) == 0.25


def test_the_text_carries_value_interval_and_definition():
    interval = Interval(0.2, 0.3, 0.95, "bootstrap")
    assert str(Score("ece", 0.25, "top label")) == "ece 0.2500 (top label)"
    text = str(Score("ece", 0.25, "top label", interval))
    assert text == "ece 0.2500 [0.2000, 0.3000] (top label)"


def test_the_json_form_carries_everything():
    score = Score("ece", 0.25, "top label", Interval(0.2, 0.3, 0.95, "bootstrap"))
    assert json.loads(json.dumps(score.as_dict())) == {
        "value": 0.25,
        "definition": "top label",
        "interval": {"low": 0.2, "high": 0.3, "level": 0.95, "definition": "bootstrap"},
    }
    assert "interval" not in Score("ece", 0.25, "top label").as_dict()


def test_an_interval_holds_its_ends():
    interval = Interval(0.2, 0.3, 0.95, "bootstrap")
    assert 0.2 in interval
    assert 0.3 in interval
    assert 0.31 not in interval
