"""The bench of synapses: the layer, who is green, and that a wrong sum is seen."""

import pytest
import torch
import torch.nn.functional as F

from bayesnn_spike.bench import synapse
from bayesnn_spike.bench.cases import FULL, QUICK
from bayesnn_spike.bench.group import Group

WHO = ["cpu", "reference", "torch-gemm", "torch-gemm-bf16"]


def job(name: str) -> Group:
    (found,) = synapse.groups([QUICK[name]], "cpu")
    return found


def test_the_layer_is_the_largest() -> None:
    macs = {group.case: group.macs for group in synapse.groups(FULL.values(), "cpu")}
    assert macs["nmnist-mlp"] == 16 * 25 * 64 * 2312 * 512
    assert macs["gesture-conv"] == 50 * 16 * 9 * 64 * 128 * 16 * 16
    assert macs["wide"] == 4 * 16 * 32 * 4096 * 4096


@pytest.mark.parametrize("case", QUICK)
@pytest.mark.parametrize("who", WHO)
def test_everyone_is_green_and_runs(case: str, who: str) -> None:
    entry = job(case).build(who)
    assert entry.check() is None
    entry.run()


@pytest.mark.parametrize("who", ["cpu", "torch-gemm"])
def test_a_wrong_sum_is_seen(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = job("nmnist-mlp").build(who)
    assert entry.check() is None
    right, product = synapse.signed_linear, F.linear

    def wrong(*args) -> torch.Tensor:
        sums = (right if who == "cpu" else product)(*args).contiguous().clone()
        sums.view(-1)[-1] += 2
        return sums

    monkeypatch.setattr(synapse, "signed_linear", wrong)
    monkeypatch.setattr(F, "linear", wrong)
    assert "differs from the reference by up to 2" in entry.check()
