"""A frozen value of the library written as data: its name, or `{kind: NAME, option: value}`.

Tables of the values that a network description may name; each is a literal dictionary.
Oracle: tests/export/test_network.py.
"""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bayesnn_spike.neurons import (
    IF,
    LIF,
    Above,
    ATan,
    AtOrAbove,
    Boxcar,
    FastSigmoid,
    Gaussian,
    Sigmoid,
    Subtract,
    ToValue,
    Triangle,
)

Table = Mapping[str, Callable[..., Any]]

SURROGATES: Table = {
    "boxcar": Boxcar,
    "triangle": Triangle,
    "fast_sigmoid": FastSigmoid,
    "atan": ATan,
    "sigmoid": Sigmoid,
    "gaussian": Gaussian,
}
RESETS: Table = {"subtract": Subtract, "to_value": ToValue}
COMPARISONS: Table = {"at_or_above": AtOrAbove, "above": Above}
NEURONS: Table = {"lif": LIF, "if": IF}

NESTED: Mapping[str, Table] = {
    "surrogate": SURROGATES,
    "reset": RESETS,
    "comparison": COMPARISONS,
}
"""Options that are values themselves."""


class DescriptionError(ValueError):
    """A description names something that does not exist, or gives it a wrong option."""


def make(table: Table, description: Any, *, what: str, nested: Mapping[str, Table] = NESTED) -> Any:
    """Build the value that a description names.

    Args:
        table: the values allowed, by name.
        description: a name, or a mapping with the name under `kind` and options beside it.
        what: names the option in errors, e.g. "neuron".
        nested: tables of the options that are values themselves, by the option's name.

    Raises:
        DescriptionError: an unknown name or option (the nearest right one is named), or an
            option's value that the library refuses.
    """
    name, options = _split(description, what)
    if name not in table:
        raise DescriptionError(unknown(name, table, what=what))
    build = table[name]
    known = inspect.signature(build).parameters
    ready = {}
    for key, value in options.items():
        if key not in known:
            raise DescriptionError(unknown(key, known, what=f"option of {what} {name!r}:"))
        ready[key] = make(nested[key], value, what=key) if key in nested else value
    try:
        return build(**ready)
    except (TypeError, ValueError) as error:
        raise DescriptionError(f"{what} {name!r}: {error}") from error


def unknown(key: str, known: Iterable[str], *, what: str) -> str:
    """Return the sentence that refuses `key`, names the nearest right one and lists the rest."""
    known = sorted(known)
    near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what} {key!r}; {hint}Known: {', '.join(known) or 'none'}"


def _split(description: Any, what: str) -> tuple[str, dict[str, Any]]:
    if isinstance(description, str):
        return description, {}
    if isinstance(description, Mapping) and isinstance(description.get("kind"), str):
        return description["kind"], {k: v for k, v in description.items() if k != "kind"}
    raise DescriptionError(
        f"{what}: write a name, or a mapping with the name under 'kind', not {description!r}"
    )
