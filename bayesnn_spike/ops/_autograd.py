"""A compiled backward pass inside autograd: it runs under `torch.func`, and only once.

A backward pass that is asked for a graph gets tensors without memory of their own; a Function in
its place is handed the real ones. Its gradient is refused in a sentence, never silently zero.
Oracle: tests/ops/test_autograd.py.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def compiled_gradient(
    name: str, run: Callable[..., tuple[Tensor, ...]], *tensors: Tensor | None
) -> tuple[Tensor, ...]:
    """Return `run(*tensors)`, computed without a graph; a gradient through it raises.

    Raises:
        RuntimeError: in the backward pass through this result, naming the operation.
    """
    return _Compiled.apply(name, run, *tensors)


class _Compiled(torch.autograd.Function):
    @staticmethod
    def forward(
        _name: str, run: Callable[..., tuple[Tensor, ...]], *tensors: Tensor | None
    ) -> tuple[Tensor, ...]:
        return run(*tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, _: Any) -> None:
        ctx.name = inputs[0]

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> None:
        raise RuntimeError(
            f"the compiled gradient of {ctx.name} has no gradient itself; "
            'for second derivatives run it under only("reference")'
        )
