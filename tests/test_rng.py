"""rng: a stream is a value whose numbers are pinned and do not depend on anything else."""

import hashlib
import pickle

import numpy as np
import pytest
import torch

from bayesnn_spike.rng import Stream


def test_children_are_pinned() -> None:
    """A change of these numbers changes every result ever recorded: it needs a Numerics entry."""
    root = Stream(7)
    assert root.child("a", 1).seed == 9888264760140356004
    assert root.child(1).seed == 12307435267148616951
    assert root.child("1").seed == 2409023604124438275
    assert root.child("draw", 3).key == (3502819693, 3780191837)


def test_a_child_is_the_documented_hash() -> None:
    text = (7).to_bytes(8, "little") + b"s" + b"order"
    key = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
    assert Stream(7).child("order") == Stream(key)
    text = key.to_bytes(8, "little") + b"i" + b"-12"
    deeper = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
    assert Stream(7).child("order", -12) == Stream(deeper)


def test_paths_compose_and_kinds_differ() -> None:
    root = Stream(0)
    assert root.child() == root
    assert root.child("a", 1) == root.child("a").child(1)
    assert root.child("a", 1) != root.child(1, "a")
    assert root.child(1) != root.child("1")
    assert root.child("ab") != root.child("a", "b")


def test_no_two_of_many_children_meet() -> None:
    root = Stream(3)
    seeds = {root.child(p, e, k).seed for p in ("x", "y") for e in range(100) for k in range(100)}
    assert len(seeds) == 20_000


def test_the_key_is_the_two_words_of_the_seed() -> None:
    assert Stream(0x0123456789ABCDEF).key == (0x89ABCDEF, 0x01234567)
    assert Stream((1 << 64) - 1).key == (0xFFFFFFFF, 0xFFFFFFFF)


def test_generators_are_pinned() -> None:
    words = Stream(7).numpy().bit_generator.random_raw(3)
    assert words.tolist() == [16086915834549238692, 5448529601018347655, 7749434361382612120]
    expected = torch.tensor([0.5349, 0.1988, 0.6592])
    numbers = torch.rand(3, generator=Stream(7).generator())
    torch.testing.assert_close(numbers, expected, rtol=0, atol=5e-5)


def test_a_generator_starts_afresh_whatever_was_drawn_before() -> None:
    stream = Stream(11)
    first = torch.rand(4, generator=stream.generator())
    stream.numpy().random(100)
    torch.rand(100, generator=stream.child("other").generator())
    torch.testing.assert_close(torch.rand(4, generator=stream.generator()), first, rtol=0, atol=0)
    np.testing.assert_array_equal(stream.numpy().random(4), stream.numpy().random(4))


def test_the_order_of_calls_changes_nothing() -> None:
    def draws(purposes: list[str]) -> dict[str, list[float]]:
        root = Stream(2)
        return {p: torch.rand(2, generator=root.child(p).generator()).tolist() for p in purposes}

    assert draws(["weights", "data", "noise"]) == draws(["noise", "data", "weights"])


def numpy_state() -> np.ndarray:
    return np.random.get_state()[1].copy()  # noqa: NPY002 (reads the global state to guard it)


def test_the_global_generators_are_not_touched() -> None:
    before, numpy_before = torch.get_rng_state(), numpy_state()
    torch.rand(3, generator=Stream(1).child("x").generator())
    Stream(1).numpy().random(3)
    torch.testing.assert_close(torch.get_rng_state(), before, rtol=0, atol=0)
    np.testing.assert_array_equal(numpy_state(), numpy_before)


def test_every_seed_makes_a_generator() -> None:
    for seed in (0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1):
        assert torch.rand(1, generator=Stream(seed).generator()).item() >= 0
        assert Stream(seed).numpy().random() >= 0


def test_streams_are_values() -> None:
    stream = Stream(5).child("a")
    assert stream == Stream(5).child("a")
    assert len({stream, Stream(5).child("a"), Stream(5)}) == 2
    assert pickle.loads(pickle.dumps(stream)) == stream
    with pytest.raises(AttributeError):
        stream.seed = 3


@pytest.mark.parametrize("seed", [-1, 1 << 64, 1.0, "7", True, None, np.int64(3)])
def test_a_seed_is_an_integer_of_64_bits(seed: object) -> None:
    with pytest.raises(ValueError, match=r"integer seed in \[0, 2\^64\), got"):
        Stream(seed)


@pytest.mark.parametrize("part", [1.0, None, True, ("a",), np.int64(3), b"a"])
def test_a_path_is_strings_and_integers(part: object) -> None:
    with pytest.raises(TypeError, match="a stream path takes strings and integers, got"):
        Stream(0).child("a", part)
