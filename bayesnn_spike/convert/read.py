"""Read a call of a traced network: an operation that converts, or the reason why it does not.

Oracle: tests/convert/test_read.py.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bayesnn_spike.convert.plan import Drop, Flatten, Norm, Operation, Pool, Rectify, Synapse
from bayesnn_spike.convert.qcfs import QcfsReLU
from bayesnn_spike.convert.refuse import Reason

_RETRAIN = "train the network with ReLU (or convert.with_qcfs) in its place"
_DROP = "take a rate in [0, 1), or take the dropout out"
_AVERAGE = "train the network with AvgPool2d in its place: the maximum of rates is not in spikes"
_LOGITS = "train without it: inside a network it cannot be in rates"
HEAD = (
    "remove it, so that the network returns logits, and apply it to what "
    "conversion.descale(summed, steps) returns"
)
"""What to do about a function of the logits."""

HEADS = {"softmax", "logsoftmax", "softmax2d", "sigmoid", "logsigmoid", "tanh"}
"""Functions that are right behind a readout."""
_MODULE = "make it an nn.Linear or nn.Conv2d module"

ADVICE: dict[str, str] = {
    **dict.fromkeys(("maxpool1d", "maxpool2d", "maxpool3d", "adaptivemaxpool2d"), _AVERAGE),
    **dict.fromkeys(("softmax", "logsoftmax", "softmax2d"), _LOGITS),
    **dict.fromkeys(("sigmoid", "tanh", "gelu", "silu", "elu", "selu", "celu", "mish"), _RETRAIN),
    **dict.fromkeys(("relu6", "hardtanh", "hardswish", "hardsigmoid", "clamp"), _RETRAIN),
    **dict.fromkeys(("leakyrelu", "prelu", "rrelu", "softplus", "softsign"), _RETRAIN),
    **dict.fromkeys(("linear", "conv2d"), _MODULE),
    **dict.fromkeys(
        ("layernorm", "groupnorm", "instancenorm2d"),
        "train with BatchNorm2d: statistics of a single example cannot be folded into weights",
    ),
    **dict.fromkeys(
        ("cat", "concat", "concatenate"),
        "add branches instead: concatenated branches would need a scale each",
    ),
    "mul": "put the factor into the weights",
    "truediv": "put the factor into the weights",
    "sub": "add, with the sign in the weights",
    "matmul": _MODULE,
    "dropout2d": "use nn.Dropout, which is one mask a unit, held over time",
}
_OTHER = "only linear, convolution, ReLU, average pooling, dropout, flatten and sums convert"
_JOINED = "branches are joined by + only"
NORMALISE = "do it to the images before, outside the network, and convert the network without it"
"""What to do about arithmetic on the images."""

NORMALISING = {"add", "sub", "isub", "mul", "imul", "truediv", "itruediv", "div"}
NORMALISING |= {"mean", "std", "var"}
"""Functions that normalise where they read the images."""


def advice(name: str) -> str:
    """Return what to do about a module or function that does not convert."""
    return ADVICE.get(name.lower().replace("_", ""), _OTHER)


def advice_on_several(name: str) -> str:
    """Return what to do about a function of several tensors."""
    return advice(name) if name in ("cat", "concat", "concatenate", "sub") else _JOINED


def may_be_active(name: str) -> bool:
    """Return whether a module or function that does not convert may be an activation."""
    return advice(name) in (_RETRAIN, _LOGITS, _OTHER)


def read_module(module: nn.Module, where: str) -> list[Operation] | Reason:
    """Return the operations of a leaf module, in order (none for an identity), or a reason."""
    for kinds, reader in _MODULES:
        if isinstance(module, kinds):
            return reader(module, where)
    name = type(module).__name__
    return Reason(where, f"{name} does not convert", advice(name))


def read_function(
    name: str, args: tuple, kwargs: dict, sizes: tuple[torch.Size, torch.Size], where: str
) -> list[Operation] | Reason:
    """Return the operations of a function of one tensor, or a reason.

    Args:
        name: of the function or tensor method.
        args: after the tensor.
        kwargs: by name.
        sizes: of the tensor and of the result, with a batch axis.
        where: the node.
    """
    before, after = sizes
    if name in ("relu", "relu_"):
        return [Rectify()]
    if name in ("dropout", "dropout_"):
        return _dropout(args, kwargs, where)
    if name == "avg_pool2d":
        return [Pool(nn.AvgPool2d(*args, **kwargs))]
    if name == "adaptive_avg_pool2d":
        return [Pool(nn.AdaptiveAvgPool2d(*args, **kwargs))]
    if name == "mean" and len(before) == 4:
        return _mean(args, kwargs, after, where)
    if name.rstrip("_") in ("clamp", "clip", "clamp_min"):
        low, high = (*args, None, None)[:2]
        if kwargs.get("min", low) == 0 and kwargs.get("max", high) is None:
            return Reason(where, "a ReLU by another name", "write nn.ReLU()")
    if name in ("flatten", "view", "reshape", "squeeze", "contiguous", "detach", "clone", "float"):
        if after == before:
            return []
        if after == (before[0], before[1:].numel()):
            return [Flatten()]
        what = f"{name} from {tuple(before[1:])} to {tuple(after[1:])} features"
        return Reason(where, what, "only all features of an example can be made one axis")
    return Reason(where, f"{name} does not convert", advice(name))


def _linear(module: nn.Linear, where: str) -> list[Operation]:
    del where
    return [Synapse(_copy(module.weight), _copy(module.bias))]


def _conv2d(module: nn.Conv2d, where: str) -> list[Operation] | Reason:
    wrong = []
    if module.groups != 1:
        wrong.append(f"groups={module.groups}")
    if tuple(module.dilation) != (1, 1):
        wrong.append(f"dilation={tuple(module.dilation)}")
    if module.padding_mode != "zeros":
        wrong.append(f"padding_mode={module.padding_mode!r}")
    kernel, padding = module.kernel_size, module.padding
    if padding == "valid":
        padding = (0, 0)
    elif padding == "same":
        padding = tuple((side - 1) // 2 for side in kernel)
        if any(side % 2 == 0 for side in kernel):
            wrong.append(f"padding='same' of a kernel {kernel}")
    for name, pair in (("kernel", kernel), ("stride", module.stride), ("padding", padding)):
        if pair[0] != pair[1]:
            wrong.append(f"{name}={tuple(pair)}")
    if wrong:
        what = "a convolution with " + ", ".join(wrong)
        return Reason(where, what, "use square kernels, one stride, zero padding and groups=1")
    return [Synapse(_copy(module.weight), _copy(module.bias), module.stride[0], padding[0])]


def _norm(module: Any, where: str) -> list[Operation] | Reason:
    if module.running_mean is None:
        advice = "set track_running_stats=True: there is nothing to fold"
        return Reason(where, "batch normalisation without running statistics", advice)
    factor = (module.running_var.detach() + module.eps).rsqrt()
    if module.affine:
        factor = factor * module.weight.detach()
    offset = -module.running_mean.detach() * factor
    if module.affine:
        offset = offset + module.bias.detach()
    return [Norm(factor, offset)]


def _average(module: nn.AvgPool2d, where: str) -> list[Operation]:
    del where
    kept = (module.kernel_size, module.stride, module.padding, module.ceil_mode)
    return [Pool(nn.AvgPool2d(*kept, module.count_include_pad, module.divisor_override))]


def _adaptive(module: nn.AdaptiveAvgPool2d, where: str) -> list[Operation]:
    del where
    return [Pool(nn.AdaptiveAvgPool2d(module.output_size))]


def _qcfs(module: QcfsReLU, where: str) -> list[Operation]:
    del where
    return [Rectify(bound=float(module.bound.detach()), levels=module.levels)]


def _mean(args: tuple, kwargs: dict, after: torch.Size, where: str) -> list[Operation] | Reason:
    """The mean of a map; of `[n, C, H, W]` no other axes than (2, 3)."""
    given = args[0] if args else kwargs.get("dim", kwargs.get("axis"))
    axes = given if isinstance(given, tuple | list) else (given,)
    if {axis % 4 if isinstance(axis, int) else axis for axis in axes} != {2, 3}:
        what = f"a mean over dim={given} of [n, C, H, W]"
        return Reason(where, what, "only the mean of whole maps converts, over dim=(2, 3)")
    pool = Pool(nn.AdaptiveAvgPool2d(1))
    return [pool] if len(after) == 4 else [pool, Flatten()]


def _dropout(args: tuple, kwargs: dict, where: str) -> list[Operation] | Reason:
    """F.dropout(x, p, training) or torch.dropout(x, p, train), called in evaluation."""
    rate = args[0] if args else kwargs.get("p", 0.5)
    always = args[1] if len(args) > 1 else kwargs.get("training", kwargs.get("train", False))
    if always:
        what = "a dropout that is on in evaluation as well"
        return Reason(where, what, "give it training=self.training, or use nn.Dropout")
    return _drop(rate, where)


def _drop(rate: float, where: str) -> list[Operation] | Reason:
    if 0 <= rate < 1:
        return [Drop(float(rate))]
    return Reason(where, f"a dropout rate of {rate:g}", _DROP)


def _copy(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.detach().clone()


Reader = Callable[[Any, str], list[Operation] | Reason]
_MODULES: tuple[tuple[Any, Reader], ...] = (
    (nn.Linear, _linear),
    (nn.Conv2d, _conv2d),
    ((nn.BatchNorm1d, nn.BatchNorm2d), _norm),
    (QcfsReLU, _qcfs),
    (nn.ReLU, lambda *_: [Rectify()]),
    (nn.AvgPool2d, _average),
    (nn.AdaptiveAvgPool2d, _adaptive),
    (nn.Dropout, lambda module, where: _drop(module.p, where)),
    (nn.Identity, lambda *_: []),
)
LEAVES = tuple(
    kind for kinds, _ in _MODULES for kind in (kinds if isinstance(kinds, tuple) else (kinds,))
)
"""Modules that are read as a whole."""
