"""ops/fire/clocked_cpu: a current that is the same at every step has its gradient in one piece."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from bayesnn_spike.neurons import AtOrAbove, Delayed, Immediate, LinearRatio, SpikeTime
from bayesnn_spike.ops import only
from bayesnn_spike.ops.fire import clocked_fire
from tests.ops import cases
from tests.ops.pairs import assert_close

STEPS = 9


def run(current: Tensor, time_dim: int = 0, **options) -> tuple[Tensor, Tensor]:
    defaults = {
        "v_threshold": torch.tensor(0.75),
        "leak": torch.tensor(0.5),
        "surrogate": SpikeTime(),
        "order": Immediate(),
        "comparison": AtOrAbove(),
    }
    spikes, state = clocked_fire(current, time_dim=time_dim, **(defaults | options))
    return spikes, state.membrane


def shown(step: Tensor, time_dim: int = 0) -> Tensor:
    sizes = list(step.shape)
    sizes.insert(time_dim, STEPS)
    return step.unsqueeze(time_dim).expand(sizes)


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("surrogate", [SpikeTime(), LinearRatio()])
@pytest.mark.parametrize("order", [Delayed(), Immediate()])
@pytest.mark.parametrize("time_dim", [0, 1, 2])
def test_results_and_gradients_are_the_reference_s(time_dim, order, surrogate, learned) -> None:
    step = cases.normal(3, 2500, dtype=torch.float32)

    def everything(made: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...]:
        x = step.clone().requires_grad_()
        v = torch.tensor(0.75, requires_grad=learned)
        current = shown(made(x), time_dim)
        spikes, last = run(current, time_dim, order=order, surrogate=surrogate, v_threshold=v)
        g = cases.normal(*current.shape, seed=2, dtype=torch.float32)
        return spikes, last, *torch.autograd.grad(spikes, [x, v][: 1 + learned], g)

    assert_close(lambda: everything(lambda x: x), error=5e-4)
    assert_close(lambda: everything(lambda x: 2 * x), error=5e-4)


def adds_up(current: Tensor) -> bool:
    """Whether autograd makes the gradient of every step, and adds them up behind the kernel."""
    with only("cpu"):
        node = run(current)[0].grad_fn
    names = []
    while node is not None:
        names.append(node.name())
        node = node.next_functions[0][0] if node.next_functions else None
    assert "_ClockedBackward" in names
    return "ExpandBackward0" in names


def test_the_gradient_is_made_in_one_piece_where_nobody_wants_the_pieces() -> None:
    x = cases.normal(3, 4, dtype=torch.float32).requires_grad_()
    assert not adds_up(shown(2 * x))
    assert not adds_up(shown((2 * x).view(3, 2, 2)))
    assert adds_up(shown(x))  # a leaf has no node to stop at
    assert adds_up(shown((2 * x)[1:]))


def test_whoever_waits_for_the_pieces_gets_them() -> None:
    x = cases.normal(3, 4, dtype=torch.float32).requires_grad_()
    kept = shown(2 * x)
    kept.retain_grad()
    hooked, seen = shown(2 * x), []
    hooked.register_hook(lambda g: seen.append(g.shape))
    for current in (kept, hooked):
        with only("cpu"):
            run(current)[0].sum().backward()
    assert kept.grad.shape == (STEPS, 3, 4)
    assert seen == [(STEPS, 3, 4)]


def test_hooks_of_modules_see_the_gradient() -> None:
    layer, seen = nn.Identity(), []
    layer.register_full_backward_hook(lambda module, given, taken: seen.append(taken[0].shape))
    x = cases.normal(3, 4, dtype=torch.float32).requires_grad_()
    with only("cpu"):
        run(layer(shown(2 * x)))[0].sum().backward()
    assert seen == [(STEPS, 3, 4)]


def test_part_of_what_was_made_is_not_all_of_it() -> None:
    x = cases.normal(4, 6, dtype=torch.float32)

    def gradient(part: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...]:
        y = x.clone().requires_grad_()
        spikes, _ = run(shown(part(2 * y)))
        return torch.autograd.grad(spikes.sum(), y)

    for part in (lambda y: y[1:3], lambda y: y.t(), lambda y: y[:, ::2], lambda y: y[:1]):
        assert_close(lambda p=part: gradient(p), error=1e-5)


def test_gradients_of_functions() -> None:
    x = cases.normal(3, 4, dtype=torch.float32)
    gradient = torch.func.grad(lambda x: (run(shown(2 * x))[0] * torch.arange(4.0)).sum())
    assert_close(lambda: (gradient(x),), error=1e-5)
