"""The import contracts of pyproject.toml hold, and each of them can fail."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.architecture.scan import PACKAGE, ROOT

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
    "contracts"
]


def lint_imports(folder: Path) -> dict[str, str]:
    """Return KEPT or BROKEN by the name of the contract."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    words = " ".join(done.stdout.split())
    verdicts = {
        contract["name"]: verdict
        for contract in CONTRACTS
        for verdict in ("KEPT", "BROKEN")
        if f"{contract['name']} {verdict}" in words
    }
    assert len(verdicts) == len(CONTRACTS), done.stdout + done.stderr
    assert done.returncode == ("BROKEN" in verdicts.values())
    return verdicts


def test_every_contract_is_kept() -> None:
    assert set(lint_imports(ROOT).values()) == {"KEPT"}


def test_every_contract_can_break(tmp_path: Path) -> None:
    """A copy of the package, with one file at the bottom that imports all it must not."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / PACKAGE.name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    externals = {c["forbidden_modules"][0] for c in CONTRACTS if c["type"] == "forbidden"}
    lines = [f"import {name}" for name in sorted({*externals, "bayesnn_spike.learn"})]
    (tmp_path / PACKAGE.name / "ops" / "bad.py").write_text("\n".join(lines) + "\n")
    assert set(lint_imports(tmp_path).values()) == {"BROKEN"}


def test_a_module_without_a_layer_breaks_the_layers(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / PACKAGE.name / "utils.py").write_text("'''A drawer.'''\n")
    verdicts = lint_imports(tmp_path)
    assert verdicts.pop(CONTRACTS[0]["name"]) == "BROKEN"
    assert set(verdicts.values()) == {"KEPT"}
