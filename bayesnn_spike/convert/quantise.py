"""QCFS activations in the place of a network's ReLUs, with first bounds from images."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from bayesnn_spike.checks import require_whole
from bayesnn_spike.convert.check import copied, require_ann, require_images, weight_of
from bayesnn_spike.convert.qcfs import QcfsReLU
from bayesnn_spike.convert.refuse import ConversionError, Reason
from bayesnn_spike.convert.trace import trace
from bayesnn_spike.nn.evaluating import evaluating


def with_qcfs(
    ann: nn.Module, levels: int, images: Tensor, *, percentile: float = 99.9
) -> nn.Module:
    """Return a copy of a network whose `nn.ReLU` modules are `QcfsReLU`.

    Every place of a module tree gets an activation with a bound of its own, also where one
    `nn.ReLU` is in several places. A module that `forward` calls several times has one place: its
    calls share a bound.

    Args:
        ann: the user's network; it is not changed.
        levels: L of every activation.
        images: `[n, *in]`, from which the bounds come.
        percentile: of a layer's activations, in (0, 100]: its first bound.

    Raises:
        TypeError: no module, or one that is converted already.
        ConversionError: a ReLU that is no module (`F.relu`), or anything else that could not be
            converted after the training; every reason is named.
        ValueError: levels that are no whole number above 0, images that do not fit, no `nn.ReLU`
            module, one that the images never reach, a bound that would be 0, or a percentile
            outside (0, 100].

    Oracle: tests/convert/test_quantise.py.
    """
    require_whole(levels, "levels")
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile must lie in (0, 100], got {percentile!r}")
    require_ann(ann)
    require_images(images, like=weight_of(ann), shape=None)
    made = copied(ann)
    found = _separate(made)
    _require_modules(made, images, set(found))
    bounds = _bounds(made, found, images, percentile)
    for path, relu in found.items():
        act = QcfsReLU(levels, bounds[path]).to(images).train(relu.training)
        _put(made, path, act)
    return made


def _separate(network: nn.Module) -> dict[str, nn.ReLU]:
    """Give every place of a ReLU a module of its own, and return them by path."""
    places: dict[tuple[nn.Module, str], str] = {}
    for path, module in network.named_modules(remove_duplicate=False):
        if path and isinstance(module, nn.ReLU):
            parent, _, own = path.rpartition(".")
            places.setdefault((network.get_submodule(parent), own), path)
    for path in places.values():
        _put(network, path, copy.deepcopy(network.get_submodule(path)))
    return {path: network.get_submodule(path) for path in places.values()}


def _put(network: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, own = path.rpartition(".")
    setattr(network.get_submodule(parent), own, module)


def _require_modules(network: nn.Module, images: Tensor, found: set[str]) -> None:
    """Raise where a ReLU would stay: it is no module, or there is none at all."""
    plain = [step for step in trace(network, images).neurons() if step.operation.bound is None]
    advice = "make it an nn.ReLU module, which a QcfsReLU can take the place of"
    left = [
        Reason(step.path, "a ReLU that is no module", advice)
        for step in plain
        if step.path.partition(" (call ")[0] not in found
    ]
    if left:
        raise ConversionError(left)
    if not plain:
        raise ValueError("the network has no nn.ReLU module to replace")


def _bounds(
    network: nn.Module, found: dict[str, nn.ReLU], images: Tensor, percentile: float
) -> dict[str, float]:
    """The percentile of every ReLU's activations, positive; the largest of several calls."""
    bounds: dict[str, float] = {}
    largest: dict[str, float] = {}

    def measure(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            del module, inputs
            values = output.detach().flatten()
            rank = max(1, round(values.numel() * percentile / 100))
            bounds[name] = max(bounds.get(name, 0.0), float(values.kthvalue(rank).values))
            largest[name] = max(largest.get(name, 0.0), float(values.max()))

        return hook

    hooks = [module.register_forward_hook(measure(name)) for name, module in found.items()]
    with torch.no_grad(), evaluating(network):
        network(images)
    for hook in hooks:
        hook.remove()
    silent = sorted(name for name in found if not largest.get(name, 0.0) > 0)
    if silent:
        raise ValueError(f"no activation of {silent} is positive on these images: take others")
    low = sorted(name for name in found if not bounds[name] > 0)
    if low:
        raise ValueError(
            f"percentile={percentile:g} of the activations of {low} is 0, which is no bound; it is "
            "in per cent, as 99.9: take a larger one"
        )
    return bounds
