"""Recordings become spikes exactly as the training data did."""

from typing import Any

import numpy as np
import pytest
import torch

from bayesnn_spike.events import EventError, EventStream
from bayesnn_spike.events.binning import bin_events
from bayesnn_spike.export.artifact import ArtifactError, ArtifactMeta
from bayesnn_spike.export.encode import encode_recording


def recording(width: int = 8, height: int = 6) -> EventStream:
    t = np.arange(0, 20_000, 500)
    n = np.arange(len(t))
    return EventStream(t, n % width, n % height, n % 2, width, height, duration_us=20_000)


def meta(shape: tuple[int, ...], **encoding: Any) -> ArtifactMeta:
    full = {"bins": 4, "duration_ms": 16.0, "encoding": "binary", **encoding}
    return ArtifactMeta({}, shape, ("a", "b"), full, {})


def test_bins_and_duration_are_those_of_the_training() -> None:
    found = encode_recording(recording(), meta((2, 6, 8)))
    expected, report = bin_events(recording(), bins=4, duration_us=16_000)
    torch.testing.assert_close(found, expected)
    assert report.clipped == 8, "events after 16 ms are left out, as in training"


def test_grid_and_crop_are_those_of_the_training() -> None:
    found = encode_recording(recording(), meta((2, 2, 3), grid=[3, 4], crop=[1, 0, 2, 3]))
    expected, _ = bin_events(recording(), bins=4, duration_us=16_000, grid=(3, 4))
    torch.testing.assert_close(found, expected[..., 1:3, 0:3])


def test_another_sensor_is_refused_with_both_shapes() -> None:
    with pytest.raises(EventError, match=r"9x6 sensor gives \[2, 6, 9\].*takes \[2, 6, 8\]"):
        encode_recording(recording(width=9), meta((2, 6, 8)))


def test_a_network_of_images_takes_no_recordings() -> None:
    images = ArtifactMeta({}, (1, 28, 28), ("a", "b"), {"bins": 10, "encoding": "rate"}, {})
    with pytest.raises(ArtifactError, match=r"takes no recordings of events: .* on rate"):
        encode_recording(recording(), images)
