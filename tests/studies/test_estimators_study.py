"""studies/estimators: the truth it compares with, a short run of it, and the results it keeps."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from bayesnn_spike.learn.estimators import DisArm, HardStraightThrough, MeanParameter
from tests.oracles import enumeration as exact

FOLDER = Path(__file__).resolve().parents[2] / "studies" / "estimators"
SPEC = importlib.util.spec_from_file_location("estimators_study", FOLDER / "run.py")
STUDY = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(STUDY)
QUADRATIC, SPIKING = STUDY.problems()


def test_its_truth_is_that_of_the_oracles() -> None:
    logits = torch.linspace(-1.0, 1.2, 10, dtype=torch.float64)
    losses = exact.all_losses(SPIKING.network, SPIKING.batch)
    wanted = exact.gradient(logits.tanh(), losses)
    torch.testing.assert_close(STUDY.exact_gradient(SPIKING, logits), wanted)


def test_on_the_quadratic_it_finds_the_bias_that_theory_has() -> None:
    """The mean parameter's is A_ii mu_i, A = X'X / N; DisARM has none."""
    x = QUADRATIC.batch.spikes[0]
    diagonal = (x.square().mean(0)).double()
    found = STUDY.measure(QUADRATIC, MeanParameter(), 0.7, 1, "a")
    coins = STUDY.Stream(1).numpy().integers(0, 2, (STUDY.PATTERNS, 3))
    truth = [
        STUDY.exact_gradient(QUADRATIC, 0.7 * (2.0 * torch.from_numpy(row).double() - 1))
        for row in coins
    ]
    wanted = STUDY.PATTERNS**0.5 * (diagonal * torch.tensor(0.7).double().tanh()).norm()
    assert found.bias == pytest.approx(float(wanted / torch.stack(truth).norm()))
    assert (found.bias_error, found.noise) == (0, 0)
    none = STUDY.measure(QUADRATIC, DisArm(4), 0.7, 400, "b")
    assert none.bias < 5 * none.bias_error
    same = STUDY.measure(QUADRATIC, HardStraightThrough(8), 0.7, 400, "c")
    assert abs(same.bias - found.bias) < 5 * same.bias_error
    assert 0 < same.bias_error < 0.05
    assert same.noise < none.noise


def test_the_importance_weighted_rule_is_compared_with_the_gradient_of_its_own_bound() -> None:
    """By finite differences of E F_2 over all pairs; far from grad E_q[L], and met without bias."""
    rule = STUDY.importance_weighted(QUADRATIC)
    rho, logits = rule.temperature.rho, torch.tensor([0.4, -0.9, 0.2], dtype=torch.float64)
    assert rho == 1 / 12
    table, losses = STUDY.all_losses(QUADRATIC, 3)

    def bound(mu: torch.Tensor) -> float:
        q = exact.probabilities(mu)
        weights = (-losses / rho).exp() / 8 / q
        return sum(
            -rho * float(q[i] * q[j] * ((weights[i] + weights[j]) / 2).log())
            for i in range(8)
            for j in range(8)
        )

    assert torch.equal(table, exact.sign_table(3))
    found = STUDY.exact_bound_gradient(QUADRATIC, rho, logits)
    for place in range(3):
        step = 1e-6 * torch.eye(3, dtype=torch.float64)[place]
        slope = (bound(logits.tanh() + step) - bound(logits.tanh() - step)) / 2e-6
        assert float(found[place]) == pytest.approx(slope, rel=1e-6)
    other = STUDY.exact_gradient(QUADRATIC, logits)
    assert float((found - other).norm() / other.norm()) > 0.1
    none = STUDY.measure(QUADRATIC, rule, 0.7, 400, "d")
    assert none.bias < 5 * none.bias_error
    assert 0 < none.bias_error < 0.1


def test_a_short_run_writes_numbers_and_picture(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(STUDY, "MAGNITUDES", (0.0, 1.0))
    monkeypatch.setattr(STUDY, "TAUS", (0.5, 1.0))
    monkeypatch.setattr(STUDY, "PATTERNS", 2)
    STUDY.main(["--estimates", "4", "--out", str(tmp_path)])
    kept, made = (
        json.loads((folder / "summary.json").read_text())
        for folder in (FOLDER / "results", tmp_path)
    )
    assert (tmp_path / "estimators.png").read_bytes()[:4] == b"\x89PNG"
    named = [[(line["panel"], line["name"]) for line in found["lines"]] for found in (kept, made)]
    assert named[0] == named[1]
    assert made["estimates"] == 4


def test_the_kept_numbers_say_what_the_readme_says() -> None:
    """Losses alone: no bias beyond five errors; the mean parameter: as large as the gradient."""
    lines = json.loads((FOLDER / "results" / "summary.json").read_text())["lines"]
    weighted = "importance-weighted, K = 2"
    assert sum(line["name"] == weighted for line in lines) == 2
    for line in lines:
        if line["name"] in (*("score, leave-one-out", "ARM", "DisARM"), weighted):
            pairs = zip(line["bias"], line["bias_error"], strict=True)
            assert all(bias < 5 * error for bias, error in pairs), line["name"]
    (mean,) = (
        line for line in lines if "Spiking" in line["panel"] and line["name"] == "mean parameter"
    )
    assert min(mean["bias"]) > 0.8
    assert set(mean["noise"]) == {0.0}
