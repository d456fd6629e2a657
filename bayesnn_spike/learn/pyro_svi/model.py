"""Our network in a model of Pyro: sites of binary weights, and the tempered likelihood.

    weights = sample_signs(shapes, prior)                      one site a parameter
    likelihood(network, loss, weights, batch, temperature)     the data's factor, exp(-L / rho)

Two calls are all that a model of one's own needs; what stands around them is plain Pyro.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pyro
import torch
from pyro.ops.provenance import detach_provenance, get_provenance, track_provenance
from torch import Tensor, nn
from torch.func import functional_call

from bayesnn_spike.checks import require_positive, require_same_names
from bayesnn_spike.learn.binary import binary_shapes
from bayesnn_spike.learn.pyro_svi.signs import Signs
from bayesnn_spike.learn.temperature import Temperature
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.posterior.flat import Shapes, shapes_of
from bayesnn_spike.types import Batch, Weights
from bayesnn_spike.weights import is_signs, pack_signs, pack_spikes

OTHERWISE = (
    "write a Pyro model of your own with sample_signs for the binary ones and pyro.param for these"
)

Loss = Callable[[Any, Tensor], Tensor]
Model = Callable[[Batch], None]


def pyro_model(
    network: nn.Module, loss: Loss, temperature: Temperature, prior: Bernoulli | None = None
) -> Model:
    """Return prior times tempered likelihood as a Pyro model `(batch) -> None`.

        log p(w, batch) = log p0(w) - L(w) / rho

    the log density of `bayesnn_spike.learn.target.Target`, in nats.

    Args:
        network: `forward(x [*K, T, B, *in], state) -> (outputs, state)`; all parameters binary.
        loss: maps (outputs, labels) to `[K]`, the mean over the batch.
        temperature: where rho comes from.
        prior: p0, logits by the network's names. None is fair coins.

    Raises:
        ValueError: rho is 0, the prior's names or shapes differ, or a parameter cannot be binary:
            it is no floating-point tensor, or of a normalisation layer or a neuron.

    Oracle: tests/learn/pyro_svi/test_model.py (enumeration).
    """
    require_positive(temperature.rho, "rho")
    shapes = binary_shapes(network, otherwise=OTHERWISE)
    logits = None if prior is None else prior.logits
    if logits is not None and shapes_of(logits) != shapes:
        raise ValueError(f"the prior has {shapes_of(logits)}, the network {shapes}")
    like = {name: p.detach() for name, p in network.named_parameters()}

    def model(batch: Batch) -> None:
        before = {
            name: torch.zeros_like(p) if logits is None else logits[name].to(p)
            for name, p in like.items()
        }
        weights = sample_signs(shapes, before)
        likelihood(network, loss, weights, batch, temperature)

    return model


def sample_signs(
    shapes: Shapes, logits: Mapping[str, Tensor] | Tensor, *, tau: float | None = None
) -> Weights:
    """Sample binary weights, one Pyro site a parameter, named after it.

    Args:
        shapes: names and shapes of the parameters, `shapes_of(dict(network.named_parameters()))`.
        logits: natural parameters (half log-odds) by name, `[*batch, *shape]`; or one number for
            all weights, a tensor `[*batch]`, such as the logit of a sampled p0.
        tau: gives draws a straight-through gradient; None in a model.

    Returns:
        Weights `[*batch, *shape]`.
    """
    if isinstance(logits, Mapping):
        require_same_names(logits, shapes, "logits", "the network's parameters")
    weights = {}
    for name, shape in shapes.items():
        if isinstance(logits, Mapping):
            values = logits[name]
        else:
            values = logits.reshape(*logits.shape, *(1 for _ in shape)).expand(
                *logits.shape, *shape
            )
        weights[name] = pyro.sample(name, Signs(values, len(shape), tau=tau))
    return weights


def likelihood(
    network: nn.Module,
    loss: Loss,
    weights: Weights,
    batch: Batch,
    temperature: Temperature,
    *,
    name: str = "likelihood",
) -> Tensor:
    """Add the factor exp(-L(w) / rho) to a Pyro model, and return -L(w) / rho `[*batch]`.

    All batch axes of the weights (vectorised particles, enumerated values) become the one leading
    K of a network: they run side by side, and on the packed engine where no gradient in w is asked
    for.

    Args:
        network: as in `pyro_model`; parameters that `weights` leaves out are the network's own.
        loss: maps (outputs, labels) to `[K]`. It may hold real parameters of yours: a gain as a
            `pyro.param`, or sampled, `[*batch]` flattened to `[K]`.
        weights: by name, `[*batch, *shape]`.
        batch: spikes `[T, B, *in]` and labels `[B]`; L is their mean loss, whatever B is.
        temperature: where rho comes from; its examples are those of the whole training set.
        name: of the factor.

    Raises:
        ValueError: rho is 0, or the loss is not `[K]` or not finite.
    """
    require_positive(temperature.rho, "rho")
    found = -mean_losses(network, loss, weights, batch) / temperature.rho
    pyro.factor(name, found)
    return found


def mean_losses(network: nn.Module, loss: Loss, weights: Weights, batch: Batch) -> Tensor:
    """Return L of every network of weights `[*batch, *shape]`, as `[*batch]`."""
    # Layers know nothing of the tensor type by which TraceGraph_ELBO follows what depends on what.
    origin = get_provenance(weights)
    plain = detach_provenance(weights)
    ranks = {n: p.ndim for n, p in network.named_parameters()}
    leading = {n: w.shape[: w.ndim - ranks[n]] for n, w in plain.items()}
    axes = torch.broadcast_shapes(*leading.values())
    flat = {
        n: w.expand(*axes, *w.shape[len(leading[n]) :]).reshape(-1, *w.shape[len(leading[n]) :])
        for n, w in plain.items()
    }
    weighed = pack_signs(flat)
    packed = any(is_signs(w) for w in weighed.values())
    spikes = pack_spikes(batch.spikes) if packed else batch.spikes
    outputs, _ = functional_call(network, weighed, (spikes,))
    losses = loss(outputs, batch.labels)
    if tuple(losses.shape) != (axes.numel(),):
        raise ValueError(
            f"a loss must return one value a draw, [{axes.numel()}], got {tuple(losses.shape)}"
        )
    if not bool(torch.isfinite(losses.detach()).all()):
        raise ValueError("the loss is not finite: lower the step size or the gain")
    return track_provenance(losses.reshape(axes), origin)
