"""`bayesnn-spike predict`: ask a trained artifact about recordings."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, final

import typer

from bayesnn_spike.commands.console import FAILED, USAGE, console, fail, plain_errors

BATCH = 256
"""Recordings held in memory at a time."""


@final
@dataclass(frozen=True)
class Answer:
    """What the networks say about one recording.

    Attributes:
        name: the file, with the number of the recording in it.
        label: index of the class that its file or folder names, or None.
        probabilities: one a class.
        total, aleatoric, epistemic: uncertainties in nats.
    """

    name: str
    label: int | None
    probabilities: list[float]
    total: float
    aleatoric: float
    epistemic: float


@plain_errors
def predict(
    artifact: Annotated[
        Path,
        typer.Argument(
            help="A trained network: cells/CELL/model.safetensors of a study.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            metavar="FILE_OR_FOLDER",
            help="Recordings: ATIS .bin, AEDAT 2.0 or 3.1, SHD .h5, .npz, or a folder of them. "
            "Labels come from the file, or from folders named after the classes.",
            exists=True,
            show_default=False,
        ),
    ],
    draws: Annotated[int, typer.Option(min=1, help="Networks in the committee.")] = 30,
    seed: Annotated[int, typer.Option(min=0, max=2**64 - 1, help="Of the committee.")] = 0,
    json_out: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Write everything as JSON.")
    ] = None,
    sensor: Annotated[
        str | None,
        typer.Option(
            metavar="WxH",
            help="Sensor size, where the format does not say it.",
            show_default="as the network was trained",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Print at most so many recordings.")
    ] = 20,
) -> None:
    """Classify recordings with a committee of networks, and say how far to trust each answer.

    For each recording: the class probabilities, the total uncertainty (entropy of the answer, in
    nats), its aleatoric part (what each network by itself is unsure of) and its epistemic part
    (what they disagree on). The committee is drawn once, from --seed, so the answer can be
    repeated. With labels, accuracy, NLL, Brier score and ECE follow.

    Examples:

      bayesnn-spike predict model.safetensors --data 00002.bin

      bayesnn-spike predict model.safetensors --data Test/ --draws 100 --json answers.json
    """
    from bayesnn_spike.export import load_artifact
    from bayesnn_spike.study.progress import busy

    given = given_sensor(sensor)
    network, posterior, meta = load_artifact(artifact)
    size = trained_sensor(meta, data) if given is None else given
    with busy(f"{data}: classifying"):
        answers = list(_answers(network, posterior, meta, data, draws, seed, size))
    if not answers:
        fail(f"{data}: no recordings in there", code=FAILED)
    scores = _scores(answers)
    if json_out is not None:
        _write(json_out, artifact, meta, members_of(posterior, draws), seed, answers, scores)
    _print(meta, answers, scores, limit)


def _answers(
    network: Any, posterior: Any, meta: Any, data: Path, draws: int, seed: int, sensor: Any
) -> Iterator[Answer]:
    """Yield an answer for every recording, a batch at a time."""
    import torch

    from bayesnn_spike.events.readers import iterate
    from bayesnn_spike.predict import Committee
    from bayesnn_spike.predict import predict as ask
    from bayesnn_spike.rng import Stream
    from bayesnn_spike.study.build import POOLINGS

    settings = meta.training.get("settings", {})
    pooling = POOLINGS[settings.get("predict", {}).get("pooling", "softmax_of_rate")]
    burn_in = settings.get("credit", {}).get("burn_in", 0)
    for batch in _batches(iterate(data, sensor=sensor)):
        spikes = torch.stack([encoded(item, meta) for item in batch], dim=1)
        answer = ask(
            network,
            posterior,
            spikes,
            stream=Stream(seed).child("predict"),
            how=Committee(members_of(posterior, draws)),
            pooling=pooling,
            burn_in=burn_in,
        )
        numbers = zip(
            batch,
            answer.probabilities.tolist(),
            answer.total().tolist(),
            answer.aleatoric().tolist(),
            answer.epistemic().tolist(),
            strict=True,
        )
        for item, probabilities, total, aleatoric, epistemic in numbers:
            label = class_index(item.label, meta.classes)
            yield Answer(item.name, label, probabilities, total, aleatoric, epistemic)


def given_sensor(sensor: str | None) -> Any:
    """Return the size that `--sensor WxH` names, or None."""
    from bayesnn_spike.events.readers import Sensor

    if sensor is None:
        return None
    width, _, height = sensor.partition("x")
    if not (width.isdigit() and height.isdigit()):
        fail(f"--sensor {sensor}: write it as WIDTHxHEIGHT, e.g. 34x34", code=USAGE)
    return Sensor(int(width), int(height))


def encoded(item: Any, meta: Any) -> Any:
    """Return the spikes of one recording; an error names it."""
    from bayesnn_spike.events import EventError
    from bayesnn_spike.export.encode import encode_recording

    try:
        return encode_recording(item.stream, meta)
    except EventError as error:
        raise EventError(f"{item.name}: {error}") from error


def trained_sensor(meta: Any, data: Path) -> Any:
    """Return the sensor of the training data, for formats that do not say theirs; else None."""
    from bayesnn_spike.events.readers import Sensor

    scaled = meta.encoding.get("grid") is not None or meta.encoding.get("crop") is not None
    known = data.suffix.lower() in {".aedat", ".h5", ".hdf5"}
    if scaled or known or len(meta.shape) != 3:
        return None
    return Sensor(meta.shape[2], meta.shape[1])


def class_index(label: str | None, classes: Sequence[str]) -> int | None:
    """Return the class a recording's label means: its name, or its number in the file's counting.

    The files of DVS-Gesture count from 1, all others from 0. None for no label, or a foreign one.
    """
    from bayesnn_spike.events.readers import GESTURES

    if label is None or label in classes:
        return None if label is None else list(classes).index(label)
    if not label.isdigit():
        return None
    number = int(label) - (tuple(classes) == tuple(GESTURES))
    return number if 0 <= number < len(classes) else None


def members_of(posterior: Any, draws: int) -> int:
    """Return how many networks to ask: a point is one, an ensemble its members."""
    from bayesnn_spike.posterior import Empirical, Point

    if isinstance(posterior, Point):
        return 1
    return posterior.members if isinstance(posterior, Empirical) else draws


def _batches(items: Iterator[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _scores(answers: list[Answer]) -> dict[str, Any] | None:
    """Return the scores over the labelled recordings, or None if there are none."""
    import numpy as np

    from bayesnn_spike.study.scores import METRICS

    labelled = [answer for answer in answers if answer.label is not None]
    if not labelled:
        return None
    probs = np.array([answer.probabilities for answer in labelled])
    labels = np.array([answer.label for answer in labelled])
    found = {name: metric(probs, labels).as_dict() for name, metric in METRICS.items()}
    return {"examples": len(labelled), **found}


def _write(
    path: Path,
    artifact: Path,
    meta: Any,
    draws: int,
    seed: int,
    answers: list[Answer],
    scores: dict[str, Any] | None,
) -> None:
    from bayesnn_spike.io import atomic_write_text

    tree = {
        "artifact": str(artifact),
        "rule": meta.training.get("rule"),
        "draws": draws,
        "seed": seed,
        "classes": list(meta.classes),
        "predictions": [
            {
                "recording": answer.name,
                "label": None if answer.label is None else meta.classes[answer.label],
                "class": _best(meta, answer),
                "probabilities": answer.probabilities,
                "total": answer.total,
                "aleatoric": answer.aleatoric,
                "epistemic": answer.epistemic,
            }
            for answer in answers
        ],
        "scores": scores,
    }
    atomic_write_text(path, json.dumps(tree, indent=1) + "\n")
    typer.echo(f"written: {path}")


def _print(
    meta: Any, answers: list[Answer], scores: dict[str, Any] | None, limit: int | None
) -> None:
    from rich.table import Table

    table = Table(title="uncertainties in nats", title_justify="left")
    table.add_column("recording", overflow="fold")
    for column in ("label", "class", "p", "total", "aleatoric", "epistemic"):
        table.add_column(column, justify="right", no_wrap=True)
    for answer in answers[:limit]:
        table.add_row(
            answer.name,
            "" if answer.label is None else meta.classes[answer.label],
            _best(meta, answer),
            f"{max(answer.probabilities):.3f}",
            f"{answer.total:.3f}",
            f"{answer.aleatoric:.3f}",
            f"{answer.epistemic:.3f}",
        )
    console().print(table)
    if limit is not None and len(answers) > limit:
        typer.echo(f"... and {len(answers) - limit} more (--limit, --json)")
    if scores is not None:
        numbers = ", ".join(
            f"{name} {entry['value']:.4f}" for name, entry in scores.items() if name != "examples"
        )
        typer.echo(f"{scores['examples']} labelled recordings: {numbers}")


def _best(meta: Any, answer: Answer) -> str:
    return meta.classes[max(range(len(meta.classes)), key=answer.probabilities.__getitem__)]
