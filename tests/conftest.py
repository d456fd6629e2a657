"""Fixtures every test may use: the folder of real recordings, a stream, one thread."""

import os
from pathlib import Path

import hypothesis
import pytest
import torch

from bayesnn_spike.rng import Stream

torch.set_num_threads(1)

# Without a GPU Triton's kernels are interpreted; triton reads this when it is first imported.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

# The same examples on every machine and run, and no verdict that depends on how busy it is.
hypothesis.settings.register_profile("suite", derandomize=True, deadline=None)
hypothesis.settings.load_profile("suite")


def find_shared_data() -> Path | None:
    """Return the folder of real data, from BAYESNN_SPIKE_DATA or beside the checkout."""
    named = os.environ.get("BAYESNN_SPIKE_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    return folder if (folder / "nmnist").is_dir() else None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data. In CI its absence is an error, never a silent skip."""
    folder = find_shared_data()
    if folder is None:
        message = (
            "no real data: set BAYESNN_SPIKE_DATA to the folder that holds nmnist/, mnist/, ... "
            "or put it at ../shared/data beside the checkout"
        )
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture
def stream() -> Stream:
    return Stream(7)
