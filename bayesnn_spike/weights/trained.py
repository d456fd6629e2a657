"""Real values that a network sees as their signs, while it is trained.

A rule that runs exact -1/+1 weights and takes gradients at them hands its values to the layers as
a `SignLeaf`: synapses are then added up as bits, and the gradient reaches the values as it is.
Whatever else a module does with the weight, it does with numbers.
Oracle: tests/weights/test_trained.py.
"""

import importlib.util
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._pytree import tree_map

from bayesnn_spike.ops.synapse import conv2d, linear, straight_conv2d, straight_linear
from bayesnn_spike.ops.synapse.choice import MIN_MAPS, MIN_OUTPUTS
from bayesnn_spike.ops.synapse.straight import through_signs
from bayesnn_spike.types import Weights

_Sides = int | tuple[int, int]

# What is asked of a tensor without touching its numbers.
_ASKED = {
    *(getattr(Tensor, name).__get__ for name in ("shape", "dtype", "device", "ndim", "layout")),
    *(getattr(Tensor, name) for name in ("size", "dim", "numel", "__len__", "__hash__")),
    *(Tensor.is_floating_point, Tensor.is_complex),
}


@final
class SignLeaf(torch.Tensor):
    """-1 and +1 by its looks: the signs of `values`, +1 from 0 on.

    Args:
        values: `[K, *shape]`, the leaf that gradients are taken at.
    """

    values: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> "SignLeaf":
        made = torch.Tensor._make_wrapper_subclass(
            cls, values.shape, dtype=values.dtype, device=values.device
        )
        made.values = values
        return made

    def dense(self) -> Tensor:
        """Return -1 and +1 as numbers; their gradient reaches the values as it is."""
        return through_signs(self.values)

    def __repr__(self) -> str:
        return f"SignLeaf(shape={tuple(self.shape)})"

    def currents(self, x: Tensor, bias: Tensor | None, scale: float) -> Tensor:
        """Return `scale * (W x + bias)` for x `[*K, T, B, N]`: one pass where it can be one."""
        return straight_linear(x, self.values, _numbers(bias), scale=scale)

    def maps(
        self, x: Tensor, bias: Tensor | None, scale: float, stride: _Sides, padding: _Sides
    ) -> Tensor:
        """Return `scale * (W * x + bias)` for maps x `[*K, T, B, C, H, W]`, as `currents`."""
        return straight_conv2d(
            x, self.values, _numbers(bias), stride=stride, padding=padding, scale=scale
        )

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _ASKED:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **kwargs)
        if func is linear or func is F.linear:
            found = _linear(*args, **kwargs)
            if found is not None:
                return found
        if func is conv2d and _takes(args[0], args[1], 5):
            return straight_conv2d(args[0], args[1].values, *_numbers(args[2:]), **kwargs)
        return func(*_numbers(args), **_numbers(kwargs))

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise TypeError(f"a SignLeaf has no memory of its own for {func}; use its .dense()")


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
    """Currents of packed signs; None where these are not spikes and a SignLeaf as its weight."""
    if not _takes(x, weight, 3):
        return None
    return straight_linear(x, weight.values, _numbers(bias))


def _takes(x: Any, weight: Any, ndim: int) -> bool:
    """Whether these are spikes, with or without K, and a SignLeaf as their weight."""
    return type(x) is Tensor and x.ndim in (ndim, ndim + 1) and isinstance(weight, SignLeaf)


def _numbers(values: Any) -> Any:
    return tree_map(lambda x: x.dense() if isinstance(x, SignLeaf) else x, values)


def sign_leaves(values: Weights) -> tuple[Weights, Weights]:
    """Return the signs of values `[K, *shape]` for a network, and the leaves behind them.

    Where packed signs pay off (enough outputs of a layer, in float32 on the CPU), a leaf is the
    values themselves; elsewhere it is their signs, and the network gets the leaf.
    """
    weights, leaves = {}, {}
    for name, v in values.items():
        if _pays_off(v):
            leaves[name] = v.detach().requires_grad_()
            weights[name] = SignLeaf(leaves[name])
        else:
            leaves[name] = weights[name] = through_signs(v.detach()).requires_grad_()
    return weights, leaves


def _pays_off(values: Tensor) -> bool:
    return (
        values.ndim in (3, 5)
        and values.shape[1] >= (MIN_OUTPUTS if values.ndim == 3 else MIN_MAPS)
        and values.dtype == torch.float32
        and values.device.type == "cpu"
        and importlib.util.find_spec("numba") is not None
    )
