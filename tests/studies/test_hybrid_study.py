"""studies/hybrid_conversion: every stage on a few images, its tables, and what it asks of them."""

import gzip
import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bayesnn_spike.neurons import ThresholdNeuron

FOLDER = Path(__file__).resolve().parents[2] / "studies" / "hybrid_conversion"
NAMES = ("all_stages", "claims", "costs", "converted", "kept", "mechanism", "quantised", "snn",
         "spiking", "stages", "summarise", "binary")  # fmt: skip
sys.path.insert(0, str(FOLDER))
try:
    before = set(sys.modules)
    (all_stages, claims, costs, converted, kept, mechanism, quantised, snn,
     spiking, stages, summarise, binary) = map(importlib.import_module, NAMES)  # fmt: skip
    # Other studies have files of the same names.
    for own in [n for n in sys.modules.keys() - before if (FOLDER / f"{n}.py").exists()]:
        del sys.modules[own]
finally:
    sys.path.remove(str(FOLDER))

N_TRAIN, N_TEST = 60, 20


def write_idx(path: Path, array: np.ndarray) -> None:
    head = bytes([0, 0, 8, array.ndim]) + np.asarray(array.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(head + array.tobytes()))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a data set in the form of Fashion-MNIST: bars at places of their classes."""
    draw = np.random.Generator(np.random.Philox(3))
    folder = tmp_path / "data" / "fashion_mnist"
    folder.mkdir(parents=True)
    for stem, n in (("train", N_TRAIN), ("t10k", N_TEST)):
        labels = np.arange(n, dtype=np.uint8) % 10
        images = draw.integers(0, 40, (n, 28, 28), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[4 + 2 * label] = 255
        write_idx(folder / f"{stem}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{stem}-labels-idx1-ubyte.gz", labels)
    return tmp_path / "data"


def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything once and briefly."""
    for module, name, value in (
        (stages, "EPOCHS", {"fashion-mnist": 1}),
        (stages, "HELD_OUT", 20),
        (converted, "CALIBRATION", 20),
        (converted, "CALIBRATION_STEPS", 8),
        (converted, "STEPS", (4, 8)),
        (converted, "DELAYED_STEPS", (8,)),
        (converted, "TUNED_STEPS", (4,)),
        (converted, "SCALES", (1.0, 0.4)),
        (spiking, "EPOCHS", {"fashion-mnist": {4: 1}}),
        (spiking, "LOCAL_GRID", {"hybrid": [(1.0, 1e-4)], "scratch": [(1.0, 1e-3)]}),
        (spiking, "CHOICE_UPDATES", {"fashion-mnist": 1}),
        (spiking, "GRID", {"hybrid": [(0.4, 1e-4)], "scratch": [(0.4, 1e-3)]}),
        (snn, "IMAGES_A_PASS", 16),
        (quantised, "EPOCHS", {"fashion-mnist": 1}),
        (quantised, "STEPS", (4,)),
        (mechanism, "COUNTED", (2,)),
        (binary, "DRAWS", 2),
        (binary, "GRID", {rule: [(0.1, 1e-3)] for rule in binary.GRID}),
        (binary, "CHOICE_UPDATES", 1),
        (costs, "IMAGES", 4),
        (costs, "PLAIN", (8,)),
        (costs, "TUNED", (4,)),
        (costs, "QUANTISED", (4,)),
    ):
        assert hasattr(module, name)
        monkeypatch.setattr(module, name, value)


def test_all_stages_run_and_are_summarised(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch)
    out, results = tmp_path / "runs", tmp_path / "results"
    run = kept.Run(out, "fashion-mnist", "vgg", 0)
    setting = stages.Setting.load(run, root)
    for stage in all_stages.STAGES.values():
        stage(run, setting)
    rows = run.rows()
    assert {rule for rule, _ in rows} == {
        "ann", "conversion", "conversion_delayed", "conversion_tuned", "conversion_local",
        "hybrid_stdb", "hybrid_linear", "scratch_stdb", "scratch_linear",
        "qcfs", "qcfs_ann", "binary_signs", "binary_straight_through", "binary_bayes",
    }  # fmt: skip
    for probs, _ in rows.values():
        assert probs.shape == (N_TEST, 10)
        np.testing.assert_allclose(probs.sum(1), 1, rtol=1e-5)

    # What is there is not computed again.
    written = {path: path.stat().st_mtime_ns for path in run.folder.iterdir()}
    for stage in all_stages.STAGES.values():
        stage(run, setting)
    assert {path: path.stat().st_mtime_ns for path in run.folder.iterdir()} == written

    monkeypatch.setattr(sys, "argv", ["summarise.py", "--out", str(out), "--results", str(results)])
    summarise.main()
    summary = json.loads((results / "summary.json").read_text())
    by = {(r["rule"], r["steps"]): r for r in summary["rows"]}
    names = {(rule, t): summarise.named(run, rule) for rule, t in rows}
    assert {("hybrid", 4), ("scratch", 4)} < set(by) == {(n, t) for (_, t), n in names.items()}
    labels = np.load(run.labels)
    for key, (probs, _) in rows.items():
        row = by[names[key], key[1]]
        assert row["accuracies"] == [pytest.approx(float((probs.argmax(1) == labels).mean()))]
        assert row["data"] == "fashion-mnist"
    assert {c["text"].split(":")[0] for c in summary["claims"]} >= {"fashion-mnist, ann"}
    for row in summary["energy"]["fashion-mnist"]["0"]:
        joules = 4.6e-12 * row["paper"]["macs"] + 0.9e-12 * row["paper"]["acs"]
        assert row["paper"]["joules"] == pytest.approx(joules)
    assert {p.name for p in results.iterdir()} == {
        "summary.json", "table.md", "claims.md", "curves.png", "energy_fashion-mnist.md",
        "mechanism_fashion-mnist.png",
        "calibration_fashion-mnist.png",
    }  # fmt: skip

    # As long as one surrogate's training is missing, neither is the better one.
    (run.folder / "hybrid_stdb-4.npz").unlink()
    assert summarise.named(run, "hybrid_linear") == "hybrid_linear"
    with pytest.raises(SystemExit, match=r"run the stage `hybrid` .*: no hybrid_stdb T=4"):
        spiking.better(run, "hybrid")


def test_deep_networks_train_in_the_units_of_the_ann(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch)
    run = kept.Run(tmp_path / "runs", "fashion-mnist", "resnet", 0)
    setting = stages.Setting.load(run, root)
    for name in ("ann", "choose", "hybrid"):
        all_stages.STAGES[name](run, setting)
    assert [t["surrogate"] for t in json.loads(run.choice.read_text())] == ["linear", "linear"]
    probs, facts = run.rows()["hybrid_linear", 4]
    assert spiking.better(run, "hybrid") == "linear"
    made = spiking.start(run, setting, "linear", facts["scale"], learned=True)
    assert facts["gain"] == pytest.approx(float(made.descale(torch.ones(()), 4)))
    made.network.load_state_dict(load_file(run.weights("hybrid_linear-4")))
    readout = snn.summed(made.network, setting.split("test")[0], 4)
    expected = torch.softmax(facts["gain"] * readout.double(), -1).numpy()
    np.testing.assert_allclose(probs, expected, rtol=1e-5)


@pytest.mark.parametrize(("name", "classes"), [("cifar10-jpeg", 10), ("mnist", 3)])
def test_some_images_of_a_file_sorted_by_class_are_of_all_classes(name: str, classes: int) -> None:
    data = SimpleNamespace(
        name=name,
        splits={"train": SimpleNamespace(indices=np.arange(7, 107))},
        batch=lambda rows: SimpleNamespace(images=rows, labels=(rows - 7) // 10),
    )
    rows, labels = stages.Setting(data, None, None, None).split("train", 30)
    assert len(set(rows)) == 30
    assert np.bincount(labels).tolist() == [30 // classes] * classes


def row(rule: str, steps: int, values: list[float], data: str = "fashion-mnist") -> dict:
    return {
        "data": data, "rule": rule, "steps": steps, "which_seeds": list(range(len(values))),
        "accuracies": values, "metrics": {"accuracy": {"mean": float(np.mean(values))}},
    }  # fmt: skip


def test_claims_compare_seed_by_seed() -> None:
    found = claims.claims([
        row("ann", 0, [0.92, 0.93]), row("hybrid", 8, [0.915, 0.922]),
        row("conversion", 8, [0.1, 0.1]), row("conversion", 64, [0.914, 0.915]),
        row("conversion", 128, [0.92, 0.921]), row("scratch", 8, [0.917, 0.9]),
    ])  # fmt: skip
    by = {claim.text: claim for claim in found}
    assert len(by) == 5
    gap = by["fashion-mnist, hybrid T=8: at most 0.7 points below the ANN"]
    assert gap.value == pytest.approx(0.65)
    # 0.5 and 0.8: a half width of 0.15 times Student's 12.706
    assert gap.interval == pytest.approx((0.65 - 1.9059, 0.65 + 1.9059), abs=1e-3)
    assert (gap.holds, gap.seeds, gap.of) == (True, 1, 2)
    steps = by["fashion-mnist, hybrid T=8: the conversion needs at least 10 times the steps"]
    assert (steps.value, steps.holds) == (16.0, True)
    above = by["fashion-mnist, hybrid T=8: at least 0.0 points above scratch at the same T"]
    assert above.value == pytest.approx(1.0)
    assert above.seeds == 1
    assert "| NO |" not in claims.markdown(found)
    worse = claims.claims([row("ann", 0, [0.91]), row("qcfs", 8, [0.9])])
    assert [c.holds for c in worse] == [False, False]
    assert [c.interval for c in worse] == [None, None]
    assert claims.markdown(worse).count("| NO |") == 2


def test_shares_of_slopes_are_those_of_a_neuron_done_by_hand() -> None:
    """Currents of 0.6 and 3, and -1: V = 1, from V/2, T = 4."""
    neuron = ThresholdNeuron(1.0, v_init=0.5)
    current = torch.tensor([[[0.6, -1.0, 3.0]]]).expand(4, 1, 3)
    spikes, _ = neuron(current)
    # 1.1 *, 0.7, 1.3 *, 0.9 | -0.5, -1.5, ... | 3.5 *, 5.5 *, 7.5 *, 9.5 *
    assert spikes[:, 0].tolist() == [[1, 0, 1], [0, 0, 1], [1, 0, 1], [0, 0, 1]]
    found = mechanism._shares(neuron, current, spikes)
    assert found == {
        # the first spike of either neuron has none: steps 2 to 4 of both
        "stdb": pytest.approx(6 / 12),
        "linear": pytest.approx(4 / 12),
        "spikes": pytest.approx(6 / 12),
    }
