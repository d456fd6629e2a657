"""The bench of hybrid training: one STDB step of a converted network on constant images.

32C3-AP2-64C3-64C3-AP2-FC256-FC10 without biases on 28x28 images that are shown at every step, fixed
thresholds, gradients by spike times, one step of Adam. The baselines are autograd through time.
Oracle: tests/bench/test_stdb.py.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bayesnn_spike.bench.baselines import stdb
from bayesnn_spike.bench.group import Entry, Group
from bayesnn_spike.encoding import direct
from bayesnn_spike.neurons import SpikeTime, ThresholdNeuron
from bayesnn_spike.nn import Conv2d, Flatten, Fold, Linear, Sequential
from bayesnn_spike.ops import only
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights

WHO = ("cpu", "triton", "reference", "torch-loop", "torch-fused-t")
LR = 1e-5
"""Small: everyone goes on from step to step, and the rates of firing are to stay."""
MOST_WRONG = 1e-2
"""Relative error of a weight's gradient: sums in another order move some spikes of 25 million."""
MOST_OFF = 1e-3
"""How far the loss may be from the reference's, relatively."""
_STREAM = Stream(0).child("bench", "stdb")


@final
@dataclass(frozen=True)
class Case:
    """Sizes of the network and of what runs through it.

    Attributes:
        name: in the table.
        side: of the square images, a multiple of 4.
        channels: of the three convolutions.
        hidden: units of the first fully connected layer.
        steps: T.
        batch: B.
        thresholds: of the four layers of neurons.
    """

    name: str
    side: int
    channels: tuple[int, int, int]
    hidden: int
    steps: int
    batch: int
    thresholds: tuple[float, float, float, float]

    @property
    def fires_at(self) -> dict[str, float]:
        """Threshold after a layer, by its name."""
        return dict(zip(self.shapes(), self.thresholds, strict=False))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the weights, by layer."""
        one, two, three = self.channels
        return {
            "conv1": (one, 1, 3, 3),
            "conv2": (two, one, 3, 3),
            "conv3": (three, two, 3, 3),
            "fc1": (self.hidden, three * (self.side // 4) ** 2),
            "fc2": (10, self.hidden),
        }

    def macs(self) -> int:
        """Multiply-adds of a dense step, forward and backward, every layer at every step."""
        places = {"conv1": self.side**2, "conv2": self.side**2 // 4, "conv3": self.side**2 // 4}
        forward = {n: math.prod(shape) * places.get(n, 1) for n, shape in self.shapes().items()}
        return self.steps * self.batch * (3 * sum(forward.values()) - forward["conv1"])

    def network(self) -> Sequential:
        """Build our network, with weights of its own."""
        (one, two, three), wide = self.channels, self.shapes()["fc1"][1]

        def neurons(name: str, feature_dims: int) -> ThresholdNeuron:
            surrogate = SpikeTime(stdb.ALPHA, stdb.BETA)
            return ThresholdNeuron(
                self.fires_at[name], surrogate=surrogate, feature_dims=feature_dims
            )

        def pool() -> Fold:
            return Fold(nn.AvgPool2d(2), feature_dims=3)

        network = Sequential(
            conv1=Conv2d(1, one, 3, padding=1),
            neurons1=neurons("conv1", 3),
            pool1=pool(),
            conv2=Conv2d(one, two, 3, padding=1),
            neurons2=neurons("conv2", 3),
            conv3=Conv2d(two, three, 3, padding=1),
            neurons3=neurons("conv3", 3),
            pool3=pool(),
            flat=Flatten(),
            fc1=Linear(wide, self.hidden),
            neurons4=neurons("fc1", 1),
            fc2=Linear(self.hidden, 10),
        )
        for name, weight in self.weights().items():
            layer = network.get_submodule(name)
            layer.scale = 1.0
            layer.weight = nn.Parameter(weight)
        return network

    def weights(self) -> Weights:
        """Draw weights, normal with a variance of 2 / fan_in."""
        return {
            name: torch.randn(shape, generator=_STREAM.child("weights", name).generator())
            * math.sqrt(2 / math.prod(shape[1:]))
            for name, shape in self.shapes().items()
        }

    def images(self) -> tuple[Tensor, Tensor]:
        """Draw images `[B, 1, side, side]`, a quarter of their 4x4 squares lit, and labels."""
        generator = _STREAM.child("images").generator()
        squares = torch.rand(self.batch, 1, self.side // 4, self.side // 4, generator=generator)
        lit = (squares < 0.25).float().repeat_interleave(4, 2).repeat_interleave(4, 3)
        grey = torch.rand(lit.shape, generator=generator)
        return lit * grey, torch.randint(0, 10, (self.batch,), generator=generator)


FULL: Mapping[str, Case] = {
    case.name: case
    for case in (Case("digits-stdb", 28, (32, 64, 64), 256, 8, 64, (1.7, 1.0, 1.2, 0.4)),)
}
"""4.1, 2.4, 1.2 and 2.3 % of the neurons fire at a step."""
QUICK: Mapping[str, Case] = {
    case.name: case
    for case in (Case("digits-stdb", 8, (8, 64, 64), 32, 5, 4, (0.8, 0.5, 0.4, 0.1)),)
}


def groups(cases: Iterable[Case], device: str) -> Iterator[Group]:
    """Yield one job a case."""
    for case in cases:
        macs = case.macs()
        yield Group(
            "stdb",
            case.name,
            1,
            WHO,
            partial(_entry, _Job(case, device)),
            item="multiply-add",
            items=macs,
        )


@final
class _Job:
    def __init__(self, case: Case, device: str) -> None:
        self.case, self.device = case, device

    @cached_property
    def batch(self) -> tuple[Tensor, Tensor]:
        images, labels = self.case.images()
        return images.to(self.device), labels.to(self.device)

    @cached_property
    def expected(self) -> tuple[Tensor, Weights]:
        with only("reference"):
            return self.ours().gradients()

    def ours(self) -> "_Trained":
        """Our network as a user trains it."""
        network = self.case.network().to(self.device)
        weights = {name: network.get_submodule(name).weight for name in self.case.shapes()}
        steps = self.case.steps

        def readout(images: Tensor, _: Weights) -> Tensor:
            return network(direct(images, steps))[0].sum(0)

        return _Trained(readout, weights, self.batch)

    def theirs(self, write: Callable[[Mapping[str, float], int], stdb.Readout]) -> "_Trained":
        """A baseline with the same weights."""
        weights = {
            name: nn.Parameter(value.to(self.device)) for name, value in self.case.weights().items()
        }
        return _Trained(write(self.case.fires_at, self.case.steps), weights, self.batch)


@final
class _Trained:
    """Weights, their readout and their optimiser."""

    def __init__(
        self, readout: stdb.Readout, weights: Weights, batch: tuple[Tensor, Tensor]
    ) -> None:
        self._readout, self._weights, self._batch = readout, weights, batch
        self._optimizer = torch.optim.Adam(list(weights.values()), lr=LR)

    def gradients(self) -> tuple[Tensor, Weights]:
        """Return the loss and the gradients of a batch."""
        self._optimizer.zero_grad(set_to_none=True)
        images, labels = self._batch
        loss = F.cross_entropy(self._readout(images, self._weights), labels)
        loss.backward()
        return loss.detach(), {name: w.grad for name, w in self._weights.items()}

    def step(self) -> None:
        """Take one step."""
        self.gradients()
        self._optimizer.step()


def _entry(job: _Job, who: str) -> Entry:
    baselines = {"torch-loop": stdb.loop, "torch-fused-t": stdb.fused}
    trained = job.theirs(baselines[who]) if who in baselines else job.ours()
    if who == "reference":

        def reference() -> None:
            with only("reference"):
                trained.step()

        def same() -> str | None:
            with only("reference"):
                return _difference(job, *trained.gradients())

        return Entry(reference, same)
    return Entry(trained.step, lambda: _difference(job, *trained.gradients()))


def _difference(job: _Job, loss: Tensor, gradients: Weights) -> str | None:
    """Compare loss and gradients with the reference's."""
    right_loss, right = job.expected
    if abs(float(loss) - float(right_loss)) > MOST_OFF * abs(float(right_loss)):
        return f"the loss is {float(loss):.6g}, the reference's {float(right_loss):.6g}"
    for name, expected in right.items():
        error = float((gradients[name] - expected).norm() / expected.norm())
        if not error <= MOST_WRONG:
            return f"the gradient of {name} is {error:.2%} away from the reference's"
    return None
