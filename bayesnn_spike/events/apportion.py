"""Whole numbers from exact shares: largest remainder over a table, and greedy whole groups.

Oracle: tests/events/test_splits.py, by hypothesis: every cell is its quota rounded down or up.
"""

from fractions import Fraction
from math import ceil

import numpy as np


def allot(sizes: list[int], shares: list[Fraction]) -> list[list[int]]:
    """Share out each class over the splits in whole numbers.

    Args:
        sizes: examples of each class.
        shares: share of each split; they sum to exactly 1.

    Returns:
        Rows of counts, one per class; every cell is its quota rounded down or up, rows sum to
        `sizes`, and columns sum to the largest-remainder rounding of the total where some table
        with such cells has these sums (always, when the totals are whole by themselves).
    """
    quotas = [[size * share for share in shares] for size in sizes]
    table = [[int(quota) for quota in row] for row in quotas]
    carried = [Fraction(0)] * len(shares)
    for row, quota, size in zip(table, quotas, sizes, strict=True):
        carried = [c + q - count for c, q, count in zip(carried, quota, row, strict=True)]
        _give(row, size - sum(row), [j for j, q in enumerate(quota) if q != int(q)], carried)
    totals = [int(sum(sizes) * share) for share in shares]
    left = [sum(sizes) * share - total for share, total in zip(shares, totals, strict=True)]
    _give(totals, sum(sizes) - sum(totals), list(range(len(shares))), left)
    _balance(table, quotas, totals)
    return table


def allot_groups(table: np.ndarray, shares: list[Fraction], words: np.ndarray) -> np.ndarray:
    """Assign whole groups to splits, largest first, each where it lowers the misfit most.

    Args:
        table: `[groups, classes]` counts.
        shares: share of each split; they sum to exactly 1.
        words: `[groups]` random words that order groups of equal size.

    Returns:
        `[groups]` split numbers.
    """
    weights = np.array([float(share) for share in shares])
    missing = weights[:, None] * table.sum(axis=0)
    owner = np.empty(len(table), dtype=np.int64)
    for group in np.lexsort((words, -table.sum(axis=1))):
        # Squared misfit after minus before; a share of 0 (no rest) must stay empty.
        change = ((missing - table[group]) ** 2 - missing**2).sum(axis=1)
        owner[group] = np.argmin(np.where(weights > 0, change, np.inf))
        missing[owner[group]] -= table[group]
    return owner


def _give(row: list[int], units: int, cells: list[int], claims: list[Fraction]) -> None:
    """Give one unit each to the `units` cells with the largest claims (ties: first cell)."""
    for j in sorted(cells, key=lambda j: (-claims[j], j))[:units]:
        row[j] += 1
        claims[j] -= 1


def _balance(table: list[list[int]], quotas: list[list[Fraction]], totals: list[int]) -> None:
    """Move units inside rows, along augmenting paths, until the columns sum to `totals`."""
    columns = range(len(totals))
    while True:
        excess = [sum(row[j] for row in table) - totals[j] for j in columns]
        paths = (_path(table, quotas, excess, j) for j in columns if excess[j] > 0)
        path = next((path for path in paths if path), None)
        if path is None:
            return
        for row, giver, taker in path:
            table[row][giver] -= 1
            table[row][taker] += 1


def _path(
    table: list[list[int]], quotas: list[list[Fraction]], excess: list[int], source: int
) -> list[tuple[int, int, int]]:
    """Return moves (row, from column, to column) from `source` to a column that lacks units."""
    reached: dict[int, list[tuple[int, int, int]]] = {source: []}
    queue = [source]
    while queue:
        giver = queue.pop(0)
        if excess[giver] < 0:
            return reached[giver]
        for row, (counts, quota) in enumerate(zip(table, quotas, strict=True)):
            if counts[giver] <= int(quota[giver]):
                continue
            for taker in range(len(excess)):
                if taker not in reached and counts[taker] < ceil(quota[taker]):
                    reached[taker] = [*reached[giver], (row, giver, taker)]
                    queue.append(taker)
    return []
