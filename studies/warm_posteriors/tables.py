"""Print the tables of the README from the kept trainings.

python studies/warm_posteriors/tables.py --results studies/warm_posteriors/results
"""

import argparse
from itertools import product
from pathlib import Path

import numpy as np
from rows import Row, free_energy, mixture, paired, pick, read
from variants import VARIANTS

TEMPERINGS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--results", type=Path, required=True, help="folder that holds recordings.jsonl"
    )
    rows = read(parser.parse_args().results / "recordings.jsonl")
    tables = by_tempering(rows), at_one(rows), seeds(rows), compared(rows)
    print("\n\n".join(tables))  # noqa: T201


def by_tempering(rows: list[Row]) -> str:
    """NLL of every variant at every tempering on the first fold, one training each."""
    lines = []
    for name in VARIANTS:
        cells = [pick(rows, name, t) for t in TEMPERINGS]
        if any(cells):
            lines.append([name, *(f"{c[0]['nll']:.3f}" if c else "" for c in cells)])
    return table(["variant", *(f"{t:g}" for t in TEMPERINGS)], lines)


def at_one(rows: list[Row]) -> str:
    """What tempering 1 costs in nats a training recording, on the first fold."""
    lines = []
    for name in VARIANTS:
        for row in pick(rows, name, 1.0):
            paid = [row["kl"] / row["examples"], row["hyper"] / row["examples"]]
            numbers = [row["train_loss"], *paid, free_energy(row), row["nll"]]
            lines.append([name, *(f"{v:.2f}" for v in numbers), f"{row['accuracy']:.0%}"])
    names = ["loss", "weights", "their prior", "together", "test NLL", "accuracy"]
    return table(["variant", *names], lines)


def seeds(rows: list[Row]) -> str:
    """Trainings of the first fold that differ in the seed, and the committee of all of them."""
    lines = []
    for name, t in product(VARIANTS, TEMPERINGS):
        found = pick(rows, name, t, seeds=range(9))
        if len(found) > 1:
            each = [float(np.mean(r["example_nll"])) for r in found]
            numbers = np.mean(each), np.std(each, ddof=1), float(mixture(found).mean())
            lines.append([name, f"{t:g}", str(len(found)), *(f"{v:.3f}" for v in numbers)])
    return table(["variant", "tempering", "seeds", "mean NLL", "std", "mixture"], lines)


def compared(rows: list[Row]) -> str:
    """Every variant against fair coins, over the folds that have both, first seeds only."""
    lines = []
    for name, t in product(VARIANTS, TEMPERINGS):
        both = [(pick(rows, "base", t, folds=[f]), pick(rows, name, t, folds=[f]))
                for f in range(5)]  # fmt: skip
        both = [(a[0], b[0]) for a, b in both if a and b]
        if name == "base" or not both:
            continue
        coins, other = ([pair[i] for pair in both] for i in (0, 1))
        nll = [float(np.mean([r["nll"] for r in side])) for side in (coins, other)]
        mean, low, high = paired(coins, other)
        interval = f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"
        lines.append([name, f"{t:g}", str(len(both)), *(f"{v:.3f}" for v in nll), interval])
    return table(["variant", "tempering", "folds", "fair coins", "variant", "difference"], lines)


def table(names: list[str], lines: list[list[str]]) -> str:
    """A Markdown table."""
    rule = ["---", *["---:"] * (len(names) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [names, rule, *lines])


if __name__ == "__main__":
    main()
