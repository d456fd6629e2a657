"""commands/hybrid: the command on small files in the true format."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bayesnn_spike.cli import app
from bayesnn_spike.study import conversion_run
from bayesnn_spike.study.yaml_file import dump_yaml
from tests.study.tiny_recipe import TREE, write_images


def call(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["hybrid", *(str(argument) for argument in arguments)])
    unplanned = result.exception is not None and not isinstance(result.exception, SystemExit)
    assert not unplanned, result.exception
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_images(tmp_path / "data" / "cifar10")
    file = tmp_path / "tiny.yaml"
    file.write_text(dump_yaml(TREE))
    return file


def test_a_recipe_from_start_to_end_and_again(path: Path, tmp_path: Path) -> None:
    where = ("--data-root", tmp_path / "data", "--out", tmp_path / "out")
    done = call(path, *where, "--seed", 3, "--set", "ann.epochs=1")
    head, *rows = done.stdout.splitlines()[:7]
    assert head.split() == [
        "phase",
        "T",
        "split",
        "examples",
        "acc.",
        "%",
        "NLL",
        "ECE",
        "published",
    ]
    assert [row.split()[0] for row in rows] == ["ann"] * 2 + ["converted"] * 2 + ["hybrid"] * 2
    assert rows[-1].split()[1:4] == ["12", "test", "10"]
    assert rows[-1].endswith("86.91")
    assert "ann: epoch 1 of 1" in done.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["seed"], summary["recipe"]) == (3, "tiny")
    assert summary["command"].startswith("bayesnn-spike")

    refused = call(path, *where, "--seed", 3, "--set", "ann.epochs=1", code=2)
    assert "give --resume" in refused.stderr
    refused = call(path, *where, "--seed", 4, "--set", "ann.epochs=1", "--resume", code=2)
    assert "seed: 3 -> 4" in refused.stderr
    kept = call(path, *where, "--seed", 3, "--set", "ann.epochs=1", "--resume")
    assert "hybrid: finished before" in kept.stderr


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("hybrid.stps=20", "unknown key 'stps'; did you mean 'steps'?"),
        ("hybrid.steps=5", "hybrid.steps: 5 time steps cannot cross 5 spiking layers"),
        ("hybrid.horizon=2", "hybrid.horizon: within 2 time steps no gradient crosses 5"),
        ("hybrid.clip=0", "hybrid.clip: Input should be greater than 0"),
        ("hybrid.chunks=all", "'running', 'accumulate' or 'step'"),
        ("ann.optimizer.momentum=0", "nesterov: needs a momentum"),
        ("network.form=VGG7", "unknown VGG 'VGG7'"),
        ("conversion.thresholds.fixed={block*: 1}", "unknown neurons 'block*'"),
    ],
)
def test_wrong_recipes_are_one_plain_message(
    path: Path, tmp_path: Path, monkeypatch, setting: str, message: str
) -> None:
    monkeypatch.setattr(conversion_run, "_RUN", {})
    where = ("--data-root", tmp_path / "data", "--out", tmp_path / "out")
    refused = call(path, *where, "--set", setting, code=2)
    assert message in refused.stderr
    assert refused.stderr.startswith("error: ")
    assert not (tmp_path / "out").exists()


def test_missing_images_are_a_failure_with_the_place(path: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    failed = call(path, "--data-root", empty, code=1)
    assert "cifar10: found no data_batch_1.bin" in failed.stderr


def test_an_interrupt_says_how_to_go_on(path: Path, tmp_path: Path, monkeypatch) -> None:
    def interrupt(work: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion_run, "_RUN", {"ann": interrupt})
    where = ("--data-root", tmp_path / "data", "--out", tmp_path / "out")
    assert "go on with --resume" in call(path, *where, code=130).stderr
    (tmp_path / "out" / "ann-checkpoint-12.safetensors").write_bytes(b"half a training")
    refused = call(path, *where, code=2).stderr
    assert "holds a training that was stopped (ann-checkpoint-12.safetensors)" in refused
    assert call(path, *where, "--resume", code=130)
