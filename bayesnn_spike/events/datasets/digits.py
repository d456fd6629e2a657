"""`digits-saccade`: scikit-learn's 1,797 real handwritten digits before a simulated event camera.

The 8x8 images are shown to a 16x16 camera under three saccades, 306 ms in all. The recordings are
made once and kept in the cache; they are the same on every machine (see `events/simulator.py`).

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (UCI, 1998; CC BY 4.0).
Oracle: tests/events/datasets/test_digits.py, which pins the events.
"""

import io
import warnings
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np

from bayesnn_spike.events.camera import Camera, Saccades, Scene
from bayesnn_spike.events.datasets._binned import Source, Window, build
from bayesnn_spike.events.datasets._folder import cache_folder
from bayesnn_spike.events.datasets.dataset import DataSetError, SpikeDataset
from bayesnn_spike.events.errors import EventFileError
from bayesnn_spike.events.readers import Recordings, Sensor, read_npz
from bayesnn_spike.events.simulator import simulate
from bayesnn_spike.io import atomic_write_bytes
from bayesnn_spike.rng import Stream

VERSION = 1
"""Changes when the recordings do: a new simulator, camera, path or scene."""

CAMERA = Camera()
SACCADES = Saccades()
SCENE = Scene()


def load_digits_saccade(
    *,
    bins: int = 10,
    seed: int = 0,
    camera_seed: int = 0,
    limit: int | None = None,
    fractions: Mapping[str, float] | None = None,
) -> SpikeDataset:
    """Load spikes `[1797, bins, 2, 16, 16]`, channel 0 OFF and 1 ON, cut 0.6 / 0.1 / 0.1 / 0.2.

    Args:
        bins: time steps T over the 306 ms.
        seed: decides the splits.
        camera_seed: decides the recordings: pixel thresholds, image offsets, noise.
        limit: at most so many recordings, a stratified choice.
        fractions: shares of the splits.

    Raises:
        DataSetError: the recordings are not in the cache yet and scikit-learn is not installed.
    """
    recordings, digest = record_digits(camera_seed)
    source = Source(
        name="digits-saccade",
        source=f"scikit-learn's load_digits, simulated camera {camera_seed}, version {VERSION}",
        digest=digest,
        classes=tuple("0123456789"),
        labels=recordings.labels,
        stream=recordings.__getitem__,
    )
    window = Window(bins, SACCADES.duration_us / 1000)
    return build(source, window, seed=seed, limit=limit, fractions=fractions)


def record_digits(camera_seed: int = 0) -> tuple[Recordings, str]:
    """Return all recordings and the sha256 of their content, from the cache or freshly made.

    A cache file that is damaged, or whose content does not have the hash it names, is made again.

    Raises:
        DataSetError: scikit-learn is needed and not installed.
    """
    path = cache_folder() / f"digits-saccade-v{VERSION}-camera{camera_seed}.npz"
    if path.is_file():
        cached = _cached(path)
        if cached is not None:
            return cached
    arrays = _make(camera_seed)
    digest = _digest(arrays)
    try:
        atomic_write_bytes(path, _npz({**arrays, "sha256": np.frombuffer(digest, np.uint8)}))
    except OSError as error:
        warnings.warn(
            f"digits-saccade could not be kept in {path.parent} ({error}) and will be made again "
            "next time; set BAYESNN_SPIKE_CACHE to a folder that can be written to",
            stacklevel=2,
        )
    return _recordings(path, arrays), digest.hex()


def _cached(path: Path) -> tuple[Recordings, str] | None:
    """Return the content of a sound cache file, or None."""
    try:
        recordings = read_npz(path, sensor=Sensor(CAMERA.width, CAMERA.height))
    except (EventFileError, OSError):
        return None
    if recordings.labels is None or "sha256" not in recordings.fields:
        return None
    arrays = {name: getattr(recordings, name) for name in ("x", "y", "p", "offsets", "labels")}
    digest = _digest({**arrays, "t": recordings.t_us})
    if digest != recordings.fields["sha256"].tobytes():
        return None
    return recordings, digest.hex()


def _make(camera_seed: int) -> dict[str, np.ndarray]:
    """Return the flat arrays of all recordings."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataSetError(
            "digits-saccade is made from scikit-learn's digits, and scikit-learn is not "
            "installed: pip install 'bayesnn_spike[study]'"
        ) from error
    digits = load_digits()
    stream = Stream(camera_seed).child("digits-saccade", VERSION)
    streams = simulate(digits.images.astype(np.int64), CAMERA, SACCADES, SCENE, stream=stream)
    lengths = [len(recording) for recording in streams]
    return {
        "x": np.concatenate([recording.x for recording in streams]).astype(np.uint8),
        "y": np.concatenate([recording.y for recording in streams]).astype(np.uint8),
        "p": np.concatenate([recording.p for recording in streams]),
        "t": np.concatenate([recording.t_us for recording in streams]).astype(np.uint32),
        "offsets": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        "labels": digits.target.astype(np.int64),
    }


def _recordings(path: Path, arrays: dict[str, np.ndarray]) -> Recordings:
    return Recordings(
        path,
        *(arrays[name] for name in ("x", "y", "p", "t")),
        offsets=arrays["offsets"],
        labels=arrays["labels"],
        sensor=Sensor(CAMERA.width, CAMERA.height),
    )


def _digest(arrays: dict[str, np.ndarray]) -> bytes:
    """Return the sha256 of the arrays as little-endian int64, in a fixed order."""
    digest = sha256()
    for name in ("x", "y", "p", "t", "offsets", "labels"):
        digest.update(f"{name} {arrays[name].size} ".encode())
        digest.update(arrays[name].astype("<i8"))
    return digest.digest()


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
