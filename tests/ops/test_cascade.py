"""ops/cascade: what the modules of a network give, layer by layer, and what does not fit."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bayesnn_spike.neurons import Above, AtOrAbove, Delayed, Immediate, ThresholdNeuron
from bayesnn_spike.ops import RefusedError, explain, only
from bayesnn_spike.ops.cascade import Chain, Layer, Neurons, cascade
from tests.ops.chains import current, everything, maps_chain, neurons, random_chain, vector_chain

ORDERS = pytest.mark.parametrize("order", [Immediate(), Delayed()], ids=["immediate", "delayed"])


@pytest.fixture(params=["reference", "cpu"])
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    with only(request.param):
        yield request.param


def module(values: Neurons, feature_dims: int) -> ThresholdNeuron:
    return ThresholdNeuron(
        values.threshold,
        leak=values.leak,
        order=values.order,
        comparison=values.comparison,
        v_init=values.v_init,
        feature_dims=feature_dims,
    )


def by_modules(x: Tensor, chain: Chain) -> list[Tensor]:
    """The same by `ThresholdNeuron` and the functions of torch."""
    counts, state = [], []
    for layer in chain.layers:
        spikes, last = module(layer.neurons, x.ndim - 2)(x)
        counts.append(spikes.sum(0))
        state.append(last.membrane)
        flat = spikes.flatten(0, 1)
        for side in layer.pools:
            flat = F.avg_pool2d(flat, side)
        if layer.weight.ndim == 2:
            flat = F.linear(flat.flatten(1), layer.weight, layer.bias)
        else:
            flat = F.conv2d(flat, layer.weight, layer.bias, layer.stride, layer.padding)
        x = flat.unflatten(0, x.shape[:2])
    return [x, *counts, *state]


@ORDERS
@pytest.mark.parametrize("comparison", [Above(), AtOrAbove()])
@pytest.mark.parametrize(("leak", "v_init"), [(1.0, 0.0), (1.0, 0.5), (0.5, 0.25)])
def test_it_is_the_network_of_modules(implementation, order, comparison, leak, v_init) -> None:
    options = {"order": order, "comparison": comparison, "leak": leak, "v_init": v_init}
    x = current(6, 3, 4, 5, 7)
    chain = maps_chain((4, 5, 7), pools=(2,), **options)
    for found, expected in zip(everything(x, chain), by_modules(x, chain), strict=True):
        assert torch.equal(found, expected)
    counts = everything(x, chain)[1:3]
    assert all(0 < float(n.sum()) < 6 * n.numel() for n in counts)


def test_a_first_membrane_a_neuron(implementation: str) -> None:
    v_init = torch.tensor([-0.5, 0.0, 0.5, 1.5])
    chain = Chain((4,), (Layer(neurons(4, v_init=v_init), torch.eye(4)),))
    x = torch.zeros(1, 3, 4)
    assert everything(x, chain)[0].tolist() == [[[0, 0, 0, 1]] * 3]
    for found, expected in zip(everything(x, chain), by_modules(x, chain), strict=True):
        assert torch.equal(found, expected)


@ORDERS
@pytest.mark.parametrize("chunks", [(1, 8), (4, 5), (3, 3, 3), (9,)])
def test_chunks_with_carried_state_are_one_run(implementation, order, chunks) -> None:
    x, chain = current(9, 3, 4, 6, 6), maps_chain((4, 6, 6), order=order, leak=0.5)
    readout, *rest = everything(x, chain)
    parts, totals, state = [], 0.0, None
    for part in x.split(chunks):
        found = cascade(part, chain, state, counts=True)
        parts.append(found.readout)
        totals, state = totals + torch.stack([n.sum() for n in found.counts]), found.state
    assert torch.equal(torch.cat(parts), readout)
    assert torch.equal(totals, torch.stack([n.sum() for n in rest[:2]]))
    assert all(torch.equal(a, b) for a, b in zip(state, rest[2:], strict=True))


def test_a_constant_current_is_given_once(implementation: str) -> None:
    x, chain = current(1, 3, 20), vector_chain((20, 16, 5))
    shown = x.expand(40, 3, 20)
    assert shown.stride(0) == 0
    for one, two in zip(everything(shown, chain), everything(shown.clone(), chain), strict=True):
        assert torch.equal(one, two)


def test_counts_come_when_asked_for(implementation: str) -> None:
    x, chain = current(4, 3, 20), vector_chain((20, 5))
    assert cascade(x, chain).counts == ()
    (counts,) = cascade(x, chain, counts=True).counts
    assert counts.shape == (3, 20)


def test_a_state_is_left_alone(implementation: str) -> None:
    x, chain = current(4, 3, 20), vector_chain((20, 7, 5))
    state = cascade(x, chain).state
    copies = [v.clone() for v in state]
    one, two = (cascade(x, chain, state).readout for _ in range(2))
    assert torch.equal(one, two)
    assert all(torch.equal(v, copy) for v, copy in zip(state, copies, strict=True))


def test_tensors_of_a_chain_are_its_own(implementation: str) -> None:
    weight, threshold = torch.eye(3), torch.tensor(0.5)
    chain = Chain((3,), (Layer(Neurons(threshold), weight),))
    x = torch.ones(2, 1, 3)
    before = cascade(x, chain).readout
    weight.zero_(), threshold.fill_(9)
    assert torch.equal(cascade(x, chain).readout, before)


X, CHAIN = torch.zeros(3, 2, 4), vector_chain((4, 3))
WRONG = [
    (torch.zeros(0, 2, 4), {}, "the current of cascade has no time step"),
    (torch.zeros(3, 2, 5), {}, r"the current of cascade must have shape \(3, 2, 4\)"),
    (torch.zeros(3), {}, "the current of cascade must have shape"),
    (X.double(), {}, r"the chain is torch.float32 on cpu, the current is torch.float64 on cpu"),
    (X, {"state": (X[0], X[0])}, "the state has 2 entries for 1 layers"),
    (X, {"state": (X[0, :1],)}, r"the membrane of layer 0 has shape \(1, 4\)"),
    (torch.zeros(3, 2, 4, requires_grad=True), {}, "cascade gives no gradients"),
]


@pytest.mark.parametrize(("x", "options", "message"), WRONG)
def test_what_does_not_fit_is_refused(x: Tensor, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cascade(x, CHAIN, **options)


def test_without_recording_a_current_may_want_a_gradient() -> None:
    with torch.no_grad():
        assert cascade(WRONG[-1][0], CHAIN).readout.shape == (3, 2, 3)


class Mine:
    """No comparison of ours."""

    def __call__(self, x: Tensor) -> Tensor:
        return (x > 0.5).to(x.dtype)


def test_it_says_why_the_kernel_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def chain(weight: Tensor, **options) -> Chain:
        return Chain((4,), (Layer(neurons(4, **options), weight),))

    monkeypatch.setattr("bayesnn_spike.ops.cascade.MOST", 64)
    cases = {
        r"compiles the comparisons AtOrAbove, Above, got <": chain(
            torch.ones(2, 4), comparison=Mine()
        ),
        "needs finite weights": chain(torch.full((2, 4), torch.inf)),
        "numbers 64 places of a layer at most, got 80": chain(torch.ones(65, 4)),
    }
    for message, refused in cases.items():
        with only("cpu"), pytest.raises(RefusedError, match=f"cascade cannot run: cpu: {message}"):
            cascade(X, refused)
        assert "cascade/cpu: refuses" in explain(cascade, X, refused)
        assert cascade(X, refused).readout.shape == (3, 2, len(refused.layers[0].weight))
    assert "cascade/cpu: runs" in explain(cascade, X, CHAIN)


def test_other_sums_change_spikes_at_ties_only() -> None:
    """On no lattice sums are rounded in another order; a network of a few layers hardly notices."""
    chain = random_chain((50, 64, 64, 10))
    x = torch.rand(1, 40, 50, generator=torch.Generator().manual_seed(1)).expand(64, 40, 50)
    found = {}
    for name in ("cpu", "reference"):
        with only(name):
            found[name] = cascade(x, chain).readout.sum(0)
    near = (found["cpu"] - found["reference"]).abs() < 1e-3
    assert float(near.double().mean()) > 0.98
