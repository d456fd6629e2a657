"""What does not fit, images or values, is refused in a sentence, before anything is built.

Oracle: tests/convert/test_check.py.
"""

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn

from bayesnn_spike.checks import require_finite
from bayesnn_spike.convert.refuse import ConversionError, Reason
from bayesnn_spike.neurons import ThresholdNeuron
from bayesnn_spike.nn import Graph

INPUT = "input"


def require_images(images: Any, *, like: Tensor | None, shape: tuple[int, ...] | None) -> None:
    """Raise unless images are finite floats `[n, N]` or `[n, C, H, W]`, as a network takes them.

    Args:
        images: to be checked.
        like: a weight of the network, whose precision and device images must have; None for none.
        shape: of one image, where it is known.

    Raises:
        TypeError: images are no tensor.
        ValueError: they have other axes or another shape, precision or device, there are none, or a
            number is not finite. The message says what to do.
    """
    if not isinstance(images, Tensor):
        raise TypeError(f"images must be a tensor [n, *in], got a {type(images).__name__}")
    found = tuple(images.shape)
    if images.ndim not in (2, 4):
        raise ValueError(f"images must be [n, N] or [n, C, H, W], got shape {found}")
    if not images.numel():
        raise ValueError(f"images must be at least one, got shape {found}")
    if shape is not None and found[1:] != tuple(shape):
        raise ValueError(
            f"images must have the shape that was converted, [n, {', '.join(map(str, shape))}], "
            f"got {found}"
        )
    if not images.is_floating_point():
        raise ValueError(
            f"images must be floats, got {images.dtype}: scale them as in the network's training, "
            "for instance images.float() / 255"
        )
    if like is not None and images.dtype != like.dtype:
        raise ValueError(
            f"images are {images.dtype} but the network's weights are {like.dtype}: bring one to "
            f"the other, for instance images.to({like.dtype})"
        )
    if like is not None and images.device != like.device:
        raise ValueError(
            f"images are on {images.device} but the network's weights are on {like.device}: bring "
            f"one to the other, for instance images.to({str(like.device)!r})"
        )
    require_finite(images, "images")


def require_labels(labels: Any, count: int, classes: int) -> Tensor:
    """Return labels as a tensor; raise ValueError unless they are `count` numbers of classes."""
    labels = torch.as_tensor(labels)
    if labels.shape != (count,) or labels.is_floating_point():
        found = f"{labels.dtype} of shape {tuple(labels.shape)}"
        raise ValueError(f"{count} images need as many whole numbers as labels, got {found}")
    if bool(((labels < 0) | (labels >= classes)).any()):
        found = f"{int(labels.min())} to {int(labels.max())}"
        raise ValueError(
            f"the readout has {classes} classes, so labels must be 0 to {classes - 1}, got {found}"
        )
    return labels


def require_ann(ann: Any) -> None:
    """Raise TypeError unless it is a module, ConversionError if it is one of another kind.

    Converted, compiled and parallel networks are modules, but cannot be followed.
    """
    if isinstance(ann, Graph) or (hasattr(ann, "plan") and hasattr(ann, "scales")):
        kind = type(ann).__name__
        raise TypeError(
            f"the network is converted already (a {kind}): give the one that it was made from"
        )
    if not isinstance(ann, nn.Module):
        found = f"the class {ann.__name__} itself" if isinstance(ann, type) else type(ann).__name__
        raise TypeError(f"the network must be a module of torch.nn, got {found}")
    for path, module in ann.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            what, advice = "is compiled by torch.jit", "give the module that it was made from"
        elif hasattr(module, "_orig_mod"):
            what, advice = "is compiled by torch.compile", "give its ._orig_mod"
        elif not path and isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            what, advice = f"is wrapped in {type(module).__name__}", "give its .module"
        else:
            continue
        raise ConversionError([Reason(path or "the network", what, advice)])


def copied(ann: nn.Module) -> nn.Module:
    """Return a copy of the user's module; raise ConversionError where it holds what has none."""
    try:
        return copy.deepcopy(ann)
    except Exception as error:  # whatever an attribute of the user's raises
        kept = [
            f"{path}.{name}".lstrip(".")
            for path, module in ann.named_modules()
            for name, value in (*vars(module).items(), *module.named_buffers(recurse=False))
            if isinstance(value, Tensor) and not value.is_leaf
        ]
        if kept:
            what = "keeps what a call has computed, which cannot be copied"
            advice = "delete the attribute before, or keep it with .detach()"
        else:
            what = f"cannot be copied ({type(error).__name__}: {first_line(error)})"
            advice = "keep in its attributes only what copy.deepcopy takes"
        raise ConversionError([Reason(p, what, advice) for p in kept or ["the network"]]) from error


def require_network(network: Any) -> None:
    """Raise TypeError unless it is a converted network; a Conversion is told of its own."""
    if not hasattr(network, "reads"):
        advice = "give made.network" if hasattr(network, "network") else "see convert"
        kind = type(network).__name__
        raise TypeError(f"network must be a converted network, got a {kind}: {advice}")


def require_conversion(conversion: Any) -> None:
    """Raise TypeError unless it is a Conversion, of which a network is a part only."""
    if not (hasattr(conversion, "plan") and hasattr(conversion, "scales")):
        kind = type(conversion).__name__
        raise TypeError(
            f"conversion must be what convert returns, got a {kind}: give the Conversion itself, "
            "and not its network (dataclasses.replace puts another network into one)"
        )


def require_thresholds(thresholds: Any) -> None:
    """Raise TypeError unless it is a value with a method `find`, such as Maximum()."""
    if isinstance(thresholds, type | str) or not hasattr(thresholds, "find"):
        found = getattr(thresholds, "__name__", None) or repr(thresholds)
        raise TypeError(
            "thresholds must be a value such as Maximum(), Maximum(0.7), Percentile(99.9), "
            f"LocalBalance() or Qcfs(), got {found}"
        )


def weight_of(network: nn.Module) -> Tensor | None:
    """Return the first weight of floats of a network, None where there is none."""
    return next((p for p in network.parameters() if p.is_floating_point()), None)


@torch.no_grad()
def require_fit(network: Graph, images: Tensor) -> Tensor:
    """Return the readout `[C]` of a step without spikes; raise ValueError unless images fit.

    One image goes through all layers; neurons keep shapes, and none of them fires. Its numbers are
    NaN: a readout that reads the image itself, past all neurons, then equals that of no step.

    Args:
        network: a converted network.
        images: `[n, *in]`, checked by `require_images`.

    Raises:
        ValueError: a layer, which is named, cannot take the images.
    """
    values = {INPUT: torch.full_like(images[:1][None], math.nan)}
    for name, inputs in network.reads().items():
        layer = network.get_submodule(name)
        read = [values[i] for i in inputs]
        try:
            fires = isinstance(layer, ThresholdNeuron)
            values[name] = torch.zeros_like(read[0]) if fires else layer(*read)
        except (RuntimeError, ValueError) as error:
            given = ", ".join(str(tuple(value.shape[2:])) for value in read)
            raise ValueError(
                f"images of shape {tuple(images.shape)} do not fit the network: {name!r}, a "
                f"{type(layer).__name__}, cannot take {given} ({first_line(error)}); give images "
                "of the shape that was converted"
            ) from error
    return values[network.returns()][0, 0]


def first_line(error: Exception) -> str:
    """Return the first line of what an error says."""
    return str(error).partition("\n")[0]
