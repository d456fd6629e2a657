from importlib import import_module

import pytest
import torch

from bayesnn_spike.encoding import rate, rate_rows
from bayesnn_spike.rng import Stream


def test_certain_values_are_certain(stream):
    values = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    spikes = rate(values, steps=500, stream=stream)
    assert spikes.dtype == torch.uint8
    torch.testing.assert_close(spikes.double().mean(0), values.double())


def test_pinned_draw():
    # The same on every machine: raw Philox words against integer thresholds.
    spikes = rate(torch.full((4,), 0.5), steps=3, stream=Stream(0))
    assert spikes.tolist() == PINNED


def test_the_word_order_is_low_half_first():
    stream = Stream(5)
    word = int(stream.numpy().bit_generator.random_raw(1)[0])
    low, high = word & 0xFFFFFFFF, word >> 32
    values = torch.tensor([(low + 0.6) / 2**32, (high + 0.6) / 2**32], dtype=torch.float64)
    assert rate(values, steps=1, stream=stream).tolist() == [[1, 1]]
    values = torch.tensor([low / 2**32, high / 2**32], dtype=torch.float64)
    assert rate(values, steps=1, stream=stream).tolist() == [[0, 0]]


def test_frequencies_are_within_exact_binomial_bounds(stream):
    n = 40_000
    values = torch.tensor([0.01, 0.2, 0.5, 0.93])
    counts = rate(values, steps=n, stream=stream).long().sum(0)
    deviation = (counts - n * values).abs() / (n * values * (1 - values)).sqrt()
    assert bool((deviation < 4.5).all())


def test_every_row_has_its_own_stream(monkeypatch, stream):
    values = torch.rand(7, 3, 5, generator=stream.generator())
    streams = [stream.child(row) for row in range(7)]
    spikes = rate_rows(values, steps=6, streams=streams)
    assert spikes.shape == (7, 6, 3, 5)
    for row in range(7):
        torch.testing.assert_close(spikes[row], rate(values[row], steps=6, stream=streams[row]))
    # By its name in sys.modules: the package's attribute `rate` is the function.
    monkeypatch.setattr(import_module("bayesnn_spike.encoding.rate"), "_CHUNK", 2)
    torch.testing.assert_close(rate_rows(values, steps=6, streams=streams), spikes)
    with pytest.raises(ValueError, match="7 rows need as many streams, got 6"):
        rate_rows(values, steps=6, streams=streams[:6])


def test_more_steps_do_not_change_the_first():
    values = torch.linspace(0, 1, 7)
    short = rate(values, steps=4, stream=Stream(1))
    torch.testing.assert_close(rate(values, steps=9, stream=Stream(1))[:4], short)


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan"), float("inf")])
def test_values_outside_the_unit_interval_are_refused(stream, bad):
    with pytest.raises(ValueError, match=r"values must lie in \[0, 1\].*\(0, 1\).*normalise"):
        rate(torch.tensor([[0.5, bad]]), steps=2, stream=stream)


def test_no_steps_are_refused(stream):
    with pytest.raises(ValueError, match="steps must be at least 1"):
        rate(torch.tensor([0.5]), steps=0, stream=stream)


PINNED = [[1, 1, 0, 1], [1, 1, 1, 0], [0, 0, 0, 1]]
