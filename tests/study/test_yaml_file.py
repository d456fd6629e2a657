"""YAML: numbers as people write them, and a key written twice."""

from pathlib import Path

import pytest

from bayesnn_spike.study.errors import ConfigError
from bayesnn_spike.study.yaml_file import dump_yaml, parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("-2E5", -2e5),
        ("1.5e3", 1.5e3),
        (".5e1", 5.0),
        ("1_0e1", 100.0),
        ("3", 3),
        ("0.25", 0.25),
        ("e3", "e3"),
        ("1e", "1e"),
        ("null", None),
    ],
)
def test_numbers_are_read_as_numbers(text: str, value: object) -> None:
    found = parse_yaml(text, where="here")
    assert found == value
    assert type(found) is type(value)


def test_a_key_written_twice_is_refused_with_its_line() -> None:
    with pytest.raises(ConfigError, match="here: not valid YAML: line 3: the key 'lr' is written"):
        parse_yaml("lr: 1\nepochs: 2\nlr: 3\n", where="here")


def test_no_python_object_is_built() -> None:
    with pytest.raises(ConfigError, match="could not determine a constructor"):
        parse_yaml("!!python/object/apply:os.getcwd []", where="here")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"a\.yaml: cannot be read"):
        read_yaml(path)


def test_what_is_written_is_read_back() -> None:
    tree = {"b": [1, 1e-3, None, "x: y"], "a": {"c": True}}
    assert parse_yaml(dump_yaml(tree), where="") == tree
    assert dump_yaml(tree).startswith("b:")
