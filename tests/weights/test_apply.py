"""weights/apply: linear and conv2d of binary weights, ours and torch's, against numbers."""

import importlib.util
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bayesnn_spike.ops import only
from bayesnn_spike.ops.synapse import conv2d, linear
from bayesnn_spike.rng import Stream
from bayesnn_spike.weights import (
    DrawnSigns,
    LazyCurrent,
    SignTensor,
    SpikeTensor,
    dense,
    is_lazy,
    pack_spikes,
)
from tests.ops import cases

K, T, B = 3, 5, 2
STREAM = Stream(3)


def signs(*shape: int, kind: str = "packed") -> Tensor:
    """K draws of signs `[K, *shape]`, of either kind."""
    if kind == "packed":
        return SignTensor.of(cases.signs(K, *shape))
    return DrawnSigns.of(cases.normal(*shape, dtype=torch.float32), STREAM, K)


def biases(outputs: int) -> list[Tensor | None]:
    return [None, cases.lattice(outputs), cases.lattice(K, outputs), signs(outputs, kind="drawn")]


@pytest.mark.parametrize("function", [linear, F.linear])
@pytest.mark.parametrize("kind", ["packed", "drawn"])
@pytest.mark.parametrize("form", ["numbers", "bytes", "packed"])
@pytest.mark.parametrize("apart", [False, True])
def test_linear_of_all_draws(function, kind: str, form: str, apart: bool) -> None:
    x = cases.spikes(*((K, T, B) if apart else (T, B)), 70)
    given = {"numbers": x, "bytes": x.byte(), "packed": pack_if_shared(x)}[form]
    weight = signs(33, 70, kind=kind)
    for bias in biases(33):
        found = function(given, weight, bias)
        expected = linear(x, weight.dense(), None if bias is None else dense(bias))
        assert isinstance(found, LazyCurrent)
        assert found.shape == expected.shape
        assert torch.equal(found.dense(), expected)


def pack_if_shared(x: Tensor) -> Tensor:
    return pack_spikes(x) if x.ndim in (3, 5) else x


@pytest.mark.parametrize("function", [conv2d, F.conv2d])
@pytest.mark.parametrize("kind", ["packed", "drawn"])
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), ((1, 2), (0, 1))])
def test_conv2d_of_all_draws(function, kind: str, apart: bool, stride, padding) -> None:
    x = cases.spikes(*((K, T, B) if apart else (T, B)), 2, 5, 6)
    weight = signs(5, 2, 3, 3, kind=kind)
    for bias in biases(5):
        found = function(pack_if_shared(x), weight, bias, stride=stride, padding=padding)
        plain = None if bias is None else dense(bias)
        expected = conv2d(x, weight.dense(), plain, stride=stride, padding=padding)
        assert isinstance(found, LazyCurrent)
        assert found.shape == expected.shape
        assert torch.equal(found.dense(), expected)


@pytest.mark.parametrize("kind", ["packed", "drawn"])
def test_one_network_has_no_draw_axis(kind: str) -> None:
    x, weight = cases.spikes(T, B, 70), signs(33, 70, kind=kind)[1]
    found = linear(x, weight)
    assert isinstance(found, LazyCurrent)
    assert torch.equal(found.dense(), linear(x, weight.dense()))
    # Its spikes may have a draw axis all the same.
    x = cases.spikes(K, T, B, 70)
    assert torch.equal(linear(x, weight), linear(x, weight.dense()))


def test_draws_of_spikes_broadcast_as_numbers_do() -> None:
    x, weight = cases.spikes(1, T, B, 70), signs(33, 70)
    assert torch.equal(linear(x, weight), linear(x, weight.dense()))
    x, weight = cases.spikes(K, T, B, 70), signs(33, 70)[:1]
    assert torch.equal(linear(x, weight), linear(x, weight.dense()))
    with pytest.raises(ValueError, match="the numbers of draws differ"):
        linear(cases.spikes(2, T, B, 70), signs(33, 70)).dense()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8, torch.bool])
def test_what_is_no_spike_is_multiplied_as_numbers(dtype: torch.dtype) -> None:
    counts = (2 * cases.spikes(T, B, 70)).to(dtype)
    maps = (2 * cases.spikes(T, B, 2, 5, 5)).to(dtype)
    numbers = torch.float64 if dtype == torch.float64 else torch.float32
    for found, expected in (
        (F.linear(counts, signs(33, 70)), linear(counts.to(numbers), signs(33, 70).dense(numbers))),
        (
            conv2d(maps, signs(5, 2, 3, 3)),
            conv2d(maps.to(numbers), signs(5, 2, 3, 3).dense(numbers)),
        ),
    ):
        assert not is_lazy(found)
        assert found.dtype == numbers
        assert torch.equal(found, expected)


def test_gradients_reach_the_spikes_and_the_bias() -> None:
    weight, cotangent = signs(33, 70), cases.lattice(K, T, B, 33)
    x, bias = cases.spikes(T, B, 70).requires_grad_(), cases.lattice(K, 33).requires_grad_()
    grads = [
        torch.autograd.grad(linear(x, w, bias), (x, bias), cotangent)
        for w in (weight, weight.dense())
    ]
    for one, two in zip(*grads, strict=True):
        assert torch.equal(one, two)
    found = linear(x.detach(), weight, bias)
    (grad,) = torch.autograd.grad(found, bias, cotangent)
    assert torch.equal(grad, cotangent.sum((1, 2)))
    with torch.no_grad():
        assert is_lazy(linear(x, weight, bias))


def test_a_plain_weight_may_have_a_bias_of_signs() -> None:
    x, weight, bias = cases.spikes(T, B, 70), cases.lattice(K, 33, 70), signs(33)
    assert torch.equal(linear(x, weight, bias), linear(x, weight, bias.dense()))
    assert torch.equal(F.linear(x, weight, bias), linear(x, weight, bias.dense()))
    assert torch.equal(linear(pack_spikes(x), weight, bias), linear(x, weight, bias.dense()))
    assert torch.equal(linear(pack_spikes(x), weight), linear(x, weight))


def test_torch_s_names_of_arguments() -> None:
    x, weight = cases.spikes(T, B, 70), signs(33, 70)
    for given in (x, pack_spikes(x)):
        assert torch.equal(F.linear(input=given, weight=weight).dense(), linear(x, weight.dense()))


@pytest.mark.parametrize("options", [{"dilation": 2}, {"groups": 2}, {"padding": "same"}])
def test_convolutions_of_another_kind_are_refused(options: dict) -> None:
    x = torch.ones(T, B, 2, 5, 5)
    with pytest.raises(TypeError, match="numbers for padding, dilation 1 and groups 1, got"):
        F.conv2d(x, signs(4, 2, 3, 3), **options)


ERRORS = [
    ((T, B, 71), (33, 70), "the signs take 70 inputs, the spikes have 71"),
    ((B, 70), (33, 70), r"spikes must be \[\*K, T, B, N\], got shape \(2, 70\)"),
    ((T, B, 2, 5, 7), (33, 70), r"spikes must be \[\*K, T, B, N\]"),
]


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize(("x", "weight", "message"), ERRORS)
def test_shapes_that_do_not_fit_are_named(x, weight, message: str, pack: bool) -> None:
    spikes = torch.zeros(x)
    with pytest.raises(ValueError, match=message):
        F.linear(pack_spikes(spikes) if pack else spikes, signs(*weight))


def test_a_flat_map_that_does_not_fit_is_named() -> None:
    flat = pack_spikes(cases.spikes(T, B, 2, 5, 7)).flatten(-3)
    with pytest.raises(
        ValueError, match=r"take \(71,\) inputs, the spikes are a flat map \(2, 5, 7\)"
    ):
        linear(flat, signs(33, 71))


def test_without_numba_the_reference_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = cases.spikes(T, B, 70), signs(33, 70)
    expected = linear(x, weight.dense())
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert pack_spikes(x) is x
    found = linear(x, weight)
    assert isinstance(found, LazyCurrent)
    assert torch.equal(found.dense(), expected)
    assert torch.equal(linear(2 * x, weight), 2 * expected)


def test_spikes_are_packed_where_that_helps() -> None:
    x = cases.spikes(T, B, 70)
    for given in (x, x.byte(), cases.spikes(T, B, 2, 5, 5)):
        found = pack_spikes(given)
        assert isinstance(found, SpikeTensor)
        assert torch.equal(found.dense(), given.float())
    packed = pack_spikes(x)
    for given in (2 * x, x.double(), x[0], x.to("meta"), packed, nn.Parameter(x)):
        assert pack_spikes(given) is given


def test_the_reference_runs_without_a_compiled_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the advice of whoever cannot compile holds."""
    x, weight = cases.spikes(3, 2, 70), SignTensor.of(cases.signs(2, 5, 70))
    expected = linear(x, weight) + 0
    for module in [name for name in sys.modules if name.endswith(("synapse.pack", "synapse.rows"))]:
        monkeypatch.setitem(sys.modules, module, None)
    with only("reference"):
        assert pack_spikes(x) is x
        assert torch.equal(linear(x, weight) + 0, expected)
    with pytest.raises(ImportError):
        pack_spikes(x)
