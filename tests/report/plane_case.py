"""Made-up answers over a plane of 6 by 6 points."""

import numpy as np

from bayesnn_spike.report.plane_file import PlaneAnswers

AXIS = np.arange(6) / 6


def answers(*modes: str) -> PlaneAnswers:
    """Return answers in some modes; only a committee has an epistemic part."""
    probability = np.tile(AXIS, (6, 1)).astype(np.float32)
    total = np.full((6, 6), 0.5, np.float32)
    by_mode = {}
    for mode in modes:
        epistemic = np.full((6, 6), 0.125 if mode == "committee" else 0.0, np.float32)
        by_mode[mode] = {
            "probability": probability,
            "total": total,
            "aleatoric": total - epistemic,
            "epistemic": epistemic,
        }
    points, labels = np.array([[0.25, 0.5], [0.75, 0.5]]), np.array([0, 1])
    return PlaneAnswers(AXIS, AXIS, points, labels, ("upper", "lower"), by_mode)
