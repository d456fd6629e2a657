"""learn/fisher: logistic regression has its Fisher information in closed form."""

import pytest
import torch
from torch import Tensor, nn

from bayesnn_spike.learn import RateCrossEntropy, StepCrossEntropy
from bayesnn_spike.learn.fisher import diagonal_fisher
from bayesnn_spike.models import mlp
from bayesnn_spike.nn import Linear, Sequential
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch, Weights

STEPS, EXAMPLES, INPUTS, CLASSES = 5, 7, 4, 3


def problem() -> tuple[nn.Module, Weights, Batch]:
    generator = Stream(1).generator()
    network = Sequential(readout=Linear(INPUTS, CLASSES)).double()
    weights = {"readout.weight": torch.randn(CLASSES, INPUTS, generator=generator).double()}
    spikes = (torch.rand(STEPS, EXAMPLES, INPUTS, generator=generator) < 0.5).double()
    return network, weights, Batch(spikes, torch.zeros(EXAMPLES, dtype=torch.int64))


@pytest.mark.parametrize("at_once", [1, 3, 7, 100])
def test_logistic_regression(at_once: int) -> None:
    """F of weight [c, j] is the mean of p_c (1 - p_c) x_j^2, x the scaled rate."""
    network, weights, batch = problem()
    rates = batch.spikes.mean(0) / INPUTS**0.5
    p = (rates @ weights["readout.weight"].T).softmax(-1)
    expected = torch.einsum("ec,ej->cj", p * (1 - p), rates.square()) / EXAMPLES
    found = diagonal_fisher(network, weights, RateCrossEntropy(), batch, examples_at_once=at_once)
    torch.testing.assert_close(found["readout.weight"], expected)


def test_a_spiking_network_by_its_single_examples() -> None:
    """Against a loop over examples and classes of one network each, through spikes."""
    network, loss = mlp(6, (5,), 3), RateCrossEntropy()
    generator = Stream(2).generator()
    weights = {
        n: torch.randn(p.shape, generator=generator).sign() for n, p in network.named_parameters()
    }
    spikes = (torch.rand(8, 4, 6, generator=generator) < 0.5).float()
    found = diagonal_fisher(network, weights, loss, Batch(spikes, torch.zeros(4).long()))
    expected = {n: torch.zeros_like(w) for n, w in weights.items()}
    for e in range(4):
        for c in range(3):
            leaves = {n: w.clone().requires_grad_() for n, w in weights.items()}
            readout, _ = torch.func.functional_call(network, leaves, (spikes[:, e : e + 1],))
            (cost,) = loss(readout, torch.tensor([c]))
            grads = torch.autograd.grad(cost, list(leaves.values()))
            for n, g in zip(leaves, grads, strict=True):
                expected[n] += (-cost.detach()).exp() * g.square() / 4
    assert all(bool(w.any()) for w in expected.values())
    for n, values in expected.items():
        torch.testing.assert_close(found[n], values, rtol=1e-4, atol=1e-7)


class HalfUsed(nn.Module):
    """A linear readout, and a weight that the answers do not depend on."""

    def __init__(self) -> None:
        super().__init__()
        self.readout = Linear(INPUTS, CLASSES)
        self.idle = nn.Parameter(torch.ones(2, 5))

    def forward(self, x: Tensor, state: None = None) -> tuple[Tensor, None]:
        return self.readout(x), state


def test_a_weight_that_the_answers_do_not_depend_on_has_no_information() -> None:
    network, weights, batch = problem()
    found = diagonal_fisher(
        HalfUsed().double(),
        weights | {"idle": torch.ones(2, 5).double()},
        RateCrossEntropy(),
        batch,
    )
    assert torch.equal(found["idle"], torch.zeros(2, 5).double())
    alone = diagonal_fisher(network, weights, RateCrossEntropy(), batch)
    torch.testing.assert_close(found["readout.weight"], alone["readout.weight"])
    assert bool(alone["readout.weight"].any())


def test_everything_is_made_where_the_data_are() -> None:
    """With another default device, a tensor made without naming one would not fit the others."""
    network, weights, batch = problem()
    expected = diagonal_fisher(network, weights, RateCrossEntropy(), batch)
    with torch.device("meta"):
        found = diagonal_fisher(network, weights, RateCrossEntropy(), batch)
    assert torch.equal(found["readout.weight"], expected["readout.weight"])


def test_a_loss_that_is_no_likelihood_of_one_label_is_refused() -> None:
    network, weights, batch = problem()
    for loss in (
        StepCrossEntropy(),
        lambda readout, labels: 2 * RateCrossEntropy()(readout, labels),
    ):
        with pytest.raises(ValueError, match=r"needs a loss that is -log p\(label\)"):
            diagonal_fisher(network, weights, loss, batch)
    with pytest.raises(ValueError, match="examples_at_once must be positive"):
        diagonal_fisher(network, weights, RateCrossEntropy(), batch, examples_at_once=0)
