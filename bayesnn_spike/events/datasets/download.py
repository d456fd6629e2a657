"""Downloads, through tonic. It is GPL-3.0 and never imported unless a download is asked for.

Oracle: tests/events/datasets/test_nmnist.py, with a stand-in for tonic.
"""

from pathlib import Path

from bayesnn_spike.events.datasets._folder import cache_folder
from bayesnn_spike.events.datasets.dataset import DataSetError


def download_nmnist(root: Path | str | None) -> Path:
    """Fetch N-MNIST into `root` (default: `nmnist` inside the cache); return the folder.

    Raises:
        DataSetError: tonic is not installed; names the extra to install.
    """
    folder = cache_folder() / "nmnist" if root is None else Path(root)
    for place in (folder, folder / "NMNIST"):
        if (place / "Train").is_dir() and (place / "Test").is_dir():
            return folder
    try:
        from tonic import datasets
    except ImportError as error:
        raise DataSetError(
            "downloading nmnist needs tonic, which is not installed: "
            "pip install 'bayesnn_spike[datasets]', or fetch the files by hand and give their "
            "folder as root"
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    for train in (True, False):
        datasets.NMNIST(save_to=str(folder), train=train)
    return folder
