"""What cannot be counted is refused in a sentence, before or where it would fail without one.

Oracle: tests/energy/test_count_guards.py.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from bayesnn_spike.checks import require_finite
from bayesnn_spike.energy.observe import SYNAPSES
from bayesnn_spike.nn import Conv2d, Graph, Linear
from bayesnn_spike.nn.constant import is_constant
from bayesnn_spike.weights import is_lazy

_NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


def first_argument(args: tuple, kwargs: dict) -> Tensor:
    """A layer's input, given by position or by name."""
    return args[0] if args else next(iter(kwargs.values()))


def time_check(name: str, module: Graph | Linear | Conv2d) -> Callable[..., None]:
    """Return a hook that is called before a module and raises ValueError if time is missing."""
    features = {Linear: 1, Conv2d: 3}.get(type(module)) or module.feature_dims

    def check(_module: nn.Module, args: tuple, kwargs: dict) -> None:
        shape = tuple(first_argument(args, kwargs).shape)
        if len(shape) < features + 2:
            raise ValueError(
                f"{name or 'the network'} got inputs of shape {shape}, expected [T, B, *in] with "
                f"{features} axes of features; encoding.direct(images, T) makes it of images"
            )

    return check


def require_inputs(x: Any, *, ann: bool) -> None:
    """Raise unless it is a batch `[T, B, *in]`, or `[B, *in]` for an ANN, of finite numbers.

    Raises:
        TypeError: it is no tensor.
        ValueError: it has too few axes, no example, or a number that is not finite.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"inputs must be a tensor or several, got a {type(x).__name__}")
    if x.ndim < (2 if ann else 3) or not x.numel():
        found = f"with examples, got shape {tuple(x.shape)}"
        if ann:
            raise ValueError(f"inputs must be [B, *in] {found}")
        raise ValueError(
            f"inputs must be [T, B, *in] {found}; encoding.direct(images, T) makes it of images"
        )
    if not is_lazy(x):  # bits are finite
        require_finite(x[:1] if is_constant(x, 0) else x, "inputs")


def require_countable(network: nn.Module) -> None:
    """Refuse weights that no hook would see: a cost that is left out looks like none.

    Raises:
        TypeError: the network is no module; a Conversion is told of its own.
        ValueError: modules with weights that are not counted, all by name.
    """
    if not isinstance(network, nn.Module):
        advice = "give its .network" if hasattr(network, "network") else "give a network"
        raise TypeError(f"network must be a module, got a {type(network).__name__}: {advice}")
    unknown = []
    for name, module in network.named_modules():
        counted = isinstance(module, (*SYNAPSES, *_NORMS)) or "parametrizations" in name.split(".")
        own = [] if counted else list(module.parameters(recurse=False))
        # One value a channel or a layer (thresholds, leaks, scales) is no synapse.
        if any(sum(side > 1 for side in p.shape) > 1 for p in own):
            unknown.append(f"{name or 'the network itself'} ({type(module).__name__})")
    if unknown:
        raise ValueError(
            f"cannot count the weights of {', '.join(unknown)}; counted are Linear and Conv2d of "
            "torch.nn and bayesnn_spike.nn: write the layer with these"
        )
