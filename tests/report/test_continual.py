"""report/continual: the tables say what the summary says."""

from pathlib import Path

import pytest

from bayesnn_spike.report.continual import continual_tables, write_continual


def entry(mean: float, half: float | None) -> dict:
    return {"mean": mean, "interval": None if half is None else [mean - half, mean + half]}


def method(accuracy: float, *, half: float | None = 0.01, joint: bool = False) -> dict:
    scores = {"accuracy": entry(accuracy, half), "nll": entry(1.5, half), "ece": entry(0.25, half)}
    if not joint:
        scores |= {"just_learned": entry(0.9, half), "forgetting": entry(0.4, half)}
    rows = 1 if joint else 2
    matrix = [[accuracy, 0.5]] * rows
    return {
        "seeds": 3,
        "scores": {"class": scores, "task": scores},
        "matrices": {
            "class accuracy": matrix,
            "task accuracy": matrix,
            "class ece": [[0.9, 0.9]] * (rows - 1) + [[accuracy / 2, 0.125]],
            "task ece": [[0.9, 0.9]] * (rows - 1) + [[0.0625, 0.03]],
        },
    }


SUMMARY = {
    "tasks": [[0, 1], [2, 3]],
    "methods": {
        "bayes": method(0.5)
        | {"epistemic": {"old": 0.1, "current": 0.02, "future": 0.3}, "frozen": [0.1, 0.25]},
        "naive": method(0.2, half=None),
        "joint": method(0.95, joint=True),
    },
    "differences": [
        {
            "method": "bayes",
            "minus": "naive",
            "class": {"accuracy": entry(0.3, 0.05), "ece": entry(-0.01, 0.02)},
            "task": {"accuracy": entry(0.1, None), "ece": entry(0.0, None)},
        }
    ],
}


def test_the_tables_by_hand() -> None:
    text = continual_tables(SUMMARY)
    assert (
        "| bayes | 3 | 50.0 [49.0, 51.0] | 90.0 [89.0, 91.0] | 40.0 [39.0, 41.0] | "
        "1.500 [1.490, 1.510] | 0.250 [0.240, 0.260] |" in text
    )
    assert "| naive | 3 | 20.0 | 90.0 | 40.0 | 1.500 | 0.250 |" in text
    assert "| joint | 3 | 95.0 [94.0, 96.0] |  |  | 1.500" in text
    assert "| method | class: 0, 1 | class: 2, 3 | task: 0, 1 | task: 2, 3 |" in text
    assert "| bayes | 0.250 | 0.125 | 0.062 | 0.030 |" in text
    assert "| joint | 0.475 | 0.125 | 0.062 | 0.030 |" in text
    assert "**bayes minus the other**" in text
    assert "| naive | +30.0 [+25.0, +35.0] | -0.010 [-0.030, +0.010] | +10.0 | +0.000 |" in text
    assert "| bayes | 0.100 | 0.020 | 0.300 | 25.0 |" in text


def test_the_files_are_written(tmp_path: Path) -> None:
    table, picture = write_continual(tmp_path, SUMMARY)
    assert table.read_text() == continual_tables(SUMMARY)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_without_a_posterior_there_is_no_table_of_uncertainty() -> None:
    plain = {**SUMMARY, "methods": {"naive": method(0.2)}, "differences": []}
    assert "MI old" not in continual_tables(plain)
    assert continual_tables(plain).count("**") == 6


@pytest.mark.parametrize("line", continual_tables(SUMMARY).splitlines())
def test_rows_are_closed(line: str) -> None:
    assert not line.startswith("|") or line.endswith("|")
