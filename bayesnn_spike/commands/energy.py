"""`bayesnn-spike energy`: what a trained network's answers cost."""

import json
from collections.abc import Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from bayesnn_spike.commands.console import FAILED, fail, plain_errors
from bayesnn_spike.commands.predict import encoded, given_sensor, members_of, trained_sensor

BATCH = 32
"""Recordings in memory at a time; one network runs at a time."""


class Accountings(StrEnum):
    """Names of the accountings on the command line."""

    STRICT = "strict"
    PAPER = "paper"
    NEUROBENCH = "neurobench"


class Prices(StrEnum):
    """Names of the tables."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT32 = "int32"
    INT8 = "int8"


class Adders(StrEnum):
    """Names of the adders of signs."""

    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    NONE = "none"


@plain_errors
def energy(
    artifact: Annotated[
        Path,
        typer.Argument(
            help="A trained network: cells/CELL/model.safetensors of a study.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            metavar="FILE_OR_FOLDER",
            help="Recordings to count on, as for `predict`.",
            exists=True,
            show_default=False,
        ),
    ],
    draws: Annotated[int, typer.Option(min=1, help="Networks in the committee.")] = 30,
    seed: Annotated[int, typer.Option(min=0, max=2**64 - 1, help="Of the committee.")] = 0,
    recordings: Annotated[int, typer.Option(min=1, help="Count on the first so many.")] = 100,
    accounting: Annotated[
        Accountings, typer.Option(help="What is in: see docs/energy.md.")
    ] = Accountings.STRICT,
    prices: Annotated[Prices, typer.Option(help="Energies of operations, 45 nm.")] = Prices.FP32,
    adder: Annotated[
        Adders,
        typer.Option(help="What adds weights of -1 and +1 (strict); none: as real ones."),
    ] = Adders.INT16,
    json_out: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Write everything as JSON.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="Draw layers and break-even.")
    ] = None,
    sensor: Annotated[
        str | None,
        typer.Option(
            metavar="WxH",
            help="Sensor size, where the format does not say it.",
            show_default="as the network was trained",
        ),
    ] = None,
) -> None:
    """Count the operations of a committee on recordings, and price them layer by layer.

    The networks run, one after the other; every spike is counted with its true fan-out. Beside it
    stands the ANN of the same shape: real weights, one dense pass, the same prices. Break-even is
    how often an input neuron of a layer may fire in an answer before the layer costs more.

    Joules are of arithmetic alone. Memory is the larger part on real hardware.

    Examples:

      bayesnn-spike energy model.safetensors --data 00002.bin --draws 10

      bayesnn-spike energy model.safetensors --data Test/ --accounting paper --figure energy.png
    """
    from bayesnn_spike.energy import NeuroBench, Paper, Strict, compare, tables
    from bayesnn_spike.export import load_artifact
    from bayesnn_spike.study.progress import busy

    given = given_sensor(sensor)
    network, posterior, meta = load_artifact(artifact)
    size = trained_sensor(meta, data) if given is None else given
    members = members_of(posterior, draws)
    with busy(f"{data}: counting"):
        counts = _counts(network, posterior, meta, data, members, seed, size, recordings)
    if counts is None:
        fail(f"{data}: no recordings in there", code=FAILED)
    table = getattr(tables, prices.name)
    signed = table
    if adder is not Adders.NONE:
        signed = table.with_signs(getattr(tables, f"{adder.name}_ADD"))
    chosen = {"STRICT": Strict, "PAPER": Paper, "NEUROBENCH": NeuroBench}[accounting.name]()
    found = compare(counts, table=signed, ann_table=table, accounting=chosen)
    typer.echo(f"{counts}\n\n{found.snn}\n\n{found}")
    if json_out is not None:
        _write(json_out, artifact, data, seed, counts, found)
    if figure is not None:
        from bayesnn_spike.report.figures import energy_figure, save_png

        save_png(energy_figure(found), figure)
        typer.echo(f"written: {figure}")


def _counts(
    network: Any,
    posterior: Any,
    meta: Any,
    data: Path,
    members: int,
    seed: int,
    sensor: Any,
    recordings: int,
) -> Any:
    """Counts of all networks on all recordings; None without recordings."""
    from bayesnn_spike.energy import count
    from bayesnn_spike.events.readers import iterate
    from bayesnn_spike.rng import Stream

    stream = Stream(seed).child("predict")  # the committee that `predict` asks
    total = None
    for spikes in _batches(islice(iterate(data, sensor=sensor), recordings), meta):
        batch = None
        for first in range(members):
            drawn = posterior.sample(1, stream, first=first)
            one = count(network, spikes, weights=drawn)
            batch = one if batch is None else batch.beside(one)
        total = batch if total is None else total + batch
    return total


def _batches(items: Iterator[Any], meta: Any) -> Iterator[Any]:
    """Spikes `[T, B, *in]`, a batch at a time."""
    import torch

    while batch := list(islice(items, BATCH)):
        yield torch.stack([encoded(item, meta) for item in batch], dim=1)


def _write(path: Path, artifact: Path, data: Path, seed: int, counts: Any, comparison: Any) -> None:
    from bayesnn_spike.energy import neurobench_metrics
    from bayesnn_spike.io import atomic_write_text

    tree = {
        "artifact": str(artifact),
        "data": str(data),
        "seed": seed,
        "counts": counts.as_dict(),
        "neurobench": neurobench_metrics(counts),
        **comparison.as_dict(),
    }
    atomic_write_text(path, json.dumps(tree, indent=1) + "\n")
    typer.echo(f"written: {path}")
