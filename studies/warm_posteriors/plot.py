"""Draw NLL against tempering for the variants of the README.

python studies/warm_posteriors/plot.py --results studies/warm_posteriors/results
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from rows import Row, pick, read

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

TEMPERINGS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)

PANELS = {
    "Sharing for free": {
        "base": ("fair coins", "#222222", "o", "-"),
        "learned prior": ("learned prior of blocks", "#0072B2", "s", "-"),
        "cold start": ("fair coins, cold start", "#888888", "^", "--"),
        "learned prior, cold start": ("learned prior, cold start", "#56B4E9", "v", "--"),
    },
    "Sharing that is paid for": {
        "base": ("fair coins", "#222222", "o", "-"),
        "penalised block probability": ("block probability, penalised", "#D55E00", "s", "-"),
        "urn 4": ("block probability, integrated out", "#E69F00", "D", "-"),
        "gaussian blocks .3": ("Gaussian block logits", "#009E73", "^", "-"),
        "low rank 8": ("low rank", "#CC79A7", "v", "-"),
        "learned prior": ("free, for comparison", "#A6CEE3", "s", ":"),
    },
}


def main() -> None:
    """Write nll.png beside the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--results", type=Path, required=True, help="folder of recordings.jsonl and the picture"
    )
    folder = parser.parse_args().results
    rows = read(folder / "recordings.jsonl")
    plt.rcParams.update({"font.size": 13, "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = plt.subplots(1, 2, figsize=(13, 5.4), sharey=True, layout="constrained")
    for ax, (title, variants) in zip(axes, PANELS.items(), strict=True):
        for name, style in variants.items():
            curve(ax, rows, name, *style)
        finish(ax, title)
    axes[0].set_ylabel("NLL of the committee, nats (log)")
    figure.savefig(folder / "nll.png", dpi=150, metadata={"Software": None})


def curve(
    ax: Axes, rows: list[Row], name: str, label: str, colour: str, marker: str, dash: str
) -> None:
    """A variant's NLL on the first fold, first seed, wherever it was run."""
    found = [(t, cell[0]["nll"]) for t in TEMPERINGS if (cell := pick(rows, name, t))]
    if found:
        x, y = np.array(found).T
        ax.plot(x, y, dash, color=colour, marker=marker, ms=7, lw=2, label=label)


def finish(ax: Axes, title: str) -> None:
    """Axes, the line of guessing, the legend."""
    ax.axhline(np.log(10), color="#bbbbbb", lw=1)
    ax.text(0.001, np.log(10) * 1.02, "guessing, ln 10", color="#888888", fontsize=11)
    ax.set(xscale="log", yscale="log", title=title, xlabel="tempering (1 is Bayes)")
    ax.set_xticks(TEMPERINGS, [f"{t:g}" for t in TEMPERINGS])
    ax.set_yticks([0.25, 0.5, 1, 2], ["0.25", "0.5", "1", "2"])
    ax.minorticks_off()
    ax.set_ylim(0.22, 2.6)
    ax.grid(alpha=0.25)
    ax.legend(loc="upper left", bbox_to_anchor=(0.0, 0.95), frameon=False, fontsize=11)


if __name__ == "__main__":
    main()
