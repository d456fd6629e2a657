"""Direct input: the numbers themselves as currents, the same at every time step.

The result has stride 0 in time, by which the first layer knows that one step is all steps.
"""

from dataclasses import dataclass
from typing import final

from torch import Tensor

from bayesnn_spike.checks import require_whole


def direct(images: Tensor, steps: int) -> Tensor:
    """Show images at every time step, without a copy.

    Args:
        images: `[B, *in]` numbers of any size and sign.
        steps: time steps T >= 1.

    Returns:
        `[T, B, *in]`, a view with stride 0 in time.

    Raises:
        ValueError: `steps` is no whole number of 1 or more.

    Oracle: tests/encoding/test_direct.py.
    """
    require_whole(steps, "steps")
    return images.expand(steps, *images.shape)


@final
@dataclass(frozen=True)
class Direct:
    """`direct` as a value.

    Attributes:
        steps: T, unless a call asks for others.

    Raises:
        ValueError: `steps` is no whole number of 1 or more.
    """

    steps: int

    def __post_init__(self) -> None:
        require_whole(self.steps, "Direct.steps")

    def encode(
        self,
        images: Tensor,
        *,
        steps: int | None = None,
        first_step: int = 0,
        first_example: int = 0,
    ) -> Tensor:
        """Return `[T, B, *in]`; the arguments after `steps` change nothing here."""
        del first_step, first_example
        return direct(images, self.steps if steps is None else steps)
