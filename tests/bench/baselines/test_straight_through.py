"""One step by hand: sign, passed gradient, Adam's first step, clamp."""

import torch
import torch.nn.functional as F

from bayesnn_spike.bench.baselines.straight_through import LR, StraightThrough, spike
from bayesnn_spike.ops.fire.surrogate import FastSigmoid
from bayesnn_spike.types import Batch, Weights


def test_a_step_moves_latents_against_the_gradient_at_their_signs() -> None:
    latents = {"w": torch.tensor([[0.05, -0.02], [0.0, 0.999]])}
    spikes, labels = torch.tensor([[1.0, 0.5]]), torch.tensor([1])
    seen = []

    def run(x: torch.Tensor, weights: Weights) -> torch.Tensor:
        seen.append(weights["w"].detach().clone())
        return F.linear(x, weights["w"])

    baseline = StraightThrough(run, latents)
    loss = baseline.step(Batch(spikes, labels))
    signs = torch.tensor([[1.0, -1.0], [1.0, 1.0]])
    assert torch.equal(seen[0], signs)
    torch.testing.assert_close(loss, F.cross_entropy(F.linear(spikes, signs), labels))
    # The wrong class loses, the right class gains; Adam's first step is lr times the sign.
    right = latents["w"] + LR * torch.tensor([[-1.0, -1.0], [1.0, 1.0]])
    torch.testing.assert_close(baseline.latents["w"].detach(), right.clamp(-1, 1))
    assert float(baseline.latents["w"].detach()[1, 1]) == 1.0, "clamped"
    assert float(latents["w"][0, 0]) == torch.tensor(0.05), "the caller's latents stay"


def test_the_spike_has_the_slope_of_the_library() -> None:
    x = torch.tensor([-1.0, -0.1, 0.0, 0.3], requires_grad=True)
    out = spike(x)
    assert out.tolist() == [0.0, 0.0, 1.0, 1.0]
    out.backward(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    right = FastSigmoid(2.0).grad(x.detach()) * torch.tensor([1.0, 2.0, 3.0, 4.0])
    torch.testing.assert_close(x.grad, right)
