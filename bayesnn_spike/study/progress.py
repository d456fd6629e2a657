"""Progress of long work: a bar on a terminal, a line now and then elsewhere.

Oracle: tests/study/test_progress.py.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

LINE_EVERY_S = 10.0
"""Seconds between two lines where the output is not a terminal."""

QUIET_S = 2.0
"""Work that ends within this time says nothing where the output is not a terminal."""


@final
class Progress:
    """Counts epochs and cells, and shows them on the error stream.

    Args:
        label: what is being done.
        quiet: show nothing.
    """

    def __init__(self, label: str, *, quiet: bool = False) -> None:
        self._label, self._quiet = label, quiet
        self._bar: Any = None
        self._console: Any = None
        self._epochs = self._epochs_done = self._cells = self._cells_done = 0
        self._started = self._last_line = 0.0

    def start(self, epochs: int, cells: int) -> None:
        """Begin to show `epochs` epochs of work in `cells` cells."""
        self._epochs, self._cells = epochs, cells
        self._started = self._last_line = time.monotonic()
        if self._quiet or not cells:
            return
        from rich import progress as rich_progress
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        if self._console.is_terminal:
            self._bar = rich_progress.Progress(
                rich_progress.TextColumn("{task.description}"),
                rich_progress.BarColumn(),
                rich_progress.TextColumn("{task.percentage:>3.0f} %"),
                rich_progress.TimeElapsedColumn(),
                rich_progress.TimeRemainingColumn(),
                console=self._console,
            )
            self._bar.add_task(self._text(), total=max(epochs, 1))
            self._bar.start()

    def epoch(self) -> None:
        """Note one finished epoch."""
        self._epochs_done += 1
        self._show()

    def cell(self, name: str, *, failed: bool) -> None:
        """Note one finished or failed cell."""
        self._cells_done += 1
        if failed and self._console is not None:
            self._console.print(f"failed: {name}", style="red")
        self._show(force=self._cells_done == self._cells)

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _show(self, *, force: bool = False) -> None:
        if self._bar is not None:
            self._bar.update(
                self._bar.task_ids[0], completed=self._epochs_done, description=self._text()
            )
        elif self._console is not None:
            now = time.monotonic()
            if force or now - self._last_line >= LINE_EVERY_S:
                self._last_line = now
                share = 100 * self._epochs_done / max(self._epochs, 1)
                passed = now - self._started
                self._console.print(f"{self._text()}, {share:.0f} % of the epochs, {passed:.0f} s")

    def _text(self) -> str:
        return f"{self._label}: {self._cells_done}/{self._cells} networks"


@contextmanager
def busy(text: str, *, quiet: bool = False) -> Iterator[None]:
    """Show that work without countable steps goes on: a moving bar with the time, or one
    line once it takes longer than `QUIET_S`.

    Args:
        text: what is being done.
        quiet: show nothing.
    """
    if quiet:
        yield
        return
    from rich import progress as rich_progress
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        line = threading.Timer(QUIET_S, console.print, (text,))
        line.daemon = True
        line.start()
        try:
            yield
        finally:
            line.cancel()
        return
    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.TimeElapsedColumn(),
    )
    with rich_progress.Progress(*columns, console=console, transient=True) as bar:
        bar.add_task(text, total=None)
        yield
