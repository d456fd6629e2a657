"""ops/fire/cpu: the reference's bits for every option, shape and stride, and refusals."""

from dataclasses import dataclass
from itertools import product

import pytest
import torch
from torch import Tensor

from bayesnn_spike.neurons import Above, ATan, AtOrAbove, Boxcar, Subtract, ToValue
from bayesnn_spike.ops import RefusedError, explain, only
from bayesnn_spike.ops import fire as op
from bayesnn_spike.ops.fire import fire
from tests.ops import cases
from tests.ops.pairs import assert_same_bits

SHAPES = list(product([1, 5], [1, 2, 63, 257], [1, 37, 256]))
RESETS, TIES = (Subtract(), ToValue(-0.25)), (AtOrAbove(), Above())


def run(current: Tensor, state: Tensor | None = None, **options) -> tuple[Tensor, Tensor]:
    options = {"time_dim": 1, "beta": 0.9, "v_threshold": 1.0, "surrogate": ATan()} | options
    return fire(current, state, **options)


@pytest.mark.parametrize("reset", RESETS, ids=["soft", "hard"])
@pytest.mark.parametrize(("k", "steps", "n"), SHAPES)
def test_it_gives_the_reference_s_bits(k: int, steps: int, n: int, reset, poison: None) -> None:
    """On the lattice, where ties abound, and on general floats, not one spike differs."""
    x, v = cases.lattice(k, steps, 3, n), cases.lattice(k, 3, n, seed=1)
    assert_same_bits(lambda: run(x, v, beta=0.5, reset=reset))
    general = cases.normal(k, steps, 3, n, dtype=torch.float32)
    start = cases.normal(k, 3, n, seed=1, dtype=torch.float32)
    assert_same_bits(lambda: run(general, start, reset=reset))


@pytest.mark.parametrize("surrogate", [Boxcar(), ATan()], ids=["bits", "floats"])
@pytest.mark.parametrize("reset", RESETS, ids=["soft", "hard"])
@pytest.mark.parametrize("comparison", TIES)
def test_what_is_saved_changes_no_spike(surrogate, reset, comparison) -> None:
    x, v = cases.lattice(2, 63, 37), cases.lattice(2, 37, seed=1)
    options = {"reset": reset, "comparison": comparison, "beta": 0.5, "surrogate": surrogate}
    one, two = (run(x, v, **options | {"comparison": c})[0] for c in TIES)
    assert not torch.equal(one, two)  # there are ties
    assert_same_bits(lambda: run(x, v, **options))
    assert_same_bits(lambda: run(x.clone().requires_grad_(), v, **options))


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("v_threshold", [-0.3, 0.0, 0.7])
def test_leaks_and_thresholds(beta: float, v_threshold: float) -> None:
    x = cases.normal(2, 40, 37, dtype=torch.float32)
    for reset in RESETS:
        assert_same_bits(lambda r=reset: run(x, beta=beta, v_threshold=v_threshold, reset=r))


@pytest.mark.parametrize("reset", [*RESETS, ToValue(0.0)])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, -0.0, 1e-45, 3e38])
def test_values_that_are_not_ordinary(value: float, reset) -> None:
    x = cases.lattice(6, 17)
    x[2, ::2] = value
    assert_same_bits(lambda: run(x, time_dim=0, reset=reset))
    assert_same_bits(lambda: run(x, time_dim=0, reset=reset, v_threshold=0.0, comparison=Above()))


@pytest.mark.parametrize("time_dim", [0, 1, 2, -1, -2])
def test_time_may_be_any_axis(time_dim: int) -> None:
    x = cases.normal(4, 5, 6, dtype=torch.float32) * 2
    assert_same_bits(lambda: run(x, time_dim=time_dim))


def test_strides_and_expanded_inputs() -> None:
    x = cases.normal(6, 4, 5, dtype=torch.float32)
    state = cases.normal(5, 4, dtype=torch.float32).T
    assert not x.movedim(0, 1).is_contiguous()
    assert_same_bits(lambda: run(x.movedim(0, 1), state))
    wide = x[:, :1].expand(6, 4, 5)
    assert_same_bits(lambda: run(wide, state[:1].expand(4, 5), time_dim=0))
    # A state of [L, R] that is one block of memory, but turned.
    assert_same_bits(lambda: run(x.transpose(0, 1).contiguous(), state))


def test_inputs_are_left_alone() -> None:
    x, v = cases.lattice(6, 5), cases.lattice(5, seed=1)
    copies = x.clone(), v.clone()
    with only("cpu"):
        run(x, v, time_dim=0)
    assert torch.equal(x, copies[0])
    assert torch.equal(v, copies[1])


@pytest.mark.parametrize("surrogate", [Boxcar(), ATan()], ids=["bits", "floats"])
def test_threads_and_blocks_change_nothing(surrogate, three_threads: None) -> None:
    x = cases.normal(3, 11, 2500, dtype=torch.float32)
    g = cases.normal(3, 11, 2500, seed=1, dtype=torch.float32)

    def everything() -> tuple[Tensor, ...]:
        y = x.clone().requires_grad_()
        spikes, v = run(y, surrogate=surrogate)
        return spikes, v, *torch.autograd.grad(spikes, y, g)

    assert_same_bits(everything)


@pytest.mark.parametrize("shape", [(3, 0), (0, 3, 5), (2, 3, 0)])
@pytest.mark.parametrize("surrogate", [Boxcar(), ATan()], ids=["bits", "floats"])
def test_an_empty_batch_is_a_batch(shape: tuple[int, ...], surrogate) -> None:
    x = torch.zeros(shape, requires_grad=True)
    options = {"time_dim": len(shape) - 2, "surrogate": surrogate}
    assert_same_bits(lambda: run(x, **options))
    with only("cpu"):
        spikes, v = run(x, **options)
    assert torch.autograd.grad(spikes.sum() + v.sum(), x)[0].shape == shape


@dataclass(frozen=True)
class Mine:
    """Neither a surrogate nor a comparison of ours."""

    def grad(self, x: Tensor) -> Tensor:
        return torch.ones_like(x)

    def __call__(self, x: Tensor) -> Tensor:
        return (x > 0.5).to(x.dtype)


@pytest.mark.parametrize(
    ("current", "options", "reason"),
    [
        (torch.zeros(2, 3).double(), {}, "works in float32, got torch.float64"),
        (torch.zeros(2, 3, device="meta"), {}, "needs tensors on the cpu, got meta"),
        (torch.zeros(2, 3), {"surrogate": Mine()}, r"compiles the surrogates Boxcar, .*Mine\(\)"),
        (
            torch.zeros(2, 3),
            {"comparison": Mine()},
            r"compiles the comparisons AtOrAbove, Above, got Mine\(\)",
        ),
    ],
)
def test_it_says_why_it_refuses(current: Tensor, options: dict, reason: str) -> None:
    with only("cpu"), pytest.raises(RefusedError, match=f"fire cannot run: cpu: {reason}"):
        run(current, time_dim=0, **options)
    assert "fire/cpu: refuses, " in explain(op._FIRE, current, None, **options)
    assert run(current, time_dim=0, **options)[0].shape == (2, 3)  # the reference runs
