"""A model, a guide and an objective of Pyro, run on a state instead of on globals.

Pyro keeps parameters in a global store and draws from torch's global generator. Here the store is
swapped for one that is filled from the state and read back, and the generator is forked and seeded
from a stream.

Oracle: tests/learn/pyro_svi/test_run.py, tests/contracts/test_pyro.py.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, final

import pyro
import torch
from pyro import poutine
from pyro.infer import ELBO

from bayesnn_spike.learn.pyro_svi.elbo import AVERAGE, Guide
from bayesnn_spike.learn.pyro_svi.model import Model
from bayesnn_spike.learn.pyro_svi.signs import Signs
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch, Weights


class SviState(NamedTuple):
    """What Pyro's store would hold, and the step's state; tensors only.

    Attributes:
        params: unconstrained parameters by the names of `pyro.param`.
        averages: Pyro's decaying averages of costs, by site; not learned by gradients.
        optimizer: whatever the step keeps.
    """

    params: Weights
    averages: Weights
    optimizer: Any


@final
@dataclass(frozen=True)
class Run:
    """A model, a guide and an objective, run inside a store and a generator of their own."""

    model: Model
    guide: Guide
    objective: ELBO
    example: Batch

    @cached_property
    def constraints(self) -> dict[str, Any]:
        """Of all parameters that Pyro stores, found by running once."""
        with _own_globals(Stream(0)) as store:
            self._check_sites()
            self._backward(self.example)
            return dict(store.get_state()["constraints"])

    def first(self, stream: Stream) -> tuple[Weights, Weights]:
        """Return parameters as the model and the guide start them, and averages of zero."""
        with _own_globals(stream) as store:
            self._check_sites()
            self._backward(self.example)
            found = {n: v.detach().clone() for n, v in store.named_parameters()}
        params = {n: v for n, v in found.items() if not n.startswith(AVERAGE)}
        averages = {n: v.zero_() for n, v in found.items() if n.startswith(AVERAGE)}
        return params, averages

    def gradients(
        self, state: SviState, batch: Batch, stream: Stream
    ) -> tuple[float, Weights, Weights]:
        """Return -ELBO in nats, its gradients by parameter, and the next averages."""
        with self._filled(state, stream) as (store, leaves):
            value = self._backward(batch)
            after = dict(store.named_parameters())
        new = sorted(set(after) - set(state.params) - set(state.averages))
        if new:
            raise ValueError(
                f"parameters {new} appeared that the example batch did not show: every call of the "
                "model and the guide must name the same parameters"
            )
        grads = {
            n: torch.zeros_like(v) if leaves[n].grad is None else leaves[n].grad
            for n, v in state.params.items()
        }
        return value, grads, {n: after[n].detach() for n in state.averages}

    def posterior(self, state: SviState) -> Bernoulli:
        """Return the guide's binary sites."""
        found = []
        for seed in (0, 1):
            with self._filled(state, Stream(seed)), torch.no_grad():
                sites = _sign_sites(self.guide, self.example)
                found.append({n: site.logits.detach().clone() for n, site in sites.items()})
        for name, logits in found[0].items():
            if not torch.equal(logits, found[1][name]):
                raise ValueError(
                    f"the guide's {name} depends on sampled values, so that its weights are not "
                    "independent: let it depend on parameters only"
                )
        return Bernoulli(found[0])

    def parameters(self, state: SviState) -> Weights:
        """Return all parameters in the space of their constraints."""
        with self._filled(state, Stream(0)) as (store, _):
            return {n: store[n].detach().clone() for n in state.params}

    @contextmanager
    def _filled(self, state: SviState, stream: Stream) -> Iterator[tuple[Any, Weights]]:
        leaves = {n: v.detach().clone().requires_grad_() for n, v in state.params.items()}
        averages = {n: v.detach().clone() for n, v in state.averages.items()}
        contents = {"params": {**leaves, **averages}, "constraints": self.constraints}
        with _own_globals(stream, contents) as store:
            yield store, leaves

    def _backward(self, batch: Batch) -> float:
        """Return -ELBO in nats, and leave its gradients at the parameters."""
        value = float(self.objective.loss_and_grads(self.model, self.guide, batch))
        if not math.isfinite(value):
            raise ValueError(f"the bound is not finite ({-value}): lower the step size or the gain")
        return value

    def _check_sites(self) -> None:
        """Compare the binary sites of guide and model before Pyro does, in our words."""
        with torch.no_grad():
            ours, theirs = (
                _shapes(_sign_sites(fn, self.example)) for fn in (self.guide, self.model)
            )
        if ours != theirs:
            raise ValueError(f"the guide has binary weights {ours}, the model {theirs}")


def _sign_sites(fn: Callable[[Batch], Any], batch: Batch) -> dict[str, Signs]:
    nodes = poutine.trace(fn).get_trace(batch).nodes.values()
    return {n["name"]: n["fn"] for n in nodes if isinstance(n.get("fn"), Signs)}


def _shapes(sites: Mapping[str, Signs]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(sites[name].event_shape) for name in sorted(sites)}


@contextmanager
def _own_globals(stream: Stream, contents: Any = None) -> Iterator[Any]:
    """Give Pyro a parameter store, a seeded generator and a stack of handlers for one call."""
    cuda = torch.cuda.default_generators if torch.cuda.is_initialized() else ()
    devices = range(len(cuda))
    store = pyro.get_param_store()
    seed = stream.seed & 0x7FFFFFFFFFFFFFFF  # torch's seeds are signed
    with poutine.block(), torch.random.fork_rng(devices), store.scope(contents):
        for generator in (torch.default_generator, *cuda):
            generator.manual_seed(seed)
        yield store
