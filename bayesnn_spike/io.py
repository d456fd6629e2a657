"""Trees of tensors in and out of one file: safetensors with a JSON header, never pickle.

Every file the package writes (checkpoints, artifacts, caches, summaries) goes through the two
atomic writers below: a reader sees the old file or the whole new one, whenever the power goes.

    save_tree("net.safetensors", {"logits": logits, "step": step}, {"seed": 7})
    state = load_tree("net.safetensors", like=state)     # shapes, dtypes and device of `like`
    header = read_header("net.safetensors")               # {"seed": 7}

A tree is a dict with string keys, a NamedTuple, a tuple or None; its leaves are tensors. A leaf
is stored under its path, joined by "/"; a "/" or "%" inside a dict key is percent-encoded. The
file carries a SHA-256 digest over header, names, dtypes, shapes and bytes, so that a flipped
bit is found and not only a short file.

Oracle: tests/test_io.py.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

FORMAT = 1
"""Version of the layout; a file of another version is refused."""

_METADATA_KEY = "bayesnn_spike"
_DTYPES = (
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool, torch.complex64),
)


class IoError(ValueError):
    """A file cannot be read or a tree cannot be written; the message names file and key.

    Attributes:
        path: the file.
        reason: what was wrong with it.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{os.fspath(path)}: {reason}")
        self.path = Path(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type["IoError"], tuple[Path, str]]:
        return IoError, (self.path, self.reason)  # so that worker processes can hand it back


def save_tree(path: str | os.PathLike[str], tree: Any, header: dict[str, Any]) -> None:
    """Write a tree of tensors and a JSON header to one `.safetensors` file, atomically.

    Equal trees and headers give equal bytes. Tensors are stored from the CPU, detached.

    Args:
        path: the file; its folder is created if need be.
        tree: nested dict / NamedTuple / tuple / None with tensors as leaves.
        header: anything `json.dumps` takes, without NaN; tuples come back as lists.

    Raises:
        IoError: a leaf is no tensor or has a dtype that the format lacks, a dict key is no
            string, or the header is not JSON. Nothing is written then.
    """
    try:
        text = json.dumps(header, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise IoError(path, f"the header is not JSON: {error}") from error
    if json.loads(text).keys() != header.keys():
        raise IoError(path, f"the header's keys must be strings, got {list(header)}")
    tensors = {}
    for key, leaf in _leaves(path, tree, ""):
        if leaf.dtype not in _DTYPES:
            raise IoError(path, f"{key!r} has dtype {leaf.dtype}, which the format cannot hold")
        # The clone separates leaves that share memory, which safetensors refuses.
        tensors[key] = leaf.detach().cpu().clone(memory_format=torch.contiguous_format)
    record = {"format": FORMAT, "header": text, "digest": _digest(text, tensors)}
    metadata = {_METADATA_KEY: json.dumps(record, sort_keys=True)}
    atomic_write_bytes(path, safetensors.torch.save(tensors, metadata=metadata))


def load_tree(path: str | os.PathLike[str], like: Any) -> Any:
    """Read a tree written by `save_tree` into the structure of `like`.

    Args:
        path: the file.
        like: a tree whose leaves have the expected shapes, dtypes and devices; values are not
            read, so leaves on the `meta` device do (they are then loaded to the CPU).

    Returns:
        A new tree of the same containers with the file's tensors, without `requires_grad`.

    Raises:
        IoError: the file is missing, cut, corrupt or foreign; a key is missing or too many; a
            shape or dtype is not the expected one. The message names the key and both sides.
    """
    _, tensors = _read(path)
    expected = dict(_leaves(path, like, ""))
    missing = sorted(expected.keys() - tensors.keys())
    extra = sorted(tensors.keys() - expected.keys())
    if missing or extra:
        raise IoError(path, f"the keys differ: missing {missing}, unexpected {extra}")
    loaded = {}
    for key, leaf in expected.items():
        found = tensors[key]
        if found.shape != leaf.shape or found.dtype != leaf.dtype:
            raise IoError(
                path,
                f"{key!r} should be {_describe(leaf)} but the file holds {_describe(found)}",
            )
        loaded[key] = found if leaf.device.type == "meta" else found.to(leaf.device)
    return _rebuild(like, loaded, "")


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the header given to `save_tree`; the whole file is checked against its digest.

    Raises:
        IoError: the file is missing, cut, corrupt or foreign.
    """
    return _read(path)[0]


def digest_tree(tree: Any) -> str:
    """Return a SHA-256 over a tree's keys, dtypes, shapes and bytes: equal bits, equal text.

    Raises:
        IoError: a leaf is no tensor or a dict key is no string.
    """
    leaves = _leaves("digest", tree, "")
    return _digest("", {key: leaf.detach().cpu().contiguous() for key, leaf in leaves})


def atomic_write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text so that readers see the old file or the whole new one."""
    atomic_write_bytes(path, text.encode())


def atomic_write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write bytes so that readers see the old file or the whole new one.

    The bytes go to a new hidden file in the same folder, which is flushed to the disk and then
    renamed over `path`. A process killed in between leaves the old file as it was and a hidden
    `.NAME.*.tmp` that `remove_leftovers` deletes. The folder is created if need be.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def remove_leftovers(path: str | os.PathLike[str]) -> int:
    """Delete what killed writers of `path` left beside it; return how many files that were.

    Only the one process that writes `path` may call this: another writer's file would go too.
    """
    path = Path(path)
    prefix, suffix = f".{path.name}.", ".tmp"
    if not path.parent.is_dir():
        return 0
    left = [p for p in path.parent.iterdir() if p.name.startswith(prefix) and p.suffix == suffix]
    for file in left:
        file.unlink(missing_ok=True)
    return len(left)


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return (header, tensors by key) of a file that is whole."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise IoError(path, f"cannot be read: {error.strerror or error}") from error
    try:
        tensors = safetensors.torch.load(data)
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__") or {}
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise IoError(path, f"not a whole safetensors file: {error}") from error
    if _METADATA_KEY not in metadata:
        raise IoError(path, f"was not written by save_tree: no {_METADATA_KEY!r} in its metadata")
    try:
        record = json.loads(metadata[_METADATA_KEY])
        version, text, digest = record["format"], record["header"], record["digest"]
    except (ValueError, KeyError, TypeError) as error:
        raise IoError(path, f"its header is damaged: {error!r}") from error
    if version != FORMAT:
        raise IoError(path, f"has format {version!r}, this version of the package reads {FORMAT}")
    found = _digest(text, tensors)
    if found != digest:
        raise IoError(path, f"is corrupt: its digest is {found}, it should be {digest}")
    return json.loads(text), tensors


def _leaves(path: str | os.PathLike[str], node: Any, key: str) -> Iterator[tuple[str, Tensor]]:
    """Yield (key, tensor) for every leaf, in the order of the containers."""
    if isinstance(node, Tensor):
        yield key, node
    elif node is not None:
        for name, child in _children(path, node, key):
            yield from _leaves(path, child, f"{key}/{name}" if key else name)


def _children(path: str | os.PathLike[str], node: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yield (escaped name, child) of a container."""
    if isinstance(node, dict):
        for name, child in node.items():
            if not isinstance(name, str) or not name:
                raise IoError(path, f"{key!r} has the dict key {name!r}; keys must be strings")
            yield _escape(name), child
    elif isinstance(node, tuple):
        names = getattr(node, "_fields", range(len(node)))
        for name, child in zip(names, node, strict=True):
            yield str(name), child
    else:
        kind = type(node).__name__
        raise IoError(path, f"{key!r} is a {kind}; a tree holds dicts, tuples, None and tensors")


def _rebuild(like: Any, tensors: dict[str, Tensor], key: str) -> Any:
    """Put loaded tensors into the containers of `like`."""
    if isinstance(like, Tensor):
        return tensors[key]
    if like is None:
        return None
    prefix = f"{key}/" if key else ""
    if isinstance(like, dict):
        return {n: _rebuild(c, tensors, prefix + _escape(n)) for n, c in like.items()}
    names = getattr(like, "_fields", range(len(like)))
    children = [_rebuild(c, tensors, f"{prefix}{n}") for n, c in zip(names, like, strict=True)]
    return type(like)(*children) if hasattr(like, "_fields") else tuple(children)


def _escape(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2F")


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"


def _digest(header: str, tensors: dict[str, Tensor]) -> str:
    """SHA-256 over the header's text and every tensor's key, dtype, shape and bytes."""
    total = hashlib.sha256(header.encode())
    for key in sorted(tensors):
        tensor = tensors[key]
        total.update(f"\n{key}\n{_describe(tensor)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system lets a folder be synced."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
