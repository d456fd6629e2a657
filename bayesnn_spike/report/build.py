"""From a study's output folder to its page and pictures.

    build_report(Path("runs/rules_on_nmnist"))     # report.html and pictures/*.png beside it

Oracle: tests/report/test_build.py.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bayesnn_spike.calibration import consistency_bars, ece, ece_noise_floor, reliability_table
from bayesnn_spike.io import atomic_write_bytes
from bayesnn_spike.report.figures import (
    ReliabilityPanel,
    png_bytes,
    reliability_grid,
    uncertainty_histograms,
)
from bayesnn_spike.report.page import Block, Code, Facts, Picture, Section, Text, write_page
from bayesnn_spike.report.plane import plane_pictures
from bayesnn_spike.report.results import Answers, first_answers, read_records, read_summary
from bayesnn_spike.report.tables import comparison_table, summary_table
from bayesnn_spike.rng import Stream

STREAM = Stream(0).child("report")
"""Of the noise floors and consistency bars in the pictures: equal results give equal pictures."""


def build_report(folder: Path) -> Path:
    """Write `report.html` and `pictures/*.png` into a study's output folder.

    Args:
        folder: with summary.json and cells/.

    Returns:
        The path of the page.

    Raises:
        ReportError: a file is missing or cannot be read.
    """
    summary = read_summary(folder)
    records = read_records(folder)
    answers = {}
    for row in summary["rows"]:
        found = first_answers(records, row)
        if found is not None:
            answers[row["data"], row["rule"], row["predict"]] = found
    pictures = {**plane_pictures(records), **_pictures(summary, answers)}
    for name, picture in pictures.items():
        atomic_write_bytes(folder / "pictures" / f"{name}.png", picture.png)
    page = folder / "report.html"
    write_page(page, title=summary["study"], sections=_sections(summary, records, pictures))
    return page


def _sections(
    summary: Mapping[str, Any],
    records: Sequence[tuple[Path, Mapping[str, Any]]],
    pictures: Mapping[str, Picture],
) -> list[Section]:
    scores: list[Block] = [_scores(summary["rows"], summary.get("noise_floor"))]
    if summary.get("comparisons"):
        scores.append(comparison_table(summary["comparisons"]))
    sections = [Section("Scores", scores)]
    if summary.get("question"):
        sections.insert(0, Section("Question", [Text(summary["question"])]))
    if summary.get("calibrated"):
        after: list[Block] = [
            Text(
                "The same predictions after temperature scaling. No temperature was fitted on the "
                "examples that it scales."
            ),
            summary_table(summary["calibrated"]),
        ]  # fmt: skip
        if summary.get("calibrated_comparisons"):
            after.append(comparison_table(summary["calibrated_comparisons"]))
        sections.append(Section("After temperature scaling", after))
    sections.append(Section("Pictures", list(pictures.values())))
    definitions = dict(summary.get("definitions", {}))
    if summary.get("noise_floor"):
        definitions["ECE floor"] = summary["noise_floor"][0]["definition"]
    sections.append(Section("Definitions", [Facts(definitions)]))
    sections.append(Section("Temperatures", [Facts(_temperatures(summary, records))]))
    made: list[Block] = []
    if summary.get("command"):
        made.append(Code(summary["command"]))
    seeds = ", ".join(str(seed) for seed in sorted({record["seed"] for _, record in records}))
    made.append(Facts({"seeds": seeds, **summary.get("versions", {})}))
    sections.append(Section("How it was made", made))
    return sections


def _scores(rows: Sequence[Mapping[str, Any]], floors: Sequence[Mapping[str, Any]] | None) -> Block:
    if not floors:
        return summary_table(rows)
    by_key = {(entry["data"], entry["rule"], entry["predict"]): entry["ece"] for entry in floors}
    return summary_table(rows, floors=by_key)


def _temperatures(
    summary: Mapping[str, Any], records: Sequence[tuple[Path, Mapping[str, Any]]]
) -> dict[str, str]:
    """Return the posterior's temperatures, and those of the temperature scaling, in words."""
    facts = {}
    for _, record in records:
        text = record.get("temperature", {}).get("text")
        if text:
            facts.setdefault(f"posterior: {record['data']}, {record['rule']}", text)
    for row in summary.get("calibrated", ()):
        entry = row["temperature"]
        spread = "" if entry["std"] is None else f" ± {entry['std']:.3f}"
        name = f"scaling: {row['data']}, {row['rule']} ({row['predict']})"
        facts[name] = f"{entry['mean']:.3f}{spread}"
    return facts or {"none": "no posterior has a temperature and no scaling was fitted"}


def _pictures(
    summary: Mapping[str, Any], answers: Mapping[tuple[str, str, str], Answers]
) -> dict[str, Picture]:
    """Return the pictures of every data set by file name."""
    pictures = {}
    for data in dict.fromkeys(row["data"] for row in summary["rows"]):
        mine = {f"{r} ({mode})": found for (d, r, mode), found in answers.items() if d == data}
        if mine:
            panels = [_panel(name, found) for name, found in mine.items()]
            seed = next(iter(mine.values())).seed
            pictures[f"reliability-{data}"] = Picture(
                png_bytes(reliability_grid(panels)),
                f"{data}: reliability of every rule, seed {seed}. The ECE of a perfectly "
                "calibrated model would be the noise floor.",
            )
        unsure = {name: found for name, found in mine.items() if found.epistemic.max() > 1e-6}
        if unsure:
            panels_by_name = {
                name: (found.epistemic, found.correct) for name, found in unsure.items()
            }
            pictures[f"uncertainty-{data}"] = Picture(
                png_bytes(uncertainty_histograms(panels_by_name)),
                f"{data}: epistemic uncertainty of right and wrong answers. Rules of one network "
                "have none and are left out.",
            )
    return pictures


def _panel(name: str, answers: Answers) -> ReliabilityPanel:
    stream = STREAM.child(name)
    error = ece(answers.probs, answers.labels)
    floor = ece_noise_floor(answers.probs, stream=stream.child("floor"))
    bars = consistency_bars(answers.probs, stream=stream.child("bars"))
    note = f"ECE {error.value:.3f}, noise floor {floor.mean:.3f} ± {floor.sd:.3f}"
    return ReliabilityPanel(name, reliability_table(answers.probs, answers.labels), bars, note)
