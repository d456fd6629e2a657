"""ops/fire/cpu: gradients against autograd through the reference, and what is kept for them."""

from itertools import product

import pytest
import torch
from torch import Tensor

from bayesnn_spike.neurons import (
    Above,
    ATan,
    AtOrAbove,
    Boxcar,
    FastSigmoid,
    Gaussian,
    Sigmoid,
    Subtract,
    ToValue,
    Triangle,
)
from bayesnn_spike.ops import only
from bayesnn_spike.ops.fire import fire
from tests.ops import cases
from tests.ops.pairs import assert_close

SURROGATES = [Boxcar(1.5), Triangle(2.0), FastSigmoid(2.0), ATan(2.0), Sigmoid(4.0), Gaussian(0.5)]
SOFT, HARD = Subtract(), ToValue(-0.3)
OPTIONS = list(product([SOFT, HARD], [True, False], [AtOrAbove(), Above()]))
BY_NAME = pytest.mark.parametrize("surrogate", SURROGATES, ids=lambda s: type(s).__name__)


def run(current: Tensor, state: Tensor | None = None, **options) -> tuple[Tensor, Tensor]:
    options = {"time_dim": 1, "beta": 0.9, "v_threshold": 1.0, "surrogate": ATan()} | options
    return fire(current, state, **options)


def gradients(x: Tensor, v: Tensor, g: Tensor, h: Tensor, used=slice(0, 2), **options):
    x, v = x.clone().requires_grad_(), v.clone().requires_grad_()
    return torch.autograd.grad(run(x, v, **options)[used], (x, v), (g, h)[used])


def inputs(steps: int, *shape: int) -> tuple[Tensor, ...]:
    """Currents and a state (half of them on the lattice), and cotangents of both results."""
    x = cases.normal(2, steps, *shape, dtype=torch.float32)
    v = cases.normal(2, *shape, seed=1, dtype=torch.float32)
    return (
        torch.cat([x, cases.lattice(2, steps, *shape)]),
        torch.cat([v, cases.lattice(2, *shape, seed=1)]),
        cases.normal(4, steps, *shape, seed=2, dtype=torch.float32),
        cases.normal(4, *shape, seed=3, dtype=torch.float32),
    )


@pytest.mark.parametrize(("reset", "detach", "comparison"), OPTIONS)
@BY_NAME
def test_gradients_are_the_reference_s(surrogate, reset, detach, comparison, poison) -> None:
    given = inputs(17, 3, 37)
    options = {"surrogate": surrogate, "reset": reset, "detach_reset": detach, "beta": 0.5}
    assert_close(lambda: gradients(*given, comparison=comparison, **options), error=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 8, 63, 257])
@pytest.mark.parametrize("reset", [SOFT, HARD], ids=["soft", "hard"])
@pytest.mark.parametrize("surrogate", [Boxcar(), ATan()], ids=["bits", "floats"])
def test_any_number_of_steps(surrogate, reset, steps: int) -> None:
    given = inputs(steps, 37)
    assert_close(lambda: gradients(*given, surrogate=surrogate, reset=reset), error=1e-5)


@pytest.mark.parametrize("used", [slice(0, 1), slice(1, 2)], ids=["spikes", "last"])
@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("surrogate", [Boxcar(), ATan()], ids=["bits", "floats"])
def test_a_result_that_is_not_used(surrogate, detach: bool, used: slice) -> None:
    options = {"surrogate": surrogate, "detach_reset": detach, "used": used}
    assert_close(lambda: gradients(*inputs(9, 37), **options), error=1e-5)


@pytest.mark.parametrize(("reset", "detach"), list(product([SOFT, HARD], [True, False])))
@BY_NAME
def test_what_is_not_finite(surrogate, reset, detach: bool) -> None:
    x, *rest = inputs(6, 17)
    x[0, 2], x[1, 3], x[2, 0], x[3, 4] = torch.nan, torch.inf, -torch.inf, 3e38
    options = {"surrogate": surrogate, "reset": reset, "detach_reset": detach}
    assert_close(lambda: gradients(x, *rest, **options), error=1e-5)


def test_cotangents_may_have_any_strides() -> None:
    x = cases.normal(4, 9, 5, dtype=torch.float32)

    def summed() -> tuple[Tensor, ...]:
        y = x.clone().requires_grad_()
        spikes, v = run(y.movedim(0, 1), time_dim=0)
        return torch.autograd.grad((spikes, v), y, (torch.ones(()).expand(9, 4, 5), x[:, 0]))

    assert_close(summed, error=1e-5)


def test_gradients_of_functions() -> None:
    x = cases.normal(2, 9, 5, dtype=torch.float32)
    gradient = torch.func.grad(lambda x: (run(x)[0] * torch.arange(5.0)).sum())
    assert_close(lambda: (gradient(x),), error=1e-5)


def test_a_second_derivative_is_refused_never_zero() -> None:
    x = cases.normal(2, 9, 5, dtype=torch.float32).requires_grad_()
    with only("cpu"):
        (grad,) = torch.autograd.grad(run(x)[0].sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="compiled gradient of fire has no gradient itself"):
        grad.sum().backward()


def saved(current: Tensor, **options) -> list[tuple[torch.dtype, tuple[int, ...]]]:
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda x: x), only("cpu"):
        run(current, **options)
    return [(tensor.dtype, tuple(tensor.shape)) for tensor in kept]


@pytest.mark.parametrize(
    ("surrogate", "reset", "detach", "expected"),
    [
        # one bit a step: 25 steps in 4 bytes
        (Boxcar(), SOFT, True, (torch.uint8, (3, 4, 40))),
        (Boxcar(), SOFT, False, (torch.uint8, (3, 4, 40))),
        # two bits a step: 25 steps in 7 bytes
        (Boxcar(), HARD, True, (torch.uint8, (3, 7, 40))),
        (Boxcar(), HARD, False, (torch.float32, (3, 25, 40))),
        *((s, r, True, (torch.float32, (3, 25, 40))) for s in SURROGATES[1:] for r in (SOFT, HARD)),
    ],
)
def test_the_least_that_is_enough_is_saved(surrogate, reset, detach, expected) -> None:
    options = {"surrogate": surrogate, "reset": reset, "detach_reset": detach}
    assert saved(torch.zeros(3, 25, 4, 10, requires_grad=True), **options) == [expected]


def test_without_a_gradient_nothing_is_saved_nor_made(monkeypatch: pytest.MonkeyPatch) -> None:
    current, state = torch.zeros(3, 25, 40), torch.zeros(3, 40)
    assert saved(current) == []
    with torch.no_grad():
        assert saved(current.clone().requires_grad_()) == []
    assert len(saved(current, state=state.clone().requires_grad_())) == 1
    made, empty = [], torch.empty
    monkeypatch.setattr(
        torch, "empty", lambda shape, **how: made.append(tuple(shape)) or empty(shape, **how)
    )
    with only("cpu"):
        run(current, state)
    assert sorted(made) == [(0, 0, 0), (3, 25, 40)]  # nothing kept, and the spikes
