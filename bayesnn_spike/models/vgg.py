"""VGG networks in the form of hybrid conversion: plain `torch.nn` modules, to train and convert.

Oracle: tests/models/test_vgg.py (numbers of parameters, multiplications and neurons).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import final

from torch import nn

from bayesnn_spike.models.ann import (
    FanIn,
    Published,
    StreamDropout,
    convolution,
    initialise,
    linear,
)
from bayesnn_spike.rng import Stream


@final
@dataclass(frozen=True)
class VggForm:
    """The sizes of a VGG network.

    Args:
        groups: channels of the 3x3 convolutions, in groups; average pooling by 2 lies between.
        last_pool: pool behind the last group as well.
        hidden: units of the fully connected layers before the head.

    Raises:
        ValueError: no convolution, an empty group, or a size below 1.
    """

    groups: tuple[tuple[int, ...], ...]
    last_pool: bool = False
    hidden: tuple[int, ...] = (4096, 4096)

    def __post_init__(self) -> None:
        sizes = [*(size for group in self.groups for size in group), *self.hidden]
        if not self.groups or not all(self.groups) or min(sizes) < 1:
            raise ValueError(
                f"a VGG needs groups of convolutions and sizes of at least 1, got groups "
                f"{self.groups} and hidden {self.hidden}"
            )

    @property
    def pools(self) -> int:
        """How often the map is halved."""
        return len(self.groups) - 1 + self.last_pool

    def scaled(self, width: float) -> "VggForm":
        """Return the same form with all sizes multiplied by `width`, rounded, at least 1."""

        def scale(sizes: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(max(1, round(size * width)) for size in sizes)

        return VggForm(tuple(map(scale, self.groups)), self.last_pool, scale(self.hidden))


VGGS = {
    "VGG5": VggForm(((64,), (128, 128)), last_pool=True),
    "VGG9": VggForm(((64,), (128, 256), (256, 512), (512,), (512,))),
    "VGG11": VggForm(((64,), (128, 256), (512, 512), (512,), (512, 512))),
    "VGG16": VggForm(((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)),
    # The net that the authors' spiking code calls VGG11 for CIFAR-100; not the VGG11 above.
    "VGG11-spiking": VggForm(((64,), (128, 256, 256), (512,) * 3, (512,) * 2), hidden=(1024, 1024)),
    "VGG16-ImageNet": VggForm(
        ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3), last_pool=True
    ),
}
"""The published forms. "VGG5" and "VGG11-spiking" count spiking layers, the others layers of
weights."""


def vgg(
    form: str | VggForm,
    n_out: int = 10,
    *,
    stream: Stream,
    shape: tuple[int, int, int] = (3, 32, 32),
    dropout: float = 0.2,
    dropout_fc: float | None = None,
    init: Published | FanIn = Published(),
    device: str = "cpu",
) -> nn.Sequential:
    """Build (conv -> ReLU -> dropout or pool) x n, (linear -> ReLU -> dropout) x m, head.

    Pools are averages by 2. Where a pool follows, the dropout is left out. No layer has a bias.

    Args:
        form: a name of `VGGS`, or sizes of one's own.
        n_out: classes C.
        stream: draws the first weights and the masks of dropout.
        shape: channels, height and width of the images.
        dropout: rate behind convolutions.
        dropout_fc: rate behind fully connected layers; None takes `dropout`.
        init: distribution of the first weights.
        device: "cpu", or "meta" for shapes without weights.

    Returns:
        A module `forward(images [B, *shape]) -> logits [B, C]`, traceable by torch.fx. Layers are
        `conv1, relu1, dropout1 | pool1, ..., flatten, fc1, fc_relu1, fc_dropout1, ..., head`; a
        pool or dropout has the number of its convolution.

    Raises:
        ValueError: an unknown name, or a map that the pools do not halve evenly.

    Source: Rathi et al. 2020; forms as in nitin-rathi/hybrid-snn-conversion @3f6832c and
    nitin-rathi/DIET-SNN @4c7527b (ImageNet). Oracle: tests/models/test_vgg.py.
    """
    sizes = _form(form)
    rate_fc = dropout if dropout_fc is None else dropout_fc
    channels, height, width = shape
    shrink = 2**sizes.pools
    if height % shrink or width % shrink:
        raise ValueError(
            f"{sizes.pools} poolings halve a map of {height} x {width} pixels unevenly: take a "
            f"multiple of {shrink}, or fewer groups"
        )
    masks = stream.child("dropout")
    layers: dict[str, nn.Module] = {}
    count = 0
    for number, group in enumerate(sizes.groups):
        for place, after in enumerate(group):
            count += 1
            layers[f"conv{count}"] = convolution(channels, after, device=device)
            layers[f"relu{count}"] = nn.ReLU()
            if place < len(group) - 1 or number >= sizes.pools:
                layers[f"dropout{count}"] = StreamDropout(dropout, masks.child(f"dropout{count}"))
            else:
                layers[f"pool{count}"] = nn.AvgPool2d(2)
            channels = after
    layers["flatten"] = nn.Flatten()
    units = (channels * (height // shrink) * (width // shrink), *sizes.hidden)
    for number, (before, after) in enumerate(pairwise(units), start=1):
        layers[f"fc{number}"] = linear(before, after, device=device)
        layers[f"fc_relu{number}"] = nn.ReLU()
        name = f"fc_dropout{number}"
        layers[name] = StreamDropout(rate_fc, masks.child(name))
    layers["head"] = linear(units[-1], n_out, device=device)
    network = nn.Sequential()
    for name, layer in layers.items():
        network.add_module(name, layer)
    initialise(network, init, stream.child("weights"), head="head")
    return network


def _form(form: str | VggForm) -> VggForm:
    if isinstance(form, VggForm):
        return form
    if form not in VGGS:
        raise ValueError(f"there is no VGG {form!r}; there are {', '.join(VGGS)}")
    return VGGS[form]
