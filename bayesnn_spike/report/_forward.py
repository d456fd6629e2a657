"""One pass of sampled networks over a target's data: probabilities, likelihoods, activity."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from bayesnn_spike.calibration.inputs import as_numpy
from bayesnn_spike.learn.losses import class_logits
from bayesnn_spike.learn.target import Target
from bayesnn_spike.neurons import IF, LIF, Refractory
from bayesnn_spike.nn.evaluating import evaluating
from bayesnn_spike.posterior import AbstractPosterior, Bernoulli, Joint
from bayesnn_spike.predict.pooling import Pooling
from bayesnn_spike.types import Weights
from bayesnn_spike.weights import dense, is_signs, pack_signs, pack_spikes


class Source(Protocol):
    """Gives networks `first` to `first + count` of a chain, leaves `[count, *shape]`."""

    def __call__(self, count: int, *, first: int) -> Weights: ...


class Forward(NamedTuple):
    """What K networks said about N examples.

    Attributes:
        probabilities: `[K, N, C]`.
        log_likelihood: `[K, N]`, nats.
        activity: mean output of each neuron layer by name, `[K]`.
        log_prior, log_q: `[K]`, nats; log_q None where there is none.
    """

    probabilities: np.ndarray
    log_likelihood: np.ndarray
    activity: dict[str, np.ndarray]
    log_prior: np.ndarray
    log_q: np.ndarray | None


@torch.no_grad()
def forward(
    target: Target,
    source: Source,
    count: int,
    pooling: Pooling,
    *,
    fits: Sequence[AbstractPosterior] = (),
) -> Forward:
    """Run `count` networks on the target's data, `draws_at_once` of them at a time.

    The likelihood of an example is exp(-scored_steps * loss of it alone), so that the examples'
    sum over the tempering is `target.log_likelihood`. With fits, log_q is that of their mixture.
    """
    exact = [in_doubles(fit) for fit in fits]
    parts = []
    with evaluating(target.network):
        for first in range(0, count, target.draws_at_once):
            weights = source(min(target.draws_at_once, count - first), first=first)
            weights = {name: dense(w).to(target.dtype) for name, w in weights.items()}
            parts.append(_chunk(target, weights, pooling, exact))
    return Forward(
        probabilities=np.concatenate([part.probabilities for part in parts]),
        log_likelihood=np.concatenate([part.log_likelihood for part in parts]),
        activity={n: np.concatenate([p.activity[n] for p in parts]) for n in parts[0].activity},
        log_prior=np.concatenate([part.log_prior for part in parts]),
        log_q=np.concatenate([part.log_q for part in parts]) if exact else None,
    )


def in_doubles(posterior: AbstractPosterior) -> AbstractPosterior:
    """Return a Bernoulli posterior with float64 logits: sums over a million weights need them."""
    if isinstance(posterior, Joint):
        return Joint({group: in_doubles(part) for group, part in posterior.parts.items()})
    if isinstance(posterior, Bernoulli):
        return Bernoulli({name: values.double() for name, values in posterior.logits.items()})
    return posterior


def _chunk(
    target: Target, weights: Weights, pooling: Pooling, fits: list[AbstractPosterior]
) -> Forward:
    spikes, labels = target.batch.spikes, target.batch.labels
    signs = pack_signs(weights)
    packed = any(is_signs(w) for w in signs.values())
    inputs: Any = pack_spikes(spikes) if packed else spikes.to(target.dtype)
    with _activity(target.network) as activity:
        outputs, _ = functional_call(target.network, signs, (inputs,))
    several = isinstance(outputs, tuple)
    readouts = tuple(r.double() for r in (outputs if several else (outputs,)))
    losses = []
    for index in range(len(labels)):
        alone = tuple(r[..., index : index + 1, :] for r in readouts)
        losses.append(target.loss(alone if several else alone[0], labels[index : index + 1]))
    members = pooling.members(class_logits(readouts[-1])).exp()
    likelihood = -target.temperature.scored_steps * torch.stack(losses, dim=1)
    log_q = None
    if fits:
        doubles = {name: w.double() for name, w in weights.items()}
        rows = np.stack([as_numpy(fit.log_prob(doubles), "log_q") for fit in fits])
        log_q = np.logaddexp.reduce(rows.astype(np.float64), axis=0) - np.log(len(fits))
    return Forward(
        as_numpy(members, "probabilities"),
        as_numpy(likelihood, "log_likelihood"),
        activity,
        as_numpy(target.log_prior(weights), "log_prior"),
        log_q,
    )


@contextmanager
def _activity(network: nn.Module) -> Iterator[dict[str, np.ndarray]]:
    """Fill a dictionary with each neuron layer's mean output, `[K]`."""
    found: dict[str, np.ndarray] = {}

    def hook(name: str) -> Any:
        def measure(_module: nn.Module, _inputs: Any, output: tuple[Tensor, Any]) -> None:
            found[name] = as_numpy(output[0].flatten(1).double().mean(1), name)

        return measure

    neurons = {n: m for n, m in network.named_modules() if isinstance(m, LIF | IF | Refractory)}
    hooks = [module.register_forward_hook(hook(name)) for name, module in neurons.items()]
    try:
        yield found
    finally:
        for one in hooks:
            one.remove()
