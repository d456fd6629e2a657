"""What the phases of a recipe share: its values, its images, where it writes.

Oracle: tests/study/test_conversion_work.py.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from bayesnn_spike.events.datasets import ImageFolder, ImageSet
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.conversion_config import RecipeConfig, whole
from bayesnn_spike.study.training_config import TrainingConfig

_CONVERTED = {"steps", "surrogate", "dropout", "dropout_fc", "learn_threshold", "learn_leak"}
"""Keys of `hybrid` that the converted network and its scores depend on."""


def quiet(line: str) -> None:
    """Say nothing of the progress."""
    del line


@final
@dataclass(frozen=True, eq=False)
class Work:
    """One run of a recipe.

    Attributes:
        recipe: what to do.
        data: its images.
        folder: the output folder.
        stream: of all that is drawn.
        settings: of each phase: what its result depends on.
        device: of networks and mini-batches, as torch names it.
        tell: gets a line of progress now and then.
    """

    recipe: RecipeConfig
    data: ImageSet | ImageFolder
    folder: Path
    stream: Stream
    settings: Mapping[str, dict[str, Any]]
    device: str = "cpu"
    tell: Callable[[str], None] = quiet

    def batches(self, config: TrainingConfig) -> int:
        """Return the mini-batches of an epoch; the last one may be smaller."""
        return math.ceil(len(self.data.splits["train"]) / config.batch_size)

    def scored(self) -> tuple[str, ...]:
        """Return the splits that are scored: `val`, where there is one, and `test`."""
        return tuple(split for split in ("val", "test") if split in self.data.splits)


def settings_of(
    recipe: RecipeConfig, data: ImageSet | ImageFolder, seed: int
) -> dict[str, dict[str, Any]]:
    """Return what the result of each phase depends on, as JSON values.

    Args:
        recipe: the recipe.
        data: its images, which are named by a hash.
        seed: of the run.
    """
    tree = whole(recipe)
    tree["data"].pop("workers", None)  # changes no pixel
    tree["data"]["fingerprint"] = data.info["fingerprint"]
    ann = {"seed": seed, **{key: tree[key] for key in ("data", "network", "ann")}}
    hybrid = {**ann, "conversion": tree["conversion"], "hybrid": tree["hybrid"]}
    some = {key: value for key, value in tree["hybrid"].items() if key in _CONVERTED}
    return {"ann": ann, "converted": {**hybrid, "hybrid": some}, "hybrid": hybrid}
