"""`bayesnn-spike hybrid`: a recipe of hybrid conversion, from the images to the summary.

Oracle: tests/commands/test_hybrid.py.
"""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bayesnn_spike.commands.console import INTERRUPTED, DataRoot, fail, plain_errors
from bayesnn_spike.commands.study import Out, set_option


@plain_errors
def hybrid(
    recipe: Annotated[
        Path,
        typer.Argument(
            metavar="RECIPE",
            help="A YAML file, such as those in studies/hybrid_conversion/recipes.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ],
    data_root: DataRoot = None,
    out: Out = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**64 - 1, help="Of weights, orders, masks and spikes.")
    ] = 0,
    device: Annotated[str, typer.Option(help="Where networks run: cpu, cuda, cuda:1, ...")] = "cpu",
    settings: Annotated[
        list[str] | None, set_option("hybrid.epochs=5 or network.width=0.25")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep finished phases, go on with a stopped training.")
    ] = False,
) -> None:
    """Train an ANN, convert it to spikes, train the spiking network through time, score all three.

    Everything that cannot work (a key that does not exist, fewer time steps than spiking layers,
    missing images, another recipe's results in the folder) is said before the ANN is trained. The
    data root holds a folder named after the data set (cifar10/, fashion_mnist/, image-folder/), or
    is the folder of the data themselves.

    Writes to the output folder: summary.json, recipe.yaml, and for each phase (ann, converted,
    hybrid) the network, its logits and its record.

    Examples:

      bayesnn-spike hybrid studies/hybrid_conversion/recipes/cifar10_vgg5.yaml --device cuda

      bayesnn-spike hybrid my.yaml --data-root ~/data --set hybrid.epochs=5 --resume
    """
    from bayesnn_spike.study.conversion_config import load_recipe
    from bayesnn_spike.study.conversion_run import run_recipe

    loaded = load_recipe(recipe, tuple(settings or []))
    folder = out or Path("runs") / loaded.recipe
    try:
        summary = run_recipe(
            loaded,
            folder,
            seed=seed,
            root=data_root,
            device=device,
            resume=resume,
            command=shlex.join(["bayesnn-spike", *sys.argv[1:]]),
            tell=_tell,
        )
    except KeyboardInterrupt:
        fail(f"interrupted; go on with --resume (results so far: {folder})", code=INTERRUPTED)
    typer.echo(_table(summary))
    typer.echo(f"summary: {folder / 'summary.json'}")


def _tell(line: str) -> None:
    typer.echo(line, err=True)


def _table(summary: dict[str, Any]) -> str:
    """The scores, a line a phase and split, with the published accuracy beside the test set's."""
    head = ("phase", "T", "split", "examples", "acc. %", "NLL", "ECE", "published")
    lines = [
        (
            row["phase"],
            "" if row["steps"] is None else str(row["steps"]),
            row["split"],
            str(row["examples"]),
            f"{100 * row['accuracy']:.2f}",
            f"{row['nll']:.4f}",
            f"{row['ece']:.4f}",
            _published(summary, row),
        )
        for row in summary["rows"]
    ]
    widths = [max(len(line[i]) for line in (head, *lines)) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (head, *lines)
    )


def _published(summary: dict[str, Any], row: dict[str, Any]) -> str:
    value = summary["reported"][row["phase"]] if row["split"] == "test" else None
    return "" if value is None else f"{value:g}"
