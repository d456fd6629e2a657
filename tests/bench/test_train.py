"""The bench of training: everyone takes the reference's step, and another step is seen."""

import pytest

from bayesnn_spike.bench import train
from bayesnn_spike.bench.baselines import straight_through
from bayesnn_spike.bench.cases import FULL, QUICK
from bayesnn_spike.bench.group import Group

WHO = [who for who in train.WHO if who != "triton"]


def jobs(name: str) -> dict[str, Group]:
    return {group.case: group for group in train.groups([QUICK[name]], "cpu")}


def test_two_rules_a_case() -> None:
    names = [group.case for group in train.groups(FULL.values(), "cpu")]
    cases = ["nmnist-mlp", "gesture-conv", "wide"]
    assert names == [f"{case}{rule}" for case in cases for rule in ("", ":bayes-bisnn")]


def test_multiply_adds_are_those_of_forward_and_backward() -> None:
    case = FULL["wide"]
    group = next(train.groups([case], "cpu"))
    first, second = 4096 * 4096, 4096 * 10
    assert group.macs == 16 * 32 * (2 * first + 3 * second)
    maps = FULL["gesture-conv"]
    group = next(train.groups([maps], "cpu"))
    assert group.macs == 3 * maps.macs() - 50 * 16 * 9 * 2 * 64 * 32**2


@pytest.mark.parametrize("case", QUICK)
@pytest.mark.parametrize("who", WHO)
def test_everyone_takes_the_references_step(case: str, who: str) -> None:
    entry = jobs(case)[case].build(who)
    assert entry.check() is None
    entry.run()


@pytest.mark.parametrize("case", ["nmnist-mlp", "gesture-conv"])
@pytest.mark.parametrize("who", ["cpu", "reference"])
def test_bayes_is_green_and_runs(case: str, who: str) -> None:
    entry = jobs(case)[f"{case}:bayes-bisnn"].build(who)
    assert entry.check() is None
    entry.run()


@pytest.mark.parametrize("who", ["torch-fused-t", "spikingjelly"])
def test_another_step_size_is_seen(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(straight_through, "LR", 0.011)
    problem = jobs("nmnist-mlp")["nmnist-mlp"].build(who).check()
    assert "of the steps of" in problem


def test_another_surrogate_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(straight_through, "SLOPE", 3.0)
    assert "of the steps of" in jobs("nmnist-mlp")["nmnist-mlp"].build("torch-loop").check()


def test_another_loss_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    group = jobs("nmnist-mlp")["nmnist-mlp"]
    assert group.build("reference").check() is None
    right = straight_through.F.cross_entropy
    monkeypatch.setattr(
        straight_through.F, "cross_entropy", lambda *args: right(*args, label_smoothing=0.1)
    )
    assert "the loss is" in group.build("torch-fused-t").check()
