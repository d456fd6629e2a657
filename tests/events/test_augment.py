import time

import pytest
import torch

from bayesnn_spike.events.augment import Shift
from bayesnn_spike.rng import Stream


def ramp(*shape):
    size = torch.Size(shape).numel()
    return torch.arange(1.0, size + 1).reshape(shape)


def moved(frame, down, right):
    """Shift one `[..., H, W]` frame the slow way."""
    height, width = frame.shape[-2:]
    out = torch.zeros_like(frame)
    for row in range(height):
        for column in range(width):
            if 0 <= row - down < height and 0 <= column - right < width:
                out[..., row, column] = frame[..., row - down, column - right]
    return out


def test_every_example_is_one_of_the_possible_shifts(stream):
    spikes = ramp(3, 40, 2, 5, 4)
    shifted = Shift(2)(spikes, stream)
    seen = set()
    for example in range(40):
        matches = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-2, 3)
            if torch.equal(moved(spikes[:, example], down, right), shifted[:, example])
        ]
        assert len(matches) == 1  # one translation, the same at all time steps
        seen.update(matches)
    assert len(seen) > 12  # 25 possible; examples are drawn independently
    assert {down for down, _ in seen} == {right for _, right in seen} == {-2, -1, 0, 1, 2}


def test_the_input_is_unchanged_and_the_stream_decides():
    spikes = ramp(2, 8, 1, 6, 6)
    before = spikes.clone()
    first = Shift(3)(spikes, Stream(0))
    torch.testing.assert_close(spikes, before)
    torch.testing.assert_close(Shift(3)(spikes, Stream(0)), first)
    assert not torch.equal(Shift(3)(spikes, Stream(1)), first)


def test_no_shift_is_a_copy(stream):
    spikes = ramp(1, 2, 2, 2, 2)
    out = Shift(0)(spikes, stream)
    torch.testing.assert_close(out, spikes)
    assert out.data_ptr() != spikes.data_ptr()


def test_other_dtypes_layouts_and_frames_without_polarity(stream):
    spikes = ramp(2, 3, 5, 4).to(torch.uint8)
    out = Shift(1)(spikes, stream)
    assert out.dtype == torch.uint8
    strided = spikes.transpose(0, 1).contiguous().transpose(0, 1)
    torch.testing.assert_close(Shift(1)(strided, stream), out)
    assert Shift(1)(strided, stream).is_contiguous()


def test_it_is_fast(stream):
    spikes = torch.zeros(10, 64, 2, 34, 34)
    Shift(2)(spikes, stream)
    times = []
    for _ in range(9):
        start = time.process_time()
        Shift(2)(spikes, stream)
        times.append(time.process_time() - start)
    # About 2 ms on one core; the bound only catches a change of order.
    assert min(times) < 0.02


@pytest.mark.parametrize("pixels", [-1, 1.5, True])
def test_bad_shifts_are_refused(pixels):
    with pytest.raises(ValueError, match="whole number of pixels"):
        Shift(pixels)


def test_spikes_without_an_image_are_refused(stream):
    with pytest.raises(ValueError, match=r"needs spikes \[T, B, \(P,\) H, W\]"):
        Shift(1)(torch.zeros(2, 3, 4), stream)
