"""ops/synapse: signed_linear and signed_conv2d against float64: both forms, shapes, refusals."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from bayesnn_spike.ops import RefusedError, explain, only
from bayesnn_spike.ops.draw.signs import Drawn, Packed
from bayesnn_spike.ops.spikes import PackedSpikes
from bayesnn_spike.ops.synapse import packed as engine_arrays
from bayesnn_spike.ops.synapse import signed, signed_conv2d, signed_cpu, signed_linear
from bayesnn_spike.ops.synapse.shapes import map_after, pair
from bayesnn_spike.rng import Stream
from tests.ops import cases, packed

NAMES = ("cpu", "reference")
FORMS = {"event-driven": True, "population counts": False}


@pytest.fixture(params=NAMES)
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    with only(request.param):
        yield request.param


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


def force(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setattr(signed_cpu, "_events_are_cheaper", lambda *_: FORMS[form])


def biases(k: int, outputs: int) -> list[Tensor | None]:
    return [None, cases.lattice(outputs), cases.lattice(k, outputs, seed=1)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (7, 5), (63, 65), (65, 130), (300, 700)])
def test_both_forms_give_the_same_integers(inputs, outputs, k, apart, form, monkeypatch) -> None:
    force(monkeypatch, form)
    case = packed.problem(inputs, outputs, k=k, t=2, b=3, rate=0.4, apart=apart)
    signs = Packed.of(case.weight)
    for bias in biases(k, outputs):
        for spikes in (case.spikes, PackedSpikes.of(case.spikes, 1)):
            with only("cpu"):
                found = signed_linear(spikes, signs, bias)
            assert (found.dtype, found.shape) == (torch.float32, (k, 2, 3, outputs))
            assert torch.equal(found.double(), packed.linear(case.spikes, case.weight, bias))


@pytest.mark.parametrize("rate", [0.0, 0.03, 1.0])
@pytest.mark.parametrize(("k", "t", "b"), [(16, 1, 1), (3, 63, 1), (1, 2, 3), (3, 2, 0)])
def test_linear_equals_the_oracle(k, t, b, rate, implementation) -> None:
    case = packed.problem(300, 130, k=k, t=t, b=b, rate=rate)
    found = signed_linear(case.spikes, Packed.of(case.weight), case.bias)
    assert torch.equal(found.double(), packed.linear(case.spikes, case.weight, case.bias))


CONVOLUTIONS = {
    "valid": ((6, 5), (3, 3), 1, 0),
    "same": ((6, 5), (3, 3), 1, 1),
    "pairs": ((6, 7), (2, 4), (2, 3), (1, 2)),
    "one position": ((3, 4), (3, 4), 1, 0),
    "one pixel": ((1, 1), (1, 1), 1, 0),
    "padding beyond the kernel": ((2, 2), (2, 2), 2, 3),
    "strides beyond the kernel": ((7, 7), (1, 2), 3, 0),
}


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(("k", "channels", "outputs"), [(1, 1, 5), (3, 2, 70), (2, 70, 33)])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_conv2d_equals_the_oracle(case, k, channels, outputs, apart, implementation) -> None:
    before, kernel, stride, padding = CONVOLUTIONS[case]
    lead = (k, 2, 3) if apart else (2, 3)
    x, w = cases.spikes(*lead, channels, *before), cases.signs(k, outputs, channels, *kernel)
    for bias in biases(k, outputs):
        expected = packed.conv2d(x, w, bias, stride=stride, padding=padding)
        for spikes in (x, PackedSpikes.of(x, 3)):
            found = signed_conv2d(spikes, Packed.of(w), bias, stride=stride, padding=padding)
            assert found.dtype == torch.float32
            assert torch.equal(found.double(), expected)


@pytest.mark.parametrize(("t", "b"), [(2, 0), (0, 2), (0, 0)])
@pytest.mark.parametrize("outputs", [5, 700])
def test_no_examples_and_no_steps(t: int, b: int, outputs: int, implementation) -> None:
    signs = Packed.of(cases.signs(3, outputs, 70))
    assert signed_linear(torch.zeros(t, b, 70), signs).shape == (3, t, b, outputs)
    signs = Packed.of(cases.signs(3, outputs, 2, 2, 2))
    found = signed_conv2d(torch.zeros(t, b, 2, 3, 3), signs)
    assert found.shape == (3, t, b, outputs, 2, 2)


def test_recipes_are_drawn_where_they_are_used(implementation: str) -> None:
    x = cases.spikes(2, 3, 70)
    recipe = Drawn(cases.normal(33, 70, dtype=torch.float32), Stream(5), draws=3, first=4)
    expected = packed.linear(x, recipe.dense())
    assert torch.equal(signed_linear(x, recipe).double(), expected)
    maps = cases.spikes(2, 3, 2, 4, 4)
    recipe = Drawn(cases.normal(5, 2, 3, 3, dtype=torch.float32), Stream(5), draws=3, first=4)
    found = signed_conv2d(maps, recipe, padding=1)
    assert torch.equal(found.double(), packed.conv2d(maps, recipe.dense(), padding=1))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("size", [1, 5000, 1 << 25])
def test_draws_in_chunks_change_no_bit(size, apart, form, monkeypatch) -> None:
    """One draw at a time, two, all."""
    force(monkeypatch, form)
    monkeypatch.setattr(engine_arrays, "SIGN_BYTES", size)
    case = packed.problem(70, 130, k=5, t=2, b=3, apart=apart)
    signs = Packed.of(case.weight)
    assert len(list(engine_arrays.chunks(signs))) == {1: 5, 5000: 3, 1 << 25: 1}[size]
    for bias in biases(5, 130):
        found = signed_linear(case.spikes, signs, bias)
        assert torch.equal(found.double(), packed.linear(case.spikes, case.weight, bias))
    x = cases.spikes(*((5, 2, 3) if apart else (2, 3)), 2, 4, 4)
    w, bias = cases.signs(5, 33, 2, 3, 3), cases.lattice(5, 33)
    assert torch.equal(signed_conv2d(x, Packed.of(w), bias).double(), packed.conv2d(x, w, bias))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_threads_change_no_bit(count: int, form: str, threads: None, monkeypatch) -> None:
    force(monkeypatch, form)
    torch.set_num_threads(count)
    case = packed.problem(300, 130, k=3, t=20, b=7)
    found = signed_linear(case.spikes, Packed.of(case.weight), case.bias)
    assert torch.equal(found.double(), packed.linear(case.spikes, case.weight, case.bias))
    x, w = cases.spikes(5, 7, 3, 6, 6), cases.signs(3, 33, 3, 3, 3)
    assert torch.equal(signed_conv2d(x, Packed.of(w)).double(), packed.conv2d(x, w))


@pytest.mark.parametrize("rate", [0.01, 0.9])
def test_the_explanation_says_what_runs(rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    case = packed.problem(300, 256, k=2, t=5, b=3, rate=rate)
    signs, ran = Packed.of(case.weight), []
    multiply, run = signed_cpu.popcount.multiply, signed_cpu.run
    monkeypatch.setattr(
        signed_cpu.popcount, "multiply", lambda *a: ran.append("population counts") or multiply(*a)
    )
    monkeypatch.setattr(signed_cpu, "run", lambda *a: ran.append("event-driven") or run(*a))
    signed_linear(case.spikes, signs)
    assert ran == ["event-driven" if rate < 0.5 else "population counts"]
    text = explain(signed._LINEAR, case.spikes, signs, None)
    density = float(case.spikes.mean())
    assert f"signed_linear/cpu: runs, {ran[0]}: density {density:.3f}, 256 outputs" in text
    assert "signed_linear/reference: available" in text


def test_the_explanation_of_a_convolution() -> None:
    signs, x = Packed.of(cases.signs(2, 5, 2, 3, 3)), cases.spikes(2, 3, 2, 4, 4)
    text = explain(signed._CONV2D, x, signs, None, stride=1, padding=0)
    density = float(x.mean())
    assert f"signed_conv2d/cpu: runs, population counts: density {density:.3f}, 5 outputs" in text


def test_numbers_that_are_no_spikes_go_to_the_reference() -> None:
    x, w = cases.lattice(2, 3, 70), cases.signs(3, 33, 70)
    assert torch.equal(signed_linear(x, Packed.of(w)).double(), packed.linear(x, w))
    with only("cpu"), pytest.raises(RefusedError, match="cpu: needs spikes of 0 and 1"):
        signed_linear(x, Packed.of(w))
    maps, w = cases.lattice(2, 3, 2, 4, 4), cases.signs(3, 5, 2, 3, 3)
    assert torch.equal(signed_conv2d(maps, Packed.of(w)).double(), packed.conv2d(maps, w))
    with pytest.raises(ValueError, match="spikes must be 0 and 1"):
        engine_arrays.spike_words(x, 1)


@pytest.mark.parametrize("k", [1, 2])
def test_a_bias_of_any_value_is_added_once(k: int, implementation: str) -> None:
    """After the integers, in one rounding: whatever adds them up gives the same float."""
    case = packed.problem(3000, 65, k=k, t=3, b=2, rate=0.5)
    bias = cases.normal(k, 65, dtype=torch.float32)
    total = packed.linear(case.spikes, case.weight).float()
    expected = total + bias[:, None, None]
    assert torch.equal(signed_linear(case.spikes, Packed.of(case.weight), bias), expected)


def test_pairs_and_sizes_of_maps() -> None:
    assert (pair(3), pair((3, 4))) == ((3, 3), (3, 4))
    assert map_after((7, 8), (3, 3), 2, 1) == (4, 4)
    assert map_after((7, 8), (3, 2), (1, 2), (0, 1)) == (5, 5)
    with pytest.raises(ValueError, match="a kernel of 5 does not fit into 2 with padding 1"):
        map_after((7, 2), (5, 5), 1, 1)


ERRORS = {
    "no time": ((3, 70), (2, 5, 70), None, r"spikes must be \[\*K, T, B, N\], got shape \(3, 70\)"),
    "inputs": ((2, 3, 71), (2, 5, 70), None, r"take 70 inputs, the spikes have 71: .*\(2, 3, 71\)"),
    "draws": ((3, 2, 3, 70), (2, 5, 70), None, "the numbers of draws differ, 3 and 2"),
    "one draw": ((1, 2, 3, 70), (2, 5, 70), None, "the numbers of draws differ, 1 and 2"),
    "axes": ((2, 3, 70), (2, 70), None, "signs must have 2 axes and K before them"),
    "a kernel": ((2, 3, 70), (2, 5, 70, 1, 1), None, "signs must have 2 axes"),
    "bias": ((2, 3, 70), (2, 5, 70), (2, 4), r"bias must be \(5,\) or \(2, 5\), got \(2, 4\)"),
    "bias draws": ((2, 3, 70), (2, 5, 70), (1, 5), r"bias must be \(5,\) or \(2, 5\)"),
}


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("case", ERRORS)
def test_shapes_that_do_not_fit_are_named(case: str, pack: bool) -> None:
    x, w, b, message = ERRORS[case]
    spikes = PackedSpikes.of(torch.zeros(x), 1) if pack else torch.zeros(x)
    bias = None if b is None else torch.zeros(b)
    with pytest.raises(ValueError, match=message):
        signed_linear(spikes, Packed.of(torch.ones(w)), bias)


def test_maps_that_do_not_fit_are_named() -> None:
    signs = Packed.of(torch.ones(2, 5, 3, 4, 4))
    for x, message in (
        (torch.zeros(2, 3, 3, 3, 3), "a kernel of 4 does not fit into 3"),
        (torch.zeros(2, 3, 2, 5, 5), "the signs take 3 inputs, the spikes have 2"),
        (torch.zeros(3, 3, 5, 5), r"spikes must be \[\*K, T, B, C, H, W\]"),
    ):
        with pytest.raises(ValueError, match=message):
            signed_conv2d(x, signs)
