"""ops/synapse/engine: whole recordings through the counters, at every width and in any chunks."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from bayesnn_spike.ops._simd import Width
from bayesnn_spike.ops.draw.signs import Packed
from bayesnn_spike.ops.synapse import engine
from bayesnn_spike.ops.synapse.engine import Neuron, Result, run
from bayesnn_spike.ops.synapse.lists import Geometry
from bayesnn_spike.ops.synapse.packed import layer_of, spike_words
from tests.ops import cases, packed

WIDTHS = (2, 4, 8)
_F32 = np.float32
NEURON = Neuron(_F32(0.5), _F32(0.75), _F32(0), True, _F32(0))
NO_SPIKES, NO_V = np.empty((0,) * 5, np.uint64), np.empty((0,) * 4, _F32)
NO_CURRENTS = np.empty((0,) * 5, _F32)


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


def use(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(engine, "_WIDEST", Width(width))


def currents(case: packed.Problem, geometry: Geometry = Geometry()) -> Tensor:
    """Currents `[K, T, B, P, M]` as the engine sums them."""
    maps = 3 if case.weight.ndim == 5 else 1
    x, signs = spike_words(case.spikes, maps), Packed.of(case.weight)
    layer = layer_of(signs, case.bias, 1.0, len(x) == 1)
    shape = (signs.draws, x.shape[3], x.shape[1], geometry.positions, signs.size[0])
    out = np.full(shape, np.nan, _F32)
    run(x, geometry, layer, NEURON, Result(NO_SPIKES, NO_V, out))
    return torch.from_numpy(out)


def fired(case: packed.Problem, v: Tensor, neuron: Neuron = NEURON) -> tuple[Tensor, Tensor]:
    """Spikes `[K, T, B, M]` and membranes `[K, B, M]`; v is the state before."""
    x, signs = spike_words(case.spikes, 1), Packed.of(case.weight)
    outputs, words = signs.size[0], -(-signs.size[0] // 64)
    layer = layer_of(signs, case.bias, 0.25, len(x) == 1)
    found = np.full((signs.draws, x.shape[1], 1, x.shape[3], words), 0xABABABAB, np.uint64)
    after = np.full((signs.draws, x.shape[1], 1, 64 * words), np.nan, _F32)
    after[:, :, 0, :outputs] = v.numpy()
    run(x, Geometry(), layer, neuron, Result(found, after, NO_CURRENTS))
    bits = np.unpackbits(found[:, :, 0].view(np.uint8), axis=-1, bitorder="little")
    assert not bits[..., outputs:].any()
    spikes = torch.from_numpy(bits[..., :outputs].astype(_F32)).transpose(1, 2)
    return spikes, torch.from_numpy(after[:, :, 0, :outputs])


def check_firing(case: packed.Problem, v: Tensor) -> None:
    total = packed.linear(case.spikes, case.weight, case.bias) * 0.25
    expected = packed.fire(total, v, beta=0.5, v_threshold=0.75)
    for one, two in zip(fired(case, v), expected, strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("k", [1, 3, 16])
@pytest.mark.parametrize("outputs", packed.OUTPUTS)
def test_currents_are_exact_at_every_width(outputs, k, apart, width, monkeypatch) -> None:
    """Blocks of one word to eleven, draws that share a block, one draw over several blocks."""
    use(monkeypatch, width)
    case = packed.problem(65, outputs, k=k, t=2, b=3, apart=apart)
    expected = packed.linear(case.spikes, case.weight, case.bias)
    assert torch.equal(currents(case)[..., 0, :].double(), expected)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("inputs", packed.COUNTS)
@pytest.mark.parametrize(("t", "b"), [(1, 1), (2, 3), (63, 1)])
def test_neurons_fire_at_every_width(t, b, inputs, apart, width, monkeypatch) -> None:
    use(monkeypatch, width)
    for outputs, k in ((33, 3), (130, 5)):
        case = packed.problem(inputs, outputs, k=k, t=t, b=b, rate=0.2, apart=apart)
        check_firing(case, cases.lattice(k, b, outputs))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("inputs", [247, 248, 249, 256, 33_000])
def test_no_count_of_active_inputs_is_too_many(inputs, apart, width, monkeypatch) -> None:
    """All inputs are active: beyond 255 a byte would overflow, beyond 32,768 sixteen bits."""
    use(monkeypatch, width)
    case = packed.problem(inputs, 5, k=2, t=2, b=1, rate=1.0, apart=apart)
    ones = replace(case, weight=torch.ones_like(case.weight))
    for some in (case, ones):
        expected = packed.linear(some.spikes, some.weight, some.bias)
        assert torch.equal(currents(some)[..., 0, :].double(), expected)
        check_firing(some, cases.lattice(2, 1, 5))


@pytest.mark.parametrize("apart", [False, True])
def test_without_an_event_only_the_bias_and_the_leak_act(apart: bool) -> None:
    case = packed.problem(70, 130, k=3, t=4, b=2, rate=0.0, apart=apart)
    assert not case.spikes.any()
    assert torch.equal(currents(case)[..., 0, :], case.bias[:, None, None].expand(3, 4, 2, 130))
    check_firing(case, cases.lattice(3, 2, 130))


@pytest.mark.parametrize("edge", [0.0, 2.0**-149])
@pytest.mark.parametrize("soft", [True, False])
def test_two_chunks_of_time_are_one_run(soft: bool, edge: float) -> None:
    case = packed.problem(65, 130, k=3, t=7, b=2)
    neuron = NEURON._replace(soft=soft, edge=_F32(edge), v_reset=_F32(-0.25))
    v = cases.lattice(3, 2, 130)
    whole, last = fired(case, v, neuron)
    first, between = fired(replace(case, spikes=case.spikes[:3]), v, neuron)
    second, end = fired(replace(case, spikes=case.spikes[3:]), between, neuron)
    assert torch.equal(torch.cat([first, second], 1), whole)
    assert torch.equal(end, last)


CONVOLUTIONS = [
    ((5, 4), (3, 3), 1, 0),
    ((5, 4), (3, 3), (1, 2), (1, 0)),
    ((3, 6), (2, 5), (2, 1), (0, 2)),
    ((3, 3), (3, 3), 1, 0),
    ((1, 1), (1, 1), 1, 0),
]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(("k", "channels", "outputs"), [(1, 2, 70), (3, 65, 5), (2, 70, 130)])
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_maps_are_exact_at_every_width(
    case, k, channels, outputs, apart, width, monkeypatch
) -> None:
    use(monkeypatch, width)
    before, kernel, stride, padding = case
    lead = (k, 2, 2) if apart else (2, 2)
    x = cases.spikes(*lead, channels, *before)
    w, bias = cases.signs(k, outputs, channels, *kernel), cases.lattice(k, outputs)
    expected = packed.conv2d(x, w, bias, stride=stride, padding=padding)
    (sy, sx), (py, px) = ((v, v) if isinstance(v, int) else v for v in (stride, padding))
    geometry = Geometry(*before, *kernel, sy, sx, py, px, *expected.shape[-2:])
    found = currents(packed.Problem(x, w, bias), geometry)
    assert torch.equal(found.double(), expected.flatten(-2).movedim(-1, -2))


@pytest.mark.parametrize("entries", [1, 130, 1 << 23])
def test_lists_in_chunks_change_no_bit(entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks, together = [], engine._together

    def watched(*args) -> None:
        chunks.append(len(args[5]))
        together(*args)

    monkeypatch.setattr(engine, "_ENTRIES", entries)
    monkeypatch.setattr(engine, "_together", watched)
    case = packed.problem(70, 130, k=3, t=3, b=5)
    assert torch.equal(
        currents(case)[..., 0, :].double(), packed.linear(case.spikes, case.weight, case.bias)
    )
    check_firing(case, cases.lattice(3, 5, 130))
    assert sum(chunks) == 2 * 5
    assert {1: len(chunks) == 10, 130: 2 < len(chunks) < 10, 1 << 23: len(chunks) == 2}[entries]


@pytest.mark.parametrize(
    ("totals", "expected"),
    [
        ([], []),
        ([0, 0], [(0, 2)]),
        ([200], [(0, 1)]),
        ([50, 50, 1], [(0, 2), (2, 3)]),
        ([200, 1, 99, 1], [(0, 1), (1, 3), (3, 4)]),
    ],
)
def test_chunks_are_full_and_hold_one_example_at_least(totals, expected, monkeypatch) -> None:
    monkeypatch.setattr(engine, "_ENTRIES", 100)
    assert engine._chunks(np.array(totals, np.int64)) == expected


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_threads_change_no_bit(count: int, apart: bool, threads: None) -> None:
    torch.set_num_threads(count)
    case = packed.problem(70, 700, k=3, t=3, b=11, apart=apart)
    assert torch.equal(
        currents(case)[..., 0, :].double(), packed.linear(case.spikes, case.weight, case.bias)
    )
    check_firing(case, cases.lattice(3, 11, 700))
