"""The documentation is true: its examples run, and the files and names it mentions exist."""

import importlib
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.architecture.scan import ROOT

DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.glob("*.md")))
EXPECTED = {
    *("notation", "architecture", "gotchas", "datasets", "studies", "sources", "engine", "pyro"),
    *("add-a-rule", "add-an-op", "add-a-neuron"),
    *("conversion", "diagnostics", "energy", "exact-posteriors"),
}


class Example(NamedTuple):
    """One ```python block: where its code begins, and the code."""

    page: str
    line: int
    code: str


def examples(name: str, text: str) -> list[Example]:
    """Return every ```python block of a page."""
    fence = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
    return [
        Example(name, text.count("\n", 0, found.start()) + 2, found.group(1))
        for found in fence.finditer(text)
    ]


def run(example: Example) -> set[str]:
    """Execute an example and return the names it made; a traceback shows the line of the page."""
    padded = "\n" * (example.line - 1) + example.code
    namespace = {"__name__": "example"}
    exec(compile(padded, example.page, "exec"), namespace)
    return set(namespace) - {"__name__", "__builtins__"}


def wrong_links(page: Path, text: str) -> list[str]:
    """Return the links to files or headings that are not there."""
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if path.startswith(("http://", "https://")):
            continue
        file = page.parent / path if path else page
        headed = not anchor or (file.is_file() and anchor in anchors(file.read_text("utf-8")))
        if not file.exists() or not headed:
            wrong.append(target)
    return wrong


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    titles = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def missing_files(text: str) -> list[str]:
    """Return the files of the repository that a page names in code but that do not exist."""
    named = re.findall(r"`((?:bayesnn_spike|tests|studies|docs)/[\w./-]*)(?:::\w+)?`", text)
    return [name for name in named if not (ROOT / name).exists()]


def missing_names(text: str) -> list[str]:
    """Return the dotted names of the package that a page mentions but that do not exist."""
    return [n for n in re.findall(r"`(bayesnn_spike(?:\.\w+)+)`", text) if not exists(n)]


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


ALL = [found for page in PAGES[1:] for found in examples(page.name, page.read_text("utf-8"))]


@pytest.mark.parametrize("example", ALL, ids=lambda e: f"{e.page}:{e.line}")
def test_the_example_runs(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BAYESNN_SPIKE_CACHE", str(tmp_path / "cache"))
    assert run(example), "the example made nothing"


def test_all_pages_are_there() -> None:
    assert {page.stem for page in PAGES[1:]} == EXPECTED


def test_every_trap_has_its_example() -> None:
    sections = (DOCS / "gotchas.md").read_text("utf-8").split("\n## ")[1:]
    assert len(sections) > 10
    assert [s.splitlines()[0] for s in sections if len(examples("", s)) != 1] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_points_to_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    assert wrong_links(page, text) == []
    assert missing_files(text) == []
    assert missing_names(text) == []


def test_a_broken_example_fails_with_its_line() -> None:
    (found,) = examples("page.md", "# Title\n\n```python\nx = 1\nassert x == 2\n```\n")
    with pytest.raises(AssertionError) as caught:
        run(found)
    assert caught.traceback[-1].lineno + 1 == 5  # counted from 0 there


def test_an_example_sees_nothing_of_the_one_before() -> None:
    first, second = examples("page.md", "```python\nx = 1\n```\n\n```python\nx\n```\n")
    run(first)
    with pytest.raises(NameError):
        run(second)


def test_wrong_pointers_are_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A title, here\n")
    assert wrong_links(page, "[a](page.md#a-title-here) [b](https://example.org)") == []
    assert wrong_links(page, "[a](page.md#other) [b](none.md)") == ["page.md#other", "none.md"]
    assert missing_files("`bayesnn_spike/rng.py` `tests/none.py::test_x`") == ["tests/none.py"]
    assert missing_names("`bayesnn_spike.rng.Stream.child` `bayesnn_spike.rng.None_`") == [
        "bayesnn_spike.rng.None_"
    ]
