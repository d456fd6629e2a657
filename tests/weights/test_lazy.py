"""weights/lazy, current, spikes: what stays bits, and numbers that equal those of plain tensors."""

import copy
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bayesnn_spike.neurons import Above, FastSigmoid, Subtract, ToValue
from bayesnn_spike.ops import RefusedError
from bayesnn_spike.ops.fire import fire
from bayesnn_spike.ops.synapse import conv2d, linear
from bayesnn_spike.weights import (
    LazyCurrent,
    SignTensor,
    SpikeTensor,
    held_bytes,
    is_lazy,
    pack_spikes,
)
from tests.ops import cases

K, T, B = 3, 5, 2
VECTORS, MAPS = cases.spikes(T, B, 70), cases.spikes(T, B, 70, 5, 7)
NEURON = {"beta": 0.5, "v_threshold": 0.75, "surrogate": FastSigmoid(2.0)}


def current(*, one: bool = False, maps: bool = False, flat: bool = False) -> LazyCurrent:
    """Currents of 33 outputs; `flat`: of a flattened map."""
    shape = (33, 70, 3, 3) if maps else (33, 70 * 35) if flat else (33, 70)
    weight = SignTensor.of(cases.signs(K, *shape))
    weight = weight[1] if one else weight
    x = pack_spikes(MAPS).flatten(-3) if flat else MAPS if maps else VECTORS
    found = conv2d(x, weight, padding=1) if maps else linear(x, weight)
    assert isinstance(found, LazyCurrent)
    return found


def plain(**options: bool) -> Tensor:
    """The same currents as numbers, by other code."""
    weight = cases.signs(K, *((33, 70, 3, 3) if options.get("maps") else (33, 2450)))
    if not (options.get("maps") or options.get("flat")):
        weight = cases.signs(K, 33, 70)
    weight = weight[1] if options.get("one") else weight
    if options.get("maps"):
        return conv2d(MAPS, weight, padding=1)
    return linear(MAPS.flatten(-3) if options.get("flat") else VECTORS, weight)


KINDS = [{}, {"one": True}, {"maps": True}, {"maps": True, "one": True}, {"flat": True}]
KINDS += [{"flat": True, "one": True}]
ALL = pytest.mark.parametrize("kind", KINDS, ids=str)


@ALL
def test_currents_look_like_their_numbers(kind: dict) -> None:
    found, expected = current(**kind), plain(**kind)
    assert (found.shape, found.ndim, len(found)) == (expected.shape, expected.ndim, len(expected))
    assert (found.dtype, found.device, found.requires_grad) == (
        torch.float32,
        expected.device,
        False,
    )
    assert repr(found) == f"LazyCurrent(shape={tuple(expected.shape)})"
    assert found.made is None
    assert held_bytes(found) == 0
    assert torch.equal(found.dense(), expected)
    assert found.dense() is found.dense()
    assert held_bytes(found) == expected.numel() * 4


@ALL
@pytest.mark.parametrize("gain", [0.25, 2, "channel", "buffer"])
def test_one_gain_is_taken_along(kind: dict, gain) -> None:
    shape = (33, 1, 1) if kind.get("maps") else (33,)
    factor = {"channel": cases.normal(*shape).float(), "buffer": torch.tensor(0.5)}.get(gain, gain)
    expected = plain(**kind) * factor
    for found in (
        current(**kind) * factor,
        factor * current(**kind),
        torch.mul(current(**kind), factor),
    ):
        assert is_lazy(found) is (gain != "buffer")
        assert torch.equal(found + 0, expected)
    with torch.no_grad():
        assert is_lazy(current(**kind) * nn.Parameter(cases.normal(*shape).float()))


def test_another_gain_makes_numbers() -> None:
    once = current() * 0.25
    for found in (once * 2, current() * torch.full((2, 33), 2.0) / 4, current() * current()):
        assert not is_lazy(found)
    assert torch.equal(once * 2, plain() * 0.25 * 2)
    assert torch.equal(current() * current(), plain().square())
    assert torch.equal(current() * torch.ones(33, dtype=torch.float64), plain().double())
    out = torch.empty(K, T, B, 33)
    assert torch.mul(current(), 0.25, out=out) is out
    assert torch.equal(out, plain() * 0.25)


def test_a_learned_gain_gets_its_gradient() -> None:
    gain = torch.full((33,), 0.25, requires_grad=True)
    (grad,) = torch.autograd.grad((current() * gain).sum(), gain)
    assert torch.equal(grad, plain().sum((0, 1, 2)))


ARITHMETIC = {
    "add": lambda x: x + 1,
    "divide": lambda x: x / 4,
    "negate": lambda x: -x,
    "compare": lambda x: x > 0,
    "index": lambda x: x[..., 1:, :5],
    "softmax": lambda x: x.softmax(-1),
    "relu": lambda x: F.relu(x, inplace=True),
    "mean": lambda x: torch.mean(input=x, dim=1),
    "cat": lambda x: torch.cat([x, x], -1),
    "transpose": lambda x: x.mT,
    "einsum": lambda x: torch.einsum("...m,...m->...", x, x),
    "iterate": lambda x: torch.stack(list(x)),
    "numpy": lambda x: torch.from_numpy(np.array(x.numpy()) + 1),
    "list": lambda x: torch.tensor(x.tolist()),
    "flatten": lambda x: torch.flatten(input=x),
    "layer": lambda x: F.layer_norm(x, x.shape[-1:]),
    "copy": copy.deepcopy,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "double": lambda x: x.double(),
    "format": lambda x: torch.tensor(float(f"{x.sum():.1f}")),
}


@pytest.mark.parametrize("name", ARITHMETIC)
@pytest.mark.parametrize("which", ["current", "map", "spikes", "spike map", "flat"])
def test_anything_else_gets_numbers(which: str, name: str) -> None:
    made, values = {
        "current": (current, plain),
        "map": (lambda: current(maps=True), lambda: plain(maps=True)),
        "spikes": (lambda: pack_spikes(VECTORS), VECTORS.clone),
        "spike map": (lambda: pack_spikes(MAPS), MAPS.clone),
        "flat": (lambda: pack_spikes(MAPS).flatten(-3), lambda: MAPS.flatten(-3)),
    }[which]
    found, expected = ARITHMETIC[name](made()), ARITHMETIC[name](values())
    assert type(found) is Tensor
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


def test_currents_change_in_place_once_they_are_numbers() -> None:
    x = current()
    assert torch.equal(x.mul_(3), plain() * 3)
    assert torch.equal(x * 2, plain() * 6)
    x[0] = 0
    assert torch.equal(x + 0, torch.cat([torch.zeros(1, T, B, 33), plain()[1:] * 3]))
    v, _ = fire(x, time_dim=1, **NEURON)
    assert not v[0].any()


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.zero_(),
        lambda x: x.add_(1),
        lambda x: x.__setitem__(0, 0),
        lambda x: torch.relu_(x),
        lambda x: x.requires_grad_(),
        lambda x: setattr(x, "requires_grad", True),
    ],
)
def test_bits_are_not_changed_behind_their_back(change) -> None:
    """What would be written to numbers that nobody keeps is refused."""
    x = pack_spikes(VECTORS)
    with pytest.raises(RefusedError, match=r"SpikeTensor is bits, which .* cannot change in place"):
        change(x)
    assert torch.equal(x.dense(), VECTORS)
    counted = torch.zeros(T, B, 70)
    counted.add_(x)
    assert torch.equal(counted, VECTORS)


@ALL
@pytest.mark.parametrize("reset", [Subtract(), ToValue(-0.25)])
def test_neurons_fire_into_bits(kind: dict, reset) -> None:
    time = plain(**kind).ndim - (3 if kind.get("maps") else 1) - 2
    options = NEURON | {"reset": reset, "comparison": Above(), "time_dim": time}
    numbers = plain(**kind) * 0.25
    state = cases.lattice(*numbers.select(time, 0).shape)
    for before in (None, state):
        expected, v = fire(numbers, before, **options)
        for axis in (time, time - numbers.ndim):
            lazy = current(**kind) * 0.25
            found, last = fire(lazy, before, **(options | {"time_dim": axis}))
            assert isinstance(found, SpikeTensor)
            assert lazy.made is None
            assert found.shape == expected.shape
            assert torch.equal(found.dense(), expected)
            assert torch.equal(last, v)


def test_a_neuron_with_another_axis_of_time_gets_numbers() -> None:
    found, v = fire(current(), time_dim=2, **NEURON)
    expected, last = fire(plain(), time_dim=2, **NEURON)
    assert not is_lazy(found)
    assert torch.equal(found, expected)
    assert torch.equal(v, last)


def test_states_keep_their_rules() -> None:
    """A state that is learned gets a gradient, a wrong one is named."""
    state = cases.lattice(K, B, 33).requires_grad_()
    found, _ = fire(current(), state, time_dim=1, **NEURON)
    expected, _ = fire(plain(), state, time_dim=1, **NEURON)
    one, two = (torch.autograd.grad(s.sum(), state)[0] for s in (found, expected))
    assert torch.equal(one, two)
    for wrong in (state.double(), state[0], state[..., :5]):
        with pytest.raises(ValueError, match=r"the membrane has (dtype|shape).*pass None"):
            fire(current(), wrong.detach(), time_dim=1, **NEURON)


POOLS = {
    "pairs": (nn.MaxPool2d(2), True),
    "threes": (nn.MaxPool2d(3), True),
    "one": (nn.MaxPool2d(1), True),
    "function": (lambda x: F.max_pool2d(x, 2), True),
    "torch": (lambda x: torch.max_pool2d(x, 2, 2), True),
    "stride": (nn.MaxPool2d(2, stride=1), False),
    "padding": (nn.MaxPool2d(3, padding=1), False),
    "ceiling": (nn.MaxPool2d(2, ceil_mode=True), False),
    "dilation": (nn.MaxPool2d(2, dilation=2), False),
    "pair": (nn.MaxPool2d((2, 3)), False),
    "indices": (lambda x: F.max_pool2d(x, 2, return_indices=True)[1], False),
    "adaptive": (nn.AdaptiveMaxPool2d(2), False),
    "average": (nn.AvgPool2d(2), False),
}


@pytest.mark.parametrize("name", POOLS)
def test_the_maximum_of_spikes_is_their_union(name: str) -> None:
    pool, stays = POOLS[name]
    x = pack_spikes(MAPS).flatten(0, 1)
    expected = pool(MAPS.flatten(0, 1))
    found = pool(x)
    assert is_lazy(found) is stays
    assert found.shape == expected.shape
    assert torch.equal(found + 0, expected)
    if stays:
        assert torch.equal(found.unflatten(0, (T, B)).dense(), expected.unflatten(0, (T, B)))


def test_pooling_of_what_is_no_map_is_torch_s() -> None:
    for x in (VECTORS, MAPS.flatten(-3)):
        found = F.max_pool2d(
            pack_spikes(MAPS).flatten(-3) if x is not VECTORS else pack_spikes(x), 2
        )
        assert not is_lazy(found)
        assert torch.equal(found, F.max_pool2d(x, 2))
    assert torch.equal(F.max_pool1d(pack_spikes(VECTORS), 2), F.max_pool1d(VECTORS, 2))
    with pytest.raises(RuntimeError, match="too small"):
        F.max_pool2d(pack_spikes(MAPS).flatten(0, 1), 8)


def test_leading_axes_fold_and_features_flatten() -> None:
    x = pack_spikes(MAPS)
    for change in (
        lambda x: x.flatten(0, 1),
        lambda x: x.flatten(2),
        lambda x: x.flatten(start_dim=-3, end_dim=-1),
        lambda x: x.flatten(0, 1).flatten(1),
        lambda x: x.flatten(-3).flatten(0, 1),
        lambda x: x.flatten(0, 1).unflatten(0, (T, B)),
        lambda x: x.flatten(0, 1).flatten(1).unflatten(0, (T, B)),
        lambda x: nn.Flatten(2)(x),
    ):
        found, expected = change(x), change(MAPS)
        assert isinstance(found, SpikeTensor)
        assert found.shape == expected.shape
        assert torch.equal(found.dense(), expected)
        assert held_bytes(found) == T * B * 35 * 2 * 8
    for change in (
        lambda x: x.flatten(),
        lambda x: x.flatten(1, 2),
        lambda x: x.flatten(0, 1).unflatten(0, (B, T)),
        lambda x: x.unflatten(2, (7, 10)),
        lambda x: x.flatten(0, 1).unflatten(0, (T, -1)),
    ):
        found, expected = change(x), change(MAPS)
        assert found.shape == expected.shape
        assert torch.equal(found + 0, expected)
