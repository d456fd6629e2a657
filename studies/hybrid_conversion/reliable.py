"""The page of calibration: a reliability diagram for every way to a spiking network."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bayesnn_spike.calibration import ece, reliability_table
from bayesnn_spike.report.figures.reliability import ReliabilityPanel, reliability_grid

PANELS = (
    ("ann", 0),
    ("conversion", 32),
    ("conversion", 64),
    ("conversion", 256),
    ("conversion_tuned", 8),
    ("conversion_tuned", 64),
    ("conversion_local", 8),
    ("hybrid", 4),
    ("hybrid", 8),
    ("scratch", 8),
    ("qcfs", 4),
    ("qcfs", 8),
    ("binary_signs", 4),
    ("binary_straight_through", 4),
    ("binary_bayes", 4),
)


def calibration_page(rows: Sequence[Any]) -> Figure:
    """Draw the rows of one data set (`summarise.Kept`), all seeds of a row pooled."""
    by = {(kept.rule, kept.steps): kept for kept in rows}
    panels = []
    for rule, steps in PANELS:
        if (rule, steps) not in by:
            continue
        kept = by[rule, steps]
        probs = kept.probs.reshape(-1, kept.probs.shape[-1])
        labels = np.tile(kept.labels, len(kept.probs))
        name = rule.replace("_", " ") + (f", T = {steps}" if steps else "")
        note = f"ECE {np.mean([ece(p, kept.labels).value for p in kept.probs]):.3f}"
        panels.append(ReliabilityPanel(name, reliability_table(probs, labels), note=note))
    return reliability_grid(panels, columns=5)
