"""weights/signs: what binary weights answer as tensors, and what they refuse, in sentences."""

import copy
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bayesnn_spike.ops import RefusedError
from bayesnn_spike.ops.draw import draw_signs
from bayesnn_spike.rng import Stream
from bayesnn_spike.weights import (
    DrawnSigns,
    FlipoutWeight,
    SignTensor,
    dense,
    held_bytes,
    is_signs,
    pack_signs,
)
from tests.ops import cases

LOGITS = cases.normal(33, 70, dtype=torch.float32)
NUMBERS = draw_signs(LOGITS, stream=Stream(3), draws=5, first=2)


def drawn() -> DrawnSigns:
    return DrawnSigns.of(LOGITS, Stream(3), 5, first=2)


def packed() -> SignTensor:
    return SignTensor.of(NUMBERS)


BOTH = pytest.mark.parametrize("make", [drawn, packed])


@BOTH
def test_they_look_like_the_tensor_they_stand_for(make) -> None:
    weight = make()
    assert isinstance(weight, torch.Tensor)
    assert is_signs(weight)
    assert not is_signs(NUMBERS)
    assert weight.shape == weight.size() == (5, 33, 70)
    assert (weight.ndim, weight.dim(), len(weight), weight.numel()) == (3, 3, 5, 5 * 33 * 70)
    assert weight.dtype == torch.float32
    assert weight.device == torch.device("cpu")
    assert weight.is_floating_point()
    assert not weight.is_complex()
    assert not weight.requires_grad
    assert repr(weight) == f"{type(weight).__name__}(shape=(5, 33, 70), device=cpu)"
    assert f"{weight}" == str(weight) == repr(weight)
    assert {weight: 1}[weight] == 1


@BOTH
def test_numbers_come_in_any_dtype(make) -> None:
    assert torch.equal(make().dense(), NUMBERS)
    assert make().dense(torch.float64).dtype == torch.float64
    assert torch.equal(dense(make()), NUMBERS)
    assert dense(NUMBERS) is NUMBERS


SLICES = [
    slice(None),
    slice(1, 3),
    slice(3, None),
    slice(-2, None),
    slice(4, 2),
    slice(0, 99),
]


@BOTH
@pytest.mark.parametrize("index", SLICES, ids=str)
def test_slices_over_draws(make, index: slice) -> None:
    part = make()[index]
    assert type(part) is type(make())
    assert part.shape == NUMBERS[index].shape
    assert torch.equal(part.dense(), NUMBERS[index])


@BOTH
@pytest.mark.parametrize("index", [0, 4, -1, -5])
def test_one_draw_has_no_draw_axis(make, index: int) -> None:
    one = make()[index]
    assert one.shape == (33, 70)
    assert len(one) == 33
    assert torch.equal(one.dense(), NUMBERS[index])
    with pytest.raises(TypeError, match=r"no draw axis to index; use .dense\(\)"):
        one[0]


@BOTH
def test_numbers_of_other_libraries_are_indices(make) -> None:
    assert torch.equal(make()[np.int64(-2)].dense(), NUMBERS[-2])


@BOTH
@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (5, IndexError, "draw 5 of 5"),
        (-6, IndexError, "draw -6 of 5"),
        (slice(None, None, 2), IndexError, "sliced in steps of 1"),
        ((0, 1), TypeError, r"indexed by a number or a slice, got \(0, 1\)"),
        (None, TypeError, "indexed by a number or a slice"),
        (True, TypeError, "indexed by a number or a slice, got True"),
        (torch.tensor([0]), TypeError, "indexed by a number or a slice"),
    ],
)
def test_other_indices_are_refused(make, index, error, message) -> None:
    with pytest.raises(error, match=message):
        make()[index]


@BOTH
def test_they_move_between_devices(make) -> None:
    weight = make()
    assert weight.to("cpu") is weight
    assert weight.cpu() is weight
    assert weight.to(torch.float32) is weight
    assert weight.to(torch.zeros(1)) is weight
    moved = weight.to("meta")
    assert (type(moved), moved.device.type, moved.shape) == (type(weight), "meta", weight.shape)
    assert weight[1].to(device="meta").shape == (33, 70)
    assert weight.detach() is weight
    with pytest.raises(TypeError, match=r"signs are bits; use .dense\(torch.float64\)"):
        weight.to(torch.float64)


@BOTH
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("mean", lambda w: w.mean()),
        ("mean", lambda w: torch.mean(input=w)),
        ("mul", lambda w: w * 2),
        ("mul", lambda w: 0.5 * w),
        ("matmul", lambda w: torch.ones(70, 70) @ w),
        ("matmul", lambda w: torch.matmul(torch.ones(3, 70), w)),
        ("permute|numpy_T|transpose", lambda w: w.mT),
        ("view", lambda w: w.view(-1)),
        ("reshape", lambda w: w.reshape(5, -1)),
        ("cat", lambda w: torch.cat([w, w])),
        ("add_", lambda w: w.add_(1)),
        ("__iter__", list),
        ("sum", lambda w: w.sum()),
        ("float", lambda w: w.double()),
        ("numpy|__array__", lambda w: w.numpy()),
        ("tolist", lambda w: w.tolist()),
        ("bilinear", lambda w: F.bilinear(torch.ones(2, 33), torch.ones(2, 70), w)),
        ("conv1d", lambda w: F.conv1d(torch.ones(2, 33, 90), w)),
    ],
)
def test_everything_else_is_refused_with_what_to_do(make, name: str, call) -> None:
    kind = type(make()).__name__
    message = rf"{kind} supports linear and conv2d .*, not .*; use .dense\(\) for numbers"
    with pytest.raises((RefusedError, TypeError), match=message):
        call(make())


@BOTH
def test_copies_and_pickles_are_the_same_signs(make) -> None:
    weights = {"a": make(), "b": make()[2], "c": torch.ones(2)}
    for again in (copy.deepcopy(weights), copy.copy(weights), pickle.loads(pickle.dumps(weights))):
        for name in ("a", "b"):
            assert type(again[name]) is type(weights[name])
            assert again[name].shape == weights[name].shape
            assert torch.equal(again[name].dense(), weights[name].dense())
    again = copy.deepcopy(make())
    (again.signs.logits if make is drawn else again.signs.words).zero_()
    assert torch.equal(make().dense(), NUMBERS)
    assert torch.equal(copy.copy(make()).dense(), NUMBERS)


def test_a_recipe_holds_logits_and_a_place_in_a_stream() -> None:
    logits = LOGITS.clone().requires_grad_()
    weight = DrawnSigns.of(logits, Stream(3), 100_000)
    assert not weight.signs.logits.requires_grad
    assert held_bytes(weight) == 0
    assert held_bytes(weight[:3]) == 0
    few = weight[2:7]
    assert torch.equal(few.dense(), NUMBERS)
    assert isinstance(few.packed(), SignTensor)
    assert torch.equal(few.packed().dense(), NUMBERS)
    assert few[1].packed().shape == (33, 70)
    assert held_bytes(few.packed()) == 5 * 33 * 2 * 8
    assert held_bytes(NUMBERS) == 5 * 33 * 70 * 4


def test_only_signs_are_packed() -> None:
    with pytest.raises(
        ValueError, match=r"signs are -1 and \+1, got 0.0 at \(0, 1, 2\) and 0 more"
    ):
        SignTensor.of(torch.tensor([[[1.0, 1, -1], [1, 1, 0]]]))


def test_leaves_that_are_signs_are_packed_and_no_others() -> None:
    signs = cases.signs(3, 4, 5)
    other = signs.clone()
    other[2, 3, 4] = 0.5
    leaves = {
        "signs": signs,
        "parameter": torch.nn.Parameter(signs, requires_grad=False),
        "kernel": cases.signs(3, 4, 2, 3, 3),
        "drawn": drawn(),
        "learned": torch.nn.Parameter(signs.clone()),
        "real": other,
        "bias": cases.signs(3, 4),
        "double": signs.double(),
        "empty": torch.ones(3, 0, 5),
        "perturbed": FlipoutWeight(signs * 0.5, signs, Stream(0)),
    }
    found = pack_signs(leaves)
    assert list(found) == list(leaves)
    for name in ("signs", "parameter", "kernel"):
        assert isinstance(found[name], SignTensor)
        assert torch.equal(found[name].dense(), leaves[name])
    for name in ("drawn", "learned", "real", "bias", "double", "empty", "perturbed"):
        assert found[name] is leaves[name]
