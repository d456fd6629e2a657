"""What a finished cell leaves in its folder, and how it is read back.

    cells/<id>/record.json          settings, numbers of the training, versions; written last
    cells/<id>/model.safetensors    the trained artifact (bayesnn_spike.export.artifact)
    cells/<id>/predictions.npz      probabilities and uncertainties on the test and calib examples
    cells/<id>/checkpoint-*         only while the cell is being trained
    cells/<id>/error.txt            the traceback of a failed attempt

Each file is written whole or not at all, and `record.json` last: a cell is finished if and only if
its record exists. Oracle: tests/study/test_record.py.
"""

import io
import json
import platform
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, final

import numpy as np

from bayesnn_spike.io import atomic_write_bytes, atomic_write_text
from bayesnn_spike.study.errors import StudyError


@final
@dataclass(frozen=True, eq=False)
class Predictions:
    """What one trained posterior says about one set of examples, in one mode.

    Attributes:
        probs: `[N, C]`, the mean probabilities.
        total, aleatoric, epistemic: `[N]`, uncertainties in nats.
    """

    probs: np.ndarray
    total: np.ndarray
    aleatoric: np.ndarray
    epistemic: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class Scored:
    """The examples of one split, their labels, and the predictions by mode.

    Attributes:
        indices: `[N]`, positions in the whole data set.
        labels: `[N]`.
        modes: predictions by mode: "mode", "committee".
    """

    indices: np.ndarray
    labels: np.ndarray
    modes: dict[str, Predictions]


_FIELDS = ("probs", "total", "aleatoric", "epistemic")


def write_predictions(folder: Path, splits: dict[str, Scored]) -> None:
    """Write `predictions.npz`: arrays named `SPLIT.indices`, `SPLIT.labels`, `SPLIT.MODE.FIELD`."""
    arrays = {}
    for split, scored in splits.items():
        arrays[f"{split}.indices"] = scored.indices.astype(np.int64)
        arrays[f"{split}.labels"] = scored.labels.astype(np.int64)
        for mode, predictions in scored.modes.items():
            for field in _FIELDS:
                arrays[f"{split}.{mode}.{field}"] = getattr(predictions, field)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    atomic_write_bytes(folder / "predictions.npz", buffer.getvalue())


def read_predictions(folder: Path) -> dict[str, Scored]:
    """Read `predictions.npz` back.

    Raises:
        StudyError: the file is missing, cut or not of this form.
    """
    path = folder / "predictions.npz"
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        splits = {}
        for split in sorted({name.split(".")[0] for name in arrays}):
            modes = sorted({n.split(".")[1] for n in arrays if n.startswith(f"{split}.")})
            splits[split] = Scored(
                arrays[f"{split}.indices"],
                arrays[f"{split}.labels"],
                {
                    mode: Predictions(*(arrays[f"{split}.{mode}.{field}"] for field in _FIELDS))
                    for mode in modes
                    if mode not in ("indices", "labels")
                },
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise StudyError(f"{path}: cannot be read as a cell's predictions: {error}") from error
    return splits


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write `record.json`, which declares the cell finished."""
    atomic_write_text(folder / "record.json", json.dumps(record, indent=1, sort_keys=True) + "\n")


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return a cell's record, or None if the cell is not finished.

    Raises:
        StudyError: a record is there but is not one.
    """
    path = folder / "record.json"
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        record["settings"], record["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{path}: not a cell's record ({error!r}); delete the folder") from error
    return record


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a number may depend on."""
    names = ("bayesnn_spike", "torch", "numpy", "numba", "scikit-learn")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
