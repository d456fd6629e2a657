"""The bench of training: everyone takes the reference's step, and another step is seen."""

import pytest

from bayesnn_spike.bench import train
from bayesnn_spike.bench.baselines import straight_through
from bayesnn_spike.bench.cases import FULL, QUICK
from bayesnn_spike.bench.group import Group

WHO = [who for who in train.WHO if who != "triton"]


def jobs(name: str) -> dict[str, Group]:
    return {group.case: group for group in train.groups([QUICK[name]], "cpu")}


def test_two_rules_a_case_and_none_for_the_maps() -> None:
    names = [group.case for group in train.groups(FULL.values(), "cpu")]
    assert names == ["nmnist-mlp", "nmnist-mlp:bayes-bisnn", "wide", "wide:bayes-bisnn"]


def test_multiply_adds_are_those_of_forward_and_backward() -> None:
    case = FULL["wide"]
    group = next(train.groups([case], "cpu"))
    first, second = 4096 * 4096, 4096 * 10
    assert group.macs == 16 * 32 * (2 * first + 3 * second)


@pytest.mark.parametrize("case", ["nmnist-mlp", "wide"])
@pytest.mark.parametrize("who", WHO)
def test_everyone_takes_the_references_step(case: str, who: str) -> None:
    entry = jobs(case)[case].build(who)
    assert entry.check() is None
    entry.run()


@pytest.mark.parametrize("who", ["cpu", "reference"])
def test_bayes_is_green_and_runs(who: str) -> None:
    entry = jobs("nmnist-mlp")["nmnist-mlp:bayes-bisnn"].build(who)
    assert entry.check() is None
    entry.run()


def test_another_step_size_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(straight_through, "LR", 0.011)
    problem = jobs("nmnist-mlp")["nmnist-mlp"].build("torch-fused-t").check()
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
