"""`bayesnn-spike study run | search | report`."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bayesnn_spike.commands.console import (
    FAILED,
    INTERRUPTED,
    DataRoot,
    console,
    fail,
    plain_errors,
)

app = typer.Typer(
    no_args_is_help=True,
    help="Run studies: grids of trainings over data sets, rules and seeds.",
    rich_markup_mode="markdown",
)

StudyPath = Annotated[
    Path,
    typer.Argument(
        metavar="PATH",
        help="Folder of the study (with config.yaml), or a YAML file.",
        exists=True,
        show_default=False,
    ),
]
Out = Annotated[Path | None, typer.Option("--out", help="Output folder.", show_default="runs/NAME")]


def set_option(examples: str) -> Any:
    """Return the option --set, with examples of what it takes in the command's configuration."""
    return typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help=f"Change one value of the configuration, e.g. {examples}; may be repeated.",
    )


Settings = Annotated[list[str] | None, set_option("rules.bayes_bisnn.lr=0.1 or data.0.bins=20")]
Seeds = Annotated[int | None, typer.Option("--seeds", min=1, help="Seeds 0 .. N-1 for each rule.")]
Trainings = Annotated[
    Path | None,
    typer.Option("--out", help="Folder of the trainings.", show_default="runs/NAME-search"),
]
Results = Annotated[
    Path | None,
    typer.Option("--results", help="Folder of search.json.", show_default="PATH/results"),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Keep the finished networks in the output folder.")
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Processes; 1 runs in this one. [default: one a core]"),
]


@app.command("run")
@plain_errors
def run(
    path: StudyPath,
    seeds: Seeds = None,
    out: Out = None,
    settings: Settings = None,
    resume: Resume = False,
    workers: Workers = None,
    data_root: DataRoot = None,
) -> None:
    """Train and score every (data set, fold, rule, seed) of a study.

    Writes to the output folder: summary.json, a table, pictures and an HTML page, and
    in cells/ for every trained network its artifact (for `bayesnn-spike predict`), its predictions
    and its record. A run that was stopped goes on with --resume: finished networks are kept, one
    that was being trained goes on from its checkpoint. Results made with other settings are
    refused, with the settings that differ.

    Examples:

      bayesnn-spike study run studies/rules_on_digits --seeds 3

      bayesnn-spike study run studies/rules_on_nmnist --data-root ~/data --resume

      bayesnn-spike study run studies/rules_on_digits --set rules.bayes_bisnn.tempering=0.01
    """
    from bayesnn_spike.study.config import load_config
    from bayesnn_spike.study.run import run_study

    changes = [*(settings or []), *([f"seeds={seeds}"] if seeds else [])]
    config = load_config(path, tuple(changes))
    folder = out or Path("runs") / config.study
    try:
        outcome = run_study(
            config,
            folder,
            resume=resume,
            workers=workers,
            root=data_root,
            command=_command(),
        )
    except KeyboardInterrupt:
        fail(f"interrupted; go on with --resume (results so far: {folder})", code=INTERRUPTED)
    if outcome.summary is not None:
        show(folder, outcome.summary)
    _tell_failures(outcome.failures)


@app.command("search")
@plain_errors
def search(
    path: StudyPath,
    out: Trainings = None,
    results: Results = None,
    settings: Settings = None,
    resume: Resume = False,
    workers: Workers = None,
    data_root: DataRoot = None,
) -> None:
    """Choose every rule's hyper-parameters on the validation split, by the same budget.

    What is tried is the search block of the configuration: as many combinations of each rule's
    grid as its budget says, trained on the train split and scored on val (or on folds of both).
    The test split takes no part. Writes search.json with every score, and chosen.yaml with the
    best values, ready to be copied into the configuration.

    Example:

      bayesnn-spike study search studies/rules_on_nmnist --resume
    """
    from bayesnn_spike.study.config import config_path, load_config
    from bayesnn_spike.study.search import search_study

    config = load_config(path, tuple(settings or []))
    folder = out or Path("runs") / f"{config.study}-search"
    target = results or config_path(path).parent / "results"
    try:
        record, failures = search_study(
            config,
            folder,
            results=target,
            resume=resume,
            workers=workers,
            root=data_root,
            command=_command(),
        )
    except KeyboardInterrupt:
        fail(f"interrupted; go on with --resume (results so far: {folder})", code=INTERRUPTED)
    for data, rules in record["chosen"].items():
        for rule, entry in rules.items():
            values = ", ".join(f"{key}={value}" for key, value in entry["config"].items())
            metric = record["search"]["metric"]
            typer.echo(f"{data} {rule}: {values} ({metric} {entry[metric]:.4f})")
    typer.echo(f"search: {target / 'search.json'}\nchosen: {target / 'chosen.yaml'}")
    _tell_failures(failures)


@app.command("report")
@plain_errors
def report(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Output folder of `study run`.",
            exists=True,
            file_okay=False,
            show_default=False,
        ),
    ],
) -> None:
    """Rebuild summary, table, pictures and HTML page from the results in a folder.

    Nothing is trained. Works on a study that is still running or was stopped, too: it reports
    the seeds that are finished.

    Example:

      bayesnn-spike study report runs/rules_on_nmnist
    """
    from bayesnn_spike.study.progress import busy
    from bayesnn_spike.study.run import read_config
    from bayesnn_spike.study.summary import summarise, write_summary

    config = read_config(folder)
    command = _command_before(folder)
    with busy(f"{config.study}: scores and intervals"):
        summary = summarise(config, folder, command=command)
    write_summary(folder, summary)
    show(folder, summary)


def _command_before(folder: Path) -> str:
    """The command that trained the networks, from the summary that is to be rebuilt."""
    import json

    try:
        return json.loads((folder / "summary.json").read_text())["command"]
    except (OSError, ValueError, KeyError, TypeError):
        return _command()


def show(folder: Path, summary: dict[str, Any]) -> None:
    """Build the report, print the scores as a table, and say where everything lies."""
    from bayesnn_spike.io import atomic_write_text
    from bayesnn_spike.report import build_report
    from bayesnn_spike.report.tables import markdown, summary_table
    from bayesnn_spike.study.progress import busy

    floors = {(f["data"], f["rule"], f["predict"]): f["ece"] for f in summary["noise_floor"]}
    table = summary_table(summary["rows"], floors=floors)
    atomic_write_text(folder / "table.md", markdown(table))
    with busy(f"{summary['study']}: pictures and page"):
        page = build_report(folder)
    console().print(_brief(summary, floors))
    typer.echo(f"summary: {folder / 'summary.json'}\nreport:  {page}")


def _brief(summary: dict[str, Any], floors: dict[tuple[str, str, str], float]) -> Any:
    """Return the table for a terminal of 80 columns; the page has the whole."""
    from rich import box
    from rich.table import Table

    several = len({row["data"] for row in summary["rows"]}) > 1
    name = summary["study"] if several else f"{summary['study']}: {summary['rows'][0]['data']}"
    table = Table(title=name, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ["data", "rule"] if several else ["rule"]:
        table.add_column(column, no_wrap=True)
    for column in ("seeds", "acc. %", "NLL", "ECE", "floor", "s"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in summary["rows"]:
        key = (row["data"], row["rule"], row["predict"])
        table.add_row(
            *([row["data"]] if several else []),
            f"{row['rule']}, {row['predict']}",
            str(row["seeds"]),
            _number(row["metrics"]["accuracy"], 1, scale=100),
            _number(row["metrics"]["nll"], 3),
            _number(row["metrics"]["ece"], 3),
            f"{floors[key]:.3f}",
            f"{row['seconds']['mean']:.1f}",
        )
    return table


def _number(entry: dict[str, Any], digits: int, scale: float = 1) -> str:
    mean = f"{scale * entry['mean']:.{digits}f}"
    return mean if entry["std"] is None else f"{mean}±{scale * entry['std']:.{digits}f}"


def _tell_failures(failures: list[Any]) -> None:
    for failure in failures:
        where = f" (traceback: {failure.file})" if failure.file else ""
        typer.echo(f"failed: {failure.cell}: {failure.reason}{where}", err=True)
    if failures:
        raise typer.Exit(FAILED)


def _command() -> str:
    return shlex.join(["bayesnn-spike", *sys.argv[1:]])
