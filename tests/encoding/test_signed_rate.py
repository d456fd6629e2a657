"""encoding/signed_rate: signed spikes whose mean is the value, each its own draw."""

import math

import pytest
import torch

from bayesnn_spike.encoding import SignedRate, signed_rate
from bayesnn_spike.rng import Stream

VALUES = torch.tensor([[-1.0, -0.3, 0.0, 0.3, 0.75, 1.0]])


def test_means_signs_and_ends(stream: Stream) -> None:
    steps = 20_000
    spikes = signed_rate(VALUES, steps, stream)[:, 0]
    assert set(spikes.unique().tolist()) == {-1.0, 0.0, 1.0}
    assert torch.equal(spikes[:, 0], -torch.ones(steps))
    assert spikes[:, 2].abs().sum() == 0
    assert torch.equal(spikes[:, 5], torch.ones(steps))
    size = VALUES[0].abs()
    bound = 5 * (size * (1 - size) / steps).sqrt()
    assert bool(((spikes.mean(0) - VALUES[0]).abs() <= bound).all())


def test_the_spread_of_a_mean_is_binomial(stream: Stream) -> None:
    """sqrt(p (1 - p) / T) at p = 0.3, T = 25 is 0.092."""
    means = signed_rate(torch.full((1, 4000), 0.3), 25, stream).mean(0)
    spread = math.sqrt(0.3 * 0.7 / 25)
    assert spread == pytest.approx(0.0917, abs=1e-4)
    assert float(means.std()) == pytest.approx(spread, rel=0.06)


def test_steps_and_examples_are_numbered(stream: Stream) -> None:
    images = torch.rand(6, 2, 3) * 2 - 1
    whole = signed_rate(images, 9, stream)
    part = signed_rate(images[2:5], 4, stream, first_step=3, first_example=2)
    assert torch.equal(part, whole[3:7, 2:5])
    code = SignedRate(9, stream)
    assert torch.equal(code.encode(images), whole)
    assert torch.equal(
        code.encode(images[1:], steps=2, first_step=5, first_example=1), whole[5:7, 1:]
    )


def test_steps_examples_and_streams_differ(stream: Stream) -> None:
    images = torch.full((2, 400), 0.5)
    spikes = signed_rate(images, 2, stream)
    assert not torch.equal(spikes[0], spikes[1])
    assert not torch.equal(spikes[:, 0], spikes[:, 1])
    assert not torch.equal(spikes, signed_rate(images, 2, stream.child("other")))
    assert torch.equal(spikes, signed_rate(images, 2, stream))


def test_what_is_no_probability_is_refused(stream: Stream) -> None:
    with pytest.raises(ValueError, match="same normalisation"):
        signed_rate(torch.tensor([[1.5]]), 2, stream)
    with pytest.raises(ValueError, match="values in"):
        signed_rate(torch.tensor([[float("nan")]]), 2, stream)
    with pytest.raises(ValueError, match="steps"):
        signed_rate(torch.zeros(1, 1), 0, stream)
    with pytest.raises(ValueError, match="steps"):
        SignedRate(0, stream)
