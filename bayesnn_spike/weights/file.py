"""Binary weights in a file: one bit a weight, or the recipe that draws them.

Packed signs are written as their words. Drawn signs are written as logits and stream: a committee
of a thousand networks is a file of the size of one. Oracle: tests/weights/test_file.py.
"""

import os
from typing import Any

import torch
from torch import Tensor

from bayesnn_spike.io import IoError, load_tree, read_header, save_tree
from bayesnn_spike.ops.bits import words_for
from bayesnn_spike.ops.draw.signs import Drawn, Packed, rows_of
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights
from bayesnn_spike.weights.signs import BinaryWeight, DrawnSigns, SignTensor

_DTYPES = {
    str(dtype): dtype for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16)
}


def save_signs(path: str | os.PathLike[str], weights: Weights) -> None:
    """Write binary weights by name, atomically.

    Args:
        path: the file, `.safetensors`.
        weights: `SignTensor` or `DrawnSigns` by parameter name.

    Raises:
        IoError: a weight is neither; nothing is written then.
    """
    tensors: dict[str, Tensor] = {}
    entries: dict[str, dict[str, Any]] = {}
    for name, weight in weights.items():
        if not isinstance(weight, BinaryWeight):
            raise IoError(
                path, f"{name!r} is a {type(weight).__name__}; pack numbers with SignTensor.of"
            )
        signs = weight.signs
        entry = {"size": list(signs.size), "draws": signs.draws, "one": weight.one}
        if isinstance(signs, Drawn):
            tensors[name] = signs.logits
            entry |= {"seed": str(signs.stream.seed), "first": signs.first}
            entry |= {"dtype": str(signs.logits.dtype)}
        else:
            tensors[name] = signs.words
        entries[name] = entry
    save_tree(path, tensors, {"signs": entries})


def load_signs(path: str | os.PathLike[str]) -> Weights:
    """Read what `save_signs` wrote: the same types, the same bits.

    Raises:
        IoError: the file is missing, damaged, or holds something else.
    """
    entries = read_header(path).get("signs")
    if not isinstance(entries, dict):
        raise IoError(path, "holds no binary weights: there are no signs in its header")
    try:
        like = {name: _like(entry) for name, entry in entries.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise IoError(path, f"the header's signs cannot be understood: {error!r}") from error
    tensors = load_tree(path, like)
    return {name: _weight(entries[name], values) for name, values in tensors.items()}


def _like(entry: dict[str, Any]) -> Tensor:
    """A tensor without memory of the shape that the file must hold."""
    size = tuple(entry["size"])
    if "seed" in entry:
        return torch.empty(size, dtype=_DTYPES[entry["dtype"]], device="meta")
    rows, inputs = rows_of(size)
    shape = (entry["draws"], rows, words_for(inputs))
    return torch.empty(shape, dtype=torch.int64, device="meta")


def _weight(entry: dict[str, Any], values: Tensor) -> Tensor:
    if "seed" in entry:
        drawn = Drawn(values, Stream(int(entry["seed"])), entry["draws"], entry["first"])
        return DrawnSigns(drawn, entry["one"])
    return SignTensor(Packed(values, tuple(entry["size"])), entry["one"])
