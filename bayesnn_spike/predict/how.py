"""Which networks of a posterior answer, as values."""

from dataclasses import dataclass
from typing import final

from bayesnn_spike.checks import require_positive


@final
@dataclass(frozen=True)
class Committee:
    """K draws made once and used for the whole test set: the default.

    Only a committee's predictions can be written as (draw, example) and re-created one by one.
    """

    draws: int = 30

    def __post_init__(self) -> None:
        require_positive(self.draws, "Committee.draws")


@final
@dataclass(frozen=True)
class Ensemble:
    """K fresh draws for every batch of examples."""

    draws: int = 30

    def __post_init__(self) -> None:
        require_positive(self.draws, "Ensemble.draws")


@final
@dataclass(frozen=True)
class Vote:
    """A committee whose members each cast one vote; probabilities are shares of votes."""

    draws: int = 30

    def __post_init__(self) -> None:
        require_positive(self.draws, "Vote.draws")


@final
@dataclass(frozen=True)
class Mode:
    """The most probable network alone."""


@final
@dataclass(frozen=True)
class MeanParameter:
    """The expected weights. For binary weights this is no binary network: a diagnostic only."""


@final
@dataclass(frozen=True)
class MCDropout:
    """K thinned copies of the most probable network: Monte-Carlo dropout.

    The network needs `nn.Dropout` layers. A mask is one for each draw and example, the same at all
    time steps; it depends on the stream, the draw and the example's place alone.

    Source: Gal and Ghahramani 2016.
    """

    draws: int = 30

    def __post_init__(self) -> None:
        require_positive(self.draws, "MCDropout.draws")


How = Committee | Ensemble | Vote | Mode | MeanParameter | MCDropout
