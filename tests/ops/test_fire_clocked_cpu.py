"""ops/fire/clocked_cpu: the reference's bits and gradients, layouts, and what is kept."""

from dataclasses import dataclass
from itertools import product

import pytest
import torch
from torch import Tensor

from bayesnn_spike.neurons import Above, AtOrAbove, Delayed, Immediate, LinearRatio, SpikeTime
from bayesnn_spike.ops import RefusedError, explain, only
from bayesnn_spike.ops.fire import ClockState, clocked_fire
from tests.ops import cases
from tests.ops.pairs import assert_close, assert_same_bits

ORDERS, TIES = (Delayed(), Immediate()), (Above(), AtOrAbove())
SURROGATES = (
    SpikeTime(),
    SpikeTime(0.5, 0.035, scale_by_threshold=False),
    SpikeTime(legacy_underflow=True),
    LinearRatio(),
    LinearRatio(0.5, scale_by_threshold=False),
)
EVERY = pytest.mark.parametrize(
    ("order", "surrogate", "comparison"), list(product(ORDERS, SURROGATES, TIES))
)


def run(current: Tensor, state: ClockState | None = None, **options):
    defaults = {
        "time_dim": 1,
        "v_threshold": torch.tensor(0.75),
        "leak": torch.tensor(0.5),
        "surrogate": SpikeTime(),
        "order": Immediate(),
        "comparison": AtOrAbove(),
    }
    return clocked_fire(current, state, **(defaults | options))


def clocks(*shape: int) -> Tensor:
    return (cases.normal(*shape, seed=9).abs() * 500).to(torch.int32) + 1


def everything(x: Tensor, state: ClockState | None, learned: bool, **options) -> list[Tensor]:
    """Spikes, state, and the gradients of everything that may want one."""
    wanted = [x.detach().requires_grad_()]
    if state is not None:
        state = ClockState(state.membrane.clone().requires_grad_(), state.clock)
        wanted.append(state.membrane)
    for name, default in (("v_threshold", 0.75), ("leak", 0.5)):
        options[name] = options.get(name, torch.tensor(default)).clone().requires_grad_(learned)
        wanted += [options[name]] * learned
    spikes, last = run(wanted[0], state, **options)
    g = cases.normal(*x.shape, seed=2, dtype=torch.float32)
    h = cases.normal(*last.membrane.shape, seed=3, dtype=torch.float32)
    return [spikes, *last, *torch.autograd.grad((spikes, last.membrane), wanted, (g, h))]


def inputs(steps: int) -> tuple[Tensor, ClockState]:
    """Currents and a membrane, half of them on the lattice, where ties abound."""
    shape = (3, 37)
    x = cases.normal(2, steps, *shape, dtype=torch.float32)
    v = cases.normal(2, *shape, seed=1, dtype=torch.float32)
    return (
        torch.cat([x, cases.lattice(2, steps, *shape)]),
        ClockState(torch.cat([v, cases.lattice(2, *shape, seed=1)]), clocks(4, *shape)),
    )


@EVERY
def test_it_gives_the_reference_s_bits(order, surrogate, comparison, poison: None) -> None:
    x, state = inputs(17)
    options = {"order": order, "surrogate": surrogate, "comparison": comparison}

    def forward(y: Tensor) -> list[Tensor]:
        spikes, last = run(y, state, **options)
        return [spikes, *last]

    assert_same_bits(lambda: forward(x))
    assert_same_bits(lambda: forward(x.clone().requires_grad_()))
    one, two = (run(x, state, **options | {"comparison": c})[0] for c in TIES)
    assert not torch.equal(one, two)  # there are ties


@pytest.mark.parametrize("learned", [False, True], ids=["fixed", "learned"])
@EVERY
def test_gradients_are_the_reference_s(order, surrogate, comparison, learned, poison) -> None:
    x, state = inputs(17)
    options = {"order": order, "surrogate": surrogate, "comparison": comparison}
    assert_close(lambda: everything(x, state, learned, **options), error=5e-5)


@pytest.mark.parametrize("learned", [False, True], ids=["fixed", "learned"])
@pytest.mark.parametrize("surrogate", [SpikeTime(0.3, 0.2), LinearRatio()])
@pytest.mark.parametrize("order", ORDERS)
def test_float32_is_close_to_the_reference_in_float64(order, surrogate, learned: bool) -> None:
    """Where no membrane is near its threshold both have the same spikes."""
    x, state = cases.lattice(2, 19, 40), ClockState(cases.lattice(2, 40, seed=1), clocks(2, 40))
    options = {"order": order, "surrogate": surrogate, "v_threshold": torch.tensor(0.8)}
    with only("cpu"):
        single = everything(x, state, learned, **options)
    double = everything(
        x.double(),
        ClockState(state.membrane.double(), state.clock),
        learned,
        **options | {"v_threshold": torch.tensor(0.8).double(), "leak": torch.tensor(0.5).double()},
    )
    assert torch.equal(single[0].double(), double[0])
    for one, two in zip(single, double, strict=True):
        torch.testing.assert_close(one.to(two.dtype), two, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("steps", [1, 2, 8, 9, 63, 257])
@pytest.mark.parametrize("surrogate", [SpikeTime(), LinearRatio()])
@pytest.mark.parametrize("order", ORDERS)
def test_any_number_of_steps(order, surrogate, steps: int) -> None:
    x, state = inputs(steps)
    options = {"order": order, "surrogate": surrogate}
    assert_close(lambda: everything(x, state, False, **options), error=5e-5)


@pytest.mark.parametrize("shape", [(), (4, 1, 1), (3, 1, 1, 1), (2, 3, 4, 5, 6)])
def test_thresholds_and_leaks_of_any_shape_that_broadcasts(shape: tuple[int, ...]) -> None:
    x = cases.normal(2, 7, 3, 4, 5, 6, dtype=torch.float32)
    for given in ({"v_threshold"}, {"leak"}, {"v_threshold", "leak"}):
        values = {n: cases.normal(*shape, seed=5, dtype=torch.float32).abs() + 0.3 for n in given}
        for learned in (False, True):
            assert_close(lambda v=values, k=learned: everything(x, None, k, **v), error=2e-4)


def test_one_of_the_two_may_be_learned() -> None:
    x = cases.normal(2, 7, 30, dtype=torch.float32)
    for name in ("v_threshold", "leak"):

        def gradient(name: str = name) -> tuple[Tensor, ...]:
            value = torch.tensor(0.7, requires_grad=True)
            return torch.autograd.grad(run(x, **{name: value})[0].sum(), value)

        assert_close(gradient, error=1e-4)


@pytest.mark.parametrize("time_dim", [0, 1])
def test_maps_that_lie_channels_last_stay_so(time_dim: int) -> None:
    shape = (7, 3, 4, 5, 6) if time_dim == 0 else (3, 7, 4, 5, 6)
    x = cases.normal(*shape, dtype=torch.float32)
    turned = x.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    assert not turned.is_contiguous()
    options = {
        "time_dim": time_dim,
        "v_threshold": torch.tensor([0.5, 0.6, 0.7, 0.8])[:, None, None],
    }
    for state in (None, ClockState(x.select(time_dim, 0), clocks(3, 4, 5, 6))):
        with only("cpu"):
            one, two = (everything(y, state, True, **options) for y in (x, turned))
        for a, b in zip(one, two, strict=True):
            torch.testing.assert_close(a, b)
    with only("cpu"):
        spikes, last = run(turned, time_dim=time_dim)
    assert spikes.stride() == turned.stride()
    assert last.membrane.permute(0, 2, 3, 1).is_contiguous()


def test_threads_and_blocks_change_nothing(three_threads: None) -> None:
    x, state = cases.normal(3, 11, 2500, dtype=torch.float32), None
    for surrogate in (SpikeTime(), LinearRatio()):
        with only("cpu"):
            one, two = (everything(x, state, True, surrogate=surrogate) for _ in range(2))
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
        assert_close(lambda s=surrogate: everything(x, state, False, surrogate=s), error=5e-5)


def saved(**options) -> list[tuple[torch.dtype, tuple[int, ...]]]:
    """What autograd keeps of a run that is larger than one number."""
    kept = []
    x = torch.zeros(3, 25, 4, 10, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda x: x), only("cpu"):
        run(x, **options)
    return [(tensor.dtype, tuple(tensor.shape)) for tensor in kept if tensor.numel() > 1]


def test_the_least_that_is_enough_is_saved() -> None:
    """SpikeTime: one bit a step, 25 steps in 4 bytes; else the membrane of every step."""
    assert saved() == [(torch.uint8, (3, 4, 40))]
    assert saved(order=Delayed()) == [(torch.uint8, (3, 4, 40))]
    assert saved(surrogate=LinearRatio()) == [(torch.float32, (3, 25, 40))]
    learned = saved(leak=torch.tensor(0.5, requires_grad=True))
    assert learned == [(torch.float32, (3, 25, 40)), (torch.float32, (3, 40))]


def test_without_a_gradient_nothing_is_saved() -> None:
    with torch.no_grad():
        assert saved() == []


@pytest.mark.parametrize("shape", [(3, 2, 0), (0, 3, 5), (2, 3, 0, 4)])
@pytest.mark.parametrize("surrogate", [SpikeTime(), LinearRatio()])
def test_an_empty_batch_is_a_batch(shape: tuple[int, ...], surrogate) -> None:
    x = torch.zeros(shape)
    for learned in (False, True):
        assert_same_bits(lambda k=learned: everything(x, None, k, surrogate=surrogate))


def test_a_result_that_is_not_used() -> None:
    x = cases.normal(2, 9, 37, dtype=torch.float32)

    def gradients(one: int) -> tuple[Tensor, ...]:
        y, v = x.clone().requires_grad_(), torch.tensor(0.7, requires_grad=True)
        spikes, last = run(y, v_threshold=v)
        return torch.autograd.grad((spikes, last.membrane)[one].sum(), (y, v))

    for one in (0, 1):
        assert_close(lambda one=one: gradients(one), error=1e-4)


def test_gradients_of_functions() -> None:
    x = cases.normal(2, 9, 5, dtype=torch.float32)
    gradient = torch.func.grad(lambda x: (run(x)[0] * torch.arange(5.0)).sum())
    assert_close(lambda: (gradient(x),), error=1e-5)


@dataclass(frozen=True)
class Mine:
    """Neither a surrogate nor a comparison of ours."""

    scale_by_threshold: bool = True

    def slope(self, z: Tensor, clock: Tensor) -> Tensor:
        return torch.ones_like(z)

    def __call__(self, x: Tensor) -> Tensor:
        return (x > 0.5).to(x.dtype)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"surrogate": Mine()}, r"compiles the surrogates SpikeTime, LinearRatio, got Mine\("),
        ({"comparison": Mine()}, r"compiles the comparisons AtOrAbove, Above, got Mine\("),
    ],
)
def test_it_says_why_it_refuses(options: dict, reason: str) -> None:
    x = torch.zeros(2, 3)
    with only("cpu"), pytest.raises(RefusedError, match=f"clocked_fire cannot run: cpu: {reason}"):
        run(x, time_dim=0, **options)
    assert "clocked_fire/cpu: refuses" in explain(clocked_fire, x, **options)
    assert run(x, time_dim=0, **options)[0].shape == (2, 3)  # the reference runs
    double = torch.ones((), dtype=torch.float64)
    with only("cpu"), pytest.raises(RefusedError, match=r"works in float32, got torch\.float64"):
        run(x.double(), time_dim=0, v_threshold=double, leak=double)
