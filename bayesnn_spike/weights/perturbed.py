"""Training weights whose noise differs from example to example, as tensor types.

Both stand for a mean mu and a Bernoulli weight of that mean, and tell `ops.synapse` how to make
currents. Gradients flow to the mean alone. They are for training: members at test time are exact
-1/+1 networks. Noise is fixed over time, because weights do not change in time.

    flipout:  I = mu x + s o ((w - mu) (x o r))           r, s = +-1 per example and unit
    local:    I = mu x + sqrt((1 - mu^2) x^2) o eps       eps normal per example and unit

Flipout keeps the mean and the covariance of the currents of each example, with one draw w shared
by the batch (Wen et al. 2018, for symmetric noise). It keeps no more: w - mu has the third moment
-2 mu (1 - mu^2), and a random sign takes that away. Local reparameterisation replaces the law of
the current by a normal of the same mean and variance (Kingma et al. 2015; Peters and Welling 2018
for binary weights). Oracle: tests/weights/test_perturbed.py.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor

from bayesnn_spike.ops.synapse import conv2d, linear
from bayesnn_spike.rng import Stream

Apply = Callable[[Tensor, Tensor], Tensor]


class _PerturbedWeight(torch.Tensor):
    """A wrapper of the mean's shape that answers `linear` and `conv2d` and nothing else."""

    mean: Tensor
    stream: Stream

    @staticmethod
    def __new__(cls, mean: Tensor, *_: Any, **__: Any) -> "_PerturbedWeight":
        return torch.Tensor._make_wrapper_subclass(
            cls, mean.shape, dtype=mean.dtype, device=mean.device
        )

    @abstractmethod
    def column(self) -> "_PerturbedWeight":
        """The same draws with a last axis of length 1 more."""

    @abstractmethod
    def currents(self, x: Tensor, apply: Apply, feature_dims: int) -> Tensor:
        """Currents for spikes x, where `apply(x, weight)` is the plain operation."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is linear or func is conv2d:
            x, weight, bias = args
            feature_dims = 1 if func is linear else 3

            def apply(inputs: Tensor, values: Tensor) -> Tensor:
                return func(inputs, values, None, **(kwargs or {}))

            currents = _currents(weight, x, apply, feature_dims)
            if bias is None:
                return currents
            # A bias is the weight of an input that is always 1.
            one = x.new_ones(1, x.shape[-feature_dims - 1], 1)
            steady = _currents(_column(bias), one, linear, 1)
            return currents + steady.view(*steady.shape, *([1] * (feature_dims - 1)))
        with torch._C.DisableTorchFunctionSubclass():
            if func.__name__ in _METADATA:
                return func(*args, **(kwargs or {}))
        raise TypeError(_unsupported(cls, func))

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise TypeError(_unsupported(cls, func))


def _unsupported(cls: type, func: Any) -> str:
    return (
        f"{cls.__name__} supports the linear and conv2d of bayesnn_spike.ops.synapse, not "
        f"{getattr(func, '__name__', func)}; use its .mean for numbers"
    )


# What torch itself asks of a tensor without touching its numbers.
_METADATA = {"__get__", "size", "dim", "is_floating_point", "is_complex", "__hash__", "__repr__"}


@final
class FlipoutWeight(_PerturbedWeight):
    """Draws shared by the batch, their deviation sign-flipped per example.

    Args:
        mean: mu `[K, *shape]`, the leaf gradients flow to.
        signs: the draws w `[K, *shape]`.
        stream: draws r and s.
    """

    def __init__(self, mean: Tensor, signs: Tensor, stream: Stream) -> None:
        self.mean, self.signs, self.stream = mean, signs, stream
        self.deviation = (signs - mean).detach()

    def column(self) -> "FlipoutWeight":
        return FlipoutWeight(self.mean.unsqueeze(-1), self.signs.unsqueeze(-1), self.stream)

    def currents(self, x: Tensor, apply: Apply, feature_dims: int) -> Tensor:
        central = apply(x, self.mean)
        generator = self.stream.generator(x.device)
        r = _example_signs(x, feature_dims, generator)
        s = _example_signs(central, feature_dims, generator)
        return central + s * apply(x * r, self.deviation)


@final
class LocalWeight(_PerturbedWeight):
    """Normal currents of the exact mean and variance.

    Args:
        mean: mu `[K, *shape]`, the leaf gradients flow to.
        stream: draws eps.
    """

    def __init__(self, mean: Tensor, stream: Stream) -> None:
        self.mean, self.stream = mean, stream

    def column(self) -> "LocalWeight":
        return LocalWeight(self.mean.unsqueeze(-1), self.stream)

    def currents(self, x: Tensor, apply: Apply, feature_dims: int) -> Tensor:
        central = apply(x, self.mean)
        variance = apply(x.square(), 1 - self.mean.square())
        step = central.select(central.ndim - feature_dims - 2, 0)
        generator = self.stream.generator(x.device)
        noise = torch.randn(step.shape, generator=generator, dtype=step.dtype, device=step.device)
        # The square root has no slope at zero: a silent input carries no noise and no gradient.
        spread = torch.where(variance > 0, variance, torch.ones_like(variance)).sqrt()
        spread = torch.where(variance > 0, spread, torch.zeros_like(spread))
        return central + spread * noise.unsqueeze(central.ndim - feature_dims - 2)


def _currents(weight: Tensor, x: Tensor, apply: Apply, feature_dims: int) -> Tensor:
    if isinstance(weight, _PerturbedWeight):
        return weight.currents(x, apply, feature_dims)
    return apply(x, weight)


def _column(bias: Tensor) -> Tensor:
    return bias.column() if isinstance(bias, _PerturbedWeight) else bias.unsqueeze(-1)


def _example_signs(like: Tensor, feature_dims: int, generator: torch.Generator) -> Tensor:
    """-1/+1 per example and unit (channel, for maps), shared over K and T and over a map."""
    batch = like.shape[-feature_dims - 1]
    units = like.shape[-feature_dims]
    bits = torch.randint(0, 2, (batch, units), generator=generator, device=like.device)
    return (2 * bits - 1).to(like.dtype).view(batch, units, *([1] * (feature_dims - 1)))
