"""study/conversion_files: which phases are finished, and whether they may be kept."""

import json
from pathlib import Path

import pytest
import torch

from bayesnn_spike.io import load_tree
from bayesnn_spike.study.conversion_files import (
    PHASES,
    anew,
    checkpoints,
    model_file,
    read_phase,
    require_resumable,
    write_phase,
)
from bayesnn_spike.study.errors import ConfigError, StudyError

SETTINGS = {phase: {"seed": 0, "ann": {"epochs": 3}, "phase": phase} for phase in PHASES}


def finish(folder: Path, *phases: str, settings=SETTINGS) -> None:
    before = None
    for phase in phases:
        folder.mkdir(exist_ok=True)
        model_file(folder, phase).write_bytes(b"a network")
        record = {"settings": settings[phase], "digest": phase, "made_of": before, "scores": {}}
        write_phase(folder, phase, record, {"test": torch.ones(2, 3)})
        before = phase


def test_a_phase_is_finished_when_its_record_is_there(tmp_path) -> None:
    (tmp_path / "ann-checkpoint-12.safetensors").write_bytes(b"half a training")
    (tmp_path / "hybrid-checkpoint-12.safetensors").write_bytes(b"another")
    assert read_phase(tmp_path, "ann") is None
    finish(tmp_path, "ann")
    assert read_phase(tmp_path, "ann")["digest"] == "ann"
    assert not list(tmp_path.glob("ann-checkpoint-*"))
    assert list(tmp_path.glob("hybrid-checkpoint-*"))
    logits = load_tree(tmp_path / "ann-logits.safetensors", {"test": torch.empty(2, 3)})
    assert logits["test"].tolist() == [[1, 1, 1], [1, 1, 1]]


def test_damaged_records_are_named(tmp_path) -> None:
    finish(tmp_path, "ann")
    for text in ("{", "[]", json.dumps({"digest": "x"})):
        (tmp_path / "ann.json").write_text(text)
        with pytest.raises(StudyError, match=r"ann\.json: not a record of a phase"):
            read_phase(tmp_path, "ann")
    finish(tmp_path, "ann")
    model_file(tmp_path, "ann").unlink()
    with pytest.raises(StudyError, match=r"ann\.safetensors is missing beside it"):
        read_phase(tmp_path, "ann")


def test_finished_phases_are_kept_only_on_demand(tmp_path) -> None:
    assert require_resumable(tmp_path, SETTINGS, resume=False) == []
    finish(tmp_path, "ann", "converted")
    with pytest.raises(ConfigError, match=r"already holds finished phases \(ann, converted\)"):
        require_resumable(tmp_path, SETTINGS, resume=False)
    assert require_resumable(tmp_path, SETTINGS, resume=True) == ["ann", "converted"]


def test_a_stopped_training_goes_on_only_on_demand(tmp_path) -> None:
    left = tmp_path / "ann-checkpoint-12.safetensors"
    left.write_bytes(b"half a training")
    assert checkpoints(tmp_path, "ann") == [left]
    message = r"stopped \(ann-checkpoint-12\.safetensors\): give --resume to go on .* delete the"
    with pytest.raises(ConfigError, match=message):
        require_resumable(tmp_path, SETTINGS, resume=False)
    assert require_resumable(tmp_path, SETTINGS, resume=True) == []


def test_the_advice_names_the_records_that_are_there(tmp_path) -> None:
    finish(tmp_path, "ann", "converted")
    assert anew(tmp_path, "ann") == "delete ann.json, converted.json to make it anew"
    assert anew(tmp_path, "converted") == "delete converted.json to make it anew"


def test_other_settings_are_refused_with_what_differs_and_what_to_delete(tmp_path) -> None:
    finish(tmp_path, "ann", "converted")
    other = {**SETTINGS, "ann": {**SETTINGS["ann"], "ann": {"epochs": 4}}}
    with pytest.raises(ConfigError) as error:
        require_resumable(tmp_path, other, resume=True)
    assert "delete ann.json, converted.json to run it anew" in str(error.value)
    assert "ann.epochs: 3 -> 4" in str(error.value)
    later = {**SETTINGS, "hybrid": {"seed": 9}}
    assert require_resumable(tmp_path, later, resume=True) == ["ann", "converted"]


def test_a_phase_without_the_one_before_is_refused(tmp_path) -> None:
    finish(tmp_path, "ann", "converted")
    (tmp_path / "ann.json").unlink()
    with pytest.raises(ConfigError, match=r"the phase ann is not finished but later ones are"):
        require_resumable(tmp_path, SETTINGS, resume=True)
    finish(tmp_path, "ann")
    record = {**read_phase(tmp_path, "ann"), "digest": "another"}
    write_phase(tmp_path, "ann", record, {"test": torch.ones(2, 3)})
    with pytest.raises(ConfigError, match="converted was made of another network than that of ann"):
        require_resumable(tmp_path, SETTINGS, resume=True)
