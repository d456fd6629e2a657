"""Plain messages out of pydantic's errors."""

import pytest
from pydantic import PositiveInt, ValidationError

from bayesnn_spike.study.strict import Strict, plain, unknown_key


class Inner(Strict):
    size: PositiveInt = 1


class Outer(Strict):
    inner: Inner = Inner()
    name: str


def refusal(tree: object) -> str:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(tree)
    return str(plain(caught.value, where="file.yaml"))


def test_a_message_has_file_path_and_value() -> None:
    message = refusal({"inner": {"size": -1}, "name": "x"})
    assert message == "file.yaml: inner.size: Input should be greater than 0, got -1"


def test_every_wrong_key_has_its_line() -> None:
    message = refusal({"inner": {"sise": 1}})
    assert message.splitlines() == [
        "file.yaml: inner: unknown key 'sise'; did you mean 'size'? Known: size",
        "  name: Field required",
    ]


def test_an_unknown_key_at_the_top_has_no_path() -> None:
    assert refusal({"nme": "x"}).startswith("file.yaml: unknown key 'nme'; did you mean 'name'?")


def test_a_key_like_no_other_lists_the_known_ones() -> None:
    assert unknown_key("zzz", ["b", "a"]) == "unknown key 'zzz'; Known: a, b"
