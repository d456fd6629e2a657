"""A whole study: its cells, its summary. `bayesnn-spike study run` is this and a table.

    config = load_config(Path("studies/rules_on_digits"))
    outcome = run_study(config, Path("runs/rules_on_digits"), resume=True)
    outcome.summary["rows"]

Oracle: tests/study/test_run.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from bayesnn_spike.io import atomic_write_text
from bayesnn_spike.study.build import make_network
from bayesnn_spike.study.cell import Work
from bayesnn_spike.study.config import StudyConfig, parse_config
from bayesnn_spike.study.data import divide, load_data
from bayesnn_spike.study.errors import StudyError
from bayesnn_spike.study.grid import Cell, cells
from bayesnn_spike.study.pool import Failure, cores, run_cells
from bayesnn_spike.study.progress import Progress, busy
from bayesnn_spike.study.resume import require_same_data, unfinished
from bayesnn_spike.study.summary import summarise, write_summary
from bayesnn_spike.study.yaml_file import dump_yaml, read_yaml


@final
@dataclass(frozen=True)
class Outcome:
    """What a study ended with.

    Attributes:
        summary: what `summary.json` holds, or None where no seed of any rule is finished.
        failures: the cells that failed.
        ran: how many cells were run now; the others were finished before.
    """

    summary: dict[str, Any] | None
    failures: list[Failure]
    ran: int


def run_study(
    config: StudyConfig,
    out: Path,
    *,
    resume: bool = False,
    workers: int | None = None,
    root: Path | None = None,
    command: str = "",
    quiet: bool = False,
) -> Outcome:
    """Run all unfinished cells of a study and write its summary.

    Args:
        config: the study.
        out: its output folder.
        resume: keep the cells that are finished there.
        workers: processes; default one a core.
        root: folder of the data sets, or None for the user's cache.
        command: noted in the summary.
        quiet: show no progress.

    Raises:
        ConfigError: finished cells are there without `resume`, or were made with other settings or
            data than those that are left to run.
        DataSetError, DescriptionError: data are missing, or the network does not fit them;
            nothing was run then.
        KeyboardInterrupt: finished cells are complete on disk.
    """
    asked = cells(config)
    left = unfinished(asked, out, resume=resume)
    with busy(f"{config.study}: loading the data", quiet=quiet):
        prepare(left, root, asked=asked, out=out)
    write_config(config, out)
    work = Work(out, root, config.predict.batch_size, config.plane)
    failures = run_cells(
        left, work, workers=workers or cores(), progress=Progress(config.study, quiet=quiet)
    )
    try:
        with busy(f"{config.study}: scores and intervals", quiet=quiet):
            summary = summarise(config, out, command=command)
    except StudyError:
        if not failures:
            raise
        return Outcome(None, failures, len(left))  # nothing finished: the failures say why
    write_summary(out, summary)
    return Outcome(summary, failures, len(left))


def prepare(left: Sequence[Cell], root: Path | None, *, asked: Sequence[Cell], out: Path) -> None:
    """Load and divide every data set and build every network once, before anything trains.

    What is missing or does not fit shows now. It also fills the cache that the workers read.

    Args:
        left: the cells to run.
        root: folder of the data sets, or None.
        asked: all cells of the study; those that are finished must have seen the same data.
        out: its output folder.

    Raises:
        DataSetError, ConfigError, SplitReuseError: as `load_data`, `require_same_data`, `divide`.
        DescriptionError: the network does not fit the data.
    """
    seen = set()
    for cell in left:
        key = (cell.data, cell.fold, cell.rule)
        if key not in seen:
            seen.add(key)
            described = cell.settings["data"]
            data = load_data(described, root)
            require_same_data(asked, out, data=described, digest=data.info["digest"])
            divide(data, cell.settings)
            shape = tuple(data.spikes.shape[2:])
            make_network(cell.settings, shape=shape, classes=len(data.classes))


def write_config(config: StudyConfig, out: Path) -> None:
    """Keep the whole configuration, defaults filled in, beside the results."""
    atomic_write_text(out / "config.yaml", dump_yaml(config.model_dump(mode="json")))


def read_config(out: Path) -> StudyConfig:
    """Return the configuration that a study's output folder was made with.

    Raises:
        StudyError: the folder is no output of a study.
        ConfigError: its configuration is of another version of the package.
    """
    path = out / "config.yaml"
    if not path.is_file() or not (out / "cells").is_dir():
        raise StudyError(f"{out}: no output of `study run`: config.yaml or cells/ is missing")
    return parse_config(read_yaml(path), where=str(path))
