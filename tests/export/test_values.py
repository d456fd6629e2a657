"""Values written as data: the tables are whole, and wrong names are refused with the right one."""

import pytest

from bayesnn_spike.export.values import (
    COMPARISONS,
    NEURONS,
    RESETS,
    SURROGATES,
    DescriptionError,
    make,
    unknown,
)
from bayesnn_spike.neurons import IF, LIF, Above, Boxcar, ToValue
from bayesnn_spike.ops.fire import surrogate


def test_every_value_of_the_library_has_a_name() -> None:
    assert set(SURROGATES.values()) == set(surrogate.Surrogate.__args__)
    assert set(RESETS.values()) == set(surrogate.Reset.__args__)
    assert set(COMPARISONS.values()) == set(surrogate.Comparison.__args__)


def test_a_name_alone_has_the_defaults() -> None:
    assert isinstance(make(NEURONS, "if", what="neuron"), IF)
    for name, build in SURROGATES.items():
        assert make(SURROGATES, name, what="surrogate") == build()


def test_options_are_values_themselves() -> None:
    description = {
        "kind": "lif",
        "beta": 0.5,
        "surrogate": {"kind": "boxcar", "width": 2.0},
        "reset": {"kind": "to_value", "v_reset": -1.0},
        "comparison": "above",
    }
    made = make(NEURONS, description, what="neuron")
    assert isinstance(made, LIF)
    assert (made.beta, made.surrogate, made.reset, made.comparison) == (
        *(0.5, Boxcar(2.0)),
        *(ToValue(-1.0), Above()),
    )


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ("lfi", r"unknown neuron 'lfi'; did you mean 'lif'\? Known: if, lif"),
        ({"kind": "lif", "bta": 1}, r"unknown option of neuron 'lif': 'bta'; did you mean 'beta'"),
        ({"kind": "if", "beta": 0.5}, r"unknown option of neuron 'if': 'beta'"),
        ({"kind": "lif", "surrogate": "atn"}, r"unknown surrogate 'atn'; did you mean 'atan'\?"),
        ({"kind": "lif", "beta": 2}, r"neuron 'lif': beta must lie in"),
        ({"beta": 0.5}, "write a name, or a mapping with the name under 'kind'"),
        (None, "write a name"),
    ],
)
def test_wrong_descriptions_are_refused(description: object, message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        make(NEURONS, description, what="neuron")


def test_a_name_like_no_other_lists_the_known_ones() -> None:
    assert unknown("zzz", ["b", "a"], what="thing") == "unknown thing 'zzz'; Known: a, b"
    assert unknown("zzz", [], what="thing").endswith("Known: none")
