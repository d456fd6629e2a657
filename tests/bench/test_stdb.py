"""The bench of hybrid training: everyone has the reference's gradients, and others are seen."""

import pytest
import torch

from bayesnn_spike.bench import stdb as bench
from bayesnn_spike.bench.baselines import stdb
from bayesnn_spike.bench.group import Group
from bayesnn_spike.encoding import direct

WHO = [who for who in bench.WHO if who != "triton"]


def job() -> Group:
    (group,) = bench.groups(bench.QUICK.values(), "cpu")
    return group


@pytest.mark.parametrize("who", WHO)
def test_everyone_has_the_reference_s_gradients(who: str) -> None:
    entry = job().build(who)
    assert entry.check() is None
    entry.run()


def test_the_full_network_is_that_of_the_paper_s_kind() -> None:
    """32C3-AP2-64C3-64C3-AP2-FC256-FC10: 860,960 weights, 11.9 million multiply-adds an image."""
    case = bench.FULL["digits-stdb"]
    assert sum(p.numel() for p in case.network().parameters()) == 860_960
    first = 28 * 28 * 9 * 32
    forward = first + 196 * 9 * 64 * (32 + 64) + 3136 * 256 + 2560
    assert case.macs() == 8 * 64 * (3 * forward - first)
    assert forward == pytest.approx(11.9e6, rel=0.01)


def test_every_layer_fires_and_none_all_the_time() -> None:
    case = bench.QUICK["digits-stdb"]
    x, rates = direct(case.images()[0], case.steps), []
    for name, layer in case.network().named_children():
        x = layer(x)[0] if name.startswith("neurons") else layer(x)
        rates += [float(x.detach().mean())] * name.startswith("neurons")
    assert len(rates) == 4
    assert all(0.001 < rate < 0.3 for rate in rates)


def test_a_baseline_with_another_surrogate_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = job().build("torch-loop")
    monkeypatch.setattr(stdb._Spike, "backward", lambda ctx, grad: (grad, None))
    assert "the gradient of conv1 is" in entry.check()


def test_a_baseline_with_another_loss_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    group = job()
    assert group.build("reference").check() is None
    right = bench.F.cross_entropy
    monkeypatch.setattr(bench.F, "cross_entropy", lambda *args: right(*args, label_smoothing=0.1))
    assert "the loss is" in group.build("torch-fused-t").check()


def test_not_a_number_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = job().build("torch-fused-t")
    monkeypatch.setattr(
        stdb._Spike, "backward", lambda ctx, grad: (torch.full_like(grad, torch.nan), None)
    )
    assert "away from the reference's" in entry.check()
