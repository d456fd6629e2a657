"""`bayesnn-spike predict`: recordings of every kind, labelled and not, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from bayesnn_spike.calibration import nll
from bayesnn_spike.commands.predict import class_index
from bayesnn_spike.events.readers import GESTURES
from bayesnn_spike.export import save_artifact
from bayesnn_spike.export.network import build_network
from bayesnn_spike.posterior import Bernoulli, Empirical, Point
from bayesnn_spike.rng import Stream
from tests.test_cli import call, write_recordings

NETWORK = {"model": "mlp", "hidden": [8], "gain_in": 40.0}  # few events make many spikes
CLASSES = ("0", "1", "2")
SHAPE = (2, 34, 34)


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return save(tmp_path / "model.safetensors", "bernoulli")


def save(path: Path, kind: str) -> Path:
    network = build_network(NETWORK, shape=SHAPE, classes=len(CLASSES))
    generator = Stream(5).generator()
    logits = {
        name: torch.randn(p.shape, generator=generator) for name, p in network.named_parameters()
    }
    posterior = {
        "bernoulli": Bernoulli(logits),
        "point": Point({name: v.sign() for name, v in logits.items()}),
        "empirical": Empirical({n: torch.stack([v, v.flip(0)]).sign() for n, v in logits.items()}),
    }[kind]
    save_artifact(
        path,
        posterior=posterior,
        network=NETWORK,
        shape=SHAPE,
        classes=CLASSES,
        encoding={"bins": 5, "duration_ms": 30.0},
        training={"rule": kind},
    )
    return path


def answers(*arguments: object) -> dict:
    out = Path(str(arguments[0])).with_name("answers.json")
    call("predict", *arguments, "--json", out)
    return json.loads(out.read_text())


def test_labelled_recordings_have_answers_and_scores(artifact: Path, tmp_path: Path) -> None:
    write_recordings(tmp_path / "some.npz", [0, 1, 2, 1])
    found = answers(artifact, "--data", tmp_path / "some.npz", "--draws", 6)
    probs = np.array([entry["probabilities"] for entry in found["predictions"]])
    assert probs.shape == (4, 3)
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)
    assert [entry["label"] for entry in found["predictions"]] == ["0", "1", "2", "1"]
    for entry, row in zip(found["predictions"], probs, strict=True):
        assert entry["class"] == CLASSES[row.argmax()]
        assert entry["epistemic"] > 0
        parts = entry["aleatoric"] + entry["epistemic"]
        assert entry["total"] == pytest.approx(parts, abs=1e-5)
    assert found["scores"]["examples"] == 4
    assert found["scores"]["nll"]["value"] == nll(probs, np.array([0, 1, 2, 1])).value


def test_the_committee_is_repeated_by_its_seed(artifact: Path, tmp_path: Path) -> None:
    write_recordings(tmp_path / "some.npz", [0, 1])
    how = (artifact, "--data", tmp_path / "some.npz", "--draws", 3)
    first, again, other = (answers(*how, "--seed", seed) for seed in (1, 1, 2))
    assert first == again
    assert first["predictions"] != other["predictions"]


def test_labels_come_from_folders_and_unknown_ones_are_none(artifact: Path, tmp_path: Path) -> None:
    event = bytes([3, 4, 0x80, 0x10, 0x00])  # x, y, polarity and time of one ATIS event
    for folder in ("data/1", "data/monday"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.bin").write_bytes(event)
    (tmp_path / "data" / "b.bin").write_bytes(event)
    found = answers(artifact, "--data", tmp_path / "data", "--draws", 2)
    labels = {
        Path(entry["recording"]).relative_to(tmp_path / "data").as_posix(): entry["label"]
        for entry in found["predictions"]
    }
    assert labels == {"1/a.bin": "1", "monday/a.bin": None, "b.bin": None}
    assert found["scores"]["examples"] == 1


def test_without_labels_there_are_no_scores(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes([3, 4, 0x80, 0x10, 0x00]))
    found = answers(artifact, "--data", tmp_path / "a.bin")
    assert found["scores"] is None
    shown = call("predict", artifact, "--data", tmp_path / "a.bin").stdout
    assert "a.bin" in shown
    assert "labelled" not in shown


@pytest.mark.parametrize("kind", ["point", "empirical"])
def test_networks_that_are_no_posterior_answer_too(tmp_path: Path, kind: str) -> None:
    write_recordings(tmp_path / "some.npz", [0])
    path = save(tmp_path / "other.safetensors", kind)
    (entry,) = answers(path, "--data", tmp_path / "some.npz")["predictions"]
    assert (entry["epistemic"] == 0) is (kind == "point")


def test_long_lists_are_cut_on_the_screen(artifact: Path, tmp_path: Path) -> None:
    write_recordings(tmp_path / "some.npz", [0] * 7)
    shown = call("predict", artifact, "--data", tmp_path / "some.npz", "--limit", 2).stdout
    assert "and 5 more" in shown
    assert "7 labelled recordings" in shown


def test_what_cannot_be_answered_is_refused(artifact: Path, tmp_path: Path) -> None:
    write_recordings(tmp_path / "some.npz", [0])
    data = ("--data", tmp_path / "some.npz")
    assert "34x34" in call("predict", artifact, *data, "--sensor", "34", code=2).stderr
    wrong = call("predict", artifact, *data, "--sensor", "40x40", code=1).stderr
    assert "the network takes [2, 34, 34]" in wrong
    foreign = call("predict", tmp_path / "some.npz", *data, code=1).stderr
    assert "not a whole safetensors file" in foreign
    (tmp_path / "empty").mkdir()
    nothing = call("predict", artifact, "--data", tmp_path / "empty", code=1).stderr
    assert "no recording under" in nothing


def test_a_cut_recording_is_refused_with_its_place(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\x01\x02\x03")
    message = call("predict", artifact, "--data", tmp_path / "a.bin", code=1).stderr
    assert message.startswith(f"error: {tmp_path / 'a.bin'}: at byte")


@pytest.mark.parametrize(
    ("label", "classes", "index"),
    [
        ("two", ("one", "two"), 1),
        ("1", ("zero", "one"), 1),
        ("1", GESTURES, 0),
        ("11", GESTURES, 10),
        ("12", GESTURES, None),
        ("0", GESTURES, None),
        ("7", ("0", "1"), None),
        ("cat", ("dog",), None),
        (None, ("dog",), None),
    ],
)
def test_a_label_is_a_name_or_a_number_in_the_files_counting(
    label: str | None, classes: tuple[str, ...], index: int | None
) -> None:
    assert class_index(label, classes) == index
