"""The configuration of a study: one YAML file, checked before anything runs.

    study: rules_on_nmnist
    question: Is a Bayesian binary network better calibrated than a straight-through one?
    data:
      - {name: nmnist, bins: 10, augment_shift: 2, protocol: {kind: folds, n: 5}}
    network: {model: mlp, hidden: [256], gain_in: 4.0, neuron: {kind: lif, beta: 0.9}}
    rules:
      straight_through: {lr: 0.01, epochs: 100, gain_out: 4}
      bayes_bisnn: {lr: 0.3, epochs: 60, gain_out: 8, estimator: flipout, tempering: 1e-3}
    predict: {draws: 30}
    seeds: 5

A value of the library (a neuron, a surrogate, an estimator, a step) is written as its name, or as
`{kind: NAME, option: value}`; the names are the tables of `bayesnn_spike/study/values.py`.
Oracle: tests/study/test_config.py.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)

from bayesnn_spike.events import datasets
from bayesnn_spike.study.errors import ConfigError
from bayesnn_spike.study.network_config import Mlp, Network
from bayesnn_spike.study.overrides import override
from bayesnn_spike.study.rules_config import Rules
from bayesnn_spike.study.strict import Strict, plain, unknown_key
from bayesnn_spike.study.values import LossName
from bayesnn_spike.study.yaml_file import read_yaml


class Folds(Strict):
    """Stratified cross-validation: every example is in the test fold of one cell per seed.

    Attributes:
        n: the number of folds.
        seed: of the partition; the same for all rules and seeds, so that results pair.
        calib: share of the other folds that is kept from training for temperature scaling. With
            0, a fold's temperature is fitted on the predictions of the other folds' networks on
            their own test folds.
    """

    kind: Literal["folds"]
    n: Annotated[int, Field(ge=2)] = 5
    seed: NonNegativeInt = 0
    calib: Annotated[float, Field(ge=0, lt=0.5)] = 0.0


class Holdout(Strict):
    """The data set's own named splits.

    Attributes:
        train: names of the splits to train on, joined.
        calib: the split that temperature scaling is fitted on.
        test: the split that is scored, once.
    """

    kind: Literal["holdout"]
    train: tuple[str, ...] = ("train",)
    calib: str = "calib"
    test: str = "test"


class DataConfig(Strict):
    """One data set, as `bayesnn_spike.events.datasets.load` takes it, and how it is divided.

    Attributes:
        name: of the data set (`bayesnn-spike data list`).
        bins: time steps.
        seed: of the data set's splits and of the simulation or encoding of its spikes.
        options: further options of this data set's loader.
        augment_shift: in training, shift each example by up to this many pixels in x and in y.
        batch_size: overrides the study's.
    """

    name: str
    bins: PositiveInt = 10
    seed: NonNegativeInt = 0
    options: dict[str, Any] = Field(default_factory=dict)
    augment_shift: NonNegativeInt = 0
    batch_size: PositiveInt | None = None
    protocol: Annotated[Folds | Holdout, Field(discriminator="kind")] = Holdout(kind="holdout")


class CreditConfig(Strict):
    """How gradients arise.

    Attributes:
        loss: `rate` scores the readout's mean over time once, `step` scores every time step.
        horizon: time steps between updates; null is backpropagation through all of them, 1 is
            the papers' online learning.
        burn_in: time steps at the start that nothing is learned or read from.
    """

    loss: LossName = "rate"
    horizon: PositiveInt | None = None
    burn_in: NonNegativeInt = 0


class PredictConfig(Strict):
    """How the trained networks are asked.

    Attributes:
        draws: networks in a committee.
        pooling: the order of softmax and means, see `bayesnn_spike.predict.pooling`.
        batch_size: examples at a time; changes no result.
    """

    draws: PositiveInt = 30
    pooling: Literal["softmax_of_rate", "mean_of_steps", "softmax_of_mean"] = "softmax_of_rate"
    batch_size: PositiveInt = 256


class SearchConfig(Strict):
    """The choice of hyper-parameters, with the same budget for every rule.

    Only the named splits `train` and `val` of a data set are touched; its test split is refused.

    Attributes:
        budget: configurations tried for each rule on each data set.
        folds: 0 trains on the train split and scores the val split; n pools n stratified folds
            of train and val together, which is steadier where they are small.
        train, val: names of those splits.
        metric: the score to minimise (of the committee, for a posterior).
        seeds: trained for each configuration; the score is their mean.
        grid: for each rule, lists of values by key; `budget` of their combinations are tried.
    """

    budget: PositiveInt
    folds: Annotated[int, Field(ge=0)] = 0
    train: tuple[str, ...] = ("train",)
    val: str = "val"
    metric: Literal["nll", "brier", "ece"] = "nll"
    seeds: PositiveInt = 1
    grid: dict[str, dict[str, list[Any]]]


class StudyConfig(Strict):
    """A whole study. See the module's docstring for an example.

    Attributes:
        study: its name, used for the output folder.
        question: what the study asks, in one or two sentences.
        seeds: seeds 0 .. seeds-1 are run for every rule.
        batch_size: examples in a mini-batch.
        network, credit: what every rule trains, and on which loss.
        bootstrap: resamples behind the intervals and the ECE's noise floor.
        plane: for data sets whose inputs are points of a plane (two-moons): points per axis of
            the picture of every rule's answers; null draws none. Changes no result.
    """

    study: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    question: str = ""
    data: Annotated[tuple[DataConfig, ...], Field(min_length=1)]
    network: Network = Mlp()
    credit: CreditConfig = CreditConfig()
    rules: Rules
    predict: PredictConfig = PredictConfig()
    seeds: PositiveInt = 5
    batch_size: PositiveInt = 64
    bootstrap: Annotated[int, Field(ge=100)] = 2000
    plane: Annotated[int, Field(ge=2)] | None = None
    search: SearchConfig | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "StudyConfig":
        names = [data.name for data in self.data]
        if len(set(names)) != len(names):
            raise ValueError(f"data: the names must differ, got {names}")
        for name in names:
            if name not in datasets.names():
                raise ValueError(f"data: {unknown_key(name, datasets.names(), what='data set')}")
        self.rules.require_consistent(names)
        if self.search is not None:
            self.rules.require_searchable(self.search.grid, self.search.budget)
        return self


def config_path(path: Path) -> Path:
    """Return the YAML file meant by a study's folder or by the file itself."""
    return path / "config.yaml" if path.is_dir() else path


def load_config(path: Path, settings: tuple[str, ...] = ()) -> StudyConfig:
    """Read and check a study's configuration.

    Args:
        path: the study's folder (with `config.yaml`) or a YAML file.
        settings: `path=value` overrides, as given to `--set`.

    Raises:
        ConfigError: the file cannot be read, a key is unknown (with the nearest right one), or
            a value is not allowed. The message names every wrong key with its path.
    """
    tree, where = read_tree(path, settings)
    return parse_config(tree, where=where)


def read_tree(
    path: Path, settings: tuple[str, ...], *, what: str = "a study's configuration"
) -> tuple[dict[str, Any], str]:
    """Return the tree of a YAML file with its overrides, and the name of the file.

    Args:
        path: as `load_config`.
        settings: as `load_config`.
        what: the file is, for the message.

    Raises:
        ConfigError: the file cannot be read, or is no mapping of keys.
    """
    file = config_path(path)
    tree = read_yaml(file)
    if not isinstance(tree, dict):
        raise ConfigError(f"{file}: {what} is a mapping of keys, see --help")
    return override(tree, settings), str(file)


def parse_config(tree: dict[str, Any], *, where: str = "configuration") -> StudyConfig:
    """Check a configuration that is already a tree of dicts and lists.

    Raises:
        ConfigError: as `load_config`.
    """
    try:
        return StudyConfig.model_validate(tree)
    except ValidationError as error:
        raise plain(error, where=where, tree=tree) from error
