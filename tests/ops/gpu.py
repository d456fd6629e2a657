"""Where Triton's kernels run in the tests: on a GPU, or interpreted on the CPU."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bayesnn_spike.ops import only

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def both(
    call: Callable[..., Sequence[Tensor]], *inputs: Tensor
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """What Triton and what the reference gives for inputs that lie on the CPU."""
    with only("triton"):
        found = tuple(y.cpu() for y in call(*(x.to(DEVICE) for x in inputs)))
    with only("reference"):
        return found, tuple(call(*inputs))


def assert_same_bits(call: Callable[..., Sequence[Tensor]], *inputs: Tensor) -> None:
    """Both give the same values, shapes and types."""
    for one, two in zip(*both(call, *inputs), strict=True):
        assert one.dtype == two.dtype
        assert one.shape == two.shape
        assert torch.equal(one, two)
