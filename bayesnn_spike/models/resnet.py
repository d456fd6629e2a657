"""Residual networks in the form of hybrid conversion: plain `torch.nn` modules.

The wide first layer is replaced by plain 3x3 convolutions and a pool (the stem). A block adds its
two branches before the second ReLU, so that a spiking neuron in its place receives their sum as
current.

Oracle: tests/models/test_resnet.py (numbers of parameters, multiplications and neurons).
"""

from dataclasses import dataclass, replace
from typing import final

from torch import Tensor, nn

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
class ResNetForm:
    """The sizes of a residual network.

    Args:
        blocks: residual blocks of each stage; every stage but the first halves the map.
        widths: channels of each stage.
        stem: channels of the stem's convolutions.
        stem_pool: side of the average pooling behind them.
        last_pool: side of the average pooling before the head; 1 is none.

    Raises:
        ValueError: no stage, another number of widths than stages, or a size below 1.
    """

    blocks: tuple[int, ...]
    widths: tuple[int, ...] = (64, 128, 256, 512)
    stem: tuple[int, ...] = (64, 64, 64)
    stem_pool: int = 2
    last_pool: int = 1

    def __post_init__(self) -> None:
        sizes = (*self.blocks, *self.widths, *self.stem, self.stem_pool, self.last_pool)
        if not self.blocks or not self.stem or min(sizes) < 1:
            raise ValueError(f"a residual network needs a stage, a stem and sizes >= 1: {self}")
        if len(self.blocks) != len(self.widths):
            raise ValueError(f"{len(self.blocks)} stages of blocks but {len(self.widths)} widths")

    def side(self, pixels: int) -> int:
        """Return the side of the map before the head, for images of so many pixels in a row.

        Pools leave out a rest of pixels; strided convolutions round up.
        """
        side = pixels // self.stem_pool
        for _ in self.blocks[1:]:
            side = (side + 1) // 2
        return side // self.last_pool

    def scaled(self, width: float) -> "ResNetForm":
        """Return the same form with all channels multiplied by `width`, rounded, at least 1."""
        widths, stem = (
            tuple(max(1, round(size * width)) for size in sizes)
            for sizes in (self.widths, self.stem)
        )
        return replace(self, widths=widths, stem=stem)


RESNETS = {
    "ResNet8": ResNetForm((1, 1), (64, 128)),
    "ResNet12": ResNetForm((1, 1, 1, 1)),
    "ResNet20": ResNetForm((2, 2, 2, 2)),
    "ResNet34": ResNetForm((3, 4, 6, 3)),
    "ResNet34-ImageNet": ResNetForm((3, 4, 6, 3), stem_pool=3, last_pool=7),
}
"""The published forms. "ResNet8", "12" and "20" count layers of weights without the 1x1 shortcuts;
"ResNet34" keeps the usual name of its blocks and has 36."""


@final
class BasicBlock(nn.Module):
    """conv -> ReLU -> dropout -> conv, plus the shortcut, then ReLU.

    The shortcut is the identity, or a 1x1 convolution where the stride or the width changes.

    Args:
        before: channels of the input.
        after: channels of the output.
        stride: of the first convolution and of the shortcut.
        dropout: rate behind the first ReLU.
        masks: draws the masks.
        device: of the weights.
    """

    def __init__(
        self,
        before: int,
        after: int,
        *,
        stride: int,
        dropout: float,
        masks: Stream,
        device: str = "cpu",
    ) -> None:
        super().__init__()
        self.conv1 = convolution(before, after, stride=stride, device=device)
        self.relu1 = nn.ReLU()
        self.dropout = StreamDropout(dropout, masks)
        self.conv2 = convolution(after, after, device=device)
        self.shortcut = None
        if stride != 1 or before != after:
            self.shortcut = convolution(before, after, 1, stride=stride, device=device)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, C, H, W]` to `[B, C', H / stride, W / stride]`."""
        main = self.conv2(self.dropout(self.relu1(self.conv1(x))))
        return self.relu2(main + (x if self.shortcut is None else self.shortcut(x)))


def resnet(
    form: str | ResNetForm,
    n_out: int = 10,
    *,
    stream: Stream,
    shape: tuple[int, int, int] = (3, 32, 32),
    dropout: float = 0.2,
    init: Published | FanIn = Published(),
    device: str = "cpu",
) -> nn.Sequential:
    """Build stem -> average pooling -> residual blocks -> head.

    The stem is (conv -> ReLU -> dropout) x n, with the pool in place of the last dropout. No layer
    has a bias.

    Args:
        form: a name of `RESNETS`, or sizes of one's own.
        n_out: classes C.
        stream: draws the first weights and the masks of dropout.
        shape: channels, height and width of the images.
        dropout: rate.
        init: distribution of the first weights.
        device: "cpu", or "meta" for shapes without weights.

    Returns:
        A module `forward(images [B, *shape]) -> logits [B, C]`, traceable by torch.fx. Its layers
        are `conv1, relu1, dropout1, ..., pool, block1, block2, ..., (last_pool,) flatten, head`,
        those of a block `conv1, relu1, dropout, conv2, (shortcut,) relu2`.

    Raises:
        ValueError: an unknown name, or an image too small for the pools.

    Source: Rathi et al. 2020; forms as in nitin-rathi/hybrid-snn-conversion @3f6832c (whose plain
    ResNet34 has 3, 4, 5, 3 blocks, unlike its spiking one) and nitin-rathi/DIET-SNN @4c7527b.
    Oracle: tests/models/test_resnet.py.
    """
    sizes = _form(form)
    channels, height, width = shape
    sides = sizes.side(height), sizes.side(width)
    if min(sides) < 1:
        raise ValueError(f"images of {height} x {width} pixels are too small for the pools")
    masks = stream.child("dropout")
    network = nn.Sequential()
    for number, after in enumerate(sizes.stem, start=1):
        network.add_module(f"conv{number}", convolution(channels, after, device=device))
        network.add_module(f"relu{number}", nn.ReLU())
        if number < len(sizes.stem):
            name = f"dropout{number}"
            network.add_module(name, StreamDropout(dropout, masks.child(name)))
        channels = after
    network.add_module("pool", nn.AvgPool2d(sizes.stem_pool))
    count = 0
    for stage, (blocks, after) in enumerate(zip(sizes.blocks, sizes.widths, strict=True)):
        for place in range(blocks):
            count += 1
            block = BasicBlock(
                channels,
                after,
                stride=2 if stage and not place else 1,
                dropout=dropout,
                masks=masks.child(f"block{count}"),
                device=device,
            )
            network.add_module(f"block{count}", block)
            channels = after
    if sizes.last_pool > 1:
        network.add_module("last_pool", nn.AvgPool2d(sizes.last_pool))
    network.add_module("flatten", nn.Flatten())
    network.add_module("head", linear(channels * sides[0] * sides[1], n_out, device=device))
    initialise(network, init, stream.child("weights"), head="head")
    return network


def _form(form: str | ResNetForm) -> ResNetForm:
    if isinstance(form, ResNetForm):
        return form
    if form not in RESNETS:
        raise ValueError(f"there is no residual network {form!r}; there are {', '.join(RESNETS)}")
    return RESNETS[form]
