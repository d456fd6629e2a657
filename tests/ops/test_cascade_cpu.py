"""ops/cascade/cpu: the reference's bits on integer nets, for every geometry, stride and thread."""

import pytest
import torch

from bayesnn_spike.neurons import Above, AtOrAbove, Delayed, Immediate
from bayesnn_spike.ops.cascade import Chain, Layer, cascade, cpu
from tests.ops.chains import current, everything, maps_chain, neurons, random_chain, vector_chain
from tests.ops.pairs import assert_same_bits

ORDERS = pytest.mark.parametrize("order", [Immediate(), Delayed()], ids=["immediate", "delayed"])


@ORDERS
@pytest.mark.parametrize("comparison", [Above(), AtOrAbove()])
@pytest.mark.parametrize(("leak", "v_init"), [(1.0, 0.0), (1.0, 0.5), (0.5, 0.25), (0.0, 0.0)])
@pytest.mark.parametrize("channels", [1, 5, 16, 17])
def test_neurons_of_every_kind(order, comparison, leak, v_init, channels, poison: None) -> None:
    options = {"order": order, "comparison": comparison, "leak": leak, "v_init": v_init}
    x = current(7, 3, channels, 3, 2)
    chain = maps_chain((channels, 3, 2), **options)
    assert_same_bits(lambda: everything(x, chain))


@ORDERS
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "pools", "outputs"),
    [
        ((3, 3), 1, 1, (), 16),
        ((3, 3), 1, 0, (2,), 5),
        ((3, 3), 2, 1, (), 20),
        ((2, 2), 2, 0, (2, 2), 3),
        ((1, 1), 1, 0, (3,), 17),
        ((5, 2), (2, 1), (1, 2), (), 7),
        ((1, 4), 1, 0, (2,), 33),
        ((9, 11), 1, 0, (), 4),
    ],
)
def test_convolutions_behind_pools(order, bias, kernel, stride, padding, pools, outputs) -> None:
    chain = maps_chain(
        (4, 9, 11),
        kernel,
        outputs=outputs,
        pools=pools,
        bias=bias,
        stride=stride,
        padding=padding,
        order=order,
    )
    x = current(5, 3, 4, 9, 11)
    if 3 in pools:  # 1/9 is rounded: the currents are not the same bits
        found, expected = (cascade(x, chain).readout, by_reference(x, chain))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    else:
        assert_same_bits(lambda: everything(x, chain))


def by_reference(x: torch.Tensor, chain: Chain) -> torch.Tensor:
    """In float64, where ninths are closer than any threshold."""
    layers = [
        Layer(
            type(layer.neurons)(layer.neurons.threshold.double(), order=layer.neurons.order),
            layer.weight.double(),
            None if layer.bias is None else layer.bias.double(),
            layer.pools,
            layer.stride,
            layer.padding,
        )
        for layer in chain.layers
    ]
    return cascade(x.double(), Chain(chain.shape, tuple(layers))).readout.float()


@pytest.mark.parametrize("pools", [(), (2,), (4,), (2, 2)])
def test_a_linear_layer_behind_maps(pools: tuple[int, ...]) -> None:
    shape = (3, 8, 9)
    inputs = 3 * {(): 72, (2,): 16}.get(pools, 4)
    weight = torch.randint(-4, 5, (10, inputs), generator=torch.Generator().manual_seed(1)).float()
    chain = Chain(shape, (Layer(neurons(3, 1, 1), weight, torch.arange(10.0), pools),))
    assert_same_bits(lambda: everything(current(5, 4, *shape), chain))


@pytest.mark.parametrize("sizes", [(1, 1), (16, 16), (15, 17, 33, 2), (40, 64, 10)])
def test_vectors_of_any_size(sizes: tuple[int, ...], poison: None) -> None:
    chain, x = vector_chain(sizes, v_init=0.5), current(20, 5, sizes[0])
    assert_same_bits(lambda: everything(x, chain))


@ORDERS
@pytest.mark.parametrize("steps", [1, 15, 16, 17, 33])
def test_blocks_of_steps_are_one_run(order, steps: int) -> None:
    chain, x = vector_chain((20, 16, 5), order=order), current(steps, 3, 20)
    assert cpu.STEPS == 16
    assert_same_bits(lambda: everything(x, chain))
    assert_same_bits(lambda: everything(x[:1].expand(steps, 3, 20), chain))


def test_states_of_every_layout() -> None:
    """The kernel's own, turned ones, and one membrane for all examples."""
    chain, x = maps_chain((16, 5, 4), outputs=32, leak=0.5), current(4, 3, 16, 5, 4)
    state = cascade(x, chain).state
    turned = tuple(v.contiguous() for v in state)
    same = tuple(v[:1].expand_as(v) for v in state)
    assert not state[0].is_contiguous()
    for given in (state, turned, same):
        assert_same_bits(lambda s=given: everything(x, chain, s))


def test_currents_of_every_layout() -> None:
    chain, x = maps_chain((4, 5, 6)), current(4, 3, 4, 5, 6)
    wide = torch.stack([x, x + 100], -1)[..., 0]
    last = x.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    late = torch.cat([x, x])[4:]
    for given in (wide, last, late, x[:, :1].expand_as(x), x.flip(0)):
        assert_same_bits(lambda y=given: everything(y, chain))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, -0.0, 1e-45, 3e38])
@ORDERS
def test_currents_that_are_not_ordinary(order, value: float) -> None:
    chain, x = vector_chain((20, 5), order=order), current(6, 3, 20)
    x[2, :, ::3] = value
    assert_same_bits(lambda: everything(x, chain))


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = random_chain((30, 20, 7))
    x = torch.randn(6, 12, 30, generator=torch.Generator().manual_seed(2))
    found = []
    for threads in (1, 4):
        monkeypatch.setattr("bayesnn_spike.ops._threads.threads", lambda n=threads: n)
        found.append(everything(x, chain))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("shape", [(3, 0, 20), (1, 0, 20)])
def test_an_empty_batch_is_a_batch(shape: tuple[int, ...]) -> None:
    assert_same_bits(lambda: everything(torch.zeros(shape), vector_chain((20, 5))))


def test_a_chain_is_prepared_once_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, prepare = [], cpu._prepare
    monkeypatch.setattr(cpu, "_prepare", lambda chain: calls.append(1) or prepare(chain))
    chain, x = vector_chain((20, 5)), current(2, 3, 20)
    known = len(cpu._ready)
    for _ in range(3):
        cascade(x, chain)
    assert (len(calls), len(cpu._ready)) == (1, known + 1)
    del chain
    assert len(cpu._ready) == known
