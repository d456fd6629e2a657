"""`import bayesnn_spike` is quick and takes no optional package in; and this check can fail."""

import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import bayesnn_spike
from tests.architecture.scan import ROOT

OPTIONAL = {
    *("PIL", "arviz", "beartype", "gpytorch", "h5py", "matplotlib", "netcal", "numba", "pandas"),
    *("plotly", "pydantic", "pyro", "rich", "scipy", "sklearn", "tonic", "torchaudio"),
    *("torchvision", "triton", "typer", "xarray", "yaml"),
}
# The top of the house may need its extra at once: it is what the extra is for.
TOP = {"cli", "commands", "report", "study"}
CORE = sorted({module.name for module in pkgutil.iter_modules(bayesnn_spike.__path__)} - TOP)

SCRIPT = """
import json, sys, time
import torch
known, start = set(sys.modules), time.perf_counter()
for name in sys.argv[1:]:
    __import__(name)
seconds = time.perf_counter() - start
roots = sorted({name.partition(".")[0] for name in set(sys.modules) - known})
print(json.dumps({"seconds": seconds, "roots": roots}))
"""


def imports(*modules: str, path: Path = ROOT) -> dict:
    """What importing the modules adds to `import torch`: seconds and root packages."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *modules],
        capture_output=True,
        text=True,
        check=True,
        cwd=path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(path), str(ROOT)])},
    )
    return json.loads(done.stdout)


def seconds_of(module: str) -> float:
    """The best of up to three tries, so that a busy machine alone does not fail the check."""
    best = float("inf")
    for _ in range(3):
        best = min(best, imports(module)["seconds"])
        if best < 1.5:
            break
    return best


def test_the_import_is_quick() -> None:
    assert seconds_of("bayesnn_spike") < 1.5


def test_the_import_takes_no_optional_package_in() -> None:
    assert OPTIONAL & set(imports("bayesnn_spike")["roots"]) == set()


def test_no_core_part_takes_an_optional_package_in() -> None:
    assert {"rng", "io", "events", "learn"} <= set(CORE)
    names = [f"bayesnn_spike.{name}" for name in CORE]
    assert OPTIONAL & set(imports(*names)["roots"]) == set()


@pytest.mark.parametrize("package", ["sklearn", "pydantic"])
def test_the_check_sees_a_package(tmp_path: Path, package: str) -> None:
    (tmp_path / "heavy.py").write_text(f"import {package}\n")
    assert package in OPTIONAL & set(imports("heavy", path=tmp_path)["roots"])


def test_the_check_sees_lost_time(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(1.6)\n")
    assert imports("slow", path=tmp_path)["seconds"] > 1.5
