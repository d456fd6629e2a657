"""The command line, `bayesnn-spike COMMAND`: studies, recipes, data, predictions, the machine.

This file and `commands/` import nothing heavy at the top, so that `--help` is quick.
Oracle: tests/test_cli.py.
"""

from typing import Annotated

import typer

from bayesnn_spike import __version__
from bayesnn_spike.commands import bench, continual, data, doctor, energy, hybrid, predict, study

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""Train and judge spiking networks with binary weights, Bayesian and not.

    A first look, with no data to download:

      bayesnn-spike study run studies/rules_on_digits --seeds 3

    A trained network is then a file:

      bayesnn-spike predict runs/rules_on_digits/cells/CELL/model.safetensors --data recording.bin

    Exit codes: 0 done, 1 the work failed, 2 wrong usage or configuration, 130 interrupted.
    """,
)
app.add_typer(study.app, name="study")
app.add_typer(continual.app, name="continual")
app.command("hybrid")(hybrid.hybrid)
app.add_typer(data.app, name="data")
app.command("predict")(predict.predict)
app.command("energy")(energy.energy)
app.command("bench")(bench.bench)
app.command("doctor")(doctor.doctor)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"bayesnn-spike {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options before the command."""
    del version


def main() -> None:
    """Entry point of the `bayesnn-spike` script."""
    app()


if __name__ == "__main__":
    main()
