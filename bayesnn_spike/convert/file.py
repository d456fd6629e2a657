"""A conversion as one file: safetensors with a JSON header, readable without the user's network."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bayesnn_spike.convert.check import require_conversion
from bayesnn_spike.convert.convert import Conversion
from bayesnn_spike.convert.describe import assemble, describe, pool, pool_of
from bayesnn_spike.convert.keep import FORM, keep_form
from bayesnn_spike.convert.plan import (
    Add,
    Drop,
    Flatten,
    Operation,
    Plan,
    Pool,
    Rectify,
    Step,
    Synapse,
)
from bayesnn_spike.convert.report import ConversionReport, LayerReport
from bayesnn_spike.io import IoError, load_tree, read_header, save_tree

KIND = "conversion"
VERSION = 1


def save_conversion(path: str | Path, conversion: Conversion) -> None:
    """Write a conversion to one file, atomically: network, plan, scales and report.

    The network is written as it is: calibrated, trained, folded or binarised, in any precision.

    Args:
        path: the file, by custom *.safetensors; folders that are missing are made.
        conversion: of any kind; networks made from it go in by `dataclasses.replace`.

    Raises:
        TypeError: no conversion, but for instance its network.
        ValueError: the network has a layer that no conversion makes; it is named.

    Oracle: tests/convert/test_file.py.
    """
    require_conversion(conversion)
    description = describe(conversion.network)
    assemble(description)  # what cannot be read again is not written
    state = {k: v for k, v in conversion.network.state_dict().items() if k != FORM}
    steps, weights = [], {}
    for step in conversion.plan.steps:
        options, tensors = _of_operation(step.operation)
        kind = type(step.operation).__name__
        steps.append([step.name, step.path, list(step.inputs), list(step.shape), kind, options])
        weights |= {f"{step.name}.{key}": value for key, value in tensors.items()}
    tree = {"network": state, "plan": weights, "scales": conversion.scales}
    report = conversion.report
    header = {
        "kind": KIND,
        "version": VERSION,
        "network": description,
        "modes": {name: module.training for name, module in conversion.network.named_modules()},
        "fixed": [n for n, p in conversion.network.named_parameters() if not p.requires_grad],
        "plan": {
            "steps": steps,
            "output": conversion.plan.output,
            "shape": list(conversion.plan.shape),
        },
        "report": [[list(row) for row in report.layers], report.steps, report.images],
        "tensors": {group: _layout(part) for group, part in tree.items()},
    }
    save_tree(path, tree, header)


def load_conversion(path: str | Path) -> Conversion:
    """Read a conversion, on the CPU; its network answers with the same bits as the one written.

    Raises:
        IoError: the file is missing, cut, corrupt, was written by something else or by a later
            version of this package.

    Oracle: tests/convert/test_file.py.
    """
    header = read_header(path)
    if header.get("kind") != KIND:
        held = f": holds no conversion but {header['kind']!r}" if "kind" in header else ""
        raise IoError(path, f"was not written by save_conversion{held}")
    if header.get("version") != VERSION:
        raise IoError(path, f"has version {header.get('version')}, this package reads {VERSION}")
    try:
        return _read(path, header)
    except IoError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise IoError(
            path,
            f"has a header that save_conversion does not write ({what}): write it again",
        ) from error


def _read(path: str | Path, header: dict[str, Any]) -> Conversion:
    """Put a conversion together from a file and its header."""
    like = {
        group: {
            key: torch.empty(shape, dtype=getattr(torch, dtype), device="meta")
            for key, (shape, dtype) in part.items()
        }
        for group, part in header["tensors"].items()
    }
    tree = load_tree(path, like)
    network = assemble(header["network"])
    network.load_state_dict(tree["network"], assign=True)
    for name, training in header["modes"].items():
        network.get_submodule(name).training = training
    for name in header["fixed"]:
        network.get_parameter(name).requires_grad_(False)
    rows, steps, images = header["report"]
    return Conversion(
        keep_form(network),
        ConversionReport(tuple(LayerReport(*row) for row in rows), steps, images),
        _plan(header["plan"], tree["plan"]),
        tree["scales"],
    )


def _layout(tensors: dict[str, Tensor]) -> dict[str, list]:
    return {k: [list(v.shape), str(v.dtype).removeprefix("torch.")] for k, v in tensors.items()}


def _of_operation(operation: Operation) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the options and the tensors of an operation of a plan."""
    match operation:
        case Synapse(weight, bias, stride, padding):
            tensors = {"weight": weight} | ({} if bias is None else {"bias": bias})
            return {"stride": stride, "padding": padding}, tensors
        case Rectify(bound, levels):
            return {"bound": bound, "levels": levels}, {}
        case Pool(module):
            return {"module": pool_of(module)}, {}
        case Drop(rate):
            return {"rate": rate}, {}
        case _:
            return {}, {}


def _plan(data: dict[str, Any], weights: dict[str, Tensor]) -> Plan:
    steps = []
    for name, where, inputs, shape, kind, options in data["steps"]:
        match kind:
            case "Synapse":
                bias = weights.get(f"{name}.bias")
                operation = Synapse(weights[f"{name}.weight"], bias, **options)
            case "Pool":
                operation = Pool(pool(options["module"]))
            case _:
                operation = _OTHERS[kind](**options)
        steps.append(Step(name, where, operation, tuple(inputs), tuple(shape)))
    return Plan(tuple(steps), data["output"], tuple(data["shape"]))


_OTHERS: dict[str, Any] = {"Rectify": Rectify, "Drop": Drop, "Flatten": Flatten, "Add": Add}
