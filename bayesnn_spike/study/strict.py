"""A pydantic model that refuses unknown keys by name and says what was probably meant."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from bayesnn_spike.export.values import unknown
from bayesnn_spike.study.errors import ConfigError


class Strict(BaseModel):
    """Base of every block of the configuration: frozen, and no key that nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key in data:
                if key not in cls.model_fields:
                    message = unknown_key(str(key), cls.model_fields)
                    raise PydanticCustomError("unknown_key", "{message}", {"message": message})
        return data


def unknown_key(key: str, known: Iterable[str], *, what: str = "key") -> str:
    """Return the sentence that refuses `key`, names the nearest right one and lists the rest."""
    return unknown(key, known, what=what)


def plain(error: ValidationError, *, where: str, tree: Any) -> ConfigError:
    """Return pydantic's complaint as one plain message, a line for each wrong key.

    Args:
        error: what pydantic raised.
        where: names the configuration, e.g. the path of its file.
        tree: the configuration that was checked.
    """
    lines = []
    for problem in error.errors():
        path = ".".join(_path(problem, tree))
        message = problem["msg"].removeprefix("Value error, ")
        simple = isinstance(problem["input"], str | int | float | bool)
        got = f", got {problem['input']!r}" if simple else ""
        lines.append(f"{path}: {message}{got}" if path else f"{message}{got}")
    return ConfigError(f"{where}: " + "\n  ".join(lines))


def _path(problem: Any, tree: Any) -> list[str]:
    """The keys that lead to a wrong value, as the user wrote them.

    Where a block is one of several kinds pydantic names the kind as well, which is no key.
    """
    found, here = [], tree
    for place, part in enumerate(problem["loc"], start=1):
        last = place == len(problem["loc"])
        known = not isinstance(here, dict) or part in here
        if known or (last and problem["type"] == "missing"):
            found.append(str(part))
        if known:
            inside = isinstance(here, dict) or (isinstance(here, list) and isinstance(part, int))
            here = here[part] if inside else None
    return found
