"""What the sources promise exists: tests named as oracles, results that are announced."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ORACLE = re.compile(r"\btests/[\w/]+\.py")
PLACEHOLDER = re.compile(r"@@\w+@@|<!-- measured -->")


def missing_oracles(root: Path) -> list[str]:
    """Tests that a docstring or a README of the package names and that do not exist."""
    found = []
    for path in sorted((root / "bayesnn_spike").rglob("*")):
        if path.suffix in {".py", ".md"}:
            names = ORACLE.findall(path.read_text())
            found += [f"{path.name}: {name}" for name in names if not (root / name).is_file()]
    return found


def placeholders(root: Path) -> list[str]:
    """Pages that still wait for a result."""
    pages = [root / "README.md", *(root / "studies").rglob("*.md"), *(root / "docs").rglob("*.md")]
    return [str(page) for page in pages if PLACEHOLDER.search(page.read_text())]


def test_every_oracle_is_there() -> None:
    assert missing_oracles(ROOT) == []


def test_no_page_waits_for_a_result() -> None:
    assert placeholders(ROOT) == []


@pytest.mark.parametrize("text", ["@@RESULTS@@", "<!-- measured -->"])
def test_the_checks_see_what_is_missing(tmp_path: Path, text: str) -> None:
    (tmp_path / "bayesnn_spike").mkdir()
    (tmp_path / "bayesnn_spike" / "a.py").write_text('"""Oracle: tests/test_gone.py."""')
    (tmp_path / "README.md").write_text(text)
    assert missing_oracles(tmp_path) == ["a.py: tests/test_gone.py"]
    assert placeholders(tmp_path) == [str(tmp_path / "README.md")]
