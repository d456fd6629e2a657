"""study/conversion_scores: scores by hand, and logits in the order of the split."""

import math

import pytest
import torch
from torch import nn

from bayesnn_spike.encoding import SignedRate
from bayesnn_spike.rng import Stream
from bayesnn_spike.study import conversion_scores
from bayesnn_spike.study.conversion_check import build_ann, skeleton
from bayesnn_spike.study.conversion_data import load_images
from bayesnn_spike.study.conversion_scores import (
    ann_logits,
    definitions,
    score,
    summed_readouts,
)
from tests.study.tiny_recipe import recipe, write_images

LOGITS = torch.tensor([[math.log(3), 0.0], [0.0, 0.0], [math.log(3), 0.0], [0.0, math.log(3)]])
LABELS = torch.tensor([0, 0, 1, 1])


def test_scores_by_hand() -> None:
    """Confidences .75, .5, .75, .75; right, right (the first of equals), wrong, right."""
    found = score(LOGITS, LABELS)
    nll = -(2 * math.log(0.75) + math.log(0.5) + math.log(0.25)) / 4
    ece = (3 * abs(2 / 3 - 0.75) + abs(1 - 0.5)) / 4
    assert found == {
        "examples": 4,
        "accuracy": pytest.approx(0.75),
        "nll": pytest.approx(nll),
        "ece": pytest.approx(ece),
    }
    assert set(definitions(LOGITS, LABELS)) == {"accuracy", "nll", "ece"}


def test_logits_come_in_the_order_of_the_split(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(conversion_scores, "IMAGES", 4)
    config = recipe()
    data = load_images(config, write_images(tmp_path))
    ann = build_ann(config, shape=data.shape, classes=10, stream=Stream(0))
    images = data.batch(data.splits["test"].indices).images.mul(2).sub(1)
    found = ann_logits(config, ann.train(), data, "test", "cpu")
    torch.testing.assert_close(found, ann.eval()(images).detach())

    network = skeleton(config, ann, data.shape)
    assert isinstance(network, nn.Module)
    options = {"stream": Stream(3)}
    found = summed_readouts(config, network, data, "test", "cpu", **options)
    for number, first in enumerate((0, 4, 8)):
        some = images[first : first + 4]
        spikes = SignedRate(12, Stream(3).child("test", number)).encode(some)
        expected = network(spikes)[0].sum(0).detach()
        torch.testing.assert_close(found[first : first + 4], expected)
    assert len(found) == 10
