"""Tables of a study's summary: as markdown, for the terminal, and as cells for a page.

    table = summary_table(summary["rows"])
    markdown(table)      # for a README
    rich_table(table)    # for the terminal

Bold is a claim, so it is given by a rule: within a data set and a score, the best mean over
seeds is bold together with every other that the seeds do not separate from it (95 % t interval
of the difference, paired by seed where the seeds are the same in number, else Welch's). Nothing
is bold where a single seed stands, or where nothing is separated.

Oracle: tests/report/test_tables.py.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

if TYPE_CHECKING:
    from rich.table import Table as RichTable

BOLD_RULE = (
    "Bold: the best mean over seeds of its data set, and every other that the seeds do not "
    "separate from it (95 % t interval of the difference over seeds includes 0). "
    "Nothing is bold where a single seed stands or nothing is separated. "
    "± is the standard deviation over seeds (ddof 1)."
)


@final
@dataclass(frozen=True)
class Column:
    """How a score is shown.

    Attributes:
        name: its key in the summary.
        title: above the column, with the unit.
        digits: decimals.
        scale: factor on the number.
        higher_is_better: which end is best.
    """

    name: str
    title: str
    digits: int = 3
    scale: float = 1.0
    higher_is_better: bool = False


COLUMNS = (
    Column("accuracy", "accuracy (%)", digits=1, scale=100.0, higher_is_better=True),
    Column("nll", "NLL (nats)"),
    Column("brier", "Brier"),
    Column("ece", "ECE"),
)


@final
@dataclass(frozen=True)
class Cell:
    """One cell: its text, whether it is bold, whether it is a number."""

    text: str
    bold: bool = False
    number: bool = False


@final
@dataclass(frozen=True)
class Table:
    """Cells under a header.

    Attributes:
        header: titles of the columns.
        rows: one cell for each column.
        caption: what the reader must know to read it.

    Raises:
        ValueError: a row has another number of cells than the header.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.header):
                raise ValueError(
                    f"row {number} has {len(row)} cells under {len(self.header)} titles"
                )


def summary_table(
    rows: Sequence[Mapping[str, Any]],
    *,
    columns: Sequence[Column] = COLUMNS,
    floors: Mapping[tuple[str, str, str], float] | None = None,
) -> Table:
    """Build the table of a summary's rows.

    Args:
        rows: as in `summary.json`: data, rule, predict, seeds, metrics {name: {mean, std,
            values}}, seconds {mean, ...}. A std of null is a single seed.
        columns: the scores to show.
        floors: ECE noise floor by (data, rule, predict), for a column of its own.

    Raises:
        ValueError: a row lacks a score.
    """
    for row in rows:
        missing = sorted({c.name for c in columns} - row["metrics"].keys())
        if missing:
            raise ValueError(f"row {_key(row)} has no {missing}; it has {sorted(row['metrics'])}")
    bold = {column.name: _best(rows, column) for column in columns}
    lines = []
    for index, row in enumerate(rows):
        scores = [_score(row, column, index in bold[column.name]) for column in columns]
        floor = [Cell(f"{floors[_key(row)]:.3f}", number=True)] if floors is not None else []
        names = [Cell(str(part)) for part in _key(row)]
        seeds = Cell(str(row["seeds"]), number=True)
        seconds = Cell(f"{row['seconds']['mean']:.1f}", number=True)
        lines.append((*names, seeds, *scores, *floor, seconds))
    extra = ("ECE floor",) if floors is not None else ()
    titles = [column.title for column in columns]
    header = ("data", "rule", "predict", "seeds", *titles, *extra, "seconds")
    return Table(header, tuple(lines), BOLD_RULE)


def comparison_table(
    comparisons: Sequence[Mapping[str, Any]], *, columns: Sequence[Column] = COLUMNS
) -> Table:
    """Build the table of paired differences, bold where the interval excludes 0.

    Args:
        comparisons: as in `summary.json`: data, rule, predict, minus {rule, predict}, seeds,
            difference {name: {value, low, high, excludes_zero}}.
        columns: the scores to show.
    """
    lines = []
    for entry in comparisons:
        cells = []
        for column in columns:
            found = entry["difference"][column.name]
            value, low, high = (
                f"{column.scale * found[end]:+.{column.digits}f}"
                for end in ("value", "low", "high")
            )
            cells.append(Cell(f"{value} [{low}, {high}]", found["excludes_zero"], number=True))
        minus = entry["minus"]
        lines.append(
            (
                Cell(entry["data"]),
                Cell(f"{entry['rule']} ({entry['predict']})"),
                Cell(f"{minus['rule']} ({minus['predict']})"),
                Cell(str(entry["seeds"]), number=True),
                *cells,
            )
        )
    titles = (column.title for column in columns)
    caption = (
        "Difference of the means with its paired 95 % bootstrap interval over examples and seeds; "
        "bold where the interval excludes 0. Negative is better, except in accuracy."
    )
    return Table(("data", "rule", "minus", "seeds", *titles), tuple(lines), caption)


def markdown(table: Table) -> str:
    """Return a table as GitHub markdown, padded so that it reads well as text."""
    body = [[_markdown(cell) for cell in row] for row in table.rows]
    numbers = [all(row[i].number for row in table.rows) for i in range(len(table.header))]
    header = [title.replace("|", r"\|") for title in table.header]
    widths = [max(map(len, column)) for column in zip(header, *body, strict=True)]
    rule = [
        "-" * (width - 1) + ":" if number else "-" * width
        for width, number in zip(widths, numbers, strict=True)
    ]
    lines = []
    for line in (header, rule, *body):
        padded = [
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(line, widths, numbers, strict=True)
        ]
        lines.append(f"| {' | '.join(padded)} |")
    return "\n".join(lines) + "\n"


def rich_table(table: Table, *, title: str = "") -> "RichTable":
    """Return a table for rich's console."""
    from rich.markup import escape
    from rich.table import Table as RichTable

    drawn = RichTable(title=escape(title) or None, title_justify="left")
    for i, name in enumerate(table.header):
        number = all(row[i].number for row in table.rows)
        drawn.add_column(escape(name), justify="right" if number else "left", no_wrap=True)
    for row in table.rows:
        drawn.add_row(
            *(f"[bold]{escape(c.text)}[/bold]" if c.bold else escape(c.text) for c in row)
        )
    return drawn


def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["data"], row["rule"], row["predict"]


def _score(row: Mapping[str, Any], column: Column, bold: bool) -> Cell:
    entry = row["metrics"][column.name]
    text = f"{column.scale * entry['mean']:.{column.digits}f}"
    if entry["std"] is not None:
        text += f" ± {column.scale * entry['std']:.{column.digits}f}"
    return Cell(text, bold, number=True)


def _best(rows: Sequence[Mapping[str, Any]], column: Column) -> set[int]:
    """Return the rows that are bold in a column."""
    chosen: set[int] = set()
    for data in {row["data"] for row in rows}:
        group = [index for index, row in enumerate(rows) if row["data"] == data]
        values = {
            index: np.asarray(rows[index]["metrics"][column.name]["values"], np.float64)
            for index in group
        }
        if min(len(found) for found in values.values()) < 2:
            continue
        sign = 1.0 if column.higher_is_better else -1.0
        best = max(group, key=lambda index: sign * values[index].mean())
        tied = {index for index in group if not _separated(values[best], values[index])}
        if len(tied) < len(group):
            chosen |= tied
    return chosen


def _separated(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the 95 % t interval of the difference of two means over seeds excludes 0."""
    from scipy.special import stdtrit

    difference = abs(float(a.mean() - b.mean()))
    if len(a) == len(b):
        variance, freedom = float((a - b).var(ddof=1)) / len(a), len(a) - 1.0
    else:
        parts = np.array([a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)])
        variance = float(parts.sum())
        scaled = float((parts**2 / np.array([len(a) - 1, len(b) - 1])).sum())
        freedom = variance**2 / scaled if scaled > 0 else 1.0
    return difference > float(stdtrit(freedom, 0.975)) * math.sqrt(variance)


def _markdown(cell: Cell) -> str:
    text = cell.text.replace("|", r"\|")
    return f"**{text}**" if cell.bold else text
