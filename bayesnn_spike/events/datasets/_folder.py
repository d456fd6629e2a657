"""What the loaders share: the folder of a data set, its missing files, the user's cache."""

import os
from collections.abc import Sequence
from pathlib import Path

from bayesnn_spike.events.datasets.dataset import DataSetError


def cache_folder() -> Path:
    """Return $BAYESNN_SPIKE_CACHE, or ~/.cache/bayesnn_spike."""
    named = os.environ.get("BAYESNN_SPIKE_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "bayesnn_spike"


def require_root(name: str, root: Path | str | None, advice: str) -> Path:
    """Return the data set's folder or file; default: its name inside the cache.

    Raises:
        DataSetError: it does not exist; says where it looked and how to get the data.
    """
    path = cache_folder() / name if root is None else Path(root)
    underscored = cache_folder() / name.replace("-", "_")
    if root is None and not path.exists() and underscored.exists():
        return underscored
    if path.exists():
        return path
    hint = " (no root was given)" if root is None else ""
    raise DataSetError(f"{name}: there is no {path}{hint}. {advice}")


def require_file(name: str, root: Path, candidates: Sequence[str], advice: str) -> Path:
    """Return the first of the candidate files that exists under `root`.

    Raises:
        DataSetError: none exists; names all that were looked for, where, and how to get them.
    """
    for candidate in candidates:
        if (root / candidate).is_file():
            return root / candidate
    wanted = " or ".join(candidates)
    raise DataSetError(f"{name}: found no {wanted} in {root}. {advice}")
