"""What sampled networks say about a set of examples, chain by chain: no weights, only functions.

Weights of a network can be permuted and flipped without changing what it does, so chains and fits
that disagree on every weight may agree on every prediction. Diagnostics therefore look at
functions of the weights: probabilities, losses, activity, log prior and log q.

Oracle: tests/report/test_function_draws.py (enumeration, and predict).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import final

import numpy as np
from torch import Tensor

from bayesnn_spike.calibration.inputs import Array, as_labels, as_numpy, as_probabilities
from bayesnn_spike.calibration.proper import example_correct, example_nll
from bayesnn_spike.checks import require_positive
from bayesnn_spike.learn.target import Target
from bayesnn_spike.posterior import AbstractPosterior, Empirical, Exact, Gaussian, Joint, Point
from bayesnn_spike.posterior.flat import unflatten
from bayesnn_spike.predict import Predictive
from bayesnn_spike.predict.pooling import Pooling, SoftmaxOfRate
from bayesnn_spike.report._forward import Forward, forward
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


class Origin(Enum):
    """Where draws come from: it decides which diagnostics mean anything."""

    MARKOV_CHAINS = "Markov chains"
    EXACT = "independent draws of an exact posterior"
    RESTARTS = "restarts of a variational fit, with independent draws of each"
    ONE_FIT = "independent draws of one variational fit"
    NETWORKS = "trained networks, which are no draws of a distribution"


@final
@dataclass(frozen=True, eq=False)
class FunctionDraws:
    """Predictions of networks `[chains, draws]` for N examples, and what is known of each network.

    Attributes:
        probabilities: `[chains, draws, N, C]`.
        labels: `[N]` class indices.
        origin: where the draws come from.
        log_likelihood: `[chains, draws, N]`, nats; None takes ln p(label), floored as in `nll`.
        tempering: the target is prior times likelihood to the power 1 / tempering.
        log_prior, log_q: `[chains, draws]`, nats; log_q of restarts is that of their mixture.
        activity: mean spikes a neuron and step by layer, `[chains, draws]` each.
        statistics: further functions of a network by name, `[chains, draws, *shape]`.
        sample_stats: numbers of the sampler by name, `[chains, draws]`.

    Raises:
        ValueError: shapes do not fit, or a number is not finite.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    origin: Origin
    log_likelihood: np.ndarray | None = None
    tempering: float = 1.0
    log_prior: np.ndarray | None = None
    log_q: np.ndarray | None = None
    activity: Mapping[str, np.ndarray] = field(default_factory=dict)
    statistics: Mapping[str, np.ndarray] = field(default_factory=dict)
    sample_stats: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_positive(self.tempering, "tempering")
        given = self.probabilities
        found = as_probabilities(given, axes=("chains", "draws", "N", "C"))
        labels = as_labels(self.labels, examples=found.shape[2], classes=found.shape[3])
        if self.log_likelihood is None:
            object.__setattr__(self, "log_likelihood", -example_nll(found, labels))
        object.__setattr__(self, "probabilities", found)
        object.__setattr__(self, "labels", labels)
        self._check("log_likelihood", exact=found.shape[:3])
        for name in ("log_prior", "log_q"):
            if getattr(self, name) is not None:
                self._check(name, exact=found.shape[:2])
        for name, exact in (("activity", True), ("statistics", False), ("sample_stats", True)):
            values = {
                key: _numbers(v, f"{name}[{key!r}]", found.shape[:2], exact=exact)
                for key, v in getattr(self, name).items()
            }
            object.__setattr__(self, name, values)

    def _check(self, name: str, *, exact: tuple[int, ...]) -> None:
        object.__setattr__(self, name, _numbers(getattr(self, name), name, exact, exact=True))

    @property
    def chains(self) -> int:
        """The number of chains or fits."""
        return self.probabilities.shape[0]

    @property
    def draws(self) -> int:
        """The number of networks of one chain."""
        return self.probabilities.shape[1]

    def log_joint(self) -> np.ndarray | None:
        """log p(w, y) of the tempered target, `[chains, draws]`; None without a log prior."""
        if self.log_prior is None:
            return None
        return self.log_prior + self.log_likelihood.sum(-1) / self.tempering

    def quantities(self, probes: Sequence[int] | None = None) -> dict[str, np.ndarray]:
        """Return functions of the weights by name, `[chains, draws, *shape]`.

        Args:
            probes: examples whose probabilities are taken; None takes the first 10.

        `probability` is `[.., probes, C]`; `loss` the mean -log likelihood, in nats, of all N
        examples; `accuracy` their share of right top labels; `log_prior` and `log_q` where they
        are known; `activity` is `[.., layers]`; then `statistics`.
        """
        index = chosen(probes, self.labels.size)
        found = {
            "probability": self.probabilities[:, :, index],
            "loss": -self.log_likelihood.mean(-1),
            "accuracy": example_correct(self.probabilities, self.labels).mean(-1),
        }
        for name in ("log_prior", "log_q"):
            if getattr(self, name) is not None:
                found[name] = getattr(self, name)
        if self.activity:
            found["activity"] = np.stack(list(self.activity.values()), axis=-1)
        return found | dict(self.statistics)


def draws_of_posterior(
    target: Target,
    posterior: AbstractPosterior | Sequence[AbstractPosterior],
    *,
    draws: int,
    stream: Stream,
    pooling: Pooling = SoftmaxOfRate(),
) -> FunctionDraws:
    """Sample networks of a posterior, or of several restarts, and run them on the target's data.

    Args:
        target: network, loss, data and prior that the posterior was fitted to.
        posterior: one, or a list of fits that differ in their start only.
        draws: networks of each.
        stream: draws them.
        pooling: how a readout becomes the probabilities; the likelihood is that of the loss.

    Returns:
        FunctionDraws with log_q: of restarts that of their mixture in equal parts, from which
        their draws together come.

    Raises:
        ValueError: no posterior, or one of real weights (the target's prior is over signs).
    """
    fits = list(posterior) if isinstance(posterior, Sequence) else [posterior]
    if not fits:
        raise ValueError("need at least one posterior")
    require_positive(draws, "draws")
    for fit in fits:
        if isinstance(fit, Gaussian):
            raise ValueError(
                "a Gaussian posterior is over real weights, and the target's prior over signs: "
                "their densities cannot be compared; use draws_of_predictions with what predict "
                "returned"
            )
    densities = all(has_density(fit) for fit in fits)
    runs = []
    for index, fit in enumerate(fits):
        source = partial(fit.sample, stream=stream.child("fit", index))
        runs.append(forward(target, source, draws, pooling, fits=fits if densities else []))
    alone = Origin.EXACT if isinstance(fits[0], Exact) else Origin.ONE_FIT
    origin = Origin.RESTARTS if len(fits) > 1 else alone
    return _joined(target, runs, origin if densities else Origin.NETWORKS)


def draws_of_chains(
    target: Target,
    signs: Tensor,
    *,
    pooling: Pooling = SoftmaxOfRate(),
    sample_stats: Mapping[str, Array] | None = None,
) -> FunctionDraws:
    """Run the networks of Markov chains on the target's data.

    Args:
        target: what the chains sampled.
        signs: `[chains, draws, d]`, weights in the order of the network.
        pooling: how a readout becomes the probabilities; the likelihood is that of the loss.
        sample_stats: numbers of the sampler by name, `[chains, draws]`.

    Raises:
        ValueError: signs have not three axes or d is wrong; or as `draws_of_posterior`.
    """
    if signs.ndim != 3:
        raise ValueError(f"signs must be [chains, draws, d], got shape {tuple(signs.shape)}")
    stats = {n: as_numpy(v, n) for n, v in (sample_stats or {}).items()}
    runs = []
    for chain in signs:
        source = partial(_rows, chain.to(target.dtype), target)
        runs.append(forward(target, source, len(chain), pooling))
    return _joined(target, runs, Origin.MARKOV_CHAINS, stats)


def draws_of_predictions(
    predictions: Predictive | Sequence[Predictive],
    labels: Array,
    *,
    origin: Origin,
    log_prior: np.ndarray | None = None,
    log_q: np.ndarray | None = None,
    tempering: float = 1.0,
) -> FunctionDraws:
    """Take what `predict` returned: one chain from each Predictive `[K, N, C]`.

    Args:
        predictions: one, or one of each chain or restart, of equal shapes.
        labels: `[N]` class indices.
        origin: where the networks come from; nothing here can tell.
        log_prior, log_q: `[chains, K]`, for `loo`.
        tempering: as in `Temperature`.

    Raises:
        ValueError: shapes differ, or as `FunctionDraws`.
    """
    many = list(predictions) if isinstance(predictions, Sequence) else [predictions]
    shapes = {tuple(one.members.shape) for one in many}
    if len(shapes) != 1:
        raise ValueError(f"every chain needs members of one shape [K, N, C], got {sorted(shapes)}")
    members = np.stack([as_numpy(one.members, "members") for one in many])
    return FunctionDraws(
        members, labels, origin, log_prior=log_prior, log_q=log_q, tempering=tempering
    )


def has_density(posterior: AbstractPosterior) -> bool:
    """Whether log q is that of a distribution over all weights, and not of a list of networks."""
    if isinstance(posterior, Joint):
        return all(has_density(part) for part in posterior.parts.values())
    return not isinstance(posterior, Point | Empirical)


def chosen(probes: Sequence[int] | None, examples: int) -> np.ndarray:
    """Return the indices of the probe examples.

    Raises:
        ValueError: there is none, or one is not among the examples.
    """
    index = np.arange(min(10, examples)) if probes is None else np.asarray(probes, dtype=np.int64)
    if not index.size or index.min() < 0 or index.max() >= examples:
        raise ValueError(f"probes must be indices of the {examples} examples, got {probes!r}")
    return index


def _rows(chain: Tensor, target: Target, count: int, *, first: int) -> Weights:
    return unflatten(chain[first : first + count], target.shapes)


def _joined(
    target: Target,
    runs: list[Forward],
    origin: Origin,
    sample_stats: Mapping[str, np.ndarray] | None = None,
) -> FunctionDraws:
    stacked = {
        name: np.stack([getattr(run, name) for run in runs])
        for name in ("probabilities", "log_likelihood", "log_prior")
    }
    known = all(run.log_q is not None for run in runs)
    return FunctionDraws(
        **stacked,
        labels=as_numpy(target.batch.labels, "labels"),
        origin=origin,
        tempering=target.temperature.tempering,
        log_q=np.stack([run.log_q for run in runs]) if known else None,
        activity={n: np.stack([run.activity[n] for run in runs]) for n in runs[0].activity},
        sample_stats=sample_stats or {},
    )


def _numbers(values: Array, name: str, shape: tuple[int, ...], *, exact: bool) -> np.ndarray:
    found = as_numpy(values, name).astype(np.float64)
    same = found.shape == shape if exact else found.shape[: len(shape)] == shape
    if not same:
        raise ValueError(f"{name} must be {shape}{'' if exact else ' + [..]'}, got {found.shape}")
    if not np.isfinite(found).all():
        raise ValueError(f"{name} has values that are not finite")
    return found
