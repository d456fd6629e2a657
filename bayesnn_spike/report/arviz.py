"""Any posterior and its predictions as ArviZ wants them: InferenceData (0.23), DataTree (1.x).

    data = to_arviz(draws, stream=stream)
    data.to_netcdf("posterior.nc")

ArviZ is an optional package (extra `bayes`); it is imported when a function here is called.

| group | holds | dimensions |
| --- | --- | --- |
| posterior | functions of the weights: `FunctionDraws.quantities` | chain, draw, .. |
| posterior_predictive | `probability`; `label`, drawn from it | chain, draw, example, class |
| log_likelihood | `label`: ln p of each label, nats | chain, draw, example |
| observed_data | `label` | example |
| sample_stats | `lp`, log prior plus tempered log likelihood; what the sampler gave | chain, draw |

Oracle: tests/report/test_arviz.py.
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from bayesnn_spike.report._arviz_compat import Group, tree
from bayesnn_spike.report.function_draws import FunctionDraws, chosen
from bayesnn_spike.rng import Stream


def to_arviz(
    draws: FunctionDraws,
    *,
    stream: Stream | None = None,
    probes: Sequence[int] | None = None,
    classes: Sequence[str] | None = None,
) -> Any:
    """Return the draws as ArviZ's groups.

    Args:
        draws: networks' predictions, chain by chain.
        stream: draws the labels of the posterior predictive; without it they are left out.
        probes: examples whose probabilities stand in the posterior; None takes the first 10.
        classes: names of the classes; None numbers them.

    Returns:
        `arviz.InferenceData` with ArviZ 0.23, `xarray.DataTree` with 1.x. Its attributes name the
        origin of the draws, the tempering and our version.

    Raises:
        MissingArvizError: ArviZ is not installed.
        ValueError: a probe is not an example, or there is not one name a class.
    """
    chains, count, examples, size = draws.probabilities.shape
    names = [str(index) for index in range(size)] if classes is None else list(classes)
    if len(names) != size:
        raise ValueError(f"classes must name {size} classes, got {len(names)}")
    coords = {
        "chain": np.arange(chains),
        "draw": np.arange(count),
        "example": np.arange(examples),
        "probe": chosen(probes, examples),
        "class": names,
        "layer": list(draws.activity),
    }
    sample = ("chain", "draw")
    predictive = {"probability": ((*sample, "example", "class"), draws.probabilities)}
    if stream is not None:
        predictive["label"] = ((*sample, "example"), sampled_labels(draws.probabilities, stream))
    groups = {
        "posterior": Group(_posterior(draws, probes), coords),
        "posterior_predictive": Group(predictive, coords),
        "log_likelihood": Group({"label": ((*sample, "example"), draws.log_likelihood)}, coords),
        "observed_data": Group({"label": (("example",), draws.labels)}, coords),
    }
    stats = {name: (sample, values) for name, values in draws.sample_stats.items()}
    joint = draws.log_joint()
    if joint is not None:
        stats["lp"] = (sample, joint)
    if stats:
        groups["sample_stats"] = Group(stats, coords)
    attrs = {
        "inference_library": "bayesnn_spike",
        "inference_library_version": version("bayesnn_spike"),
        "origin": draws.origin.value,
        "tempering": draws.tempering,
    }
    return tree(groups, attrs)


def sampled_labels(probabilities: np.ndarray, stream: Stream) -> np.ndarray:
    """Return one label from each row of probabilities, `[*, C] -> [*]` int64."""
    below = probabilities.cumsum(-1)
    place = stream.child("label").numpy().random(probabilities.shape[:-1]) * below[..., -1]
    return (below <= place[..., None]).sum(-1).clip(max=probabilities.shape[-1] - 1)


def _posterior(
    draws: FunctionDraws, probes: Sequence[int] | None
) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    axes = {"probability": ("probe", "class"), "activity": ("layer",)}
    found = {}
    for name, values in draws.quantities(probes).items():
        inner = axes.get(name, tuple(f"{name}_dim_{i}" for i in range(values.ndim - 2)))
        found[name] = (("chain", "draw", *inner), values)
    return found
