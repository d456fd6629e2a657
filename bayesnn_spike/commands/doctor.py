"""`bayesnn-spike doctor`: what this machine has, and what would run on it."""

import importlib
import json
import os
import platform
import secrets
from pathlib import Path
from typing import Annotated, Any

import typer

from bayesnn_spike.commands.console import FAILED, plain_errors

PACKAGES = {
    "torch": "needed",
    "numpy": "needed",
    "safetensors": "needed",
    "numba": "fast draws and synapses on the CPU (extra: study)",
    "pydantic": "studies (extra: study)",
    "sklearn": "the data set digits-saccade (extra: study)",
    "matplotlib": "pictures (extra: study)",
    "h5py": "SHD and SSC files (extra: hdf5)",
    "netcal": "recalibration (extra: calibration)",
    "pyro": "inference by Pyro (extra: bayes)",
    "arviz": "diagnostics (extra: bayes)",
    "tonic": "downloads of data sets (extra: datasets)",
    "triton": "kernels on the GPU (comes with CUDA builds of torch)",
}


@plain_errors
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check this machine: versions, threads, cache folder, and which implementations run.

    Exit code 1 if something that is needed does not work; missing optional packages are only
    listed, with what they are for.

    Example:

      bayesnn-spike doctor
    """
    facts = examine()
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
    else:
        for key, value in facts["machine"].items():
            typer.echo(f"{key:<12} {value}")
        typer.echo("packages")
        for name, entry in facts["packages"].items():
            typer.echo(f"  {name:<12} {entry['state']:<14} {entry['for']}")
        typer.echo("implementations (first that refuses nothing runs)")
        for line in facts["implementations"]:
            typer.echo(f"  {line}")
    for problem in facts["problems"]:
        typer.echo(f"problem: {problem}", err=True)
    if facts["problems"]:
        raise typer.Exit(FAILED)


def examine() -> dict[str, Any]:
    """Return machine, packages, implementations and problems."""
    import torch

    from bayesnn_spike import __version__
    from bayesnn_spike.events.datasets import cache_folder
    from bayesnn_spike.study.pool import cores

    packages = {name: {**_state(name), "for": use} for name, use in PACKAGES.items()}
    problems = [
        f"{name} cannot be imported: {entry['state']}"
        for name, entry in packages.items()
        if entry["for"] == "needed" and not entry["works"]
    ]
    cache = cache_folder()
    reason = _unwritable(cache)
    if reason:
        problems.append(
            f"the cache folder {cache} cannot be written ({reason}); set another one "
            "with BAYESNN_SPIKE_CACHE"
        )
    kernels, trouble = _kernels(packages["numba"]["works"])
    problems += trouble
    machine = {
        "bayesnn_spike": __version__,
        "python": f"{platform.python_version()} on {platform.platform()}",
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "kernels": kernels,
        "accelerator": _accelerator(),
        "cache": f"{cache} ({'not writable' if reason else 'writable'})",
        "data root": os.environ.get("BAYESNN_SPIKE_DATA", "not set (BAYESNN_SPIKE_DATA)"),
    }
    return {
        "machine": machine,
        "packages": packages,
        "implementations": [] if trouble else _implementations(),
        "problems": problems,
    }


def _kernels(compiler: bool) -> tuple[str, list[str]]:
    """Name the width of the vectors and the threads of compiled kernels, and what is wrong."""
    if not compiler:
        return "none: numba is missing, the reference runs", []
    from bayesnn_spike.ops._openmp import team_size
    from bayesnn_spike.ops._simd import machine_width
    from bayesnn_spike.ops._threads import threads

    width = f"vectors of {64 * machine_width().count} bits"
    try:
        whose = "PyTorch's team" if threads() == team_size() else "a pool of their own"
        return f"{width}, threads: {threads()}, {whose}", []
    except ValueError as error:  # of NUMBA_NUM_THREADS
        return width, [str(error)]


def _state(name: str) -> dict[str, Any]:
    """Import a package and say how that went."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = importlib.import_module(name)
    except ModuleNotFoundError:
        return {"works": False, "state": "not installed"}
    except Exception as error:  # a broken installation can raise anything
        return {"works": False, "state": f"broken: {type(error).__name__}: {error}"}
    return {"works": True, "state": str(getattr(module, "__version__", "installed"))}


def _unwritable(folder: Path) -> str | None:
    """Return why the folder cannot be written, or None."""
    probe = folder / f".probe.{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _accelerator() -> str:
    import torch

    if not torch.cuda.is_available():
        return "none"
    return f"{torch.cuda.get_device_name()} (CUDA {torch.version.cuda})"


def _implementations() -> list[str]:
    """Say for a small example of each operation which implementation runs, and why not others."""
    import torch

    from bayesnn_spike.ops import adam, cascade, draw, explain, fire, pool, sampled, synapse, trace
    from bayesnn_spike.ops.draw.signs import Packed

    sparse = torch.zeros(4, 8, 128)  # [T, B, N] without a spike
    weight, maps = torch.ones(64, 128), torch.zeros(4, 2, 2, 8, 8)
    signs, kernels = Packed.of(torch.ones(2, 512, 128)), Packed.of(torch.ones(2, 4, 2, 3, 3))
    neurons = cascade.Neurons(torch.ones(()))
    chain = cascade.Chain((128,), (cascade.Layer(neurons, weight),))
    draws, window = {"key": (0, 0), "draws": 2, "first": 0}, {"stride": 1, "padding": 1}
    examples = [
        (draw.draw_signs, (weight,), draws),
        (draw.draw_words, (weight,), draws),
        (draw.random_bits, ((64, 128),), {**draws, "device": "cpu"}),
        (synapse.linear, (sparse, weight, None), {}),
        (synapse.straight_linear, (sparse, weight, None), {"scale": 1.0}),
        (synapse.conv2d, (maps, torch.ones(64, 2, 3, 3), None), window),
        (
            synapse.straight_conv2d,
            (maps, torch.ones(64, 2, 3, 3), None),
            {**window, "scale": 1.0},
        ),
        (synapse.signed_linear, (sparse, signs, None), {}),
        (synapse.signed_conv2d, (maps, kernels, None), window),
        (sampled.sampled_linear, (sparse, signs, None, None), {}),
        (sampled.sampled_conv2d, (maps, kernels, None, None), window),
        (pool.mean_pool2d, (maps, 2), {}),
        (trace.trace, (sparse, None), {"decay": 0.9, "time_dim": 0}),
        (fire.fire, (sparse, None), {"time_dim": 0}),
        (fire.refractory_fire, (sparse, None), {"time_dim": 0}),
        (fire.clocked_fire, (sparse, None), {"time_dim": 0}),
        (cascade.cascade, (sparse, chain), {}),
        (adam.adam, (weight,) * 4, {}),
    ]
    return [
        line for op, args, options in examples for line in explain(op, *args, **options).split("\n")
    ]
