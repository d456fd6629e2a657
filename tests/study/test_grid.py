"""The grid: which cells there are, and what tells two of them apart."""

import json

from bayesnn_spike.study.grid import cells, differences
from tests.study.tiny import config, one_rule, tree, with_folds


def test_every_combination_is_one_cell_and_seeds_come_last() -> None:
    ids = [cell.id for cell in cells(config())]
    rules = ("straight_through", "bayes_bisnn", "st_ensemble")
    assert ids == [f"two-moons-{rule}-seed{seed}" for seed in (0, 1) for rule in rules]


def test_folds_multiply_the_cells() -> None:
    ids = [cell.id for cell in cells(one_rule(data=with_folds()))]
    assert ids == [f"two-moons-fold{fold}-straight_through-seed0" for fold in range(3)]


def test_settings_are_plain_json() -> None:
    for cell in cells(config(data=with_folds())):
        assert json.loads(json.dumps(cell.settings)) == cell.settings


def test_the_fingerprint_follows_what_determines_the_result() -> None:
    (before,) = cells(one_rule())
    (same,) = cells(one_rule(question="Another one?", bootstrap=500))
    assert same.fingerprint == before.fingerprint
    changed = [
        one_rule(batch_size=8),
        one_rule(predict={"draws": 5}),
        one_rule(network={"model": "mlp", "hidden": [17]}),
        one_rule(credit={"horizon": 5}),
        one_rule(rules={"straight_through": {"lr": 0.02, "epochs": 2}}),
        one_rule(data=[tree()["data"][0] | {"bins": 11}]),
    ]
    prints = {cells(one)[0].fingerprint for one in changed}
    assert len(prints | {before.fingerprint}) == len(changed) + 1


def test_prediction_in_chunks_does_not_enter_the_fingerprint() -> None:
    (a,), (b,) = cells(one_rule()), cells(one_rule(predict={"draws": 4, "batch_size": 7}))
    assert a.fingerprint == b.fingerprint


def test_a_data_set_may_have_its_own_batch_size() -> None:
    (cell,) = cells(one_rule(data=[tree()["data"][0] | {"batch_size": 8}]))
    assert cell.settings["batch_size"] == 8


def test_differences_name_the_path_and_both_values() -> None:
    old = {"a": {"b": 1, "same": 2}, "gone": 3}
    new = {"a": {"b": 5, "same": 2}, "new": [4]}
    assert differences(old, new) == ["a.b: 1 -> 5", "gone: 3 -> None", "new: None -> [4]"]
    assert differences(old, old) == []
