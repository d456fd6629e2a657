"""Plain tables and numbers with units, for the terminal and for a README.

Oracle: tests/energy/test_text.py.
"""

from collections.abc import Sequence

_UNITS = ((1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ"), (1e-9, "nJ"), (1e-12, "pJ"))


def joules(value: float) -> str:
    """Return an energy with four digits and a unit: 0.0015567 is "1.557 mJ"."""
    size, unit = scale(abs(value))
    return f"{value / size:.4g} {unit}"


def scale(value: float) -> tuple[float, str]:
    """Return the unit in which an energy in joules is between 1 and 1,000, and its name."""
    if value == 0:
        return _UNITS[0]
    for size, unit in _UNITS:
        if value >= size * (1 - 1e-12):
            return size, unit
    return _UNITS[-1]


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return columns of equal width: the first to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    lines = [title, *(_line(row, widths) for row in (head, *rows))]
    lines.insert(2, "-" * len(lines[1]))
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.rjust(width) if index else cell.ljust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()
