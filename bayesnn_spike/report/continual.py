"""Tables and the picture of a study of continual learning, from its summary.

Oracle: tests/report/test_continual.py.
"""

from pathlib import Path
from typing import Any

import numpy as np

from bayesnn_spike.io import atomic_write_text

COLUMNS = ("class", "task")
_HEADS = ("accuracy", "just learned", "forgetting", "NLL", "ECE")
_KEYS = ("accuracy", "just_learned", "forgetting", "nll", "ece")
_PERCENT = ("accuracy", "just_learned", "forgetting", "backward_transfer")


def write_continual(folder: Path, summary: dict[str, Any]) -> list[Path]:
    """Write `table.md` and `accuracy.png` beside the summary; return their paths."""
    from bayesnn_spike.report.figures import accuracy_matrices, save_png

    table, picture = folder / "table.md", folder / "accuracy.png"
    atomic_write_text(table, continual_tables(summary))
    tasks = [", ".join(map(str, task)) for task in summary["tasks"]]
    square = {
        name: entry["matrices"]
        for name, entry in summary["methods"].items()
        if len(entry["matrices"]["class accuracy"]) == len(tasks)
    }
    rows = {
        f"{column}-incremental": {
            name: np.array(found[f"{column} accuracy"]) for name, found in square.items()
        }
        for column in COLUMNS
    }
    save_png(accuracy_matrices(rows, tasks), picture)
    return [table, picture]


def continual_tables(summary: dict[str, Any]) -> str:
    """Return the scores, ECE by task, the differences and the uncertainties as markdown tables."""
    parts = []
    for column in COLUMNS:
        parts += [f"**{column.capitalize()}-incremental**", _scores(summary, column)]
    parts += ["**ECE of each task after the last**, means over seeds", _by_task(summary)]
    if summary["differences"]:
        first = summary["differences"][0]["method"]
        parts += [f"**{first} minus the other**, paired by seed", _differences(summary)]
    uncertain = _uncertainty(summary)
    return "\n\n".join([*parts, *([uncertain] if uncertain else [])]) + "\n"


def _scores(summary: dict[str, Any], column: str) -> str:
    lines = [_line("method", "seeds", *(f"{h} (%)" if i < 3 else h for i, h in enumerate(_HEADS)))]
    lines.append(_line("---", *["---:"] * (len(_HEADS) + 1)))
    for name, entry in summary["methods"].items():
        scores = entry["scores"][column]
        cells = [_number(key, scores[key]) if key in scores else "" for key in _KEYS]
        lines.append(_line(name, str(entry["seeds"]), *cells))
    return "\n".join(lines)


def _by_task(summary: dict[str, Any]) -> str:
    """The last row of the matrices of ECE, of both readings."""
    names = [f"{column}: {', '.join(map(str, t))}" for column in COLUMNS for t in summary["tasks"]]
    lines = [_line("method", *names), _line("---", *["---:"] * len(names))]
    for name, entry in summary["methods"].items():
        rows = [value for c in COLUMNS for value in entry["matrices"][f"{c} ece"][-1]]
        lines.append(_line(name, *(f"{value:.3f}" for value in rows)))
    return "\n".join(lines)


def _differences(summary: dict[str, Any]) -> str:
    lines = [_line("minus", *(f"{c}: {s}" for c in COLUMNS for s in ("accuracy (%)", "ECE")))]
    lines.append(_line("---", *["---:"] * 4))
    for entry in summary["differences"]:
        cells = [_number(k, entry[c][k], sign=True) for c in COLUMNS for k in ("accuracy", "ece")]
        lines.append(_line(entry["minus"], *cells))
    return "\n".join(lines)


def _uncertainty(summary: dict[str, Any]) -> str:
    """Mutual information by the age of the task, and the share of frozen weights at the end."""
    lines = []
    for name, entry in summary["methods"].items():
        if "epistemic" not in entry:
            continue
        nats = [f"{entry['epistemic'][age]:.3f}" for age in ("old", "current", "future")]
        frozen = f"{100 * entry['frozen'][-1]:.1f}" if "frozen" in entry else ""
        lines.append(_line(name, *nats, frozen))
    if not lines:
        return ""
    head = _line("method", "MI old", "MI current", "MI future (nats)", "frozen at the end (%)")
    return "\n".join([head, _line("---", *["---:"] * 4), *lines])


def _number(key: str, entry: dict[str, Any], *, sign: bool = False) -> str:
    scale, digits = (100, 1) if key in _PERCENT else (1, 3)
    form = f"{'+' if sign else ''}.{digits}f"
    text = format(scale * entry["mean"], form)
    if entry["interval"] is not None:
        low, high = (format(scale * value, form) for value in entry["interval"])
        text += f" [{low}, {high}]"
    return text


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
