"""What a study of continual learning may say, and what is refused in words."""

from pathlib import Path
from typing import Any

import pytest

from bayesnn_spike.study.continual_config import changed, load_continual, parse_continual
from bayesnn_spike.study.errors import ConfigError
from bayesnn_spike.study.yaml_file import dump_yaml
from tests.architecture.scan import ROOT
from tests.study.continual_case import BAYES, config, tree


def test_the_study_in_the_repository_is_sound() -> None:
    found = load_continual(ROOT / "studies" / "continual")
    assert found.tasks == ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))
    assert found.data.protocol.test == "test"


def test_settings_are_those_of_the_rule_with_defaults(tmp_path: Path) -> None:
    recipe = config().methods["bayes"].recipe()
    assert (recipe["lr"], recipe["prior_p"], recipe["schedule"]) == (0.3, 0.5, "cosine")
    file = tmp_path / "config.yaml"
    file.write_text(dump_yaml(tree()))
    found = load_continual(file, ("methods.bayes.settings.lr=0.5", "seeds=7"))
    assert (found.methods["bayes"].recipe()["lr"], found.seeds) == (0.5, 7)


def test_changes_reach_by_dots_and_are_checked() -> None:
    ewc = config().methods["ewc"]
    made = changed(ewc, {"strength": 3.0, "settings.lr": 0.2})
    assert (made.strength, made.recipe()["lr"]) == (3.0, 0.2)
    assert (ewc.strength, ewc.recipe()["lr"]) == (5.0, 0.05)
    with pytest.raises(ConfigError, match="lr"):
        changed(ewc, {"settings.lr": -1.0})


def method(**values: Any) -> dict[str, Any]:
    return {"methods": {"one": {"settings": {"lr": 0.1, "epochs": 1}, **values}}, "search": None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (method(carry="posterior_to_prior", rule="straight_through"), "posterior_to_prior needs"),
        (method(carry="ewc", rule="bayes_bisnn", strength=1.0), "ewc needs one of"),
        (method(carry="ewc", rule="straight_through"), "strength: it belongs to carry: ewc"),
        (method(carry="naive", rule="straight_through", strength=1.0), "strength: it belongs"),
        (method(carry="joint", rule="straight_through", coreset=3), "joint learning keeps all"),
        (method(carry="naive", rule="straight_through", settings={"lrr": 1}), "lrr"),
        ({"tasks": [[0]]}, "tasks"),
        ({"tasks": [[0], [1, 0]]}, "tasks: class 0 stands twice"),
        ({"tasks": [[0, 0], [1]]}, "tasks: class 0 stands twice"),
        ({"tasks": [[0, 1], []]}, "tasks: a task has no class"),
        ({"seed": 3}, "did you mean 'seeds'"),
        (
            {"data": {"name": "two-moons", "protocol": {"kind": "folds", "n": 3}}},
            "continual learning takes the data set's own splits",
        ),
        ({"search": {"budget": 2, "grid": {}}}, "needs an entry for every method"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_continual(tree(**changes))


def test_every_method_gets_the_same_budget() -> None:
    short = tree()
    short["search"]["grid"]["bayes"] = {"settings.tempering": [1e-3]}
    with pytest.raises(ConfigError, match="bayes: 1 combinations, the budget is 2"):
        parse_continual(short)
    wrong = tree()
    wrong["search"]["grid"]["bayes"] = {"settings.tempering": [1e-3, -1.0]}
    with pytest.raises(ConfigError, match="tempering"):
        parse_continual(wrong)
    assert BAYES["tempering"] == 1e-3
