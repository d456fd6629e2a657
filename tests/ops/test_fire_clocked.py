"""ops/fire/clocked: golden trains and gradients, the clock, the carried state, refusals."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from bayesnn_spike.neurons import Above, AtOrAbove, Delayed, Immediate, LinearRatio, SpikeTime
from bayesnn_spike.ops import only
from bayesnn_spike.ops.fire import ClockState, clocked_fire
from tests.ops import cases

ORDERS = pytest.mark.parametrize("order", [Delayed(), Immediate()], ids=["delayed", "immediate"])


@pytest.fixture(params=["reference", "cpu"])
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    with only(request.param):
        yield request.param


def run(current: Tensor, state: ClockState | None = None, **options):
    """One call with time first; threshold and leak may be plain numbers."""
    defaults = {
        "time_dim": 0,
        "v_threshold": 1.0,
        "leak": 1.0,
        "surrogate": SpikeTime(),
        "order": Immediate(),
        "comparison": Above(),
    }
    options = defaults | options
    for name in ("v_threshold", "leak"):
        options[name] = torch.as_tensor(options[name], dtype=current.dtype)
    return clocked_fire(current, state, **options)


def train(*steps: int, of: int) -> list[float]:
    return [float(t in steps) for t in range(of)]


@pytest.mark.parametrize(
    ("current", "steps", "options", "expected"),
    [
        (0.4, 10, {"comparison": AtOrAbove()}, (2, 4, 7, 9)),
        (0.4, 10, {"order": Delayed()}, (3, 6, 8)),
        (0.5, 8, {"comparison": AtOrAbove()}, (1, 3, 5, 7)),
        (0.5, 8, {"order": Delayed()}, (3, 5, 7)),
    ],
)
def test_trains_of_constant_currents(implementation, current, steps, options, expected) -> None:
    """Ties at .5 tell the comparisons apart, first spikes the orders."""
    spikes, _ = run(torch.full((steps, 1), current), **options)
    assert spikes[:, 0].tolist() == train(*expected, of=steps)


def test_the_clock_of_a_golden_train(implementation: str) -> None:
    """Before its first spike the clock counts on from 999; it is 1 right after a spike."""
    current = torch.full((10, 1), 0.4)
    clocks, state = [999], None
    for t in range(10):
        _, state = run(current[t : t + 1], state, order=Delayed())
        clocks.append(state.clock.item())
    assert state.clock.dtype == torch.int32
    assert clocks[:10] == [999, 1000, 1001, 1002, 1, 2, 3, 1, 2, 1]


@pytest.mark.parametrize("legacy", [False, True])
def test_the_slopes_of_a_golden_train(implementation: str, legacy: bool) -> None:
    """Delayed, leak 0: the current of step t - 1 gets the slope of the spike at t and no more."""
    current = torch.tensor([0, 0, 2.0, 0, 0, 2, 0, 2, 0, 0])[:, None].requires_grad_()
    surrogate = SpikeTime(legacy_underflow=legacy)
    spikes, _ = run(current, order=Delayed(), leak=0.0, v_threshold=1.5, surrogate=surrogate)
    assert spikes[:, 0].tolist() == train(3, 6, 8, of=10)
    (found,) = torch.autograd.grad(spikes.sum(), current)
    unfired = [0.0] * 3 if legacy else [1.362e-5, 1.3484e-5, 1.335e-5]
    slopes = [*unfired, 0.297015, 0.294060, 0.291134, 0.297015, 0.294060, 0.297015]
    expected = torch.tensor([*slopes, 0.0]) / 1.5
    torch.testing.assert_close(found[:, 0], expected, rtol=1e-4, atol=0)


GOLDEN = [
    (Delayed(), 1.0, 1.0, "00010010", 0.183901, -0.59437094, 0.335963),
    (Delayed(), 0.9, 1.0, "00010010", 0.183901, -0.47321715, 0.335963),
    (Delayed(), 1.0, 0.5, "01011011", 0.018150, -0.15334469, 0.089931),
    (Delayed(), 0.9, 0.5, "01011011", 0.018150, -0.12481050, 0.089931),
    (Immediate(), 1.0, 1.0, "00100101", 0.086836, -0.41168788, 0.249518),
    (Immediate(), 0.9, 1.0, "00100101", 0.086836, -0.32107774, 0.249518),
    (Immediate(), 1.0, 0.5, "10110111", 0.008196, -0.09286577, 0.048975),
    (Immediate(), 0.9, 0.5, "10110111", 0.008196, -0.07384513, 0.048975),
]


@pytest.mark.parametrize(
    ("name", "dtype"), [("reference", "64"), ("reference", "32"), ("cpu", "32")]
)
@pytest.mark.parametrize(("order", "leak", "threshold", "spikes", "loss", "dw1", "dw2"), GOLDEN)
def test_golden_gradients(
    name: str, dtype: str, order, leak, threshold, spikes, loss, dw1, dw2
) -> None:
    """One hidden neuron, cross-entropy of the summed head, strictly above.

    In float32, 5 x .6 exceeds 3 and would be a spike earlier; the gradient does not know the
    membrane, so a weight a little below has the same.
    """
    kind = torch.float64 if dtype == "64" else torch.float32
    inputs = torch.tensor([1.0, 0, 1, 1, 0, 1, 1, 1], dtype=kind)
    w1 = torch.tensor(0.6 if dtype == "64" else 0.5999, dtype=kind, requires_grad=True)
    w2 = torch.tensor([0.5, -0.3], dtype=kind, requires_grad=True)
    with only(name):
        o, _ = run((w1 * inputs)[:, None], order=order, leak=leak, v_threshold=threshold)
    assert "".join(str(int(x)) for x in o[:, 0]) == spikes
    found = torch.nn.functional.cross_entropy((o * w2).sum(0)[None], torch.tensor([0]))
    found.backward()
    tight = {"rel": 2e-7 if dtype == "64" else 1e-5}
    assert found.item() == pytest.approx(loss, abs=6e-7)
    assert w1.grad.item() == pytest.approx(dw1, **tight)
    assert w2.grad.tolist() == pytest.approx([-dw2, dw2], abs=6e-7)


@ORDERS
def test_no_gradient_before_the_first_spike(implementation: str, order) -> None:
    """A neuron that has not fired gets alpha exp(-10): why STDB needs a converted network."""
    x = torch.full((6, 1), 0.05).requires_grad_()
    spikes, _ = run(x, order=order)
    (silent,) = torch.autograd.grad(spikes.sum(), x)
    assert float(spikes.detach().sum()) == 0
    assert 0 < silent.max().item() < 1e-4
    busy, _ = run(x + 1.1, order=order)
    assert torch.autograd.grad(busy.sum(), x)[0].max().item() > 0.29
    linear, _ = run(x, order=order, surrogate=LinearRatio(), v_threshold=0.4)
    assert torch.autograd.grad(linear.sum(), x)[0].max().item() > 0.1


@ORDERS
def test_no_gradient_flows_through_the_reset(implementation: str, order) -> None:
    """dv/dI is leak^(T-1-t), whether the neuron fires or not."""
    x = cases.normal(5, 30, dtype=torch.float32).requires_grad_()
    spikes, state = run(x, order=order, leak=0.5, surrogate=LinearRatio())
    assert 0.05 < float(spikes.detach().mean()) < 0.9
    (found,) = torch.autograd.grad(state.membrane.sum(), x)
    expected = torch.tensor([0.0625, 0.125, 0.25, 0.5, 1.0])[:, None].expand(5, 30)
    torch.testing.assert_close(found, expected)


def test_the_spike_time_does_not_look_at_the_membrane(implementation: str) -> None:
    """Two currents with the same spikes have the same gradient; with LinearRatio they do not."""
    found = {}
    for surrogate in (SpikeTime(), LinearRatio()):
        grads = []
        for value in (0.3, 0.35):
            x = torch.tensor([value, 0.2, 0.9, value])[:, None].requires_grad_()
            spikes, _ = run(x, surrogate=surrogate)
            assert spikes[:, 0].tolist() == [0, 0, 1, 0]
            grads += torch.autograd.grad(spikes.sum(), x)
        found[type(surrogate)] = torch.equal(*grads)
    assert found == {SpikeTime: True, LinearRatio: False}


@ORDERS
@pytest.mark.parametrize("chunk", [1, 3, 8, 20])
def test_truncated_backpropagation(implementation: str, order, chunk: int) -> None:
    """State detached between chunks: the same spikes; the gradient of T = chunk is the full one."""
    x = cases.normal(8, 2, 5, dtype=torch.float32)
    g = cases.normal(8, 2, 5, seed=1, dtype=torch.float32)
    options = {"order": order, "leak": 0.9, "v_threshold": 0.8}
    whole = x.clone().requires_grad_()
    spikes, last = run(whole, **options)
    (full,) = torch.autograd.grad(spikes, whole, g)
    parts, grads, state = [], [], None
    for start in range(0, 8, chunk):
        part = x[start : start + chunk].clone().requires_grad_()
        o, state = run(part, state, **options)
        # a delayed first step of a detached state has nothing to differentiate
        loss = (o * g[start : start + chunk]).sum() + 0 * part.sum()
        grads += torch.autograd.grad(loss, part)
        parts.append(o.detach())
        state = ClockState(*(value.detach() for value in state))
    assert torch.equal(torch.cat(parts), spikes)
    assert torch.equal(state.membrane, last.membrane)
    assert torch.equal(state.clock, last.clock)
    assert torch.equal(torch.cat(grads), full) == (chunk >= 8)


@ORDERS
@pytest.mark.parametrize("time_dim", [0, 1, 2, -1, -2])
def test_time_may_be_any_axis(implementation: str, order, time_dim: int) -> None:
    x = cases.normal(4, 5, 6, dtype=torch.float32) * 2
    spikes, state = run(x, time_dim=time_dim, order=order)
    first, same = run(x.movedim(time_dim, 0), order=order)
    assert torch.equal(spikes, first.movedim(0, time_dim))
    assert torch.equal(state.membrane, same.membrane)
    assert torch.equal(state.clock, same.clock)


@pytest.mark.parametrize("v_init", [0.0, 0.5])
def test_rest_is_a_part_of_the_threshold_and_only_rest(implementation: str, v_init: float) -> None:
    v = torch.tensor([[1.0], [4.0]])
    _, state = run(torch.zeros(1, 2, 3), v_threshold=v, v_init=v_init)
    assert torch.equal(state.membrane, (v_init * v).expand(2, 3))
    start = ClockState(torch.full((2, 3), 0.25), torch.ones(2, 3, dtype=torch.int32))
    _, state = run(torch.zeros(1, 2, 3), start, v_threshold=v, v_init=v_init)
    assert torch.equal(state.membrane, start.membrane)


def test_a_threshold_of_each_channel(implementation: str) -> None:
    x = cases.normal(5, 2, 3, 4, dtype=torch.float32) + 0.5
    thresholds = torch.tensor([0.5, 1.0, 2.0])
    together, _ = run(x, v_threshold=thresholds[:, None])
    for channel, v in enumerate(thresholds):
        alone, _ = run(x[:, :, channel], v_threshold=v)
        assert torch.equal(together[:, :, channel], alone)


X, STEP = torch.zeros(3, 2, 3), torch.zeros(2, 3)
CLOCK = STEP.to(torch.int32)
WRONG = [
    (X, {"v_threshold": torch.ones(2)}, r"v_threshold must be one number .* \(2,\)"),
    (X, {"leak": torch.ones(1, 2, 3)}, r"leak must be one number .* \(1, 2, 3\)"),
    (X, {"leak": torch.ones((), device="meta")}, "leak must be .* on meta"),
    (torch.zeros(0, 2, 3), {}, "the current of clocked_fire has no time step"),
    (X, {"state": ClockState(STEP[0], CLOCK)}, "the membrane has shape"),
    (X, {"state": ClockState(STEP, STEP)}, "the clock has dtype torch.float32"),
    (X, {"state": ClockState(STEP, CLOCK[0])}, "the clock has shape"),
]  # fmt: skip


@pytest.mark.parametrize(("current", "options", "message"), WRONG)
def test_what_does_not_fit_is_refused(current: Tensor, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(current, **options)


def test_another_dtype_is_refused() -> None:
    threshold = torch.ones((), dtype=torch.float64)
    with pytest.raises(ValueError, match=r"v_threshold must be one number .*torch\.float64"):
        clocked_fire(
            X,
            time_dim=0,
            v_threshold=threshold,
            leak=torch.ones(()),
            surrogate=SpikeTime(),
            order=Immediate(),
            comparison=Above(),
        )
