"""io: trees come back bit for bit, and every damage to a file is named, never loaded."""

import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bayesnn_spike import io


class Adam(NamedTuple):
    mean: dict[str, torch.Tensor]
    square: dict[str, torch.Tensor]


class State(NamedTuple):
    logits: dict[str, torch.Tensor]
    moments: Adam | None
    scale: tuple[torch.Tensor, ...]
    step: torch.Tensor


def example() -> State:
    logits = {"0.weight": torch.arange(6.0).reshape(2, 3).T, "a/b%2F": torch.tensor([-0.0])}
    moments = Adam({"m": torch.zeros(0, 4)}, {})
    return State(logits, moments, (torch.tensor([True, False]),), torch.tensor(3))


def assert_same(left: object, right: object) -> None:
    """Equal containers and equal bits: -0.0 is not 0.0 and a NaN equals itself."""
    assert type(left) is type(right)
    if isinstance(left, torch.Tensor):
        assert left.dtype == right.dtype
        assert left.shape == right.shape
        assert left.contiguous().numpy().tobytes() == right.contiguous().numpy().tobytes()
    elif isinstance(left, dict):
        assert list(left) == list(right)
        for key in left:
            assert_same(left[key], right[key])
    elif isinstance(left, tuple):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_same(one, other)


def test_a_tree_comes_back_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.safetensors"
    header = {"seed": 7, "gain": [0.5, None], "name": "λ"}
    io.save_tree(path, example(), header)
    assert_same(io.load_tree(path, like=example()), example())
    assert io.read_header(path) == header
    assert [p.name for p in path.parent.iterdir()] == ["state.safetensors"]


@pytest.mark.parametrize("dtype", io._DTYPES, ids=str)
def test_every_dtype(tmp_path: Path, dtype: torch.dtype) -> None:
    leaf = torch.tensor([0, 1, 1]).to(dtype)
    io.save_tree(tmp_path / "x", {"leaf": leaf}, {})
    loaded = io.load_tree(tmp_path / "x", {"leaf": torch.empty(3, dtype=dtype, device="meta")})
    torch.testing.assert_close(loaded["leaf"], leaf, rtol=0, atol=0)


def test_bits_that_floats_compare_unequal(tmp_path: Path) -> None:
    odd = torch.tensor([0x7FC00123, 0x7F800000, 1], dtype=torch.int32).view(torch.float32)
    io.save_tree(tmp_path / "x", odd, {})
    loaded = io.load_tree(tmp_path / "x", odd)
    assert loaded.view(torch.int32).tolist() == [0x7FC00123, 0x7F800000, 1]


def test_shared_strided_and_graph_leaves(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4).requires_grad_()
    tree = {"whole": base, "column": base[:, 1], "wide": base[:1].expand(5, 4)}
    io.save_tree(tmp_path / "x", tree, {})
    loaded = io.load_tree(tmp_path / "x", tree)
    assert not any(leaf.requires_grad for leaf in loaded.values())
    for key, leaf in tree.items():
        torch.testing.assert_close(loaded[key], leaf.detach(), rtol=0, atol=0)
    loaded["whole"].zero_()
    assert loaded["column"].tolist() == [1.0, 5.0, 9.0]


def test_equal_trees_give_equal_bytes(tmp_path: Path) -> None:
    one, other = {"a": torch.ones(2), "b": torch.zeros(3)}, {}
    other["b"], other["a"] = one["b"], one["a"]
    io.save_tree(tmp_path / "one", one, {"x": 1, "y": 2})
    io.save_tree(tmp_path / "other", other, {"y": 2, "x": 1})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_the_digest_of_a_tree_sees_bits_names_and_shapes() -> None:
    digest = io.digest_tree(example())
    assert digest == io.digest_tree(example())
    others = (
        example()._replace(logits={**example().logits, "a/b%2F": torch.tensor([0.0])}),
        example()._replace(scale=(torch.tensor([[True, False]]),)),
        example()._replace(step=torch.tensor(3.0)),
        example()._replace(logits={"0.weight": example().logits["0.weight"]}),
    )
    assert len({digest, *map(io.digest_tree, others)}) == 5
    with pytest.raises(io.IoError, match="'a' is a float"):
        io.digest_tree({"a": 1.0})


@pytest.mark.parametrize(
    ("like", "message"),
    [
        (
            {"w": torch.zeros(2, 4)},
            r"'w' should be float32\[2, 4\] but the file holds float32\[2, 3",
        ),
        ({"w": torch.zeros(2, 3).long()}, r"'w' should be int64\[2, 3\] but .* float32\[2, 3\]"),
        ({"v": torch.zeros(2, 3)}, r"missing \['v'\], unexpected \['w'\]"),
        ({"w": (torch.zeros(2, 3),)}, r"missing \['w/0'\], unexpected \['w'\]"),
        ({}, r"missing \[\], unexpected \['w'\]"),
    ],
)
def test_another_structure_is_refused_by_key(tmp_path: Path, like: dict, message: str) -> None:
    io.save_tree(tmp_path / "x", {"w": torch.zeros(2, 3)}, {})
    with pytest.raises(io.IoError, match=message) as caught:
        io.load_tree(tmp_path / "x", like)
    assert caught.value.path == tmp_path / "x"


@pytest.mark.parametrize(
    ("tree", "header", "message"),
    [
        ({"a": {"b": 1.0}}, {}, "'a/b' is a float"),
        ({"a": [torch.zeros(1)]}, {}, "'a' is a list"),
        ({"a": {3: torch.zeros(1)}}, {}, "'a' has the dict key 3"),
        ({"": torch.zeros(1)}, {}, "has the dict key ''"),
        ({"a": torch.zeros(1, dtype=torch.complex128)}, {}, "'a' has dtype torch.complex128"),
        ({}, {"loss": float("nan")}, "header is not JSON"),
        ({}, {"path": Path("x")}, "header is not JSON"),
        ({}, {3: 4}, "header's keys must be strings"),
    ],
)
def test_what_cannot_be_saved_leaves_nothing(
    tmp_path: Path, tree: dict, header: dict, message: str
) -> None:
    with pytest.raises(io.IoError, match=message):
        io.save_tree(tmp_path / "x", tree, header)
    assert list(tmp_path.iterdir()) == []


def test_missing_foreign_and_newer_files(tmp_path: Path) -> None:
    with pytest.raises(io.IoError, match="cannot be read: No such file"):
        io.read_header(tmp_path / "none")
    foreign = tmp_path / "foreign"
    safetensors.torch.save_file({"w": torch.zeros(1)}, foreign)
    with pytest.raises(io.IoError, match="was not written by save_tree"):
        io.load_tree(foreign, {"w": torch.zeros(1)})
    newer = {"bayesnn_spike": json.dumps({"format": 99, "header": "{}", "digest": ""})}
    safetensors.torch.save_file({}, foreign, metadata=newer)
    with pytest.raises(io.IoError, match="has format 99"):
        io.read_header(foreign)
    safetensors.torch.save_file({}, foreign, metadata={"bayesnn_spike": "[]"})
    with pytest.raises(io.IoError, match="header is damaged"):
        io.read_header(foreign)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    io.save_tree(path, example(), {"seed": 1})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(io.IoError, match="not a whole safetensors file"):
            io.load_tree(path, example())


def test_a_flipped_bit_is_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "x"
    io.save_tree(path, example(), {"seed": 1})
    whole, refused = path.read_bytes(), 0
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << (position % 8)
        path.write_bytes(bytes(damaged))
        try:
            assert_same(io.load_tree(path, example()), example())
            assert io.read_header(path) == {"seed": 1}
        except io.IoError:
            refused += 1
    assert refused >= len(whole) - 10  # the blanks that pad the header carry nothing


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=8), st.integers(0, 3), max_size=5))
def test_any_names_come_back(tmp_path_factory: pytest.TempPathFactory, shape: dict) -> None:
    path = tmp_path_factory.getbasetemp() / "names.safetensors"
    tree = {key: {key: torch.full((size,), 0.5)} for key, size in shape.items()}
    io.save_tree(path, tree, {})
    assert_same(io.load_tree(path, tree), tree)


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "note.txt"
    io.atomic_write_text(path, "old λ")

    def refuse(*_: object) -> None:
        raise OSError("no rename today")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="no rename today"):
        io.atomic_write_text(path, "new")
    assert path.read_text(encoding="utf-8") == "old λ"
    assert [p.name for p in tmp_path.iterdir()] == ["note.txt"]


def test_a_killed_write_keeps_the_old_file_and_is_swept(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    io.atomic_write_text(path, "old")
    script = (
        "import os, signal, sys; from bayesnn_spike import io\n"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "io.atomic_write_text(sys.argv[1], 'new')"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    (tmp_path / ".other.txt.1.tmp").write_text("another writer's")
    assert len(list(tmp_path.iterdir())) == 3
    assert io.remove_leftovers(path) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == [".other.txt.1.tmp", "note.txt"]
    assert io.remove_leftovers(tmp_path / "nowhere" / "x") == 0


def test_the_error_survives_pickling() -> None:
    error = io.IoError("a/b", "is odd")
    back = pickle.loads(pickle.dumps(error))
    assert (str(back), back.path, back.reason) == ("a/b: is odd", Path("a/b"), "is odd")
