"""Which cells of a study still have to be run, and whether a folder's results may be kept.

Oracle: tests/study/test_resume.py.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bayesnn_spike.study.errors import ConfigError
from bayesnn_spike.study.grid import Cell, differences
from bayesnn_spike.study.record import read_record


def cell_folder(out: Path, cell: Cell) -> Path:
    """Return the folder of a cell below a study's output folder."""
    return out / "cells" / cell.id


def unfinished(cells: Sequence[Cell], out: Path, *, resume: bool) -> list[Cell]:
    """Return the cells without a finished result in `out`, in order.

    Args:
        cells: the study's cells.
        out: its output folder.
        resume: keep finished cells. Without it, a folder that holds any of them is refused.

    Raises:
        ConfigError: finished cells are there and `resume` is False; or a finished cell was made
            with other settings, which the message lists.
        StudyError: a record cannot be read.
    """
    left, changed = [], []
    for cell in cells:
        record = read_record(cell_folder(out, cell))
        if record is None:
            left.append(cell)
        elif record["fingerprint"] != cell.fingerprint:
            changed.append((cell, differences(record["settings"], cell.settings)))
    finished = len(cells) - len(left)
    if finished and not resume:
        raise ConfigError(
            f"{out} already holds {finished} finished cells of {len(cells)}: give --resume to keep "
            "them and run the rest, or another folder with --out"
        )
    if changed:
        cell, lines = changed[0]
        raise ConfigError(
            f"{out}: {len(changed)} finished cells were made with other settings; use another "
            f"folder (--out) or delete them. Of {cell.id}:\n  " + "\n  ".join(lines)
        )
    return left


def require_same_data(
    cells: Sequence[Cell], out: Path, *, data: dict[str, Any], digest: str
) -> None:
    """Refuse to run cells beside finished ones of the same data set that saw other spikes.

    Settings name a data set; the digest knows what its files held.

    Args:
        cells: the study's cells, finished and not.
        out: its output folder.
        data: the `data` settings of a cell that is to be run.
        digest: of what they load now.

    Raises:
        ConfigError: a finished cell has another digest.
        StudyError: a record cannot be read.
    """
    for cell in cells:
        if cell.settings["data"] != data:
            continue
        record = read_record(cell_folder(out, cell))
        if record is not None and record["data_digest"] != digest:
            raise ConfigError(
                f"{out}: {cell.id} was trained on other data of this name (digest "
                f"{record['data_digest'][:12]}, now {digest[:12]}); use another folder (--out), "
                "delete the finished cells, or put the old data back"
            )
