"""Tests lie where their source lies: tests/learn/test_fit.py tests bayesnn_spike/learn/fit.py."""

from pathlib import Path

import pytest

from tests.architecture.scan import PACKAGE, TESTS, python_files

# Kinds of tests that belong to no one source file.
KINDS = {"architecture", "contracts", "docs", "integration", "oracles", "statistical", "studies"}


def has_a_source(test: Path) -> bool:
    """Whether a test file names its source: `test_<source>.py` or `test_<source>_<aspect>.py`."""
    folder = PACKAGE / test.relative_to(TESTS).parent
    words = test.stem.removeprefix("test_").split("_")
    stems = ["_".join(words[:n]) for n in range(1, len(words) + 1)]
    return any(
        (folder / f"{mark}{stem}.py").is_file() or (folder / f"{mark}{stem}").is_dir()
        for stem in stems
        for mark in ("", "_")
    )


def test_every_test_mirrors_a_source() -> None:
    files = [f.relative_to(TESTS) for f in python_files(TESTS) if f.name.startswith("test_")]
    lost = [f for f in files if f.parts[0] not in KINDS and not has_a_source(TESTS / f)]
    assert lost == []


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("test_rng.py", True),
        ("learn/test_fit.py", True),
        ("learn/test_fit_resume.py", True),
        ("learn/test_rules.py", True),
        ("learn/test_rng.py", False),
        ("test_everything.py", False),
        ("elsewhere/test_fit.py", False),
    ],
)
def test_the_rule_tells_them_apart(name: str, found: bool) -> None:
    assert has_a_source(TESTS / name) is found
