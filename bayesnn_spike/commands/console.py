"""What the commands share: plain error messages, exit codes, and where output goes.

Exit codes: 0 done; 1 the work failed; 2 wrong usage or configuration; 130 interrupted.
"""

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

FAILED, USAGE, INTERRUPTED = 1, 2, 130

DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root",
        envvar="BAYESNN_SPIKE_DATA",
        help="Folder that holds a folder per data set (nmnist/, mnist/, ...). Without it, the "
        "cache: $BAYESNN_SPIKE_CACHE or ~/.cache/bayesnn_spike.",
        exists=True,
        file_okay=False,
    ),
]


def plain_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn the errors that a user can mend into one message on stderr and an exit code.

    Other errors keep their traceback: they are faults of the program. Set BAYESNN_SPIKE_TRACEBACK=1
    to see the traceback of every error.
    """

    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except BrokenPipeError:
            # The reader of a pipe (head, less) has left. Python would complain at exit again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(FAILED) from None
        except Exception as error:
            code = exit_code(error)
            if code is None or os.environ.get("BAYESNN_SPIKE_TRACEBACK") == "1":
                raise
            fail(str(error), code=code)

    return guarded


def exit_code(error: Exception) -> int | None:
    """Return the exit code of an error that is the user's to mend, or None."""
    from bayesnn_spike.events.datasets import DataSetError
    from bayesnn_spike.events.errors import EventError, EventFileError
    from bayesnn_spike.events.ledger import SplitError
    from bayesnn_spike.export import ArtifactError
    from bayesnn_spike.export.values import DescriptionError
    from bayesnn_spike.io import IoError
    from bayesnn_spike.learn.checkpoint import CheckpointError
    from bayesnn_spike.report.results import ReportError
    from bayesnn_spike.study.errors import ConfigError, StudyError

    work = (
        *(ArtifactError, CheckpointError, DataSetError, EventError, EventFileError),
        *(IoError, ReportError, SplitError, StudyError, OSError),
    )
    if isinstance(error, ConfigError | DescriptionError):
        return USAGE
    return FAILED if isinstance(error, work) else None


def fail(message: str, *, code: int) -> NoReturn:
    """Write one message to stderr and leave."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(code)


def console() -> Any:
    """Return a rich console on stdout; wide enough for a table where it is no terminal."""
    from rich.console import Console

    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=120)
