"""Binary weights come back as they were: the same type, the same bits, one bit a weight."""

from pathlib import Path

import pytest
import torch

from bayesnn_spike.io import IoError, save_tree
from bayesnn_spike.rng import Stream
from bayesnn_spike.weights import DrawnSigns, SignTensor
from bayesnn_spike.weights.file import load_signs, save_signs
from tests.ops import cases


def drawn(draws: int = 5) -> DrawnSigns:
    return DrawnSigns.of(cases.lattice(33, 70), Stream(2**63 + 5), draws, first=7)


@pytest.mark.parametrize("one", [False, True])
def test_what_was_saved_comes_back(tmp_path: Path, one: bool) -> None:
    weights = {"a/b": drawn(), "c": SignTensor.of(cases.signs(3, 4, 2, 3, 3))}
    if one:
        weights = {name: w[1] for name, w in weights.items()}
    save_signs(tmp_path / "w.safetensors", weights)
    found = load_signs(tmp_path / "w.safetensors")
    assert found.keys() == weights.keys()
    for name, weight in weights.items():
        assert type(found[name]) is type(weight)
        assert found[name].shape == weight.shape
        assert torch.equal(found[name].dense(), weight.dense())


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str
)
def test_logits_of_any_float_come_back(tmp_path: Path, dtype: torch.dtype) -> None:
    weight = DrawnSigns.of(cases.lattice(5, 7).to(dtype), Stream(1), 3)
    save_signs(tmp_path / "w.safetensors", {"w": weight})
    found = load_signs(tmp_path / "w.safetensors")["w"]
    assert found.signs.logits.dtype == dtype
    assert torch.equal(found.dense(), weight.dense())


def test_a_thousand_drawn_networks_take_the_room_of_one(tmp_path: Path) -> None:
    save_signs(tmp_path / "one", {"w": drawn(1)})
    save_signs(tmp_path / "thousand", {"w": drawn(1000)})
    sizes = [(tmp_path / name).stat().st_size for name in ("one", "thousand")]
    assert abs(sizes[0] - sizes[1]) < 16


def test_packed_signs_take_one_bit_a_weight(tmp_path: Path) -> None:
    signs = SignTensor.of(cases.signs(8, 64, 640))
    save_signs(tmp_path / "w", {"w": signs})
    assert 8 * 64 * 640 / 8 < (tmp_path / "w").stat().st_size < 8 * 64 * 640 / 8 + 1000


def test_numbers_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(IoError, match=r"'w' is a Tensor; pack numbers with SignTensor.of"):
        save_signs(tmp_path / "w", {"w": torch.ones(1, 2, 3)})
    assert list(tmp_path.iterdir()) == []


def test_another_file_is_refused(tmp_path: Path) -> None:
    save_tree(tmp_path / "w", {"w": torch.ones(2)}, {"seed": 1})
    with pytest.raises(IoError, match="holds no binary weights"):
        load_signs(tmp_path / "w")
    save_tree(tmp_path / "v", {"w": torch.ones(2)}, {"signs": {"w": {"size": [2]}}})
    with pytest.raises(IoError, match="cannot be understood: KeyError"):
        load_signs(tmp_path / "v")
    save_tree(tmp_path / "u", {"w": torch.ones(2)}, {"signs": {"w": {"size": [2], "draws": 1}}})
    with pytest.raises(IoError, match="'w' should be"):
        load_signs(tmp_path / "u")
