"""Pyro's stochastic variational inference as a `Learner`: a pure function of (state, batch).

Pyro gives the bound and its gradients, run as `run.py` does: on the state alone. The step is one
of `learn/optimizers.py`, for Pyro's optimizers hold state of their own. A caller's parameter
store, generator and handlers are as they were.

Oracle: tests/contracts/test_pyro.py, tests/learn/pyro_svi/test_learner.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import nn

from bayesnn_spike.checks import require_positive, require_shape
from bayesnn_spike.learn.initial import CoinFlip, Initial, initialise
from bayesnn_spike.learn.learner import Info, LearnerState
from bayesnn_spike.learn.optimizers import Adam, Optimizer
from bayesnn_spike.learn.pyro_svi.elbo import Elbo, Guide, TraceGraph
from bayesnn_spike.learn.pyro_svi.model import Loss, Model, pyro_model
from bayesnn_spike.learn.pyro_svi.run import Run, SviState
from bayesnn_spike.learn.temperature import Temperature
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch, Weights


class SviLearner(NamedTuple):
    """A `bayesnn_spike.learn.Learner`, and one function more.

    Attributes:
        init, update, posterior: as of every learner.
        parameters: state -> all parameters of model and guide by the names of `pyro.param`, in the
            space of their constraints.
    """

    init: Callable[..., LearnerState]
    update: Callable[[LearnerState, Batch], tuple[LearnerState, Info]]
    posterior: Callable[[LearnerState], Bernoulli]
    parameters: Callable[[LearnerState], Weights]


@final
@dataclass(frozen=True)
class PyroSvi:
    """Mean-field Bernoulli weights, learned by Pyro.

    Args:
        temperature: where rho comes from.
        elbo: `TraceGraph()`, `RelaxedStraightThrough()` or `Enumerated()`.
        optimizer: of the logits. Gradients are those of F in the logits, which are the natural
            gradients of `BayesBiSNN` times 1 - mu^2: confident weights move slowly.
        initial: first logits.
    """

    temperature: Temperature
    elbo: Elbo = TraceGraph()
    optimizer: Optimizer = Adam(0.05)
    initial: Initial = CoinFlip(0.5)

    def __post_init__(self) -> None:
        require_positive(self.temperature.rho, "rho")


def pyro_svi(
    method: PyroSvi,
    network: nn.Module,
    loss: Loss,
    *,
    example: Batch,
    prior: Bernoulli | None = None,
) -> SviLearner:
    """Bind Pyro's inference to a network and a loss.

    Args:
        method: what is optimised, and how.
        network: `forward(x [*K, T, B, *in], state) -> (outputs, state)`; all parameters binary.
        loss: maps (outputs, labels) to `[K]`, the mean over the batch.
        example: any batch, of which only shapes count: Pyro tells what it stores when it runs.
        prior: p0, logits by the network's names. None is fair coins.

    Returns:
        `init(stream, params=None)`, `update(state, batch)` and `posterior(state) -> Bernoulli`.
        `Info.loss` is an estimate of F = E_q[L] + rho KL(q || p0) = -rho ELBO.

    Raises:
        ValueError: as `pyro_model`; or more than 20 weights are to be enumerated.

    Oracle: tests/learn/pyro_svi/test_learner.py (the quadratic with a known rest).
    """
    model = pyro_model(network, loss, method.temperature, prior)
    own = {name: p.detach().clone() for name, p in network.named_parameters()}
    rho = method.temperature.rho
    task = Run(model, method.elbo.guide(own), method.elbo.objective(), example)
    bare = _learner(task, method.optimizer, rho)

    def init(stream: Stream, params: Weights | None = None) -> LearnerState:
        logits = initialise(method.initial, own if params is None else params, stream.child("init"))
        return bare.init(stream, {f"{n}.logits": v for n, v in logits.items()})

    return bare._replace(init=init)


def svi(
    model: Model,
    guide: Guide,
    elbo: Elbo,
    *,
    example: Batch,
    optimizer: Optimizer = Adam(0.05),
    unit: float = 1.0,
    plates: int = 0,
) -> SviLearner:
    """Make a learner of a Pyro model and a guide of one's own.

    Args:
        model: `(batch) -> anything`, with sites of `sample_signs` and a factor of `likelihood`.
        guide: `(batch) -> anything`; `elbo.guide(logits)` for the weights, called among sites of
            yours. Its weights may depend on parameters, not on sampled values.
        elbo: the bound and its gradient.
        example: any batch; model and guide are run on it to learn what they store.
        optimizer: of all parameters, in their unconstrained space.
        unit: the objective is -unit ELBO: 1 is nats, rho the unit of the loss.
        plates: nested vectorised plates that the model uses itself.

    Returns:
        `init(stream, params=None)`: params are first unconstrained values by the names of
        `pyro.param`, for those that shall not start where the model says. `posterior(state)` is
        the guide's `Signs` sites as a `Bernoulli`; `parameters(state)` has all that is learned.

    Raises:
        ValueError: (at init) model and guide differ in names or shapes of their binary weights, or
            params from those of the store; (at update) a parameter appears that the example did not
            show, or the bound is not finite; (at posterior) the guide's weights depend on sampled
            values.
    """
    require_positive(unit, "unit")
    return _learner(Run(model, guide, elbo.objective(plates), example), optimizer, unit)


def _learner(task: Run, optimizer: Optimizer, unit: float) -> SviLearner:
    def init(stream: Stream, params: Weights | None = None) -> LearnerState:
        values, averages = task.first(stream.child("init"))
        unknown = sorted(set(params or {}) - set(values))
        if unknown:
            raise ValueError(f"no parameters {unknown}; the model and the guide have {[*values]}")
        for name, value in (params or {}).items():
            require_shape(value, name, tuple(values[name].shape))
            values[name] = value.detach().clone()
        signed = int.from_bytes(
            stream.child("learn").seed.to_bytes(8, "little"), "little", signed=True
        )
        inner = SviState(values, averages, optimizer.init(values))
        return LearnerState(inner, torch.tensor(signed), torch.zeros((), dtype=torch.int64))

    def update(state: LearnerState, batch: Batch) -> tuple[LearnerState, Info]:
        stream = Stream(int(state.seed) % (1 << 64)).child(int(state.step))
        inner = state.rule
        negative_elbo, grads, averages = task.gradients(inner, batch, stream)
        grads = {name: unit * grad for name, grad in grads.items()}
        params, moved = optimizer.step(inner.params, grads, inner.optimizer)
        after = SviState(params, averages, moved)
        return (
            LearnerState(after, state.seed.clone(), state.step + 1),
            Info(torch.tensor(unit * negative_elbo, dtype=torch.float32)),
        )

    return SviLearner(
        init,
        update,
        lambda state: task.posterior(state.rule),
        lambda state: task.parameters(state.rule),
    )
