"""ops/fire/refractory_cpu: the reference's bits and gradients, what is saved, refusals."""

from itertools import product

import pytest
import torch
from torch import Tensor

from bayesnn_spike.neurons import Above, ATan, AtOrAbove, Boxcar, Gaussian, Sigmoid, Triangle
from bayesnn_spike.ops import RefusedError, explain, only
from bayesnn_spike.ops import fire as op
from bayesnn_spike.ops.fire import RefractoryState, refractory_fire
from tests.ops import cases
from tests.ops.pairs import assert_close, assert_same_bits

SHAPES = list(product([1, 5], [1, 2, 63, 257], [1, 37, 256]))
SURROGATES = [Boxcar(), Triangle(2.0), ATan(2.0), Sigmoid(4.0), Gaussian(0.5)]


def run(current: Tensor, r: Tensor | None = None, s: Tensor | None = None, **options):
    """Spikes, last R, last spikes, U."""
    options = {"time_dim": 1, "decay": 0.6, "v_threshold": 0.1, "surrogate": ATan()} | options
    state = None if r is None else RefractoryState(r, s)
    spikes, state, u = refractory_fire(current, state, **options)
    return spikes, *state, u


def inputs(k: int, steps: int, *shape: int) -> tuple[Tensor, ...]:
    """Currents, R and the last spikes, on general floats."""
    return (
        cases.normal(k, steps, *shape, dtype=torch.float32) + 0.5,
        cases.normal(k, *shape, seed=1, dtype=torch.float32).abs(),
        cases.spikes(k, *shape),
    )


@pytest.mark.parametrize(("k", "steps", "n"), SHAPES)
def test_it_gives_the_reference_s_bits(k: int, steps: int, n: int, poison: None) -> None:
    """On the lattice, where ties abound, and on general floats."""
    x, r, s = inputs(k, steps, 3, n)
    assert_same_bits(lambda: run(x, r, s))
    assert_same_bits(lambda: run(x))
    x, r = cases.lattice(k, steps, 3, n), cases.lattice(k, 3, n, seed=1).abs()
    for comparison in (AtOrAbove(), Above()):
        options = {"decay": 0.5, "v_threshold": 0.25, "comparison": comparison}
        assert_same_bits(lambda o=options: run(x, r, s, **o))
        assert_same_bits(lambda o=options: run(x.clone().requires_grad_(), r, s, **o))


def gradients(current: Tensor, r: Tensor, s: Tensor, used: tuple[int, ...], **options):
    """Of the current and of R, for cotangents of the results that are used (0, 1 or 3)."""
    x, r = current.clone().requires_grad_(), r.clone().requires_grad_()
    results = [y for i, y in enumerate(run(x, r, s, **options)) if i in used]
    g = [cases.normal(*y.shape, seed=i, dtype=torch.float32) for i, y in enumerate(results)]
    return torch.autograd.grad(results, (x, r), g)


@pytest.mark.parametrize("used", [(0,), (3,), (0, 3), (1, 3), (0, 1, 3)])
@pytest.mark.parametrize("surrogate", SURROGATES, ids=lambda s: type(s).__name__)
def test_gradients_are_the_reference_s(surrogate, used: tuple[int, ...], poison: None) -> None:
    """Also that of a state R: it decays into every later U."""
    given = inputs(4, 17, 3, 37)
    assert_close(lambda: gradients(*given, used, surrogate=surrogate), error=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 8, 63, 257])
@pytest.mark.parametrize("surrogate", [Boxcar(), ATan()], ids=["bits", "floats"])
def test_any_number_of_steps(surrogate, steps: int) -> None:
    given = inputs(2, steps, 37)
    assert_close(lambda: gradients(*given, (0, 1, 3), surrogate=surrogate), error=1e-5)


def test_only_u_and_the_spikes_of_a_current_carry_a_gradient() -> None:
    x, r, s = inputs(2, 5, 7)
    with only("cpu"):
        spikes, last, fired, u = run(x.clone().requires_grad_(), r, s)
        assert spikes.requires_grad
        assert u.requires_grad
        assert not last.requires_grad
        assert not fired.requires_grad
        spikes, last, fired, u = run(x, r.clone().requires_grad_(), s.clone().requires_grad_())
    assert last.requires_grad
    assert not fired.requires_grad


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, -0.0, 3e38])
@pytest.mark.parametrize("surrogate", SURROGATES, ids=lambda s: type(s).__name__)
def test_values_that_are_not_ordinary(surrogate, value: float) -> None:
    x, r, s = inputs(2, 6, 17)
    x[:, 2, ::2] = value
    assert_same_bits(lambda: run(x, r, s, surrogate=surrogate))
    assert_close(lambda: gradients(x, r, s, (0, 1, 3), surrogate=surrogate), error=1e-5)


@pytest.mark.parametrize("time_dim", [0, 1, 2, -1])
def test_time_may_be_any_axis(time_dim: int) -> None:
    x = cases.normal(4, 5, 6, dtype=torch.float32)
    assert_same_bits(lambda: run(x, time_dim=time_dim))


def test_strides_expanded_and_empty_inputs() -> None:
    x = cases.normal(6, 4, 5, dtype=torch.float32)
    r, s = cases.normal(5, 4, dtype=torch.float32).T, cases.spikes(5, 4).T
    assert_same_bits(lambda: run(x.movedim(0, 1), r, s))
    wide = (x[:, :1].expand(6, 4, 5), r[:1].expand(4, 5), s[:1].expand(4, 5))
    assert_same_bits(lambda: run(*wide, time_dim=0))
    for shape in ((3, 0), (0, 3, 5), (2, 3, 0)):
        assert_same_bits(lambda s=shape: run(torch.zeros(s), time_dim=len(s) - 2))


def test_inputs_are_left_alone() -> None:
    given = inputs(2, 5, 7)
    copies = [x.clone() for x in given]
    with only("cpu"):
        run(*given)
    assert all(torch.equal(x, copy) for x, copy in zip(given, copies, strict=True))


@pytest.mark.parametrize("surrogate", [Boxcar(), ATan()], ids=["bits", "floats"])
def test_threads_and_blocks_change_nothing(surrogate, three_threads: None) -> None:
    x, r, s = inputs(3, 11, 2500)
    assert_same_bits(lambda: run(x, r, s, surrogate=surrogate))
    assert_close(lambda: gradients(x, r, s, (0, 1, 3), surrogate=surrogate), error=1e-5)


def test_gradients_of_functions_and_no_second_derivative() -> None:
    x, r, _ = inputs(2, 9, 5)
    gradient = torch.func.grad(lambda x: (run(x)[0] * torch.arange(5.0)).sum() + run(x)[3].sum())
    assert_close(lambda: (gradient(x),), error=1e-5)
    of_state = torch.func.grad(lambda r: run(x, r, torch.zeros_like(r))[3].sum())
    assert_close(lambda: (of_state(r),), error=1e-5)
    x.requires_grad_()
    with only("cpu"):
        (grad,) = torch.autograd.grad(run(x)[0].sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="compiled gradient of refractory_fire has no gradient"):
        grad.sum().backward()


@pytest.mark.parametrize(
    ("surrogate", "expected"),
    [
        (Boxcar(), (torch.uint8, (3, 4, 40))),  # a bit a step: U may go
        (ATan(), (torch.float32, (3, 25, 40))),  # U itself
    ],
)
def test_the_least_that_is_enough_is_saved(surrogate, expected) -> None:
    kept, current = [], torch.zeros(3, 25, 4, 10)
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda x: x), only("cpu"):
        run(current, surrogate=surrogate)
        assert kept == []
        run(current.requires_grad_(), surrogate=surrogate)
    assert [(tensor.dtype, tuple(tensor.shape)) for tensor in kept] == [expected]


@pytest.mark.parametrize(
    ("current", "reason"),
    [
        (torch.zeros(2, 3).double(), "works in float32, got torch.float64"),
        (torch.zeros(2, 3, device="meta"), "needs tensors on the cpu, got meta"),
    ],
)
def test_it_says_why_it_refuses(current: Tensor, reason: str) -> None:
    message = f"refractory_fire cannot run: cpu: {reason}"
    with only("cpu"), pytest.raises(RefusedError, match=message):
        run(current, time_dim=0)
    assert explain(op._REFRACTORY, current, None).startswith(
        f"refractory_fire/cpu: refuses, {reason}"
    )
