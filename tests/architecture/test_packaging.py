"""The packaging says one thing once: versions, pins, the two commands and the check."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

import bayesnn_spike
from tests.architecture.scan import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PINS = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
)


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_version_is_the_same_everywhere() -> None:
    assert PROJECT["version"] == bayesnn_spike.__version__
    assert f"[{PROJECT['version']}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_everything_the_tests_need_is_pinned() -> None:
    assert PINS["torch"] == "2.13.0"
    assert not [pin for pin in PINS.values() if not re.fullmatch(r"[0-9][0-9a-z.]*", pin)]
    extras = PROJECT["optional-dependencies"]
    needed = [n for extra, names in extras.items() if extra != "datasets" for n in names]
    names = {plain(re.split(r"[\[<>=;! ]", n)[0]) for n in needed + PROJECT["dependencies"]}
    pinned = {plain(name) for name in PINS}
    assert names - pinned == {"bayesnn-spike"}
    assert not {"torchvision", "torchaudio", "tonic"} & pinned


def test_the_core_needs_three_packages() -> None:
    names = {re.split(r"[<>=]", name)[0] for name in PROJECT["dependencies"]}
    assert names == {"torch", "numpy", "safetensors"}


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_help_lists_the_two_commands() -> None:
    text = make(ROOT, "help").stdout
    assert "make quickstart" in text
    assert "make test" in text


def test_an_old_python_is_refused_in_words(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    old = tmp_path / "python-old"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && { echo Python 3.9.1; exit 0; }\nexit 1\n')
    old.chmod(0o755)
    done = make(tmp_path, "test", f"PYTHON={old}")
    assert done.returncode != 0
    assert f"needs Python 3.11 or newer, but {old} is Python 3.9.1" in done.stderr
    missing = make(tmp_path, "test", "PYTHON=no-such-python")
    assert missing.returncode != 0
    assert "No no-such-python found: install Python 3.11" in missing.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize(("recipe", "code"), [("@test $(CI) = true", 0), ("@false", 2)])
def test_the_check_fails_exactly_when_make_test_fails(
    tmp_path: Path, recipe: str, code: int
) -> None:
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    (tmp_path / "Makefile").write_text(f"test:\n\t{recipe}\n")
    environment = {k: v for k, v in os.environ.items() if k != "CI" and "MAKE" not in k}
    done = subprocess.run(
        ["bash", str(tmp_path / ".ci" / "run")], cwd="/", env=environment, check=False
    )
    assert done.returncode == code
