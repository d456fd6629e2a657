"""`bayesnn-spike continual run | search`: tasks one after the other.

Oracle: tests/commands/test_continual.py.
"""

import shlex
import sys
from pathlib import Path

import typer

from bayesnn_spike.commands.console import DataRoot, plain_errors
from bayesnn_spike.commands.study import (
    Out,
    Results,
    Resume,
    Seeds,
    Settings,
    StudyPath,
    Trainings,
)

app = typer.Typer(
    no_args_is_help=True,
    help="Studies of continual learning: tasks one after the other, each seen once.",
    rich_markup_mode="markdown",
)


@app.command("run")
@plain_errors
def run(
    path: StudyPath,
    seeds: Seeds = None,
    out: Out = None,
    settings: Settings = None,
    resume: Resume = False,
    data_root: DataRoot = None,
) -> None:
    """Learn the tasks with every method and seed, and score every task after each.

    Writes to the output folder: summary.json, table.md, accuracy.png (the accuracy matrices), and
    in cells/ a record of every method and seed. Runs in one process, one core.

    Example:

      bayesnn-spike continual run studies/continual --resume
    """
    from bayesnn_spike.report.continual import write_continual
    from bayesnn_spike.study.continual import run_continual_study
    from bayesnn_spike.study.continual_config import load_continual

    changes = [*(settings or []), *([f"seeds={seeds}"] if seeds else [])]
    config = load_continual(path, tuple(changes))
    folder = out or Path("runs") / config.study
    summary = run_continual_study(
        config, folder, resume=resume, root=data_root, command=_command(), on_cell=_tell
    )
    table, picture = write_continual(folder, summary)
    typer.echo(table.read_text(encoding="utf-8"))
    typer.echo(f"summary: {folder / 'summary.json'}\npicture: {picture}")


@app.command("search")
@plain_errors
def search(
    path: StudyPath,
    out: Trainings = None,
    results: Results = None,
    settings: Settings = None,
    resume: Resume = False,
    data_root: DataRoot = None,
) -> None:
    """Choose every method's settings on the validation split, by the same budget.

    Example:

      bayesnn-spike continual search studies/continual --resume
    """
    from bayesnn_spike.study.config import config_path
    from bayesnn_spike.study.continual import search_continual
    from bayesnn_spike.study.continual_config import load_continual

    config = load_continual(path, tuple(settings or []))
    target = results or config_path(path).parent / "results"
    record = search_continual(
        config,
        out or Path("runs") / f"{config.study}-search",
        results=target,
        resume=resume,
        root=data_root,
        command=_command(),
        on_cell=_tell,
    )
    for name, entry in record["chosen"].items():
        values = ", ".join(f"{key}={value}" for key, value in entry["config"].items())
        typer.echo(f"{name}: {values} (accuracy {entry['score']:.3f})")
    typer.echo(f"search: {target / 'search.json'}\nchosen: {target / 'chosen.yaml'}")


def _tell(cell: str) -> None:
    typer.echo(cell, err=True)


def _command() -> str:
    return shlex.join(["bayesnn-spike", *sys.argv[1:]])
