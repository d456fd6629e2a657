"""Checkpoints of `fit`: the learner's state and how far it got, in one file that is always whole.

The header records what defines the run. A checkpoint of another run is refused by name, never
continued by chance.

Oracle: tests/learn/test_checkpoint.py, tests/integration/test_resume.py.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, final

from bayesnn_spike.io import load_tree, read_header, remove_leftovers, save_tree

State = TypeVar("State")


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message says which setting differs and what to do."""


@final
@dataclass(frozen=True)
class Checkpoint:
    """Where and how often `fit` saves, and what must be equal for it to resume.

    Args:
        path: the `.safetensors` file. One run writes it; a run that finds it resumes from it.
        every: optimiser steps between two writes; the last step is always saved.
        config: settings of the run that `fit` cannot see (rule, network, learning rates, length
            of the schedule), as JSON values. A file with another config is refused.

    Raises:
        CheckpointError: `every` is no positive integer, or `config` is not JSON.
    """

    path: str | os.PathLike[str]
    every: int = 100
    config: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.every, bool) or not isinstance(self.every, int) or self.every < 1:
            raise CheckpointError(f"a checkpoint is saved every n >= 1 steps, got {self.every!r}")
        _as_json(dict(self.config))

    def save(self, state: Any, *, step: int, run: Mapping[str, Any]) -> None:
        """Replace the file by `state` after `step` steps of `run`, atomically."""
        save_tree(self.path, state, {"fit": {"step": step, "run": self._whole(run)}})

    def load(self, like: State, *, run: Mapping[str, Any]) -> tuple[State, int] | None:
        """Return (state, steps done) of an interrupted run, or None if there is no file.

        Also deletes what a killed write left beside the file.

        Args:
            like: a state with the expected structure; see `bayesnn_spike.io.load_tree`.
            run: what defines this run, as given to `save`.

        Raises:
            CheckpointError: the file belongs to another run, or is no checkpoint.
            IoError: the file is damaged, or its state has another structure.
        """
        remove_leftovers(self.path)
        if not os.path.exists(self.path):
            return None
        record = read_header(self.path).get("fit")
        if record is None:
            raise CheckpointError(f"{os.fspath(self.path)}: is no checkpoint of `fit`")
        differences = _differences(record["run"], self._whole(run))
        if differences:
            raise CheckpointError(
                f"{os.fspath(self.path)}: this checkpoint belongs to another run: "
                f"{'; '.join(differences)}. Delete it to start afresh, or choose another path."
            )
        return load_tree(self.path, like), record["step"]

    def _whole(self, run: Mapping[str, Any]) -> dict[str, Any]:
        return _as_json({**{f"config.{key}": value for key, value in self.config.items()}, **run})


def _as_json(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings as they come back from a file, so that both sides compare alike."""
    try:
        return json.loads(json.dumps(settings, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"the settings of a checkpoint must be JSON: {error}") from error


def _differences(saved: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Return one sentence per setting that differs."""
    absent = "nothing"
    return [
        f"{key} was {saved.get(key, absent)!r} and is now {wanted.get(key, absent)!r}"
        for key in sorted(saved.keys() | wanted.keys())
        if key not in saved or key not in wanted or saved[key] != wanted[key]
    ]
