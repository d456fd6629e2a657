"""Direct input: the numbers themselves as currents, the same at every time step.

The result has stride 0 in time, by which the first layer knows that one step is all steps.
"""

from dataclasses import dataclass
from typing import final

from torch import Tensor

from bayesnn_spike.checks import require_positive


def direct(images: Tensor, steps: int) -> Tensor:
    """Show images at every time step, without a copy.

    Args:
        images: `[B, *in]` numbers of any size and sign.
        steps: time steps T >= 1.

    Returns:
        `[T, B, *in]`, a view with stride 0 in time.

    Raises:
        ValueError: `steps` < 1.

    Oracle: tests/encoding/test_direct.py.
    """
    require_positive(steps, "steps")
    return images.expand(steps, *images.shape)


@final
@dataclass(frozen=True)
class Direct:
    """`direct` as a value.

    Attributes:
        steps: T, unless a call asks for others.
    """

    steps: int

    def __post_init__(self) -> None:
        require_positive(self.steps, "Direct.steps")

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
