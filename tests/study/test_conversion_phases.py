"""study/conversion_phases: every phase by itself, and trainings that were stopped."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bayesnn_spike.convert import load_conversion, save_conversion
from bayesnn_spike.encoding import SignedRate
from bayesnn_spike.io import load_tree, save_tree
from bayesnn_spike.study import conversion_phases
from bayesnn_spike.study.conversion_files import model_file, read_phase
from bayesnn_spike.study.conversion_phases import (
    convert_ann,
    load_ann,
    load_made,
    new_ann,
    require_networks,
    train_ann,
    train_hybrid,
)
from bayesnn_spike.study.conversion_work import Work
from bayesnn_spike.study.errors import StudyError
from tests.study.tiny_recipe import recipe, work, write_images


class Stop(Exception):
    """Thrown where a machine might be lost."""


def run(tmp_path: Path, name: str = "out", **blocks) -> Work:
    root = tmp_path / "data"
    if not root.exists():
        write_images(root)
    return work(recipe(**blocks), root, tmp_path / name)


def tensors(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path)


def test_the_ann_is_trained_scored_and_kept(tmp_path) -> None:
    lines = []
    done = replace(run(tmp_path), tell=lines.append)
    train_ann(done)
    first, ann = new_ann(done), load_ann(done)
    assert not torch.equal(ann.conv1.weight, first.conv1.weight)
    record = read_phase(done.folder, "ann")
    assert set(record["scores"]) == {"val", "test"}
    assert record["scores"]["test"]["examples"] == 10
    assert 0 < record["train_loss"] < 5
    images = done.data.batch(done.data.splits["test"].indices).images.mul(2).sub(1)
    sizes = {"val": torch.empty(10, 10), "test": torch.empty(10, 10)}
    logits = load_tree(done.folder / "ann-logits.safetensors", sizes)
    torch.testing.assert_close(logits["test"], ann(images).detach())
    assert [line.split(",")[0] for line in lines[:2]] == [
        *("ann: epoch 1 of 2", "ann: epoch 2 of 2"),
    ]


def test_from_the_ann_to_the_spiking_network(tmp_path) -> None:
    done = run(tmp_path)
    for phase in (train_ann, convert_ann, train_hybrid):
        phase(done)
    made = load_conversion(model_file(done.folder, "converted"))
    torch.testing.assert_close(made.network.conv1.weight, load_ann(done).conv1.weight)
    assert made.network.relu1.surrogate.gamma == 0.3
    record = read_phase(done.folder, "converted")
    assert record["report"] == str(made.report).splitlines()
    assert record["made_of"] == read_phase(done.folder, "ann")["digest"]

    trained = load_conversion(model_file(done.folder, "hybrid")).network
    assert not torch.equal(trained.conv1.weight, made.network.conv1.weight)
    assert (float(made.network.relu1.leak), float(trained.relu1.leak)) == (1.0, pytest.approx(0.95))
    torch.testing.assert_close(trained.relu1.v_threshold, made.network.relu1.v_threshold)
    images = done.data.batch(done.data.splits["test"].indices).images.mul(2).sub(1)
    stream = done.stream.child("scores").child("test", 0)
    summed = trained(SignedRate(12, stream).encode(images))[0].sum(0).detach()
    sizes = {"val": torch.empty(10, 10), "test": torch.empty(10, 10)}
    logits = load_tree(done.folder / "hybrid-logits.safetensors", sizes)
    torch.testing.assert_close(logits["test"], summed)
    assert not list(done.folder.glob("*checkpoint*"))


@pytest.mark.parametrize("phase", ["ann", "hybrid"])
def test_a_stopped_training_ends_with_the_same_bits(tmp_path, monkeypatch, phase: str) -> None:
    """Stopped behind the first epoch, in a folder of its own, and begun again."""
    monkeypatch.setattr(conversion_phases, "CHECKPOINT_UPDATES", 1)
    blocks = {"ann": {"epochs": 2}, "hybrid": {"epochs": 2}}
    whole, torn = run(tmp_path, **blocks), run(tmp_path, "torn", **blocks)
    call = {"ann": train_ann, "hybrid": train_hybrid}[phase]
    if phase == "hybrid":
        for one in (whole, torn):
            train_ann(one)
            convert_ann(one)
    call(whole)

    def stop(line: str) -> None:
        if "epoch 2" in line:
            raise Stop

    with pytest.raises(Stop):
        call(replace(torn, tell=stop))
    assert read_phase(torn.folder, phase) is None
    assert list(torn.folder.glob(f"{phase}-checkpoint-*"))
    lines = []
    call(replace(torn, tell=lines.append))
    assert not any("epoch 1" in line for line in lines)
    one, two = (tensors(model_file(w.folder, phase)) for w in (whole, torn))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_training_that_diverges_says_so(tmp_path) -> None:
    done = run(tmp_path, ann={"optimizer": {"kind": "sgd", "lr": 1e30}, "clip": None})
    with pytest.raises(StudyError, match=r"ann: the loss is not finite .* lower the step size"):
        train_ann(done)
    assert read_phase(done.folder, "ann") is None


def test_an_ann_that_does_not_convert_says_so(tmp_path, monkeypatch) -> None:
    done = run(tmp_path)
    train_ann(done)

    def dead(work: Work) -> torch.nn.Module:
        ann = load_ann(work)
        torch.nn.init.constant_(ann.conv1.weight, 0.0)
        return ann

    monkeypatch.setattr(conversion_phases, "load_ann", dead)
    with pytest.raises(StudyError, match="does not convert: no current into 'conv1' is positive"):
        convert_ann(done)


def test_networks_are_those_of_their_records(tmp_path) -> None:
    """Exchanged, cut and unrecorded files: each error names the file and what to delete."""
    done = run(tmp_path, ann={"epochs": 1})
    with pytest.raises(StudyError, match=r"ann\.safetensors: cannot be read.* delete ann\.json to"):
        load_ann(done)
    train_ann(done)
    convert_ann(done)
    require_networks(done, ["ann", "converted"])
    ann, converted = (model_file(done.folder, phase) for phase in ("ann", "converted"))
    kept = ann.read_bytes()

    save_tree(ann, {"weights": new_ann(done).state_dict()}, {"recipe": "tiny"})
    message = r"ann\.safetensors: not the network that .* delete ann\.json, converted\.json to make"
    with pytest.raises(StudyError, match=message):
        convert_ann(done)
    ann.write_bytes(kept)

    made = load_made(done, "converted")
    whole = converted.read_bytes()
    for tensor in ("conv1.weight", "relu1.v_threshold"):
        other = copy.deepcopy(made.network)
        other.state_dict()[tensor].mul_(2)
        save_conversion(converted, replace(made, network=other))
        with pytest.raises(StudyError, match=r"converted\.safetensors: not the network"):
            train_hybrid(done)
    converted.write_bytes(whole[:1000])
    with pytest.raises(StudyError, match=r"not a whole .* delete converted\.json to make it anew"):
        require_networks(done, ["ann", "converted"])
    converted.write_bytes(whole)
    (done.folder / "ann.json").unlink()
    with pytest.raises(StudyError, match="the phase ann is not finished; run it first"):
        load_ann(done)


def test_the_trained_file_keeps_the_report_of_the_conversion(tmp_path) -> None:
    done = run(tmp_path, ann={"epochs": 1})
    for phase in (train_ann, convert_ann, train_hybrid):
        phase(done)
    before, after = (load_made(done, phase) for phase in ("converted", "hybrid"))
    assert after.report == before.report
    assert not torch.equal(after.network.conv1.weight, before.network.conv1.weight)


def test_the_readout_s_mean(tmp_path) -> None:
    """Logits of a recipe with `readout: mean` are the sum over T divided by T."""
    done = run(tmp_path, hybrid={"readout": "mean"})
    train_ann(done)
    convert_ann(done)
    train_hybrid(done)
    trained = load_conversion(model_file(done.folder, "hybrid")).network
    images = done.data.batch(done.data.splits["val"].indices).images.mul(2).sub(1)
    stream = done.stream.child("scores").child("val", 0)
    mean = trained(SignedRate(12, stream).encode(images))[0].mean(0).detach()
    sizes = {"val": torch.empty(10, 10), "test": torch.empty(10, 10)}
    logits = load_tree(done.folder / "hybrid-logits.safetensors", sizes)
    torch.testing.assert_close(logits["val"], mean)


def test_learned_thresholds_and_leaks(tmp_path) -> None:
    """Direct input in the immediate order, as DIET-SNN: both move, and leaks stay below 1."""
    learned = {"learn_threshold": True, "learn_leak": True, "horizon": None, "steps": 5}
    rate = {"optimizer": {"kind": "adam", "lr": 0.05}, "surrogate": "linear"}
    conversion = {"encoder": "direct", "order": "immediate"}
    done = run(tmp_path, conversion=conversion, hybrid={**learned, **rate})
    for phase in (train_ann, convert_ann, train_hybrid):
        phase(done)
    before, after = (
        load_conversion(model_file(done.folder, phase)).network for phase in ("converted", "hybrid")
    )
    names = [name for name, _ in after.named_parameters() if name.endswith((".leak", "threshold"))]
    assert len(names) == 10
    moved = [n for n in names if not torch.equal(after.get_parameter(n), before.get_parameter(n))]
    assert len(moved) >= 5
    assert all(float(after.get_parameter(n).detach()) <= 1 for n in names if n.endswith(".leak"))
