"""`bayesnn-spike bench`: time the engine against baselines and the machine's limits."""

import importlib.util
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from bayesnn_spike.commands.console import (
    FAILED,
    INTERRUPTED,
    USAGE,
    console,
    fail,
    plain_errors,
)

AXES = {
    "k": "K, weight draws",
    "steps": "T, time steps",
    "batch": "B, examples",
    "width": "hidden units",
}


@plain_errors
def bench(
    which: Annotated[
        str,
        typer.Argument(
            metavar="BENCH",
            help="draw, synapse, fire, forward, train, stdb, scaling, or all (the first six).",
        ),
    ] = "all",
    path: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="FILE",
            help="Write the result there, and the tables beside it as markdown.",
        ),
    ] = None,
    case: Annotated[
        list[str] | None,
        typer.Option(
            help="nmnist-mlp, gesture-conv, wide, digits-stdb; may be repeated. [default: all]"
        ),
    ] = None,
    who: Annotated[
        list[str] | None,
        typer.Option(
            help="cpu, triton, reference, torch-loop, torch-fused-t, torch-batched, snntorch, ...; "
            "may be repeated. [default: everyone who is installed]"
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Threads of torch and of the engine. [default: torch's number]"),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(min=0.001, help="Seconds of runs for every row. [default: 3; quick: 0.02]"),
    ] = None,
    longest: Annotated[
        float,
        typer.Option(min=0.001, help="Leave out who needs more seconds for a single run."),
    ] = 30.0,
    device: Annotated[str, typer.Option(help="cpu, or cuda for a GPU.")] = "cpu",
    quick: Annotated[
        bool, typer.Option("--quick", help="Small cases and short runs: a first look, no numbers.")
    ] = False,
    sweeps: Annotated[
        bool,
        typer.Option(
            "--scaling", help="Also vary K, T, B and width; with --json, plot them in scaling.png."
        ),
    ] = False,
) -> None:
    """Time the engine, in turn with the baselines, and hold it against the machine's limits.

    Who disagrees with the reference is not timed: the row says how it differs, and the exit code
    is 1. benchmarks/README.md says what is timed, against whom and how. The full run takes some
    half an hour and wants a machine that does nothing else.

    Examples:

      bayesnn-spike bench --quick

      bayesnn-spike bench forward --case nmnist-mlp --who cpu --who torch-fused-t

      bayesnn-spike bench all --scaling --json benchmarks/cpu.json
    """
    import torch

    from bayesnn_spike.bench.errors import BenchError
    from bayesnn_spike.bench.run import run
    from bayesnn_spike.bench.settings import choose

    if path is not None and path.suffix != ".json":
        fail(f"--json {path}: the name must end in .json", code=USAGE)
    try:
        settings = choose(
            which,
            cases=case or (),
            who=who or (),
            sweeps=sweeps,
            quick=quick,
            threads=threads or torch.get_num_threads(),
            device=device,
            budget=budget,
            longest=longest,
        )
    except BenchError as error:
        fail(str(error), code=USAGE)
    if path is not None and settings.scaling and importlib.util.find_spec("matplotlib") is None:
        fail("--scaling with --json draws a plot, and matplotlib is not installed", code=FAILED)
    kept: dict[str, Any] = {}

    def keep(result: dict[str, Any]) -> None:
        kept.update(result)
        if path is not None:
            _write(path, result)

    try:
        with _watch() as watch:
            run(settings, watch=watch, keep=keep)
    except KeyboardInterrupt:
        where = f" (finished jobs: {path})" if path is not None and kept else ""
        fail(f"interrupted{where}", code=INTERRUPTED)
    _show(kept, path)


def _write(path: Path, result: dict[str, Any]) -> None:
    """Write the JSON and what is read beside it: the tables, and the plot once it is whole."""
    from bayesnn_spike.io import atomic_write_text
    from bayesnn_spike.report.benchmarks import page

    if not result["rows"] and path.exists():
        # An earlier result stays until there is another; that it can be replaced is tried now.
        atomic_write_text(path, path.read_text())
        return
    atomic_write_text(path, json.dumps(result, indent=1, allow_nan=False) + "\n")
    picture = None
    if result["complete"] and result["lines"]:
        from bayesnn_spike.report.figures import save_png, scaling_figure

        picture = "scaling.png"
        save_png(scaling_figure(list(_sweeps(result))), path.with_name(picture))
    atomic_write_text(path.with_suffix(".md"), page(result, picture=picture))


def _sweeps(result: dict[str, Any]) -> Iterator[Any]:
    import numpy as np

    from bayesnn_spike.report.figures import Sweep

    for line in result["lines"]:
        rows = [
            row
            for row in result["rows"]
            if (row.get("axis"), row["who"]) == (line["axis"], line["who"]) and "error" not in row
        ]
        yield Sweep(
            AXES[line["axis"]],
            line["who"],
            np.array([row["value"] for row in rows]),
            np.array([[row[key] for row in rows] for key in ("low", "seconds", "high")]),
            (line["seconds_at_0"], line["seconds_each"]),
        )


def _show(result: dict[str, Any], path: Path | None) -> None:
    from bayesnn_spike.report.benchmarks import errors, tables
    from bayesnn_spike.report.tables import rich_table

    screen = console()
    machine = result["machine"]
    screen.print(f"{machine['cpu']}, threads: {machine['threads']}", markup=False)
    for title, table in tables(result):
        screen.print(rich_table(table, title=title))
    for entry in {(e["who"], e["reason"]) for e in result["left_out"]}:
        typer.echo(f"not timed: {entry[0]}: {entry[1]}", err=True)
    if path is not None:
        typer.echo(f"result: {path}\ntables: {path.with_suffix('.md')}")
    wrong = errors(result)
    for sentence in wrong:
        typer.echo(f"wrong: {sentence}", err=True)
    if wrong:
        raise typer.Exit(FAILED)


@contextmanager
def _watch() -> Iterator[Callable[[float, str], None]]:
    """Show what is being done on the error stream: a bar on a terminal, else a line a job."""
    from rich import progress as rich_progress
    from rich.console import Console

    screen = Console(stderr=True, highlight=False)
    if not screen.is_terminal:
        told: list[str] = []

        def line(share: float, text: str) -> None:
            job = text.partition(": ")[0]
            if job not in told:
                told.append(job)
                screen.print(f"{share:4.0%}  {job}", markup=False)

        yield line
        return
    columns = (
        rich_progress.BarColumn(),
        rich_progress.TextColumn("{task.percentage:>3.0f} %"),
        rich_progress.TimeElapsedColumn(),
        rich_progress.TextColumn("{task.description}", markup=False),
    )
    with rich_progress.Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda share, text: bar.update(task, completed=share, description=text)
