"""Checkpoint: settings that differ are named, and only a checkpoint of `fit` is read."""

from pathlib import Path

import pytest
import torch

from bayesnn_spike.io import IoError, save_tree
from bayesnn_spike.learn.checkpoint import Checkpoint, CheckpointError

STATE = {"w": torch.arange(3.0)}


def test_no_file_means_a_fresh_start(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path / "none" / "x").load(STATE, run={}) is None


def test_a_saved_state_comes_back_with_its_step(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "x", config={"rule": "bop", "lr": (0.1, 1)})
    checkpoint.save(STATE, step=7, run={"batch_size": 4})
    state, step = checkpoint.load({"w": torch.zeros(3)}, run={"batch_size": 4})
    assert step == 7
    torch.testing.assert_close(state, STATE, rtol=0, atol=0)


def test_what_a_killed_write_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".x.0123456789ab.tmp").write_bytes(b"half")
    assert Checkpoint(tmp_path / "x").load(STATE, run={}) is None
    assert list(tmp_path.iterdir()) == []


def test_every_difference_is_named(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "x", config={"rule": "bop", "lr": 0.1}).save(STATE, step=1, run={"n": 1})
    other = Checkpoint(tmp_path / "x", config={"rule": "st_bisnn", "gain": None})
    with pytest.raises(CheckpointError) as caught:
        other.load(STATE, run={"n": 2})
    for sentence in (
        "config.rule was 'bop' and is now 'st_bisnn'",
        "config.lr was 0.1 and is now 'nothing'",
        "config.gain was 'nothing' and is now None",
        "n was 1 and is now 2",
    ):
        assert sentence in str(caught.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    save_tree(tmp_path / "x", STATE, {"artifact": 1})
    with pytest.raises(CheckpointError, match="is no checkpoint of `fit`"):
        Checkpoint(tmp_path / "x").load(STATE, run={})
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(IoError, match="not a whole safetensors file"):
        Checkpoint(tmp_path / "x").load(STATE, run={})


@pytest.mark.parametrize("every", [0, -1, 2.0, True])
def test_every_must_be_a_positive_integer(every: object) -> None:
    with pytest.raises(CheckpointError, match="every n >= 1 steps"):
        Checkpoint("x", every=every)


@pytest.mark.parametrize("value", [object(), float("nan")])
def test_the_config_must_be_json(value: object) -> None:
    with pytest.raises(CheckpointError, match="must be JSON"):
        Checkpoint("x", config={"lr": value})
