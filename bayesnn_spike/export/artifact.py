"""A trained network as one file that stands alone: weights, network, encoding, classes, record.

    save_artifact("model.safetensors", posterior=q, network={"model": "mlp", ...},
                  shape=(2, 34, 34), classes=("0", ...), encoding={...}, training={...})
    network, posterior, meta = load_artifact("model.safetensors")
    predict(network, posterior, spikes, ...)

The file is safetensors with a JSON header (`bayesnn_spike.io`). Tensors that are all -1 and +1 are
stored as one bit a weight; every value comes back with the same bits. Oracle:
tests/export/test_artifact.py.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from bayesnn_spike.export.network import build_network, describe_network
from bayesnn_spike.export.values import DescriptionError
from bayesnn_spike.io import IoError, load_tree, read_header, save_tree
from bayesnn_spike.nn import Graph
from bayesnn_spike.posterior import Bernoulli, Empirical, Gaussian, Point

KIND = "trained network"
VERSION = 1

Posterior = Bernoulli | Gaussian | Point | Empirical
# The parameters of each kind; the first are stored as "weights", the others by their own name.
_LEAVES = {
    "bernoulli": (Bernoulli, ("logits",)),
    "gaussian": (Gaussian, ("means", "precisions")),
    "point": (Point, ("weights",)),
    "empirical": (Empirical, ("weights",)),
}


class ArtifactError(ValueError):
    """A file is no artifact of this package, or its parts do not fit together."""


@final
@dataclass(frozen=True)
class ArtifactMeta:
    """What an artifact says about itself.

    Attributes:
        network: the description the network was built from.
        shape: of one time step of one example.
        classes: names, by class index.
        encoding: how recordings became spikes (bins, sensor, grid, ...).
        training: data set, split digests, rule, temperature, seeds, versions.
    """

    network: dict[str, Any]
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    encoding: dict[str, Any]
    training: dict[str, Any]


def save_artifact(
    path: str | Path,
    *,
    posterior: Posterior,
    network: Mapping[str, Any] | Graph,
    shape: Sequence[int],
    classes: Sequence[str],
    encoding: Mapping[str, Any],
    training: Mapping[str, Any],
) -> None:
    """Write an artifact, atomically.

    Args:
        path: the file.
        posterior: Bernoulli, Gaussian, Point or Empirical.
        network: the description, see `bayesnn_spike.export.network`; or a converted network itself,
            whose thresholds are kept, and those of its weights that the posterior does not have.
        shape: of one time step of one example.
        classes: names, by class index.
        encoding: how recordings become spikes; JSON values.
        training: where the posterior comes from; JSON values.

    Raises:
        ArtifactError: the posterior is of another kind, its weights do not fit the network, or the
            network is a module that no description can name.
        IoError: a part is not JSON.
    """
    kinds = {cls: kind for kind, (cls, _) in _LEAVES.items()}
    if type(posterior) not in kinds:
        known = ", ".join(cls.__name__ for cls in kinds)
        name = type(posterior).__name__
        raise ArtifactError(f"an artifact holds one of {known}, not {name}")
    kind = kinds[type(posterior)]
    built, description = network, network
    if isinstance(network, nn.Module):
        try:
            description = describe_network(network)
        except DescriptionError as error:
            raise ArtifactError(f"{path}: {error}") from error
    else:
        built = build_network(network, shape=tuple(shape), classes=len(classes))
    groups = {
        group: getattr(posterior, field)
        for group, field in zip(_groups(kind), _LEAVES[kind][1], strict=True)
    }
    buffers = dict(built.named_buffers())
    if isinstance(network, Graph):
        others = (n for n, _ in built.named_parameters() if n not in groups["weights"])
        buffers |= {name: built.get_parameter(name) for name in others}
    for leaves in groups.values():
        _require_fit(path, built, kind, leaves, buffers)
    tensors, layout = {}, {}
    for group, values in (*groups.items(), ("buffers", buffers)):
        for name, value in values.items():
            key = f"{group}.{name}"
            tensors[key], packed = _pack(value)
            dtype = str(value.dtype).removeprefix("torch.")
            layout[key] = {"shape": list(value.shape), "dtype": dtype, "packed": packed}
    header = {
        "kind": KIND,
        "version": VERSION,
        "posterior": kind,
        "network": dict(description),
        "shape": list(shape),
        "classes": list(classes),
        "encoding": dict(encoding),
        "training": dict(training),
        "tensors": layout,
    }
    save_tree(path, tensors, header)


def load_artifact(path: str | Path) -> tuple[nn.Module, Posterior, ArtifactMeta]:
    """Read an artifact and rebuild its network.

    Returns:
        The network, the posterior, and what the artifact says about itself.

    Raises:
        IoError: the file is missing, cut, corrupt, or was not written by this package.
        ArtifactError: the file is another kind of file of this package, of a later version, or
            its parts do not fit together.
    """
    header = read_header(path)
    if header.get("kind") != KIND:
        found = header.get("kind", "no kind")
        raise ArtifactError(f"{path}: a file of this package, but no trained network: {found!r}")
    if header["version"] != VERSION:
        raise ArtifactError(
            f"{path}: an artifact of version {header['version']}; this package reads {VERSION}"
        )
    try:
        layout = header["tensors"]
        raw = load_tree(path, {key: _stored_like(entry) for key, entry in layout.items()})
        values = {key: _unpack(raw[key], entry) for key, entry in layout.items()}
        meta = ArtifactMeta(
            header["network"],
            tuple(header["shape"]),
            tuple(header["classes"]),
            header["encoding"],
            header["training"],
        )
        build, _ = _LEAVES[header["posterior"]]
        groups = _groups(header["posterior"])
        network = build_network(meta.network, shape=meta.shape, classes=len(meta.classes))
    except (KeyError, TypeError, AttributeError, DescriptionError) as error:
        raise ArtifactError(f"{path}: the header does not describe a network: {error}") from error
    parameters, buffers = [_group(values, group) for group in groups], _group(values, "buffers")
    for leaves in parameters:
        _require_fit(path, network, header["posterior"], leaves, buffers)
    network.load_state_dict(buffers, strict=False, assign=True)
    return network, build(*parameters), meta


def is_artifact(path: str | Path) -> bool:
    """Return whether a file is whole and says that it is an artifact."""
    try:
        return read_header(path).get("kind") == KIND
    except IoError:
        return False


def _require_fit(
    path: Any,
    network: nn.Module,
    kind: str,
    leaves: Mapping[str, Tensor],
    others: Mapping[str, Tensor],
) -> None:
    """Refuse weights whose names or shapes are not those of the network's other parameters."""
    named = network.named_parameters()
    expected = {name: tuple(p.shape) for name, p in named if name not in others}
    extra = 1 if kind == "empirical" else 0
    found = {name: tuple(value.shape[extra:]) for name, value in leaves.items()}
    if found != expected:
        raise ArtifactError(f"{path}: the weights {found} are not the network's {expected}")


def _groups(kind: str) -> list[str]:
    """The names under which the parameters of a kind of posterior are stored."""
    return ["weights", *_LEAVES[kind][1][1:]]


def _group(values: Mapping[str, Tensor], group: str) -> dict[str, Tensor]:
    prefix = f"{group}."
    return {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix)}


def _pack(value: Tensor) -> tuple[Tensor, bool]:
    """Return eight signs a byte if all values are -1 or +1, else the tensor as it is."""
    value = value.detach().cpu()
    if value.is_floating_point() and value.numel() and bool((value.abs() == 1).all()):
        bits = np.packbits((value > 0).flatten().numpy())
        return torch.from_numpy(bits), True
    return value, False


def _unpack(stored: Tensor, entry: Mapping[str, Any]) -> Tensor:
    if not entry["packed"]:
        return stored
    count = math.prod(entry["shape"])
    bits = torch.from_numpy(np.unpackbits(stored.numpy(), count=count).astype(np.float32))
    return (2 * bits - 1).to(getattr(torch, entry["dtype"])).reshape(entry["shape"])


def _stored_like(entry: Mapping[str, Any]) -> Tensor:
    """Return a tensor without memory, of the shape and type the file should hold."""
    if entry["packed"]:
        return torch.empty((math.prod(entry["shape"]) + 7) // 8, dtype=torch.uint8, device="meta")
    return torch.empty(entry["shape"], dtype=getattr(torch, entry["dtype"]), device="meta")
