"""The bench of neurons: who is green, and that one spike too many is seen."""

import pytest
import torch

from bayesnn_spike.bench import fire
from bayesnn_spike.bench.baselines import torch_fused_t
from bayesnn_spike.bench.cases import FULL, QUICK
from bayesnn_spike.bench.group import Group

WHO = [who for who in fire.WHO if who != "triton"]


def job(name: str) -> Group:
    (found,) = fire.groups([QUICK[name]], "cpu")
    return found


def test_the_job_is_the_first_layer_of_neurons() -> None:
    updates = {group.case: group.items for group in fire.groups(FULL.values(), "cpu")}
    assert updates["nmnist-mlp"] == 16 * 25 * 64 * 512
    assert updates["gesture-conv"] == 50 * 16 * 64 * 32 * 32
    assert job("wide").moved == 8 * job("wide").items


@pytest.mark.parametrize("case", QUICK)
@pytest.mark.parametrize("who", WHO)
def test_everyone_is_green_and_runs(case: str, who: str) -> None:
    entry = job(case).build(who)
    assert entry.check() is None
    entry.run()


@pytest.mark.parametrize("who", ["cpu", "torch-loop"])
def test_a_wrong_spike_is_seen(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    group = job("nmnist-mlp")
    assert group.build("reference").check() is None  # the right spikes are kept from now on
    right_fire, right_torch = fire.fire, torch_fused_t.firing

    def one_more(spikes: torch.Tensor) -> torch.Tensor:
        spikes = spikes.clone()
        spikes.view(-1)[0] = 1 - spikes.view(-1)[0]
        return spikes

    def wrong(*args, **options) -> tuple[torch.Tensor, torch.Tensor]:
        spikes, state = right_fire(*args, **options)
        return one_more(spikes), state

    monkeypatch.setattr(fire, "fire", wrong)
    monkeypatch.setattr(
        torch_fused_t, "firing", lambda: lambda current: one_more(right_torch()(current))
    )
    assert "by up to 1" in group.build(who).check()
