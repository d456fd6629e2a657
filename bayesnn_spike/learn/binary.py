"""What is binary in a network: all its parameters, or it is refused.

Oracle: tests/learn/test_binary.py.
"""

from torch import nn

from bayesnn_spike.neurons import ThresholdNeuron
from bayesnn_spike.posterior.flat import shapes_of

# Layers whose parameters are real numbers, and how they are built without any.
_REAL = {
    nn.modules.batchnorm._NormBase: "affine=False",
    nn.LayerNorm: "elementwise_affine=False",
    nn.GroupNorm: "affine=False",
    ThresholdNeuron: "learn_threshold=False and learn_leak=False",
}


def binary_shapes(network: nn.Module, *, otherwise: str = "") -> dict[str, tuple[int, ...]]:
    """Return names and shapes of a network's parameters, all of which are to be binary.

    Args:
        network: any.
        otherwise: what can be done for a network with real parameters, for the message.

    Raises:
        ValueError: there is no parameter, one is no floating-point tensor, or it belongs to a
            normalisation layer or to a neuron, whose parameters are real numbers.
    """
    for path, module in network.named_modules():
        real = [name for name, _ in module.named_parameters(path, recurse=False)]
        for kind, without in _REAL.items():
            if real and isinstance(module, kind):
                raise ValueError(
                    f"{', '.join(real)}: parameters of {type(module).__name__} are real numbers, "
                    f"not binary; build it with {without}{otherwise and f', or {otherwise}'}"
                )
    for name, p in network.named_parameters():
        if not p.is_floating_point():
            raise ValueError(f"{name} is {p.dtype}: binary weights are trained as floating point")
    shapes = shapes_of(dict(network.named_parameters()))
    if not shapes:
        raise ValueError("the network has no parameters to sample")
    return shapes
