"""learn/rules/by_group: each parameter goes by its own rule, as if it were alone."""

import pytest
import torch

from bayesnn_spike.learn import RateCrossEntropy, Temperature, learner
from bayesnn_spike.learn.credit import Credit
from bayesnn_spike.learn.estimators import Flipout, HardStraightThrough, Relaxed, Score
from bayesnn_spike.learn.optimizers import Sgd
from bayesnn_spike.learn.rules import BayesBiSNN, ByGroup, Ensemble, Gradient, StraightThrough
from bayesnn_spike.models import mlp
from bayesnn_spike.posterior import Bernoulli, Joint, Point
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch
from tests.ops import cases

PARAMS = {"input.weight": torch.ones(4, 3), "readout.weight": torch.ones(2, 4)}
REAL = Gradient(Sgd(0.1))


def bayes(estimator) -> BayesBiSNN:
    return BayesBiSNN(Temperature(10), estimator)


def test_the_first_pattern_that_matches_takes_the_parameter() -> None:
    rule = ByGroup((("readout.*", REAL), ("*", bayes(HardStraightThrough()))))
    state = rule.init(PARAMS, Stream(0))
    assert list(state) == ["readout.*", "*"]
    assert list(state["readout.*"].latents) == ["readout.weight"]
    assert list(state["*"].logits) == ["input.weight"]
    posterior = rule.posterior(state)
    assert isinstance(posterior, Joint)
    assert isinstance(posterior.parts["readout.*"], Point)
    assert isinstance(posterior.parts["*"], Bernoulli)


def test_each_group_draws_and_steps_as_alone() -> None:
    own = bayes(HardStraightThrough())
    rule = ByGroup((("readout.*", REAL), ("*", own)))
    state = rule.init(PARAMS, Stream(0))
    draw = rule.draw(state, Stream(1))
    alone = own.draw(state["*"], Stream(1).child("*"))
    assert torch.equal(draw.weights["input.weight"], alone.weights["input.weight"])
    grads = {n: cases.normal(1, *p.shape, dtype=torch.float32) for n, p in PARAMS.items()}
    after = rule.step(state, draw, Credit(torch.zeros(1), grads))
    cost = Credit(torch.zeros(1), {"input.weight": grads["input.weight"]})
    expected = own.step(state["*"], alone, cost).logits["input.weight"]
    assert torch.equal(after["*"].logits["input.weight"], expected)
    moved = state["readout.*"].latents["readout.weight"] - 0.1 * grads["readout.weight"]
    torch.testing.assert_close(after["readout.*"].latents["readout.weight"], moved)


@pytest.mark.parametrize(
    "estimator",
    [HardStraightThrough(4), Relaxed(draws=4), Score(4)],
    ids=lambda e: type(e).__name__,
)
def test_a_rule_with_one_draw_sees_the_mean_gradient_of_the_k(estimator) -> None:
    """Against K single runs of the network, differentiated one by one."""
    network = mlp(3, (4,), 2).double()
    params = {n: p.detach() for n, p in network.named_parameters()}
    rule = ByGroup((("readout.*", REAL), ("*", bayes(estimator))))
    learn = learner(rule, network, RateCrossEntropy())
    state = learn.init(Stream(0), params)
    batch = Batch(cases.spikes(5, 6, 3, dtype=torch.float64), torch.arange(6) % 2)
    after, _ = learn.update(state, batch)
    stream = Stream(int(state.seed) % (1 << 64)).child(0).child(0)
    weights = rule.draw(state.rule, stream).weights
    readout = weights["readout.weight"][0].detach().requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    for k in range(4):
        one = {"input.weight": weights["input.weight"][k].detach(), "readout.weight": readout}
        outputs, _ = torch.func.functional_call(network, one, (batch.spikes,))
        total = total + RateCrossEntropy()(outputs, batch.labels)[0] / 4
    (grad,) = torch.autograd.grad(total, readout)
    found = after.rule["readout.*"].latents["readout.weight"][0]
    torch.testing.assert_close(found, readout.detach() - 0.1 * grad)


def test_groups_of_one_draw_mix_with_flipout_and_with_ensembles() -> None:
    batch = Batch(cases.spikes(5, 6, 3), torch.arange(6) % 2)
    for rule in (
        ByGroup((("readout.*", StraightThrough()), ("*", bayes(Flipout())))),
        ByGroup((("readout.*", Ensemble(REAL, 3)), ("*", bayes(HardStraightThrough(3))))),
        ByGroup((("readout.*", Ensemble(REAL, 3)), ("*", bayes(Flipout())))),
    ):
        learn = learner(rule, mlp(3, (4,), 2), RateCrossEntropy())
        state, info = learn.update(learn.init(Stream(0)), batch)
        assert bool(torch.isfinite(info.loss))
        assert set(learn.posterior(state).sample(2, Stream(1))) == set(PARAMS)


def test_patterns_that_do_not_fit_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"no pattern of \['readout.\*'\] matches .*'input.weight'"
    ):
        ByGroup((("readout.*", REAL),)).init(PARAMS, Stream(0))
    with pytest.raises(ValueError, match=r"patterns \['head.\*'\] match no parameter of"):
        ByGroup((("head.*", REAL), ("*", REAL))).init(PARAMS, Stream(0))
    with pytest.raises(ValueError, match=r"patterns \['readout.\*'\] match no parameter"):
        ByGroup((("*", REAL), ("readout.*", REAL))).init(PARAMS, Stream(0))
