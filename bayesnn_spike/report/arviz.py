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

With a tempering other than 1 the group log_likelihood is called pointwise_log_likelihood: `loo`,
`waic` and `compare` of ArviZ take it that the target holds the likelihood to the power 1, and would
be wrong without a word. As it is they find no log likelihood and say so. Where `arviz.loo` is not
right, this group's attribute `note` says why; `report.loo.loo` knows tempering and log q.

Oracle: tests/report/test_arviz.py, tests/report/test_arviz_loo.py.
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from bayesnn_spike.report._arviz_compat import Group, tree
from bayesnn_spike.report.function_draws import FunctionDraws, Origin, chosen
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
    note = why_not_arviz_loo(draws)
    groups = {
        "posterior": Group(_posterior(draws, probes), coords),
        "posterior_predictive": Group(predictive, coords),
        "log_likelihood" if draws.tempering == 1 else "pointwise_log_likelihood": Group(
            {"label": ((*sample, "example"), draws.log_likelihood)}, coords, note
        ),
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


def why_not_arviz_loo(draws: FunctionDraws) -> str:
    """Return why plain `arviz.loo` is not for these draws; "" where it is right."""
    advice = "use bayesnn_spike.report.loo.loo on the draws"
    if draws.origin is Origin.NETWORKS:
        return "trained networks are no draws of a posterior: score them on held-out examples"
    if draws.tempering != 1:
        return (
            f"the target holds the likelihood to the power 1 / {draws.tempering:g}, and arviz.loo "
            f"would take it out to the power 1: {advice}"
        )
    if draws.origin not in (Origin.MARKOV_CHAINS, Origin.EXACT):
        return (
            "the draws are those of a variational fit, and arviz.loo takes them for the "
            f"posterior's: {advice}, or ArviZ's loo_approximate_posterior with lp and log_q"
        )
    return ""


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
