"""ops/_dispatch: which implementation runs, and what is said when none does."""

import sys
from pathlib import Path

import pytest
import torch

from bayesnn_spike.ops import Implementation, Op, RefusedError, explain, only
from bayesnn_spike.ops._dispatch import from_module, never, wanted
from bayesnn_spike.ops.trace import trace

LOADED: list[str] = []


def implementation(name: str, limit: int) -> Implementation:
    """Runs numbers up to `limit`; remembers that it was loaded."""

    def load():
        LOADED.append(name)
        return lambda x, *, plus=0: (name, x + plus)

    def refuses(x: int, *, plus: int = 0) -> list[str]:
        reasons = [f"takes numbers up to {limit}, got {x}"] if x > limit else []
        return [*reasons, "adds no negative"] if plus < 0 else reasons

    return Implementation(name, load, refuses)


OP = Op("add", (implementation("fast", 10), implementation("reference", 100)))


@pytest.fixture(autouse=True)
def forget_loads() -> None:
    LOADED.clear()


def test_the_first_that_refuses_nothing_runs() -> None:
    assert OP(3, plus=4) == ("fast", 7)
    assert OP(11) == ("reference", 11)


def test_only_what_runs_is_loaded() -> None:
    OP(11)
    assert LOADED == ["reference"]


def test_a_module_is_imported_where_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kernels_of_a_test.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    load = from_module("kernels_of_a_test", "double")
    assert "kernels_of_a_test" not in sys.modules
    assert load()(3) == 6


def test_never_has_no_reason_whatever_it_is_given() -> None:
    assert never(torch.zeros(2), None, time_dim=5) == []


def test_only_runs_the_named_one() -> None:
    with only("reference"):
        assert OP(3) == ("reference", 3)
    assert OP(3) == ("fast", 3)


def test_only_is_undone_by_an_error_and_nests() -> None:
    with pytest.raises(KeyError), only("reference"):
        raise KeyError
    with only("reference"):
        with only("fast"):
            assert OP(3)[0] == "fast"
        assert OP(3)[0] == "reference"


def test_an_implementation_sees_whether_it_is_asked_for() -> None:
    assert wanted() is None
    with only("fast"):
        assert wanted() == "fast"
    assert wanted() is None


def test_only_never_falls_back() -> None:
    with only("fast"), pytest.raises(RefusedError, match="fast: takes numbers up to 10, got 11"):
        OP(11)


def test_a_refusal_lists_every_reason_of_every_implementation() -> None:
    with pytest.raises(RefusedError) as error:
        OP(101, plus=-1)
    assert str(error.value) == (
        "add cannot run: fast: takes numbers up to 10, got 101; adds no negative | "
        "reference: takes numbers up to 100, got 101; adds no negative"
    )


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with (
        only("triton"),
        pytest.raises(RefusedError, match="'triton'; there are: fast, reference"),
    ):
        OP(3)


@pytest.mark.parametrize(
    ("x", "lines"),
    [
        (3, ["add/fast: runs", "add/reference: available"]),
        (11, ["add/fast: refuses, takes numbers up to 10, got 11", "add/reference: runs"]),
    ],
)
def test_explain_says_who_would_run_and_why_not_others(x: int, lines: list[str]) -> None:
    assert explain(OP, x).splitlines() == lines
    assert LOADED == []


def test_explain_takes_the_public_function_and_nothing_else() -> None:
    x = torch.zeros(2, 3, 4)
    assert "trace/reference" in explain(trace, x, None, decay=0.5, time_dim=0)
    with pytest.raises(TypeError, match="takes an operation"):
        explain(torch.add, x, x)
