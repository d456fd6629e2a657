"""learn/credit: losses and per-draw gradients from one backward pass."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from bayesnn_spike.learn import RateCrossEntropy
from bayesnn_spike.learn.credit import Draw, credit
from bayesnn_spike.learn.rule import leaf
from bayesnn_spike.models import mlp
from tests.ops import cases

K, T, B = 3, 5, 4
LABELS = torch.arange(B) % 2
NETWORK = mlp(6, (5,), 2).double()
SPIKES = cases.spikes(T, B, 6, dtype=torch.float64)


def draw(k: int = K) -> Draw:
    weights = {
        n: leaf(cases.normal(k, *p.shape, seed=i))
        for i, (n, p) in enumerate(NETWORK.named_parameters())
    }
    return Draw(weights, weights)


def test_each_draw_gets_the_gradient_of_its_own_loss() -> None:
    drawn = draw()
    cost, _ = credit(NETWORK, RateCrossEntropy(), drawn, SPIKES, LABELS)
    assert cost.losses.shape == (K,)
    for k in range(K):
        one = {n: w[k].detach().requires_grad_() for n, w in drawn.weights.items()}
        outputs, _ = functional_call(NETWORK, one, (SPIKES,))
        loss = RateCrossEntropy()(outputs, LABELS)[0]
        torch.testing.assert_close(cost.losses[k], loss.detach())
        for name, grad in zip(one, torch.autograd.grad(loss, list(one.values())), strict=True):
            torch.testing.assert_close(cost.grads[name][k], grad)


def test_nothing_keeps_a_graph_and_no_parameter_is_touched() -> None:
    before = {n: p.clone() for n, p in NETWORK.named_parameters()}
    cost, state = credit(NETWORK, RateCrossEntropy(), draw(), SPIKES, LABELS)
    assert not cost.losses.requires_grad
    assert not any(g.requires_grad for g in cost.grads.values())
    assert not state[1].requires_grad
    for name, p in NETWORK.named_parameters():
        assert torch.equal(p, before[name])
        assert p.grad is None


def test_the_state_is_carried_and_detached() -> None:
    drawn = draw()
    _, state = credit(NETWORK, RateCrossEntropy(), drawn, SPIKES[:2], LABELS)
    cost, after = credit(NETWORK, RateCrossEntropy(), drawn, SPIKES[2:], LABELS, state)
    weights = {n: w.detach() for n, w in drawn.weights.items()}
    whole, last = functional_call(NETWORK, weights, (SPIKES,))
    torch.testing.assert_close(cost.losses, RateCrossEntropy()(whole[:, 2:], LABELS))
    torch.testing.assert_close(after[1], last[1])


def test_without_leaves_no_gradient_is_taken() -> None:
    weights = {n: w.detach() for n, w in draw().weights.items()}
    cost, _ = credit(NETWORK, RateCrossEntropy(), Draw(weights, {}), SPIKES, LABELS)
    assert cost.grads == {}
    assert cost.losses.shape == (K,)


def test_a_leaf_the_loss_does_not_depend_on_has_zeros() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))

        def forward(self, x: Tensor, state: None = None) -> tuple[Tensor, None]:
            return self.used.sum(-1), None

    weights = {"used": leaf(torch.ones(K, 2)), "idle": leaf(torch.ones(K, 3))}
    cost, _ = credit(Half(), lambda out, _: out, Draw(weights, weights), SPIKES, LABELS)
    assert torch.equal(cost.grads["used"], torch.ones(K, 2))
    assert torch.equal(cost.grads["idle"], torch.zeros(K, 3))


@pytest.mark.parametrize("loss", [lambda out, y: out.mean(), lambda out, y: out.mean((1, 3))])
def test_a_loss_that_is_not_one_value_a_draw_is_refused(loss) -> None:
    with pytest.raises(ValueError, match=r"must return one value a draw, \[K\], got \("):
        credit(NETWORK, loss, draw(), SPIKES, LABELS)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_refused(value: float) -> None:
    def loss(out: Tensor, labels: Tensor) -> Tensor:
        return out.mean((1, 2, 3)) * torch.tensor([1.0, value, 1.0])

    with pytest.raises(ValueError, match=r"the loss is not finite .* lower the step size"):
        credit(NETWORK, loss, draw(), SPIKES, LABELS)
