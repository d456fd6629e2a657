"""In which numbers dense products are computed: float32, or bfloat16 where that is asked for.

Sums over events and over packed signs are not dense products: they stay float32 or exact. What the
rounding does to accuracy is in synapse/README.md. Oracle: tests/ops/test_precision.py.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class Float32:
    """Dense products in the dtype of their arguments: nothing is rounded that need not be."""


@final
@dataclass(frozen=True)
class BFloat16:
    """Dense float32 products with arguments and result rounded to bfloat16, summed in float32.

    A number keeps 8 bits: signs and spikes are exact, real weights, gradients and currents are
    not. It pays off where the processor multiplies bfloat16 (AMX, AVX-512 BF16, a GPU); elsewhere
    it is several times slower than float32.
    """


Precision = Float32 | BFloat16

_FULL = Float32()
_in_use: ContextVar[Precision] = ContextVar("precision", default=_FULL)


def in_use() -> Precision:
    """Return the precision that `precision` sets here."""
    return _in_use.get()


@contextmanager
def precision(value: Precision) -> Iterator[None]:
    """Compute the dense products inside the `with` block, and their gradients, in this precision.

    Raises:
        TypeError: value is not one of `Float32()` and `BFloat16()`.
    """
    if not isinstance(value, Precision):
        raise TypeError(f"a precision is Float32() or BFloat16(), got {value!r}")
    token = _in_use.set(value)
    try:
        yield
    finally:
        _in_use.reset(token)


def in_precision(
    product: Callable[..., Tensor], *factors: Tensor, how: Precision | None = None
) -> Tensor:
    """Return `product(*factors)` of tensors of one dtype, computed in a precision.

    Args:
        product: linear in each factor.
        factors: rounded where the precision asks for it and they are float32.
        how: the precision; by default the one in use here.
    """
    how = in_use() if how is None else how
    if isinstance(how, Float32) or factors[0].dtype != torch.float32:
        return product(*factors)
    return product(*(factor.to(torch.bfloat16) for factor in factors)).to(torch.float32)
