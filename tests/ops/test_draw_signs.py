"""ops/draw/signs: packed signs and recipes of draws, against the signs of `draw_signs`."""

from collections.abc import Iterator

import pytest
import torch

from bayesnn_spike.ops import only
from bayesnn_spike.ops.draw import draw_signs, draw_words
from bayesnn_spike.ops.draw.signs import Drawn, Packed, rows_of
from bayesnn_spike.rng import Stream
from tests.ops import cases, packed

SIZES = [(), (1,), (7,), (300,), (1, 7), (5, 63), (3, 64), (33, 65), (4, 3, 5, 5), (2, 65, 1, 1)]


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("shape", "rows"),
    [((), (1, 1)), ((7,), (1, 7)), ((3, 7), (3, 7)), ((4, 3, 5, 5), (4, 75)), ((0, 4), (0, 4))],
)
def test_rows_are_outputs(shape: tuple[int, ...], rows: tuple[int, int]) -> None:
    assert rows_of(shape) == rows


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("draws", [1, 3])
def test_signs_are_packed_by_rows_and_come_back(size: tuple[int, ...], draws: int) -> None:
    weights = cases.signs(draws, *size)
    signs = Packed.of(weights)
    rows, inputs = rows_of(size)
    assert torch.equal(signs.words, packed.pack_tensor(weights.view(draws, rows, inputs) > 0))
    assert (signs.draws, signs.size, signs.shape) == (draws, size, (draws, *size))
    assert torch.equal(signs.dense(), weights)
    assert signs.dense(torch.float64).dtype == torch.float64
    assert signs.packed() is signs


def test_packed_draws_are_cut_and_moved() -> None:
    weights = cases.signs(5, 3, 70)
    signs = Packed.of(weights)
    assert torch.equal(signs.narrow(1, 3).dense(), weights[1:4])
    moved = signs.to(torch.device("meta"))
    assert (moved.device.type, moved.shape) == ("meta", (5, 3, 70))


@pytest.mark.parametrize("value", [0.0, 0.5, 2.0, torch.nan])
def test_what_is_no_sign_is_named(value: float) -> None:
    weights = cases.signs(2, 3, 4)
    weights[1, 2, 0] = weights[1, 2, 3] = value
    with pytest.raises(ValueError, match=rf"got {value} at \(1, 2, 0\) and 1 more"):
        Packed.of(weights)


def test_words_of_another_shape_or_dtype_are_refused() -> None:
    words = torch.zeros(2, 3, 1, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"words of signs \(3, 65\) must have shape \(2, 3, 2\)"):
        Packed(words, (3, 65))
    with pytest.raises(ValueError, match=r"words of signs \(4, 5\) must have shape \(2, 4, 1\)"):
        Packed(words, (4, 5))
    with pytest.raises(ValueError, match=r"int64 words, got torch.int32"):
        Packed(words.int(), (3, 64))


@pytest.mark.parametrize("name", ["cpu", "reference"])
@pytest.mark.parametrize("size", SIZES)
def test_a_recipe_makes_the_signs_of_its_stream(size: tuple[int, ...], name: str) -> None:
    """Word for word the packing of what `draw_signs` gives, whatever the width."""
    logits = cases.normal(*size, dtype=torch.float32)
    recipe = Drawn(logits, Stream(3), draws=3, first=5)
    with only("reference"):
        expected = draw_signs(logits, stream=Stream(3), draws=3, first=5)
    with only(name):
        assert torch.equal(recipe.packed().words, Packed.of(expected).words)
        assert torch.equal(recipe.dense(), expected)
        assert recipe.dense(torch.float64).dtype == torch.float64
    assert (recipe.size, recipe.shape) == (size, (3, *size))


def test_a_part_of_a_recipe_is_a_recipe() -> None:
    recipe = Drawn(cases.normal(4, 70), Stream(3), draws=6, first=2)
    part = recipe.narrow(1, 3)
    assert (part.draws, part.first) == (3, 3)
    assert torch.equal(part.dense(), recipe.dense()[1:4])
    moved = recipe.to(torch.device("meta"))
    assert (moved.device.type, moved.draws, moved.first) == ("meta", 6, 2)


@pytest.mark.parametrize("name", ["cpu", "reference"])
def test_empty_parameters_and_no_draws(name: str) -> None:
    with only(name):
        assert draw_words(torch.zeros(0, 70), stream=Stream(1), draws=3).shape == (3, 0, 2)
        assert draw_words(torch.zeros(4, 70), stream=Stream(1), draws=0).shape == (0, 4, 2)


def test_words_have_no_bits_past_the_inputs() -> None:
    words = draw_words(torch.full((3, 70), 40.0), stream=Stream(1), draws=2)
    assert words.tolist() == [[[-1, (1 << 6) - 1]] * 3] * 2


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_threads_change_no_bit(count: int, threads: None) -> None:
    """More than one range of every kernel: limits, words, rows, signs."""
    logits = cases.normal(257, 301, dtype=torch.float32)
    with only("reference"):
        expected = draw_signs(logits, stream=Stream(9), draws=2)
    torch.set_num_threads(count)
    assert torch.equal(draw_words(logits, stream=Stream(9), draws=2), Packed.of(expected).words)
    assert torch.equal(draw_signs(logits, stream=Stream(9), draws=2), expected)
