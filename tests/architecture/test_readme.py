"""The README's first Python example runs as it stands, in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.architecture.scan import ROOT

MOST_LINES = 15


def first_example() -> str:
    found = re.search(
        r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.M | re.S
    )
    assert found is not None, "README.md has no ```python block"
    return found.group(1)


def test_the_example_is_short() -> None:
    assert len(first_example().splitlines()) <= MOST_LINES


def test_the_example_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", first_example()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "BAYESNN_SPIKE_CACHE": str(tmp_path / "cache"),
            "OMP_NUM_THREADS": "1",
        },
    )
    assert done.returncode == 0, done.stderr
