"""`bayesnn-spike data list | info | check`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from bayesnn_spike.commands.console import FAILED, USAGE, DataRoot, fail, plain_errors

app = typer.Typer(
    no_args_is_help=True,
    help="Data sets by name, and recordings in files.",
    rich_markup_mode="markdown",
)


@app.command("list")
@plain_errors
def list_data(data_root: DataRoot = None) -> None:
    """List the named data sets, and whether their files are there.

    Example:

      bayesnn-spike data list --data-root ~/data
    """
    from bayesnn_spike.events.datasets import cache_folder, names, options
    from bayesnn_spike.study.data import find_root

    width = max(len(name) for name in names())
    for name in names():
        if "root" not in options(name):
            place = "generated on this machine"
        else:
            found = find_root(name, data_root) or find_root(name, cache_folder())
            place = str(found) if found else "not found: see `bayesnn-spike data info`"
        typer.echo(f"{name:<{width}}  {place}")


@app.command("info")
@plain_errors
def info(
    name: Annotated[str, typer.Argument(help="Name of a data set.", show_default=False)],
    bins: Annotated[int | None, typer.Option(min=1, help="Time steps.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the splits.")] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="An option of the loader; repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_root: DataRoot = None,
) -> None:
    """Load a data set and say what it is: examples, shape, classes, splits with their digests.

    Examples:

      bayesnn-spike data info digits-saccade

      bayesnn-spike data info nmnist --data-root ~/data --bins 20 --json
    """
    from bayesnn_spike.events.datasets import names, options
    from bayesnn_spike.export.values import unknown
    from bayesnn_spike.study.data import load_data
    from bayesnn_spike.study.overrides import override
    from bayesnn_spike.study.progress import busy

    if name not in names():
        fail(unknown(name, names(), what="data set"), code=USAGE)
    known = options(name)
    extra = override({}, settings or [])
    for key in extra:
        if key not in known:
            fail(unknown(key, known, what=f"option of {name}:"), code=USAGE)
    block = {"name": name, "bins": bins or known["bins"], "seed": seed, "options": extra}
    with busy(f"{name}: loading"):
        data = load_data(block, data_root)
    facts = {
        "name": name,
        "examples": len(data),
        "shape": {"time_steps": data.spikes.shape[1], "features": list(data.spikes.shape[2:])},
        "spikes_per_step": float(data.spikes.float().mean()),
        "classes": list(data.classes),
        "splits": {
            split.name: {"examples": len(split), "digest": split.digest}
            for split in data.splits.values()
        },
        "info": data.info,
        "options": {key: repr(value) for key, value in known.items()},
    }
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
        return
    typer.echo(f"{name}: {facts['examples']} examples of {data.spikes.shape[1]} time steps")
    typer.echo(f"  a step is {facts['shape']['features']}, density {facts['spikes_per_step']:.4f}")
    typer.echo(f"  {len(data.classes)} classes: {', '.join(data.classes)}")
    for split, entry in facts["splits"].items():
        typer.echo(f"  split {split}: {entry['examples']} examples, {entry['digest'][:16]}")
    for key, value in data.info.items():
        typer.echo(f"  {key}: {value}")
    for key, value in facts["options"].items():
        typer.echo(f"  option {key} = {value}")


@app.command("check")
@plain_errors
def check(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE_OR_FOLDER", help="Recordings.", exists=True, show_default=False
        ),
    ],
) -> None:
    """Read every recording completely and report each file that is not sound.

    Knows the ATIS .bin of N-MNIST, AEDAT 2.0 and 3.1, the HDF5 of SHD, and .npz of recordings.
    A file that is cut, has an event off the sensor, or time that runs backwards is reported with
    the place, what stands there and what should. Exit code 1 if there is any.

    Example:

      bayesnn-spike data check ~/data/nmnist/Train
    """
    sound, bad, recordings, events = 0, 0, 0, 0
    for file in _files(path):
        try:
            for length in _lengths(file):
                recordings, events = recordings + 1, events + length
            sound += 1
        except ValueError as error:
            bad += 1
            typer.echo(f"unsound: {error}", err=True)
    if not sound + bad:
        fail(f"{path}: no recordings of a known format in there", code=FAILED)
    typer.echo(f"{sound} files sound, {bad} not; {recordings} recordings, {events} events")
    if bad:
        raise typer.Exit(FAILED)


def _files(path: Path) -> Iterator[Path]:
    """Yield the files to check: the one given, or all with a known extension below a folder."""
    from bayesnn_spike.events.readers import FORMATS

    if path.is_file():
        yield path
        return
    extensions = {extension for known in FORMATS for extension in known.extensions}
    files = [p for p in sorted(path.rglob("*")) if p.is_file() and p.suffix.lower() in extensions]
    files = [p for p in files if not any(part.startswith(".") for part in p.parts)]
    if len(files) < 200:
        yield from files
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(files, description="checking", console=Console(stderr=True))


def _lengths(file: Path) -> Iterator[int]:
    """Read a file and yield the number of events of each recording in it."""
    from bayesnn_spike.events.readers import iterate

    for recording in iterate(file):
        yield len(recording.stream)
