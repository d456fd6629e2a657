"""What a network computes, as data: named steps that read each other, before anything is built."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor, nn

INPUT = "input"


@final
@dataclass(frozen=True, eq=False)
class Synapse:
    """A linear map `[M, N]` or a convolution `[O, C, h, h]`, with or without bias."""

    weight: Tensor
    bias: Tensor | None
    stride: int = 1
    padding: int = 0


@final
@dataclass(frozen=True, eq=False)
class Norm:
    """Batch normalisation with fixed statistics: `x factor + offset`, both `[C]`."""

    factor: Tensor
    offset: Tensor


@final
@dataclass(frozen=True, eq=False)
class Rectify:
    """max(x, 0); with `levels` the clipped and quantised one, in `levels` steps up to `bound`."""

    bound: float | None = None
    levels: int | None = None


@final
@dataclass(frozen=True, eq=False)
class Pool:
    """A mean over windows of a map: a `torch.nn` module without parameters."""

    module: nn.Module


@final
@dataclass(frozen=True, eq=False)
class Flatten:
    """`[C, H, W]` to `[C H W]`."""


@final
@dataclass(frozen=True, eq=False)
class Drop:
    """Dropout of a rate, in training only."""

    rate: float


@final
@dataclass(frozen=True, eq=False)
class Add:
    """The sum of its inputs."""


@final
@dataclass(frozen=True, eq=False)
class Unread:
    """What does not convert, and what it is called; a plan with one is refused.

    Attributes:
        name: of the module's class or of the function.
        active: it may be an activation.
    """

    name: str
    active: bool


Operation = Synapse | Norm | Rectify | Pool | Flatten | Drop | Add | Unread


@final
@dataclass(frozen=True, eq=False)
class Step:
    """One operation of a plan.

    Attributes:
        name: of the layer to be; unique.
        path: what it was in the user's network: a module's path, or a function of the trace.
        operation: what it computes.
        inputs: names of steps before it, or "input".
        shape: of its result for one example, `(N,)` or `(C, H, W)`.
    """

    name: str
    path: str
    operation: Operation
    inputs: tuple[str, ...]
    shape: tuple[int, ...]


@final
@dataclass(frozen=True, eq=False)
class Plan:
    """Steps in an order in which they can run.

    Attributes:
        steps: each after those that it reads.
        output: name of the step whose result is the network's.
        shape: of the input for one example.
    """

    steps: tuple[Step, ...]
    output: str
    shape: tuple[int, ...]

    def __getitem__(self, name: str) -> Step:
        """Return a step by name."""
        return next(step for step in self.steps if step.name == name)

    def neurons(self) -> Iterator[Step]:
        """Yield the steps that become spiking neurons, in order."""
        return (step for step in self.steps if isinstance(step.operation, Rectify))

    def readers(self, name: str) -> list[Step]:
        """Return the steps that read one."""
        return [step for step in self.steps if name in step.inputs]

    def number(self, value: float) -> Tensor:
        """Return a number in the precision and on the device of the weights, 0-dim."""
        synapses = (s.operation for s in self.steps if isinstance(s.operation, Synapse))
        first = next(synapses, None)
        return torch.tensor(value) if first is None else first.weight.new_tensor(value)

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Return the shape of a step's result, or of the input."""
        return self.shape if name == INPUT else self[name].shape

    def without(self, name: str) -> "Plan":
        """Return the plan without a step of one input: its readers read that input."""
        (instead,) = self[name].inputs

        def redirect(read: str) -> str:
            return instead if read == name else read

        steps = tuple(
            replace(step, inputs=tuple(redirect(i) for i in step.inputs))
            for step in self.steps
            if step.name != name
        )
        return replace(self, steps=steps, output=redirect(self.output))

    def segment(self, name: str, ends: set[str]) -> list[Step]:
        """Return the steps that lead to a step up to and without `ends`, in order."""
        wanted, found = {name}, []
        for step in reversed(self.steps):
            if step.name in wanted and step.name not in ends:
                found.append(step)
                wanted.update(step.inputs)
        return found[::-1]
