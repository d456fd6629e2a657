"""The picture of a data set whose inputs are points of a plane: what each rule says everywhere.

Oracle: tests/report/test_plane.py.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bayesnn_spike.report.figures import (
    PredictiveMap,
    TrainingPoints,
    png_bytes,
    predictive_plane,
)
from bayesnn_spike.report.page import Picture
from bayesnn_spike.report.plane_file import PlaneAnswers, read_plane

_NAMES = {
    "bayes_bisnn": "Bayes-BiSNN",
    "st_bisnn": "ST-BiSNN",
    "straight_through": "Straight-through",
    "st_ensemble": "Straight-through ensemble",
    "full_precision": "Full precision",
    "bop": "Bop",
}


def plane_pictures(records: Sequence[tuple[Path, Mapping[str, Any]]]) -> dict[str, Picture]:
    """Return a picture for each data set with answers over the plane, by file name.

    Every rule is shown in each of its modes, with the lowest seed that all rules share.

    Args:
        records: (folder, record) of the study's cells.

    Raises:
        ReportError: a file cannot be read.
    """
    found: dict[str, dict[int, dict[str, PlaneAnswers]]] = {}
    for folder, record in records:
        answers = read_plane(folder)
        if answers is not None:
            seeds = found.setdefault(record["data"], {})
            seeds.setdefault(record["seed"], {})[record["rule"]] = answers
    return {f"plane-{data}": _picture(data, seeds) for data, seeds in found.items()}


def _picture(data: str, seeds: Mapping[int, Mapping[str, PlaneAnswers]]) -> Picture:
    most = max(len(rules) for rules in seeds.values())
    seed = min(seed for seed, rules in seeds.items() if len(rules) == most)
    rules = seeds[seed]
    maps = [
        PredictiveMap(_title(rule, mode, answers), **fields)
        for rule, answers in sorted(rules.items(), reverse=True)
        for mode, fields in sorted(answers.modes.items(), reverse=True)
    ]
    one = next(iter(rules.values()))
    points = TrainingPoints(one.points, one.labels)
    figure = predictive_plane(maps, one.x, one.y, points=points, classes=one.classes)
    return Picture(
        png_bytes(figure, colours=160),
        f"{data}, seed {seed}: what every rule says over the plane. Above the probability of "
        f"class {one.classes[1]}, below its entropy. A committee's entropy has two parts: "
        "aleatoric (its members are unsure) and epistemic (they disagree; mind the scale).",
    )


def _title(rule: str, mode: str, answers: PlaneAnswers) -> str:
    """Return the name of a column; a rule with one mode needs no mode in it."""
    name = _NAMES.get(rule, rule)
    return name if len(answers.modes) == 1 else f"{name}, {mode}"
