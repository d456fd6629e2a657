"""Configurations: what is accepted, and that a refusal names the key and the nearest right one."""

from pathlib import Path
from typing import Any

import pytest

from bayesnn_spike.study.config import load_config, parse_config
from bayesnn_spike.study.errors import ConfigError
from bayesnn_spike.study.yaml_file import dump_yaml
from tests.study.tiny import config, tree


def test_a_folder_means_its_config_yaml(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(dump_yaml(tree()))
    assert load_config(tmp_path) == config()
    assert load_config(tmp_path / "config.yaml", ("seeds=7",)).seeds == 7


def test_a_whole_configuration_comes_back_the_same() -> None:
    assert parse_config(config().model_dump(mode="json")) == config()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml: cannot be read"):
        load_config(tmp_path)


@pytest.mark.parametrize("text", ["[1, 2]", "study"])
def test_a_file_without_keys_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigError, match="a mapping of keys"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("sedes=3", r"unknown key 'sedes'; did you mean 'seeds'\?"),
        ("data.0.bin=3", r"data\.0: unknown key 'bin'; did you mean 'bins'\?"),
        ("network.hiden=[3]", r"network: unknown key 'hiden'; did you mean 'hidden'\?"),
        ("rules.byes_bisnn.lr=3", r"rules: unknown key 'byes_bisnn'; did you mean 'bayes_bisnn'\?"),
        ("rules.bayes_bisnn.temperng=1", r"rules\.bayes_bisnn: .*did you mean 'tempering'\?"),
        ("rules.bayes_bisnn.estimator=flipot", r"estimator: .*did you mean 'flipout'\?"),
        ("rules.bayes_bisnn.estimator={kind: relaxed, tua: 1}", r"did you mean 'tau'\?"),
        ("rules.bayes_bisnn.optimizer={kind: adam, bta1: 1}", r"did you mean 'beta1'\?"),
        ("rules.bayes_bisnn.optimizer={kind: adam, lr: 1}", "the rule's own key, lr"),
        ("network.neuron={kind: lif, surrogate: atn}", r"did you mean 'atan'\?"),
        ("credit.loss=rat", r"credit\.loss: .*did you mean 'rate'\?"),
        ("data.0.protocol={kind: folds, m: 3}", r"data\.0\.protocol: unknown key 'm'"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest_right_one(
    tmp_path: Path, change: str, message: str
) -> None:
    (tmp_path / "config.yaml").write_text(dump_yaml(tree()))
    with pytest.raises(ConfigError, match=message):
        load_config(tmp_path, (change,))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 0}, "seeds: Input should be greater than 0, got 0"),
        ({"seeds": "x"}, "seeds: .*got 'x'"),
        ({"study": "a/b"}, "study: .*got 'a/b'"),
        ({"data": []}, "data: "),
        ({"data": [tree()["data"][0]] * 2}, "data: the names must differ"),
        ({"rules": {}}, "at least one rule"),
        ({"rules": {"st_ensemble": {"of": "bop"}}}, r"there is no rules\.bop"),
        ({"rules": {"bop": {"rate": 1, "epochs": 1}}}, r"rules\.bop\.threshold: Field required"),
        ({"network": {"model": "mlp", "neuron": {"beta": 0.9}}}, "name under 'kind'"),
        ({"network": {"model": "mlp", "neuron": {"kind": "lif", "beta": 3}}}, "beta must lie in"),
    ],
)
def test_a_wrong_value_is_refused_with_its_path(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(**changes)


def test_all_wrong_keys_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        config(seeds="x", batch_size=-1)
    assert "seeds" in str(caught.value)
    assert "batch_size" in str(caught.value)


def rule(**more: Any) -> dict[str, Any]:
    return {"straight_through": {"lr": 0.01, "epochs": 2, **more}}


def test_per_data_changes_one_data_set_alone() -> None:
    rules = config(rules=rule(per_data={"two-moons": {"gain_out": 8}})).rules
    assert rules.recipe("straight_through", "two-moons", {})["gain_out"] == 8
    assert rules.recipe("straight_through", "other", {})["gain_out"] is None
    changed = rules.recipe("straight_through", "two-moons", {"gain_out": 2, "epochs": 9})
    assert (changed["gain_out"], changed["epochs"]) == (2, 9)


@pytest.mark.parametrize(
    ("per_data", "message"),
    [
        ({"two-mons": {}}, r"unknown data set 'two-mons'; did you mean 'two-moons'\?"),
        ({"two-moons": {"gain_uot": 1}}, r"did you mean 'gain_out'\?"),
        ({"two-moons": {"gain_out": -1}}, "gain_out: Input should be greater than 0"),
    ],
)
def test_per_data_is_checked_when_the_file_is_read(per_data: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(rules=rule(per_data=per_data))


def test_an_ensemble_takes_the_settings_of_its_rule() -> None:
    recipe = config().rules.recipe("st_ensemble", "two-moons", {})
    alone = config().rules.recipe("straight_through", "two-moons", {})
    assert recipe == {**alone, "of": "straight_through", "n": 2}


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"straight_through": {"lr": [0.1]}}, r"straight_through: 1 combinations.*budget is 2"),
        ({}, r"straight_through: 0 combinations"),
        ({"stright": {"lr": [1]}}, r"unknown rule 'stright'; did you mean 'straight_through'\?"),
        ({"straight_through": {"lrr": [1, 2]}}, r"unknown key 'lrr'; did you mean 'lr'\?"),
        ({"straight_through": {"lr": [1, -2]}}, "greater than 0, got -2"),
    ],
)
def test_a_search_spends_the_same_budget_on_every_rule(grid: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(rules=rule(), search={"budget": 2, "grid": grid})
