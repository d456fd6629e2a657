"""Downloads of still images from where they are published; every file is checked by its hash.

Nothing is fetched unless it is asked for. ImageNet needs an account and is never fetched.

Oracle: tests/events/datasets/test_image_download.py.
"""

import hashlib
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import final
from urllib.request import urlopen

from bayesnn_spike.events.datasets._folder import cache_folder
from bayesnn_spike.events.datasets.dataset import DataSetError
from bayesnn_spike.events.errors import EventFileError
from bayesnn_spike.io import atomic_write_bytes


@final
@dataclass(frozen=True)
class Publication:
    """Where a data set is published.

    Attributes:
        base: the address, with its last slash.
        files: names of the files there, each with its `md5:...` or `sha256:...`.
        members: files to unpack, where `files` is one archive; paths inside it.
    """

    base: str
    files: Mapping[str, str]
    members: tuple[str, ...] = field(default=())


def _idx(*digests: str) -> dict[str, str]:
    stems = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return {f"{s}-ubyte.gz": f"sha256:{d}" for s, d in zip(stems, digests, strict=True)}


_TORONTO = "https://www.cs.toronto.edu/~kriz/"
_BATCHES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
PUBLISHED: dict[str, Publication] = {
    "mnist": Publication(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        _idx(
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    "fashion-mnist": Publication(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        _idx(
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
    "cifar10": Publication(
        _TORONTO,
        {"cifar-10-binary.tar.gz": "md5:c32a1d4ab5d03f1284b67883e8d87530"},
        tuple(f"cifar-10-batches-bin/{file}" for file in _BATCHES),
    ),
    "cifar100": Publication(
        _TORONTO,
        {"cifar-100-binary.tar.gz": "md5:03b5dce01913d631647c71ecec9e9cb8"},
        tuple(f"cifar-100-binary/{f}" for f in ("train.bin", "test.bin", "fine_label_names.txt")),
    ),
}
"""By name. The hashes of CIFAR are those of its page, the others of the files themselves."""


def download_still(name: str, root: Path | str | None = None) -> Path:
    """Fetch what is missing of a data set; files that are there are taken as they are.

    Args:
        name: of the data set, as of `load_still`.
        root: folder for its files. Default: `name` inside the cache.

    Returns:
        The folder.

    Raises:
        DataSetError: the data set is not published for download, or an address does not answer.
        EventFileError: what was fetched, or an archive that is there, has another hash than the
            published one; it is not kept.
    """
    if name not in PUBLISHED:
        raise DataSetError(f"{name} cannot be downloaded, only {', '.join(PUBLISHED)} can")
    published = PUBLISHED[name]
    folder = cache_folder() / name if root is None else Path(root)
    wanted = published.members or tuple(published.files)
    if all(_is_there(folder / file) for file in wanted):
        return folder
    for file, digest in published.files.items():
        path = folder / file
        if _is_there(path) and not published.members:
            continue
        data = path.read_bytes() if path.exists() else _fetch(name, published.base + file)
        _require_digest(path, data, digest)
        if published.members:
            _unpack(path, data, published.members, folder)
        else:
            atomic_write_bytes(path, data)
    return folder


def _is_there(path: Path) -> bool:
    """Whether a file is there, unzipped or not."""
    return path.is_file() or (path.suffix == ".gz" and path.with_suffix("").is_file())


def _fetch(name: str, address: str) -> bytes:
    try:
        with urlopen(address, timeout=60) as answer:
            return answer.read()
    except (OSError, ValueError) as error:
        raise DataSetError(
            f"{name}: {address} does not answer ({error}). Try again later, or fetch the file by "
            "other means and give its folder as root"
        ) from error


def _require_digest(path: Path, data: bytes, expected: str) -> None:
    kind = expected.partition(":")[0]
    found = f"{kind}:{hashlib.new(kind, data, usedforsecurity=False).hexdigest()}"
    if found != expected:
        raise EventFileError(path, 0, f"{len(data)} bytes with {found}", f"{expected} as published")


def _unpack(path: Path, data: bytes, members: tuple[str, ...], folder: Path) -> None:
    """Write the named members of an archive and no others."""
    with tarfile.open(fileobj=BytesIO(data)) as archive:
        for member in members:
            try:
                file = archive.extractfile(member)
            except KeyError:
                file = None
            if file is None:
                raise EventFileError(path, member, "no such file in the archive", member)
            atomic_write_bytes(folder / member, file.read())
