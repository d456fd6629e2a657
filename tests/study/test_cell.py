"""One cell: what it writes, that it repeats to the bit, and that a stopped one goes on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bayesnn_spike.export import load_artifact
from bayesnn_spike.posterior import Bernoulli, Empirical, Gaussian, Point
from bayesnn_spike.predict import Committee, MCDropout, predict
from bayesnn_spike.rng import Stream
from bayesnn_spike.study import cell as cell_module
from bayesnn_spike.study.cell import Work, cell_stream, run_cell
from bayesnn_spike.study.data import load_data
from bayesnn_spike.study.grid import Cell, cells
from bayesnn_spike.study.record import read_predictions, read_record
from tests.study.tiny import config, one_rule, tree

RULES = {
    "full_precision": {"lr": 0.03, "epochs": 2},
    "st_bisnn": {"lr": 100, "epochs": 2},
    "bop": {"rate": 1e-3, "threshold": 1e-5, "epochs": 2},
    "ivon": {"lr": 0.3, "epochs": 2},
    **tree()["rules"],
}
BY_RULE = {cell.rule: cell for cell in cells(config(rules=RULES, seeds=1))}
BOTH = {"mode", "committee"}
MODES = {"bayes_bisnn": BOTH, "ivon": BOTH, "st_ensemble": {"committee"}}
KINDS = {"bayes_bisnn": Bernoulli, "ivon": Gaussian, "st_ensemble": Empirical}


@pytest.mark.parametrize("rule", list(RULES))
def test_a_cell_leaves_record_predictions_and_artifact(tmp_path: Path, rule: str) -> None:
    cell = BY_RULE[rule]
    epochs = []
    run_cell(cell, Work(tmp_path), on_epoch=lambda: epochs.append(1))
    folder = Work(tmp_path).folder(cell)
    files = {"record.json", "predictions.npz", "model.safetensors"}
    assert {path.name for path in folder.iterdir()} == files
    assert len(epochs) == 2
    splits = read_predictions(folder)
    sizes = {name: len(scored.labels) for name, scored in splits.items()}
    assert sizes == {"test": 40, "calib": 32}
    for scored in splits.values():
        assert set(scored.modes) == MODES.get(rule, {"mode"})
        for answer in scored.modes.values():
            np.testing.assert_allclose(answer.probs.sum(1), 1, atol=1e-5)
            parts = answer.aleatoric + answer.epistemic
            np.testing.assert_allclose(answer.total, parts, atol=1e-5)
    record = read_record(folder)
    assert record["fingerprint"] == cell.fingerprint
    assert record["settings"] == cell.settings
    assert record["seconds"] > 0
    assert record["splits"]["train"]["examples"] == 64
    _, posterior, meta = load_artifact(folder / "model.safetensors")
    assert isinstance(posterior, KINDS.get(rule, Point))
    assert meta.classes == ("upper", "lower")
    assert meta.training["splits"]["test"] == record["splits"]["test"]


def test_the_temperature_is_shown_with_all_its_parts(tmp_path: Path) -> None:
    run_cell(BY_RULE["bayes_bisnn"], Work(tmp_path))
    temperature = read_record(Work(tmp_path).folder(BY_RULE["bayes_bisnn"]))["temperature"]
    text = temperature.pop("text")
    assert temperature == {
        "examples": 64,
        "scored_steps": 1,
        "tempering": 1e-3,
        "rho": pytest.approx(1e-3 / 64),
    }
    assert "64 examples x 1 scored steps" in text
    run_cell(BY_RULE["bop"], Work(tmp_path))
    assert read_record(Work(tmp_path).folder(BY_RULE["bop"]))["temperature"] == {}


def test_the_artifact_gives_the_stored_predictions_again(tmp_path: Path) -> None:
    cell = BY_RULE["bayes_bisnn"]
    run_cell(cell, Work(tmp_path))
    folder = Work(tmp_path).folder(cell)
    network, posterior, _ = load_artifact(folder / "model.safetensors")
    data = load_data(cell.settings["data"], None)
    scored = read_predictions(folder)["test"]
    again = predict(
        network,
        posterior,
        data.spikes[torch.from_numpy(scored.indices)].transpose(0, 1),
        stream=cell_stream(cell).child("predict"),
        how=Committee(4),
    )
    expected = torch.from_numpy(scored.modes["committee"].probs)
    torch.testing.assert_close(again.probabilities, expected, rtol=0, atol=0)


def answers(out: Path, cell: Cell) -> dict[str, Any]:
    splits = read_predictions(Work(out).folder(cell))
    return {name: {m: a.probs.tobytes() for m, a in s.modes.items()} for name, s in splits.items()}


def test_a_stopped_cell_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_module, "CHECKPOINT_EPOCHS", 1)
    rules = {"bayes_bisnn": {"lr": 0.3, "epochs": 4, "estimator": "hard"}}
    (cell,) = cells(one_rule(rules=rules))
    run_cell(cell, Work(tmp_path / "whole"))
    epochs = []

    def stop_in_the_third() -> None:
        epochs.append(1)
        if len(epochs) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_cell(cell, Work(tmp_path / "cut"), on_epoch=stop_in_the_third)
    folder = Work(tmp_path / "cut").folder(cell)
    assert read_record(folder) is None
    assert len(list(folder.glob("checkpoint-*.safetensors"))) == 1
    epochs = ["none of these stops"] * 3
    run_cell(cell, Work(tmp_path / "cut"), on_epoch=stop_in_the_third)
    assert len(epochs) == 3 + 2, "two epochs were saved before the stop"
    assert answers(tmp_path / "cut", cell) == answers(tmp_path / "whole", cell)
    assert not list(folder.glob("checkpoint*"))


def test_a_checkpoint_of_other_settings_is_not_gone_on_from(tmp_path: Path) -> None:
    one, other = (cells(one_rule(batch_size=size))[0] for size in (16, 8))
    folder = Work(tmp_path).folder(one)

    def stop() -> None:
        raise KeyboardInterrupt

    for cell in (one, one, other):
        with pytest.raises(KeyboardInterrupt):
            run_cell(cell, Work(tmp_path), on_epoch=stop)
    stale = folder / f"checkpoint-{one.fingerprint[:16]}.safetensors"
    stale.write_bytes(b"cut")
    run_cell(other, Work(tmp_path))
    assert read_record(folder)["fingerprint"] == other.fingerprint
    assert not list(folder.glob("checkpoint*"))


def test_rules_see_the_same_batches_and_seeds_differ() -> None:
    assert len({cell_stream(cell) for cell in BY_RULE.values()}) == 1
    first, second = (cells(one_rule(seeds=2))[seed] for seed in (0, 1))
    assert cell_stream(first) != cell_stream(second)
    assert isinstance(cell_stream(first), Stream)


def test_prediction_in_chunks_changes_nothing(tmp_path: Path) -> None:
    cell = BY_RULE["bayes_bisnn"]
    run_cell(cell, Work(tmp_path / "a"))
    run_cell(cell, Work(tmp_path / "b", batch_size=7))
    for split, scored in read_predictions(Work(tmp_path / "a").folder(cell)).items():
        other = read_predictions(Work(tmp_path / "b").folder(cell))[split]
        for mode, answer in scored.modes.items():
            np.testing.assert_allclose(answer.probs, other.modes[mode].probs, atol=1e-6)


def test_augmentation_is_used_only_in_training() -> None:
    settings = cells(one_rule(data=[tree()["data"][0] | {"augment_shift": 2}]))[0].settings
    augment = cell_module.augmentation(settings)
    batch = load_data(settings["data"], None).batch(np.arange(3))
    maps = batch._replace(spikes=torch.ones(4, 3, 1, 6, 6))
    shifted = augment(maps, Stream(1))
    assert shifted.spikes.shape == maps.spikes.shape
    assert shifted.spikes.sum() < maps.spikes.sum()
    assert shifted.labels is maps.labels
    assert cell_module.augmentation(cells(one_rule())[0].settings) is None


def test_the_record_is_json(tmp_path: Path) -> None:
    run_cell(BY_RULE["bop"], Work(tmp_path))
    text = (Work(tmp_path).folder(BY_RULE["bop"]) / "record.json").read_text()
    assert "NaN" not in text
    json.loads(text)


def test_a_deep_ensemble_of_real_networks(tmp_path: Path) -> None:
    rules = {"full_precision": RULES["full_precision"]}
    rules["st_ensemble"] = {"of": "full_precision", "n": 3}
    single, ensemble = cells(config(rules=rules, seeds=1))
    assert ensemble.settings["recipe"]["lr"] == single.settings["recipe"]["lr"]
    run_cell(ensemble, Work(tmp_path))
    _, posterior, _ = load_artifact(Work(tmp_path).folder(ensemble) / "model.safetensors")
    weights = posterior.weights["input.weight"]
    assert posterior.members == len(weights.flatten(1).unique(dim=0)) == 3
    assert not bool((weights.abs() == 1).all())
    answers = read_predictions(Work(tmp_path).folder(ensemble))["test"].modes
    assert set(answers) == {"committee"}
    assert float(answers["committee"].epistemic.max()) > 0


def test_a_network_with_dropout_answers_by_its_mode_and_by_thinned_copies(tmp_path: Path) -> None:
    network = {"model": "mlp", "hidden": [16], "dropout": 0.4}
    (cell,) = cells(one_rule(network=network))
    run_cell(cell, Work(tmp_path))
    scored = read_predictions(Work(tmp_path).folder(cell))["test"]
    assert set(scored.modes) == BOTH
    assert float(scored.modes["mode"].epistemic.max()) == 0
    assert float(scored.modes["committee"].epistemic.max()) > 0
    built, posterior, meta = load_artifact(Work(tmp_path).folder(cell) / "model.safetensors")
    assert meta.network["dropout"] == built.dropout0.rate == 0.4
    data = load_data(cell.settings["data"], None)
    spikes = data.spikes[torch.tensor(scored.indices)].transpose(0, 1)
    stream = cell_stream(cell).child("predict")
    again = predict(built, posterior, spikes, stream=stream, how=MCDropout(4))
    np.testing.assert_allclose(scored.modes["committee"].probs, again.probabilities, atol=1e-6)
