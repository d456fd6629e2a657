"""Plain messages out of pydantic's errors."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, PositiveInt, ValidationError

from bayesnn_spike.study.strict import Strict, plain, unknown_key


class Inner(Strict):
    size: PositiveInt = 1


class Round(Strict):
    kind: Literal["round"]
    radius: PositiveInt


class Square(Strict):
    kind: Literal["square"]
    side: PositiveInt


class Outer(Strict):
    inner: Inner = Inner()
    name: str
    shapes: tuple[Annotated[Round | Square, Field(discriminator="kind")], ...] = ()


def refusal(tree: object) -> str:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(tree)
    return str(plain(caught.value, where="file.yaml", tree=tree))


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


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"kind": "round", "radius": 0}, "shapes.0.radius: Input should be greater than 0, got 0"),
        ({"kind": "round"}, "shapes.0.radius: Field required"),
        ({"kind": "square", "radius": 1}, "shapes.0: unknown key 'radius'; Known: kind, side"),
    ],
)
def test_the_kind_of_a_block_is_no_part_of_its_path(shape: dict, message: str) -> None:
    """The path can be given to --set as it is."""
    assert refusal({"name": "x", "shapes": [shape]}) == f"file.yaml: {message}"
