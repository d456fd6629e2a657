"""Images that do not fit are refused in a sentence, before anything is built.

Oracle: tests/convert/test_check.py.
"""

from typing import Any

import torch
from torch import Tensor, nn

from bayesnn_spike.checks import require_finite
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
    if isinstance(thresholds, type) or not hasattr(thresholds, "find"):
        found = getattr(thresholds, "__name__", None) or repr(thresholds)
        raise TypeError(
            "thresholds must be a value such as Maximum(), Maximum(0.7), Percentile(99.9), "
            f"LocalBalance() or Qcfs(), got {found}"
        )


def weight_of(network: nn.Module) -> Tensor | None:
    """Return the first weight of floats of a network, None where there is none."""
    return next((p for p in network.parameters() if p.is_floating_point()), None)


@torch.no_grad()
def require_fit(network: Graph, images: Tensor) -> tuple[int, ...]:
    """Return the readout's shape; raise ValueError, naming the layer, unless images run through.

    One image goes through all layers but the neurons, which keep shapes.

    Args:
        network: a converted network.
        images: `[n, *in]`, checked by `require_images`.
    """
    values = {INPUT: images[:1][None]}
    for name, inputs in network.reads().items():
        layer = network.get_submodule(name)
        read = [values[i] for i in inputs]
        try:
            values[name] = read[0] if isinstance(layer, ThresholdNeuron) else layer(*read)
        except (RuntimeError, ValueError) as error:
            given = ", ".join(str(tuple(value.shape[2:])) for value in read)
            raise ValueError(
                f"images of shape {tuple(images.shape)} do not fit the network: {name!r}, a "
                f"{type(layer).__name__}, cannot take {given} ({first_line(error)}); give images "
                "of the shape that was converted"
            ) from error
    return tuple(values[network.returns()].shape[2:])


def first_line(error: Exception) -> str:
    """Return the first line of what an error says."""
    return str(error).partition("\n")[0]
