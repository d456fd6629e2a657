"""The configuration of a study of continual learning.

    study: continual
    data: {name: digits-saccade, bins: 10, protocol: {kind: holdout, train: [train, val]}}
    tasks: [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    methods:
      ewc: {carry: ewc, rule: straight_through, strength: 10, settings: {lr: 0.01, epochs: 10}}
      bayes: {carry: posterior_to_prior, rule: bayes_bisnn, settings: {lr: 0.3, epochs: 10}}

Oracle: tests/study/test_continual_config.py.
"""

from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from bayesnn_spike.study.config import (
    CreditConfig,
    DataConfig,
    Holdout,
    PredictConfig,
    read_tree,
)
from bayesnn_spike.study.network_config import Mlp, Network
from bayesnn_spike.study.overrides import set_path
from bayesnn_spike.study.rules_config import Rules
from bayesnn_spike.study.strict import Strict, plain

STREAMING = ("bayes_bisnn", "ivon")
POINTS = ("full_precision", "straight_through", "st_bisnn")


class MethodConfig(Strict):
    """A rule, and what it carries from task to task.

    Attributes:
        rule: as in the `rules` of other studies.
        carry: `naive` just goes on, `posterior_to_prior` is streaming Bayes, `ewc` elastic weight
            consolidation, `joint` learns all tasks at once (no continual learning: the reference).
        settings: of the rule; `epochs` are passes over each task.
        strength: of the springs of `ewc`.
        coreset: examples kept of each task; 0 is none.
    """

    rule: Literal["full_precision", "straight_through", "st_bisnn", "bayes_bisnn", "ivon"]
    carry: Literal["naive", "posterior_to_prior", "ewc", "joint"]
    settings: dict[str, Any]
    strength: PositiveFloat | None = None
    coreset: NonNegativeInt = 0

    @model_validator(mode="after")
    def _consistent(self) -> "MethodConfig":
        if self.carry == "posterior_to_prior" and self.rule not in STREAMING:
            raise ValueError(f"carry: posterior_to_prior needs one of {STREAMING}")
        if self.carry == "ewc" and self.rule not in POINTS:
            raise ValueError(f"carry: ewc needs one of {POINTS}")
        if (self.strength is not None) != (self.carry == "ewc"):
            raise ValueError("strength: it belongs to carry: ewc, which needs it")
        if self.coreset and self.carry == "joint":
            raise ValueError("coreset: joint learning keeps all examples")
        self.recipe()
        return self

    def recipe(self) -> dict[str, Any]:
        """Return all settings of the rule, with the defaults filled in.

        Raises:
            ConfigError: a setting is unknown or its value not allowed.
        """
        tree = {self.rule: self.settings}
        try:
            rules = Rules.model_validate(tree)
        except ValidationError as error:
            raise plain(error, where="settings", tree=tree) from error
        return rules.recipe(self.rule, "", {})


class ContinualSearch(Strict):
    """The choice of hyper-parameters: the same budget for every method.

    A configuration's score is the mean of the final average accuracies, class- and
    task-incremental, on the `val` split after training on `train`; the test split takes no part.

    Attributes:
        budget: configurations of each method; its grid must have exactly so many.
        train, val: names of splits.
        seeds: trained for each configuration.
        grid: for each method, lists of values by key (`settings.lr`, `strength`).
    """

    budget: PositiveInt
    train: tuple[str, ...] = ("train",)
    val: str = "val"
    seeds: PositiveInt = 1
    grid: dict[str, dict[str, list[Any]]]


class ContinualConfig(Strict):
    """A whole study of continual learning.

    Attributes:
        study, question, network, credit, predict, seeds, batch_size: as in other studies.
        data: one data set, under its own splits.
        tasks: class indices of each task, in order.
        methods: by name.
        search: how their settings were chosen.
    """

    study: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    question: str = ""
    data: DataConfig
    tasks: Annotated[tuple[tuple[NonNegativeInt, ...], ...], Field(min_length=2)]
    network: Network = Mlp()
    credit: CreditConfig = CreditConfig()
    predict: PredictConfig = PredictConfig()
    methods: Annotated[dict[str, MethodConfig], Field(min_length=1)]
    seeds: PositiveInt = 5
    batch_size: PositiveInt = 32
    search: ContinualSearch | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "ContinualConfig":
        if not isinstance(self.data.protocol, Holdout):
            raise ValueError("data.protocol: continual learning takes the data set's own splits")
        flat = [c for task in self.tasks for c in task]
        twice = sorted({c for c in flat if flat.count(c) > 1})
        if twice:
            raise ValueError(f"tasks: class {twice[0]} stands twice; a class belongs to one task")
        if not all(self.tasks):
            raise ValueError("tasks: a task has no class")
        if self.search is None:
            return self
        if set(self.search.grid) != set(self.methods):
            raise ValueError("search.grid: it needs an entry for every method, and no other")
        for name, options in self.search.grid.items():
            size = prod(len(values) for values in options.values())
            if size != self.search.budget:
                raise ValueError(
                    f"search.grid.{name}: {size} combinations, the budget is {self.search.budget}"
                )
            for key, values in options.items():
                for value in values:
                    changed(self.methods[name], {key: value})
        return self


def changed(method: MethodConfig, changes: dict[str, Any]) -> MethodConfig:
    """Return a method with other values, by keys with dots.

    Raises:
        ConfigError: a key is unknown or a value not allowed.
    """
    tree = method.model_dump(mode="json")
    for key, value in changes.items():
        set_path(tree, key.split("."), value, where=key)
    return _checked(MethodConfig, tree, "methods")


def load_continual(path: Path, settings: tuple[str, ...] = ()) -> ContinualConfig:
    """Read and check a configuration; arguments and errors as `load_config`."""
    tree, where = read_tree(path, settings)
    return parse_continual(tree, where=where)


def parse_continual(tree: dict[str, Any], *, where: str = "configuration") -> ContinualConfig:
    """Check a configuration that is already a tree of dicts and lists.

    Raises:
        ConfigError: as `load_config`.
    """
    return _checked(ContinualConfig, tree, where)


def _checked(kind: Any, tree: dict[str, Any], where: str) -> Any:
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise plain(error, where=where, tree=tree) from error
