"""K draws are K whole networks, whichever layers were drawn."""

from dataclasses import fields

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import bernoulli_prior, convert
from bayesnn_spike.encoding import Direct, SignedRate, direct
from bayesnn_spike.energy import Counts, Paper, Strict, compare, cost, count, neurobench_metrics
from bayesnn_spike.nn import Linear, Sequential
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.rng import Stream
from tests.energy.brute import filled, near, numbers_like, small_snn, spikes_like


def beside(alone: list[Counts]) -> Counts:
    """Single counts, put together."""
    one, *others = alone
    for other in others:
        one = one.beside(other)
    return one


def test_k_draws_are_k_networks() -> None:
    network, x = small_snn(), spikes_like(4, 3, 2, 6, 6)
    posterior = Bernoulli({n: numbers_like(*p.shape) for n, p in network.named_parameters()})
    drawn = posterior.sample(5, Stream(3))
    before = {n: p.clone() for n, p in network.named_parameters()}
    together = count(network, x, weights=drawn)
    dense = {n: w.dense() for n, w in drawn.items()}
    assert count(network, x, weights=dense) == together
    alone = [count(network, x, weights={n: w[k] for n, w in dense.items()}) for k in range(5)]
    assert together.draws == 5
    assert all(s.binary for s in together.synapses)
    assert together == beside(alone)
    for index, s in enumerate(together.synapses):
        ones = [c.synapses[index] for c in alone]
        for what in ("applications", "dense", "ops", "effective", "weighted", "spikes", "outputs"):
            assert getattr(s, what) == sum(getattr(one, what) for one in ones)
    for index, n in enumerate(together.neurons):
        assert n.updates == sum(c.neurons[index].updates for c in alone)
        assert n.nonzero == sum(c.neurons[index].nonzero for c in alone)
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.detach(), before[name])


def test_zero_weights_of_each_draw_meet_the_inputs_of_that_draw() -> None:
    network, x = small_snn(), spikes_like(4, 3, 2, 6, 6)
    drawn = {}
    for index, (name, p) in enumerate(network.named_parameters()):
        values = numbers_like(3, *p.shape, seed=index)
        drawn[name] = values * spikes_like(*values.shape, rate=0.6, seed=9 + index)
    together = count(network, x, weights=drawn)
    alone = [count(network, x, weights={n: w[k] for n, w in drawn.items()}) for k in range(3)]
    for index, s in enumerate(together.synapses):
        assert s.effective == sum(c.synapses[index].effective for c in alone)
        assert s.effective < s.ops


@pytest.fixture(scope="module")
def prior() -> tuple:
    """Drawn hidden signs behind a real first layer: the network, and five draws of it."""
    images = numbers_like(6, 20).abs().clamp(max=1)
    ann = nn.Sequential(
        *(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 5)),
    )
    made = bernoulli_prior(convert(filled(ann).eval(), images, encoder=Direct(8)).network)
    drawn = Bernoulli(made.logits).sample(5, Stream(1))
    assert list(drawn) == ["2.weight"]
    return made.network, images, drawn


@pytest.mark.parametrize("coded", [False, True], ids=["direct", "spikes"])
def test_layers_before_the_first_drawn_one_count_k_times(prior: tuple, coded: bool) -> None:
    network, images, drawn = prior
    x = SignedRate(8, Stream(3)).encode(images) if coded else direct(images, 8)
    together = count(network, x, weights=drawn)
    alone = [count(network, x, weights={n: w[k] for n, w in drawn.items()}) for k in range(5)]
    assert together.draws == 5
    assert (alone[0].synapses[0].applications, alone[0].neurons[0].updates) == (48, 48 * 32)
    for index, (s, n) in enumerate(zip(together.synapses, together.neurons, strict=False)):
        for field in fields(s):
            value = getattr(s, field.name)
            if type(value) in (int, float) and field.name not in ("area", "fan_in"):
                assert value == near(sum(getattr(c.synapses[index], field.name) for c in alone))
        assert n.updates == sum(c.neurons[index].updates for c in alone)
        assert n.nonzero == sum(c.neurons[index].nonzero for c in alone)
        assert n.membrane_updates == sum(c.neurons[index].membrane_updates for c in alone)
    # The first layer and its neurons do the same in every network.
    assert together.synapses[0] == alone[0].times(5).synapses[0]
    assert together.neurons[0] == alone[0].times(5).neurons[0]
    for accounting in (Paper(), Strict(), Strict(hold_analog=True)):
        joules = [cost(c, accounting=accounting).joules for c in alone]
        assert cost(together, accounting=accounting).joules == near(sum(joules))
    acs = [neurobench_metrics(c)["Effective_ACs"] for c in alone]
    assert neurobench_metrics(together)["Effective_ACs"] == near(sum(acs))


def test_spikes_and_break_even_of_a_layer_before_the_first_drawn_one(prior: tuple) -> None:
    network, images, drawn = prior
    x = SignedRate(8, Stream(3)).encode(images)
    found = compare(count(network, x, weights=drawn)).layers[0]
    spikes = float(x.abs().sum()) / 6 / 20  # of an input in eight steps
    assert found.spikes == near(spikes)
    assert found.rate == near(spikes / 8)
    # Five networks pay eight times for 32 biases and comparisons, and for every spike that resets.
    fired = count(network, x).neurons[0].nonzero / 6
    fixed = 5 * (8 * 32 * 2 + fired) * 0.9
    limit = (640 * 4.6 + 32 * 0.9 - fixed) / (5 * 640 * 0.9)  # the ANN adds its biases once
    assert found.break_even == near(limit)
    assert found.break_even_rate == near(limit / 8)
    assert found.snn.joules == near((5 * 640 * spikes * 0.9 + fixed) * 1e-12)


def test_one_draw_that_all_share() -> None:
    network, x = filled(Sequential(one=Linear(6, 4), two=Linear(4, 2))), spikes_like(4, 3, 6)
    drawn = {"one.weight": numbers_like(1, 4, 6), "two.weight": numbers_like(3, 2, 4)}
    found = count(network, x, weights=drawn)
    assert [s.applications for s in found.synapses] == [36, 36]
    assert [s.weights for s in found.synapses] == [72, 24]
    with pytest.raises(ValueError, match=r"one number of draws K, got .*2.*3"):
        count(network, x, weights={**drawn, "one.weight": numbers_like(2, 4, 6)})


def test_weights_with_draws_of_their_own_are_refused() -> None:
    network = Sequential(one=Linear(6, 4))
    network.one.weight = nn.Parameter(numbers_like(3, 4, 6))
    with pytest.raises(ValueError, match=r"one: .* \(3, 4, 6\).* give draws to count as weights="):
        count(network, spikes_like(4, 3, 6))
