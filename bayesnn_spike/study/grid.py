"""From a configuration to its cells: one cell is one training, (data, fold, rule, seed).

A cell carries everything that determines its result as one JSON-able tree, `settings`. Two cells
with equal settings give equal numbers; resuming compares settings, and the digest of the data.
Oracle: tests/study/test_grid.py.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, final

from bayesnn_spike.study.config import DataConfig, Folds, StudyConfig


@final
@dataclass(frozen=True)
class Cell:
    """One training of a study.

    Attributes:
        data: name of the data set.
        fold: index of the test fold, or None under the data set's own splits.
        rule: name of the learning rule.
        seed: of the weights' initial values, the order of examples and every draw.
        settings: all that determines the result; plain dicts, lists, numbers and strings.
        trial: number of the configuration that a search tries, or None.
    """

    data: str
    fold: int | None
    rule: str
    seed: int
    settings: dict[str, Any]
    trial: int | None = None

    @property
    def id(self) -> str:
        """The name of the cell's folder."""
        fold = "" if self.fold is None else f"-fold{self.fold}"
        trial = "" if self.trial is None else f"-config{self.trial}"
        return f"{self.data}{fold}-{self.rule}{trial}-seed{self.seed}"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the settings."""
        return fingerprint(self.settings)


def cells(config: StudyConfig) -> list[Cell]:
    """Return every cell of a study, the first seed of every rule before the second of any.

    A study that is stopped early has thus compared all rules on the seeds it reached.
    """
    return [
        cell(config, data=data, fold=fold, rule=rule, seed=seed)
        for seed in range(config.seeds)
        for data in config.data
        for fold in _folds(data)
        for rule in config.rules.names()
    ]


def cell(
    config: StudyConfig,
    *,
    data: DataConfig,
    fold: int | None,
    rule: str,
    seed: int,
    changes: dict[str, Any] | None = None,
    protocol: dict[str, Any] | None = None,
    trial: int | None = None,
) -> Cell:
    """Return one cell.

    Args:
        config: the study.
        data: one of its data sets.
        fold: index of the test fold, or None.
        rule: name of the rule.
        seed: the seed.
        changes: values that replace the rule's own, as a search tries them.
        protocol: replaces the data set's.
        trial: number of the configuration that a search tries.
    """
    recipe = config.rules.recipe(rule, data.name, changes or {})
    described = data.model_dump(mode="json", exclude={"batch_size"})
    settings = {
        "data": described if protocol is None else {**described, "protocol": protocol},
        "fold": fold,
        "rule": rule,
        "recipe": recipe,
        "network": config.network.model_dump(mode="json"),
        "credit": config.credit.model_dump(mode="json"),
        "predict": config.predict.model_dump(mode="json", exclude={"batch_size"}),
        "batch_size": data.batch_size or config.batch_size,
        "seed": seed,
    }
    return Cell(data.name, fold, rule, seed, settings, trial)


def fingerprint(settings: dict[str, Any]) -> str:
    """Return the SHA-256 of a JSON-able tree; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Return one line for each place where two trees differ: `path: old -> new`."""
    if isinstance(old, dict) and isinstance(new, dict):
        lines = []
        for key in sorted(old.keys() | new.keys()):
            inner = f"{path}.{key}" if path else str(key)
            lines += differences(old.get(key), new.get(key), inner)
        return lines
    return [] if old == new else [f"{path}: {old!r} -> {new!r}"]


def _folds(data: DataConfig) -> list[int | None]:
    return list(range(data.protocol.n)) if isinstance(data.protocol, Folds) else [None]
