"""The search: equal budgets, the best validation score wins, and the two files it leaves."""

import json
from pathlib import Path
from typing import Any

import pytest

from bayesnn_spike.study.errors import ConfigError
from bayesnn_spike.study.rules_config import Rules
from bayesnn_spike.study.search import choose, chosen_yaml, combinations, search_study, trials
from bayesnn_spike.study.yaml_file import parse_yaml
from tests.study.tiny import config, tree

GRID = {
    "straight_through": {"lr": [0.01, 0.03], "gain_out": [2, 4, 8]},
    "bayes_bisnn": {"tempering": [1e-3, 1e-2], "optimizer.beta1": [0.9, 0.95]},
}
SEARCH = {"budget": 3, "grid": GRID}


def test_every_rule_has_the_same_number_of_trials() -> None:
    made = trials(config(search=SEARCH))
    assert [(t.rule, t.number) for t in made] == [
        (rule, number) for rule in ("straight_through", "bayes_bisnn") for number in range(3)
    ]
    assert len({cell.id for trial in made for cell in trial.cells}) == 6


def test_a_trial_changes_only_its_keys() -> None:
    before = config().rules.recipe("bayes_bisnn", "two-moons", {})
    for trial in trials(config(search=SEARCH)):
        recipe = trial.cells[0].settings["recipe"]
        if trial.rule == "bayes_bisnn":
            assert recipe["tempering"] == trial.changes["tempering"]
            assert recipe["optimizer"]["beta1"] == trial.changes["optimizer.beta1"]
            assert recipe["lr"] == before["lr"]


def test_seeds_and_folds_multiply_the_cells_of_a_trial() -> None:
    made = trials(config(search={**SEARCH, "seeds": 2, "folds": 3}))
    assert [len(trial.cells) for trial in made] == [6] * 6


def test_combinations_in_order_and_a_fixed_subset() -> None:
    grid = {"a": [1, 2], "b": ["x", "y"]}
    every = [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}]
    assert combinations(grid, 4, "rule") == every
    some = combinations(grid, 2, "rule")
    assert some == combinations(grid, 2, "rule")
    assert [entry for entry in every if entry in some] == some
    assert len(some) == 2


def entry(rule: str, score: float | None, *, data: str = "d", **changes: Any) -> dict[str, Any]:
    metrics = None if score is None else {"nll": {"mean": score}}
    return {"data": data, "rule": rule, "config": changes, "metrics": metrics}


def test_the_lowest_score_wins_and_unfinished_trials_cannot() -> None:
    scored = [entry("a", 0.5, lr=1), entry("a", 0.3, lr=2), entry("a", None, lr=3)]
    scored += [entry("b", None, lr=4), entry("a", 0.1, data="e", lr=1)]
    assert choose(scored, "nll") == {
        "d": {"a": {"config": {"lr": 2}, "nll": 0.3}},
        "e": {"a": {"config": {"lr": 1}, "nll": 0.1}},
    }


@pytest.mark.parametrize("data", [["d"], ["d", "e"]])
def test_the_chosen_values_can_be_copied_into_the_configuration(data: list[str]) -> None:
    rule = {"straight_through": {"config": {"lr": 0.02, "gain_out": 8.0}, "nll": 0.3}}
    text = chosen_yaml(dict.fromkeys(data, rule))
    block = parse_yaml(text, where="")["rules"]["straight_through"]
    rules = Rules.model_validate({"straight_through": {"lr": 1, "epochs": 2, **block}})
    for name in data:
        recipe = rules.recipe("straight_through", name, {})
        assert (recipe["lr"], recipe["gain_out"]) == (0.02, 8.0)


def test_dotted_keys_become_blocks() -> None:
    text = chosen_yaml({"d": {"r": {"config": {"optimizer.beta1": 0.9}, "nll": 0.3}}})
    assert parse_yaml(text, where="")["rules"]["r"] == {"optimizer": {"beta1": 0.9}}


def test_a_search_end_to_end(tmp_path: Path) -> None:
    rules = {"straight_through": tree()["rules"]["straight_through"]}
    grid = {"straight_through": {"epochs": [1, 2, 3]}}
    made = config(rules=rules, search={"budget": 3, "folds": 2, "grid": grid})
    how = {"results": tmp_path / "results", "workers": 1, "quiet": True}
    record, failures = search_study(made, tmp_path / "out", **how)
    assert failures == []
    assert json.loads((tmp_path / "results" / "search.json").read_text()) == record
    scores = {t["config"]["epochs"]: t["metrics"]["nll"]["mean"] for t in record["trials"]}
    best = record["chosen"]["two-moons"]["straight_through"]
    assert best == {"config": {"epochs": min(scores, key=scores.get)}, "nll": min(scores.values())}
    chosen = parse_yaml((tmp_path / "results" / "chosen.yaml").read_text(), where="")
    assert chosen == {"rules": {"straight_through": best["config"]}}
    again, _ = search_study(made, tmp_path / "out", resume=True, **how)
    assert again["trials"] == record["trials"]


def test_a_study_without_a_search_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no search block"):
        search_study(config(), tmp_path, results=tmp_path)
