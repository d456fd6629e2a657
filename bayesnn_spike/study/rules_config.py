"""The learning rules of a study, as configuration.

Every rule has `epochs`, a step size with its schedule, and its own gains; what is not written has
the library's default. `per_data` changes any key for one data set by name.
"""

from collections.abc import Iterable, Iterator
from math import prod
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, ValidationError

from bayesnn_spike.study.overrides import set_path
from bayesnn_spike.study.strict import Strict, plain, unknown_key
from bayesnn_spike.study.values import EstimatorName, InitialName, OptimizerName


class Trained(Strict):
    """What all trained rules share.

    Attributes:
        epochs: passes over the training examples.
        schedule: of the step size; `cosine` goes to 0, with one value an epoch.
        gain_in, gain_out: replace the network's for this rule.
        per_data: keys to change, by the name of a data set.
    """

    epochs: PositiveInt
    schedule: Literal["cosine", "constant"] = "cosine"
    gain_in: PositiveFloat | None = None
    gain_out: PositiveFloat | None = None
    per_data: dict[str, dict[str, Any]] = Field(default_factory=dict)


class FullPrecision(Trained):
    """Real weights by gradient descent: `learn.rules.Gradient`."""

    lr: PositiveFloat
    optimizer: OptimizerName = "adam"
    initial: InitialName = Field({"kind": "normal", "deviation": 1.0})


class StraightThrough(Trained):
    """Sign forward, the gradient to a clamped latent: `learn.rules.StraightThrough`."""

    lr: PositiveFloat
    optimizer: OptimizerName = "adam"
    initial: InitialName = Field({"kind": "uniform", "bound": 0.1})
    limit: PositiveFloat | None = 1.0


class StBiSNN(Trained):
    """Straight-through as the BiSNN paper's code runs it: `learn.rules.StBiSNN`."""

    lr: PositiveFloat
    initial: InitialName = Field({"kind": "coin_flip", "magnitude": 10.0})


class Bop(Trained):
    """Flips by the running mean of the gradient: `learn.rules.Bop`."""

    rate: PositiveFloat
    threshold: NonNegativeFloat


class BayesBiSNN(Trained):
    """Bernoulli posterior by natural gradient: `learn.rules.BayesBiSNN`.

    Attributes:
        tempering: 1 is Bayes, below 1 is colder, 0 leaves the prior out.
        limit: bound of the logits; null leaves them free.
        prior_p: prior probability of a weight being +1.
    """

    lr: PositiveFloat
    optimizer: OptimizerName = Field({"kind": "adam", "beta1": 0.95, "eps": 1e-12})
    estimator: EstimatorName = "hard"
    tempering: NonNegativeFloat = 1.0
    limit: PositiveFloat | None = 5.0
    initial: InitialName = Field({"kind": "coin_flip", "magnitude": 2.0})
    prior_p: Annotated[float, Field(gt=0, lt=1)] = 0.5


class Ivon(Trained):
    """Normal posterior over real weights: `learn.rules.IVON`.

    Attributes:
        tempering: 1 is Bayes, below 1 is colder.
        draws: K, weight draws a step.
        beta2: decay of the Hessian.
        hessian: the one to start from; with tempering it sets the noise of the first steps.
        prior_precision: of every weight; the prior's mean is 0.
    """

    lr: PositiveFloat
    tempering: PositiveFloat = 1.0
    draws: PositiveInt = 1
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    hessian: PositiveFloat = 0.1
    prior_precision: PositiveFloat = 1.0
    initial: InitialName = Field({"kind": "normal", "deviation": 1.0})


class Ensemble(Strict):
    """n networks of another rule, averaged.

    Attributes:
        of: the rule, whose settings it takes.
        n: members.
    """

    of: Literal["full_precision", "straight_through", "st_bisnn", "bop"] = "straight_through"
    n: PositiveInt = 5


class Rules(Strict):
    """The rules that a study compares; those that are not written are not run."""

    full_precision: FullPrecision | None = None
    straight_through: StraightThrough | None = None
    st_bisnn: StBiSNN | None = None
    bop: Bop | None = None
    bayes_bisnn: BayesBiSNN | None = None
    ivon: Ivon | None = None
    st_ensemble: Ensemble | None = None

    def names(self) -> list[str]:
        """Return the names of the rules that are run."""
        return [name for name in type(self).model_fields if getattr(self, name) is not None]

    def recipe(self, rule: str, data: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Return all settings of one rule on one data set, with the defaults filled in.

        Args:
            rule: its name.
            data: name of the data set, for `per_data`.
            changes: values by key (dots reach into blocks) that come last, as a search tries them.

        Raises:
            ConfigError: a changed key is unknown or its value not allowed.
        """
        settings = getattr(self, rule)
        if isinstance(settings, Ensemble):
            inner = self.recipe(settings.of, data, changes)
            return {**inner, "of": settings.of, "n": settings.n}
        tree = settings.model_dump(mode="json")
        for key, value in (tree.pop("per_data").get(data, {}) | changes).items():
            set_path(tree, key.split("."), value, where=f"rules.{rule}.{key}")
        try:
            checked = type(settings).model_validate(tree)
        except ValidationError as error:
            where = f"rules.{rule} on {data}" if data else f"rules.{rule}"
            raise plain(error, where=where, tree=tree) from error
        return checked.model_dump(mode="json", exclude={"per_data"})

    def require_consistent(self, data: Iterable[str]) -> None:
        """Check what one block cannot see alone.

        Raises:
            ValueError: no rule at all, an ensemble of a rule that is not there, or `per_data` of
                an unknown data set.
            ConfigError: a value under `per_data` is not allowed.
        """
        names = self.names()
        if not names:
            raise ValueError("rules: at least one rule is needed")
        if self.st_ensemble is not None and self.st_ensemble.of not in names:
            raise ValueError(f"rules.st_ensemble.of: there is no rules.{self.st_ensemble.of}")
        known = list(data)
        for rule in self.trained():
            for name in getattr(self, rule).per_data:
                if name not in known:
                    message = unknown_key(name, known, what="data set")
                    raise ValueError(f"rules.{rule}.per_data: {message}")
                self.recipe(rule, name, {})

    def trained(self) -> Iterator[str]:
        """Yield the rules that have settings of their own."""
        for name in self.names():
            if isinstance(getattr(self, name), Trained):
                yield name

    def require_searchable(self, grid: dict[str, dict[str, list[Any]]], budget: int) -> None:
        """Check that the same budget can be spent on every rule.

        Raises:
            ValueError: a rule has no grid, or its grid has fewer combinations than the budget.
            ConfigError: a value of the grid is not allowed.
        """
        known = list(self.trained())
        for rule in grid:
            if rule not in known:
                raise ValueError(f"search.grid: {unknown_key(rule, known, what='rule')}")
        for rule in known:
            options = grid.get(rule, {})
            size = prod(len(values) for values in options.values()) if options else 0
            if size < budget:
                raise ValueError(
                    f"search.grid.{rule}: {size} combinations, but the budget is {budget} for "
                    "every rule; add values or lower search.budget"
                )
            for key, values in options.items():
                for value in values:
                    self.recipe(rule, "", {key: value})
