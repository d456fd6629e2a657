"""Recordings as the spikes that a trained network was trained on.

Oracle: tests/export/test_encode.py.
"""

from torch import Tensor

from bayesnn_spike.events.binning import bin_events
from bayesnn_spike.events.errors import EventError
from bayesnn_spike.events.stream import EventStream
from bayesnn_spike.export.artifact import ArtifactError, ArtifactMeta


def encode_recording(stream: EventStream, meta: ArtifactMeta) -> Tensor:
    """Bin a recording exactly as the training data were: steps, duration, grid, crop.

    Args:
        stream: the events.
        meta: of the artifact.

    Returns:
        `[T, *shape]` uint8.

    Raises:
        ArtifactError: the network was not trained on recordings of events.
        EventError: the recording's sensor does not give the shape that the network takes.
    """
    encoding = meta.encoding
    if "duration_ms" not in encoding or "bins" not in encoding:
        known = encoding.get("encoding", "an unknown encoding")
        raise ArtifactError(
            f"this network takes no recordings of events: it was trained on {known}"
        )
    grid, crop = encoding.get("grid"), encoding.get("crop")
    spikes, _ = bin_events(
        stream,
        bins=encoding["bins"],
        duration_us=round(encoding["duration_ms"] * 1000),
        grid=None if grid is None else tuple(grid),
    )
    if crop is not None:
        top, left, height, width = crop
        spikes = spikes[..., top : top + height, left : left + width]
    found = tuple(spikes.shape[1:])
    if found != meta.shape:
        raise EventError(
            f"a recording of a {stream.width}x{stream.height} sensor gives {list(found)} a step, "
            f"the network takes {list(meta.shape)}; is this the right sensor (--sensor)?"
        )
    return spikes
