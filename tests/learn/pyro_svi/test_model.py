"""learn/pyro_svi/model: Pyro's log density of our networks, and what is no binary network."""

import pyro
import pytest
import torch
from pyro import poutine
from torch import nn

from bayesnn_spike.learn import RateCrossEntropy, Temperature
from bayesnn_spike.learn.pyro_svi import likelihood, pyro_model, sample_signs
from bayesnn_spike.learn.pyro_svi.model import mean_losses
from bayesnn_spike.learn.target import Target
from bayesnn_spike.models import mlp
from bayesnn_spike.nn import Fold, Linear, Sequential
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.types import Batch
from bayesnn_spike.weights import is_signs
from tests.learn.pyro_svi import problem
from tests.oracles import enumeration as exact

TABLE = exact.split(exact.sign_table(10), exact.parameters(problem.NETWORK))
SHAPES = {"input.weight": (2, 3), "readout.weight": (2, 2)}


def log_density(model, weights, batch) -> torch.Tensor:
    """The sum of all sites' log probabilities at given weights, `[K]`."""
    conditioned = poutine.condition(model, data=weights)
    with pyro.get_param_store().scope():
        trace = poutine.trace(conditioned).get_trace(batch)
    trace.compute_log_prob()
    return sum(site["log_prob"] for site in trace.nodes.values() if site["type"] == "sample")


@pytest.mark.parametrize("given", [None, problem.PRIOR], ids=["fair coins", "a prior"])
def test_its_log_density_is_that_of_the_target(given) -> None:
    prior = None if given is None else Bernoulli(problem.by_name(given))
    pieces = (problem.NETWORK, problem.LOSS)
    target = Target(*pieces, problem.BATCH, problem.TEMPERATURE, prior)
    model = pyro_model(*pieces, problem.TEMPERATURE, prior)
    found = log_density(model, TABLE, problem.BATCH)
    torch.testing.assert_close(found, target.log_prob(TABLE))


def test_all_batch_axes_become_one_k() -> None:
    """Values of two sites on axes of their own are the table of all networks."""
    shapes = problem.NETWORK
    first = exact.sign_table(6).view(64, 1, 2, 3)
    second = exact.sign_table(4).view(16, 2, 2)
    weights = {"input.weight": first, "readout.weight": second}
    found = mean_losses(shapes, problem.LOSS, weights, problem.BATCH)
    torch.testing.assert_close(found, problem.LOSSES.view(64, 16))


def test_one_network_has_no_batch_axis() -> None:
    weights = {n: w[77] for n, w in TABLE.items()}
    found = mean_losses(problem.NETWORK, problem.LOSS, weights, problem.BATCH)
    assert found.shape == ()
    torch.testing.assert_close(found, problem.LOSSES[77])


def test_draws_without_a_gradient_go_to_the_packed_engine() -> None:
    seen = []

    class Watching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Linear(3, 2)

        def forward(self, x, state=None):
            seen.append(is_signs(self.inner.weight))
            return self.inner(x), None

    network, batch = Watching(), Batch(problem.BATCH.spikes.float(), problem.BATCH.labels)
    weights = {"inner.weight": exact.sign_table(6).float().view(-1, 2, 3)}
    fast = mean_losses(network, problem.LOSS, weights, batch)
    leaf = {n: w.clone().requires_grad_() for n, w in weights.items()}
    slow = mean_losses(network, problem.LOSS, leaf, batch)
    assert seen == [True, False]
    torch.testing.assert_close(fast, slow.detach())
    assert slow.requires_grad


def test_one_number_is_the_logit_of_every_weight() -> None:
    shared = torch.tensor([0.3, -1.0], dtype=torch.float64)
    with poutine.trace() as traced:
        weights = sample_signs(SHAPES, shared)
    for name, shape in SHAPES.items():
        site = traced.trace.nodes[name]["fn"]
        assert weights[name].shape == (2, *shape)
        assert torch.equal(site.logits, shared.view(2, 1, 1).expand(2, *shape))


def test_parameters_that_are_not_given_are_the_network_s_own() -> None:
    network = problem.NETWORK
    weights = {"input.weight": TABLE["input.weight"]}
    full = {**weights, "readout.weight": network.readout.weight.detach().expand(1024, 2, 2)}
    found = mean_losses(network, problem.LOSS, weights, problem.BATCH).detach()
    torch.testing.assert_close(found, mean_losses(network, problem.LOSS, full, problem.BATCH))


def normalised(**options) -> Sequential:
    return Sequential(a=Linear(3, 2), norm=Fold(nn.BatchNorm1d(2, **options), feature_dims=1))


def integers() -> nn.Module:
    network = nn.Module()
    network.codes = nn.Parameter(torch.zeros(3, dtype=torch.int64), requires_grad=False)
    return network


def run_model(**change) -> None:
    pieces = {"network": mlp(3, (2,), 2), "loss": RateCrossEntropy(), "temperature": Temperature(4)}
    pyro_model(**(pieces | change))(problem.BATCH._replace(spikes=problem.BATCH.spikes.float()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: run_model(temperature=Temperature(4, tempering=0.0)), "rho must be positive"),
        (
            lambda: run_model(prior=Bernoulli({"w": torch.zeros(2)})),
            "the prior has {'w': \\(2,\\)}",
        ),
        (
            lambda: run_model(network=normalised()),
            "norm.*weight, .*of BatchNorm1d are real numbers",
        ),
        (lambda: run_model(network=integers()), "codes is torch.int64"),
        (lambda: run_model(network=nn.Module()), "no parameters to sample"),
        (
            lambda: run_model(loss=lambda r, y: torch.zeros(())),
            "one value a draw, \\[1\\], got \\(\\)",
        ),
        (
            lambda: run_model(loss=lambda r, y: torch.full((1,), torch.nan)),
            "the loss is not finite",
        ),
        (
            lambda: likelihood(
                problem.NETWORK, problem.LOSS, {}, problem.BATCH, Temperature(4, tempering=0.0)
            ),
            "rho must be positive",
        ),
        (
            lambda: sample_signs(SHAPES, {"input.weight": torch.zeros(2, 3)}),
            "logits does not match the network's parameters: missing \\['readout.weight'\\]",
        ),
    ],
)
def test_guards(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
