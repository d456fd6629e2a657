"""All 2^d sign vectors by number: bit j of a vector's number is weight j, 1 for +1.

Weights are counted as `flatten` lays them out: leaf by leaf, row-major, weight 0 in the lowest bit.
Packed signs then are cut out of the numbers by shifts; no dense table is ever made.
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from bayesnn_spike.ops.draw.signs import Packed, rows_of
from bayesnn_spike.posterior.flat import Shapes, flatten, size_of
from bayesnn_spike.types import Weights
from bayesnn_spike.weights import SignTensor

MOST = 20
"""The largest d: a table of 2^20 numbers is 8 MiB, and one more weight doubles time and memory."""


def require_countable(size: int) -> None:
    """Raise ValueError unless 1 <= d <= 20, and say what there is beyond."""
    if not 1 <= size <= MOST:
        raise ValueError(
            f"all sign vectors of {size} weights are 2^{size} networks; enumeration takes 1 to "
            f"{MOST} weights, use Markov chains (bayesnn_spike.learn.mcmc) for more"
        )


def weights_at(numbers: Tensor, shapes: Shapes, *, dtype: torch.dtype = torch.float32) -> Weights:
    """Return the sign vectors of some numbers.

    Args:
        numbers: int64 `[K]` in [0, 2^d).
        shapes: names and shapes of one network's weights, at most 62 together.
        dtype: of the weights.

    Returns:
        Leaves `[K, *shape]`: in float32 a `SignTensor` for matrices and kernels, which the packed
        engine runs as they are; -1 and +1 as numbers for vectors and for other dtypes.

    Oracle: tests/posterior/test_table.py.
    """
    weights, offset = {}, 0
    for name, shape in shapes.items():
        rows, inputs = rows_of(shape)
        starts = offset + inputs * torch.arange(rows, device=numbers.device)
        words = (numbers[:, None] >> starts) & ((1 << inputs) - 1)
        packed = Packed(words[..., None], shape)
        signs = dtype == torch.float32 and len(shape) >= 2
        weights[name] = SignTensor(packed) if signs else packed.dense(dtype)
        offset += rows * inputs
    return weights


def numbers_of(weights: Weights) -> Tensor:
    """Return the numbers int64 `[K]` of sign vectors with leaves `[K, *shape]`.

    Raises:
        ValueError: a weight is neither -1 nor +1.
    """
    rows = flatten(weights)
    wrong = rows.abs() != 1
    if bool(wrong.any()):
        raise ValueError(
            f"only vectors of -1 and +1 have a number, got {rows[wrong][0].item()!r} "
            f"and {int(wrong.sum()) - 1} more"
        )
    return ((rows > 0).long() << torch.arange(rows.shape[1], device=rows.device)).sum(1)


def log_products(logits: Tensor) -> Tensor:
    """Return log prod_j q_j(w_j) of every sign vector, `[2^d]` float64, from logits `[d]`."""
    total = torch.zeros(1, dtype=torch.float64, device=logits.device)
    for value in logits.double():
        total = torch.cat([total + logsigmoid(-2 * value), total + logsigmoid(2 * value)])
    return total


def plus_masses(masses: Tensor, size: int) -> Tensor:
    """Return sum of the masses of the vectors with w_j = +1, `[d]`, from masses `[2^d]`."""
    return torch.stack([masses.view(-1, 2, 1 << j)[:, 1].sum() for j in range(size)])


def count_of(shapes: Shapes) -> int:
    """Return 2^d, refusing more than 20 weights."""
    require_countable(size_of(shapes))
    return 1 << size_of(shapes)
