"""The bench of prediction: every baseline gives the reference's probabilities, given its weights.

The networks have ties, weak and strong drive, maps and pooling; a baseline that leaves the scale,
the leak or the reset out is seen.
"""

from dataclasses import replace

import pytest
import torch

from bayesnn_spike.bench import forward
from bayesnn_spike.bench.baselines import torch_fused_t, torch_loop
from bayesnn_spike.bench.cases import QUICK
from bayesnn_spike.bench.group import Group
from bayesnn_spike.bench.layers import Conv, Dense

WHO = [who for who in forward.WHO if who != "triton"]


def job(name: str) -> Group:
    return next(forward.groups([QUICK[name]], "cpu"))


def test_there_is_a_job_for_every_k() -> None:
    case = QUICK["nmnist-mlp"]
    groups = list(forward.groups([case], "cpu"))
    assert [group.k for group in groups] == list(case.draws)
    assert [group.macs for group in groups] == [case.macs(k) for k in case.draws]


@pytest.mark.parametrize("case", QUICK)
@pytest.mark.parametrize("who", WHO)
def test_everyone_is_green_and_runs(case: str, who: str) -> None:
    entry = job(case).build(who)
    assert entry.check() is None
    out = entry.run()
    assert out.shape == (QUICK[case].draws[0], QUICK[case].batch, QUICK[case].classes)
    torch.testing.assert_close(out.float().sum(-1), torch.ones(out.shape[:2]), atol=1e-2, rtol=0)


@pytest.mark.parametrize("who", ["torch-loop", "torch-batched", "snntorch"])
def test_baselines_do_the_references_arithmetic_exactly(who: str) -> None:
    """Also where a membrane meets the threshold exactly, which the wide case is full of."""
    assert forward.BASELINES[who][2] is forward.SAME
    case = QUICK["wide"]
    assert case.synapses[0].scale == 4.0 / 16, "sums times a power of two tie with 1"
    assert job("wide").build(who).check() is None


def test_draws_are_part_of_a_run() -> None:
    entry = job("nmnist-mlp").build("torch-fused-t")
    assert not torch.equal(entry.run(), entry.run())
    ours = job("nmnist-mlp").build("cpu")
    assert torch.equal(ours.run(), ours.run()), "the engine's draws are the stream's"


@pytest.mark.parametrize("constant", ["BETA", "THRESHOLD"])
@pytest.mark.parametrize(
    ("who", "module"), [("torch-fused-t", torch_fused_t), ("torch-loop", torch_loop)]
)
def test_wrong_neurons_are_seen(
    who: str, module: object, constant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, constant, 0.8)
    assert "differs from the reference" in job("nmnist-mlp").build(who).check()


@pytest.mark.parametrize("who", ["torch-batched-bf16", "spikingjelly"])
def test_wrong_scales_are_seen_even_where_rounding_is_let_through(
    who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = job("gesture-conv")
    layers = tuple(
        replace(layer, gain=1.3 * layer.gain) if isinstance(layer, Dense | Conv) else layer
        for layer in QUICK["gesture-conv"].layers
    )
    sampled, dtype, tolerance = forward.BASELINES[who]
    wrong = (lambda _layers, kind: sampled(layers, kind), dtype, tolerance)
    monkeypatch.setitem(forward.BASELINES, who, wrong)
    assert "on average" in group.build(who).check()


def test_a_wrong_engine_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    group = job("nmnist-mlp")
    assert group.build("reference").check() is None
    right = forward.predict

    def shifted(network, posterior, spikes, **options):
        return right(network, posterior, spikes.roll(1, dims=1), **options)

    monkeypatch.setattr(forward, "predict", shifted)
    assert "differs from the reference" in group.build("cpu").check()
