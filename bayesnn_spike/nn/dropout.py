"""Dropout whose masks are handed in as a value and held over all time steps.

A mask is one for each draw and example, the same at all T: a unit is in the network of a recording
or it is not. Where a layer's noise is not handed in, it passes everything on. The noise is a tensor
of whole numbers, a key for each draw and the number of the first example, so that the masks are a
function of it: neither the chunking of draws nor that of examples changes one.
"""

from typing import final

import torch
from torch import Tensor, nn

from bayesnn_spike.checks import require_ndim
from bayesnn_spike.ops.draw import random_bits
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights
from bayesnn_spike.weights.lazy import numbers


@final
class Dropout(nn.Module):
    """Set units to 0 with probability `rate` and multiply the others by 1 / (1 - rate).

    Args:
        rate: in [0, 1).
        feature_dims: trailing feature axes: 1 after linear layers, 3 after maps. With a wrong
            number examples would share a mask, so input of other axes is refused. (Two feature
            axes where 1 is said cannot be told from K draws of one.)

    Rules with gradients get a mask for each of the K draws. Rules that need losses only (`Score`,
    `Arm`, `DisArm`, `ImportanceWeighted`) get one for all: they compare the losses of draws, and a
    comparison under one mask sees the weights alone. Both are unbiased over masks.

    Put it behind a neuron. In training the learner hands it noise, in prediction
    `predict(..., how=MCDropout(draws))` does; other ways of predicting do not.

    Raises:
        ValueError: a rate outside [0, 1), or (at call) noise of another shape than `[K, 2]`,
            input that is not `[*K, T, B, *features]` with so many features, or other draws.

    Source: Srivastava et al. 2014 (inverted scale); one mask for all time steps as in Gal and
    Ghahramani 2016 (recurrent networks). Oracle: tests/nn/test_dropout.py.
    """

    def __init__(self, rate: float, *, feature_dims: int = 1) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"a dropout rate must lie in [0, 1), got {rate!r}")
        self.rate, self.feature_dims = float(rate), feature_dims
        self.register_buffer("noise", None)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[*K, T, B, *features]`; noise of K > 1 draws gives `[K, T, B, *features]`."""
        if self.noise is None or self.rate == 0:
            return x
        require_ndim(self.noise, "dropout noise", "[K, 2]", 2)
        x = numbers(x)
        self._require_axes(x)
        batch, features = x.shape[-self.feature_dims - 1], x.shape[-self.feature_dims :]
        masks = [
            _mask(key, first, batch, features, self.rate) for key, first in self.noise.tolist()
        ]
        kept = torch.stack(masks).to(x.device, x.dtype).unsqueeze(1)  # [K, 1, B, *features]
        if len(kept) == 1 and x.ndim == self.feature_dims + 2:
            kept = kept[0]
        return x * kept / (1 - self.rate)

    def _require_axes(self, x: Tensor) -> None:
        given, wanted = tuple(x.shape), self.feature_dims + 2
        if x.ndim not in (wanted, wanted + 1):
            raise ValueError(
                f"{self!r} expects [*K, T, B, *features] with {wanted} axes, or {wanted + 1} of K "
                f"draws, got shape {given}; feature_dims is 1 after linear layers, 3 after maps"
            )
        draws = len(self.noise)
        if x.ndim > wanted and draws > 1 and len(x) not in (1, draws):
            raise ValueError(f"{self!r} has masks of {draws} draws, got input of {len(x)}: {given}")

    def extra_repr(self) -> str:
        return f"rate={self.rate:g}, feature_dims={self.feature_dims}"


def has_dropout(network: nn.Module) -> bool:
    """Return whether any layer of a network drops units."""
    return any(isinstance(module, Dropout) for module in network.modules())


def dropout_noise(
    network: nn.Module, stream: Stream, draws: int, *, first: int = 0, first_example: int = 0
) -> Weights:
    """Return noise `[K, 2]` for every `Dropout` of a network, by the name of its buffer.

    Handed in beside the weights (`torch.func.functional_call`), draw k of example e then has the
    same mask whatever `draws`, `first` and `first_example` are counted from.

    Args:
        network: any module.
        stream: of all masks.
        draws: K.
        first: number of the first draw.
        first_example: number of the first example of the batch.
    """
    found = {}
    for name, module in network.named_modules():
        if isinstance(module, Dropout):
            keys = [_signed(stream.child(name, "dropout", k)) for k in range(first, first + draws)]
            place = f"{name}.noise" if name else "noise"
            found[place] = torch.tensor([[key, first_example] for key in keys])
    return found


def _mask(key: int, first: int, batch: int, features: tuple[int, ...], rate: float) -> Tensor:
    """Which units of examples `first` to `first + batch` stay, `[B, *features]`."""
    bits = random_bits(tuple(features), stream=Stream(key % (1 << 64)), draws=batch, first=first)
    return bits >= round(rate * 2**31)


def _signed(stream: Stream) -> int:
    """The stream's 64 bits as a signed number, which a tensor holds."""
    return int.from_bytes(stream.seed.to_bytes(8, "little"), "little", signed=True)
