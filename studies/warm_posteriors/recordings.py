"""How warm a posterior may be on N-MNIST, and what moves the limit.

Every variant of `variants.py` is trained at the temperings, test folds and seeds asked for, of the
1,100 recordings. Results go to a file of JSON lines, one a training; those that are there are not
run again.

    python studies/warm_posteriors/recordings.py --data-root DATA --out RESULTS --fold 0
"""

import argparse
import json
from itertools import product
from pathlib import Path

import torch
from training import run
from variants import VARIANTS

from bayesnn_spike.events import datasets

TEMPERINGS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="variants: " + "; ".join(VARIANTS),
    )
    parser.add_argument("--data-root", type=Path, required=True, help="folder that holds nmnist/")
    parser.add_argument("--out", type=Path, required=True, help="file of JSON lines, appended to")
    parser.add_argument(
        "--variant",
        action="append",
        choices=VARIANTS,
        metavar="NAME",
        help="a variant, may be given more than once; default: all",
    )
    parser.add_argument(
        "--tempering", nargs="+", type=float, default=TEMPERINGS, help="default: %(default)s"
    )
    parser.add_argument(
        "--fold",
        nargs="+",
        type=int,
        choices=range(5),
        default=(0, 1, 2),
        help="test folds; default: %(default)s",
    )
    parser.add_argument(
        "--seed", nargs="+", type=int, default=(0,), help="of the training; default: %(default)s"
    )
    parser.add_argument(
        "--validate",
        action="store_true",
        help="keep a fifth of the training recordings back and score on those: to choose settings",
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = datasets.load("nmnist", root=given.data_root / "nmnist", bins=10)
    lines = given.out.read_text().splitlines() if given.out.exists() else []
    done = {key(row) for row in map(json.loads, lines)}
    names = given.variant or list(VARIANTS)
    for fold, seed, name, tempering in product(given.fold, given.seed, names, given.tempering):
        row = {"variant": name, "tempering": tempering, "fold": fold, "seed": seed}
        row["scored"] = "validation" if given.validate else "test"
        if key(row) in done:
            continue
        row |= run(VARIANTS[name], tempering, fold, seed, data, validate=given.validate)
        with given.out.open("a") as file:
            file.write(json.dumps(row) + "\n")


def key(row: dict) -> tuple:
    """What tells one training from another; the first rows had neither seeds nor validation."""
    scored = row.get("scored", "test")
    return row["variant"], row["tempering"], row["fold"], row.get("seed", 0), scored


if __name__ == "__main__":
    main()
