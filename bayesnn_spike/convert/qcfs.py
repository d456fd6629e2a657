"""QCFS: a ReLU that takes as few levels as a spiking neuron can, so that conversion loses little.

    a = bound * clip(floor(z levels / bound + 1/2) / levels, 0, 1)

With T = levels steps, constant input, thresholds `bound` and the membrane at half of it at rest, a
spiking neuron computes exactly this.
"""

import copy
from typing import Any, final

import torch
from torch import Tensor, nn

from bayesnn_spike.checks import require_positive, require_whole
from bayesnn_spike.convert.check import require_images, weight_of
from bayesnn_spike.nn.evaluating import evaluating


@final
class QcfsReLU(nn.Module):
    """The quantised, clipped and shifted ReLU, with a learned bound.

    Args:
        levels: L >= 1, steps up to the bound; it need not be the T of the spiking network.
        bound: first value of the largest activation, positive; a parameter of one number.

    Raises:
        ValueError: a count that is not a whole number above 0, or a bound that is not positive;
            (at call) a bound that training has made so.

    Source: Bu et al., ICLR 2022 (clip-floor-shift), formula as restated in the literature.
    Oracle: tests/convert/test_qcfs.py.
    """

    def __init__(self, levels: int, bound: float) -> None:
        super().__init__()
        require_whole(levels, "QcfsReLU.levels")
        require_positive(bound, "QcfsReLU.bound")
        self.levels = int(levels)
        self.bound = nn.Parameter(torch.tensor(float(bound)))

    def forward(self, z: Tensor) -> Tensor:
        """Map pre-activations of any shape; the floor passes gradients on as they are."""
        if not torch.compiler.is_compiling() and not bool(self.bound > 0):
            raise ValueError(
                f"the bound of a QcfsReLU has become {self.bound.item():g}; start from a larger "
                "one, or learn it more slowly"
            )
        part = (z / self.bound).clamp(0, 1)
        rounded = (part * self.levels + 0.5).floor() / self.levels
        return self.bound * (part + (rounded - part).detach())

    def extra_repr(self) -> str:
        return f"levels={self.levels}, bound={float(self.bound.detach()):.6g}"


def with_qcfs(
    ann: nn.Module, levels: int, images: Tensor, *, percentile: float = 99.9
) -> nn.Module:
    """Return a copy of a network whose `nn.ReLU` modules are `QcfsReLU`.

    Args:
        ann: the user's network; it is not changed.
        levels: L of every activation.
        images: `[n, *in]`, from which the bounds come.
        percentile: of a layer's activations, in (0, 100]: its first bound.

    Raises:
        ValueError: levels that are no whole number above 0, images that do not fit, no `nn.ReLU`
            module, one that the images never reach or never make active, or a percentile outside
            (0, 100].

    Oracle: tests/convert/test_qcfs.py.
    """
    require_whole(levels, "levels")
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile must lie in (0, 100], got {percentile!r}")
    require_images(images, like=weight_of(ann), shape=None)
    made = copy.deepcopy(ann)
    found = {name: m for name, m in made.named_modules() if isinstance(m, nn.ReLU)}
    if not found:
        raise ValueError("the network has no nn.ReLU module to replace (F.relu cannot be)")
    bounds: dict[str, float] = {}

    def measure(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            del module, inputs
            values = output.detach().flatten()
            rank = max(1, round(values.numel() * percentile / 100))
            bounds[name] = max(bounds.get(name, 0.0), float(values.kthvalue(rank).values))

        return hook

    hooks = [module.register_forward_hook(measure(name)) for name, module in found.items()]
    with torch.no_grad(), evaluating(made):
        made(images)
    for hook in hooks:
        hook.remove()
    silent = sorted(name for name in found if not bounds.get(name, 0.0) > 0)
    if silent:
        raise ValueError(f"no activation of {silent} is positive on these images: take others")
    for name in found:
        parent, _, own = name.rpartition(".")
        act = QcfsReLU(levels, bounds[name]).to(images).train(found[name].training)
        setattr(made.get_submodule(parent), own, act)
    return made
