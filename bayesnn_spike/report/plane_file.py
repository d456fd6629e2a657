"""What a trained posterior says over a plane of inputs, as a file beside it.

    cells/<id>/plane.npz    x, y, points, labels, classes, MODE.probability, MODE.total, ...

A study with `plane` set writes it; the picture is drawn from it. Oracle:
tests/report/test_plane_file.py.
"""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from bayesnn_spike.io import atomic_write_bytes
from bayesnn_spike.report.results import ReportError

FILE = "plane.npz"
FIELDS = ("probability", "total", "aleatoric", "epistemic")
_SHARED = ("x", "y", "points", "labels", "classes")


@final
@dataclass(frozen=True, eq=False)
class PlaneAnswers:
    """What one trained posterior says over the plane.

    Attributes:
        x: `[W]` ascending.
        y: `[H]` ascending.
        points: `[n, 2]` the training points.
        labels: `[n]`.
        classes: the two names.
        modes: by mode and field, `[H, W]` at (x[w], y[h]); probability is that of class 1, the
            others are nats.
    """

    x: np.ndarray
    y: np.ndarray
    points: np.ndarray
    labels: np.ndarray
    classes: tuple[str, str]
    modes: Mapping[str, Mapping[str, np.ndarray]]


def write_plane(folder: Path, answers: PlaneAnswers) -> None:
    """Write `plane.npz` into a cell's folder, whole or not at all."""
    arrays = {name: np.asarray(getattr(answers, name)) for name in _SHARED}
    for mode, fields in answers.modes.items():
        arrays |= {f"{mode}.{field}": fields[field].astype(np.float32) for field in FIELDS}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    atomic_write_bytes(folder / FILE, buffer.getvalue())


def read_plane(folder: Path) -> PlaneAnswers | None:
    """Return what `write_plane` wrote, or None where there is nothing.

    Raises:
        ReportError: the file is cut or of another form.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        shared = {name: arrays.pop(name) for name in _SHARED}
        modes = {
            mode: {field: arrays[f"{mode}.{field}"] for field in FIELDS}
            for mode in dict.fromkeys(name.split(".")[0] for name in arrays)
        }
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ReportError(f"{path}: cannot be read as answers over a plane: {error}") from error
    first, second = (str(name) for name in shared.pop("classes"))
    return PlaneAnswers(**shared, classes=(first, second), modes=modes)
