"""`--set path=value`."""

from typing import Any

import pytest

from bayesnn_spike.study.errors import ConfigError
from bayesnn_spike.study.overrides import override

TREE = {"a": {"b": 1}, "list": [{"c": 2}], "none": None}


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("a.b=2", {**TREE, "a": {"b": 2}}),
        ("a.new=1e-3", {**TREE, "a": {"b": 1, "new": 1e-3}}),
        ("list.0.c=[1, x]", {**TREE, "list": [{"c": [1, "x"]}]}),
        ("list.0={d: 1}", {**TREE, "list": [{"d": 1}]}),
        ("none.deep.key=3", {**TREE, "none": {"deep": {"key": 3}}}),
        ("fresh.key=a=b", {**TREE, "fresh": {"key": "a=b"}}),
    ],
)
def test_a_value_is_set_in_a_copy(setting: str, expected: dict[str, Any]) -> None:
    assert override(TREE, [setting]) == expected
    assert TREE == {"a": {"b": 1}, "list": [{"c": 2}], "none": None}


def test_later_settings_win() -> None:
    assert override({}, ["a=1", "a=2"]) == {"a": 2}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("a.b", "write it as path=value"),
        ("=3", "write it as path=value"),
        ("a.b.c=3", r"a\.b is 1 and has no keys inside"),
        ("list.1=3", r"list\.1: a list, its indices are 0 to 0"),
        ("list.x.c=3", r"list\.x: a list"),
        ("a={", "not valid YAML"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override(TREE, [setting])
