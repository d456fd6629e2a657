"""study/conversion_run: a recipe from files to the summary, and what is refused before training."""

import json

import pytest
import torch

from bayesnn_spike.study import conversion_run
from bayesnn_spike.study.conversion_config import load_recipe
from bayesnn_spike.study.conversion_run import run_recipe
from bayesnn_spike.study.errors import ConfigError, StudyError
from tests.study.tiny_recipe import recipe, write_images


def test_from_files_to_the_summary_and_on_from_there(tmp_path) -> None:
    """A learnable data set: the ANN learns it, the spiking networks keep it at T = 20."""
    root, out, lines = write_images(tmp_path / "data", 20), tmp_path / "out", []
    config = recipe(ann={"epochs": 14}, hybrid={"steps": 20})
    summary = run_recipe(config, out, root=root, command="this", tell=lines.append)
    assert summary == json.loads((out / "summary.json").read_text())
    assert [(row["phase"], row["steps"], row["split"]) for row in summary["rows"]] == [
        *(("ann", None, "val"), ("ann", None, "test")),
        *(("converted", 20, "val"), ("converted", 20, "test")),
        *(("hybrid", 20, "val"), ("hybrid", 20, "test")),
    ]
    right = {row["phase"]: row["accuracy"] for row in summary["rows"] if row["split"] == "test"}
    assert right["ann"] >= 0.9
    assert min(right.values()) >= 0.7
    assert all(row["nll"] > 0 and 0 <= row["ece"] <= 1 for row in summary["rows"])
    assert summary["data"]["examples"] == {"train": 90, "val": 10, "test": 20}
    assert summary["reported"] == {"ann": None, "converted": None, "hybrid": 86.91}
    assert set(summary["seconds"]) == {"ann", "converted", "hybrid"}
    assert summary["conversion"][0].startswith("neurons")
    assert set(summary["definitions"]) == {"accuracy", "nll", "ece"}
    assert load_recipe(out / "recipe.yaml") == config

    with pytest.raises(ConfigError, match="already holds finished phases"):
        run_recipe(config, out, root=root)
    named = config.model_copy(update={"recipe": "other"})
    with pytest.raises(ConfigError, match=r"holds the recipe 'tiny'.*'other'.*--set recipe=tiny"):
        run_recipe(named, out, root=root, resume=True)
    assert load_recipe(out / "recipe.yaml") == config
    whole = (out / "converted.safetensors").read_bytes()
    (out / "converted.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StudyError, match=r"not a whole .* delete converted\.json, hybrid\.json"):
        run_recipe(config, out, root=root, resume=True)
    (out / "converted.safetensors").write_bytes(whole)
    # Another length of the last training: the phases before it are kept.
    longer = recipe(ann={"epochs": 14}, hybrid={"steps": 20, "epochs": 2})
    with pytest.raises(
        ConfigError, match=r"delete hybrid\.json to run it anew(.|\n)*epochs: 1 -> 2"
    ):
        run_recipe(longer, out, root=root, resume=True)
    (out / "hybrid.json").unlink()
    lines.clear()
    again = run_recipe(longer, out, root=root, resume=True, tell=lines.append)
    assert lines[:2] == ["ann: finished before", "converted: finished before"]
    assert again["rows"][:4] == summary["rows"][:4]
    assert lines[3].startswith("hybrid: epoch 2 of 2")


@pytest.mark.parametrize(
    ("blocks", "device", "message"),
    [
        ({"hybrid": {"steps": 5}}, "cpu", r"hybrid\.steps: 5 time steps cannot cross 5"),
        ({"hybrid": {"horizon": 3}}, "cpu", r"hybrid\.horizon: within 3 time steps"),
        ({"data": {"val_size": 50}}, "cpu", "no images are left in the split 'train'"),
        ({}, "gpu", "--device gpu: cannot be used here"),
        ({}, "meta", "--device meta: networks run on cpu or cuda"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_trained(
    tmp_path, monkeypatch, blocks: dict, device: str, message: str
) -> None:
    monkeypatch.setattr(conversion_run, "_RUN", {})
    root = write_images(tmp_path / "data")
    with pytest.raises(ConfigError, match=message):
        run_recipe(recipe(**blocks), tmp_path / "out", root=root, device=device)
    assert not (tmp_path / "out").exists()


def test_a_device_that_is_not_there(tmp_path, monkeypatch) -> None:
    def fail(*size: int, device: str) -> torch.Tensor:
        raise AssertionError(f"no {device}\nand a long story")

    monkeypatch.setattr(torch, "empty", fail)
    with pytest.raises(ConfigError, match=r"--device cuda: cannot be used here: no cuda$"):
        run_recipe(recipe(), tmp_path / "out", device="cuda")
