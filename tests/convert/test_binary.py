"""convert/binary: signs with a gain, and logits whose mean is the converted network."""

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import bernoulli_prior, binarise, convert, hidden_synapses
from bayesnn_spike.encoding import Direct, direct
from bayesnn_spike.learn import RateCrossEntropy, Temperature, learner
from bayesnn_spike.learn.initial import Given
from bayesnn_spike.learn.rules import BayesBiSNN
from bayesnn_spike.nn import Graph
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.predict import MeanParameter, predict
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch
from tests.convert.nets import chain, images, mlp, residual

X = images(20, 50)


def converted(bias: bool = False) -> Graph:
    return convert(mlp(bias), X, encoder=Direct(16)).network


def test_hidden_layers_are_between_neurons() -> None:
    assert hidden_synapses(converted()) == ["2", "4"]
    x = images(8, 1, 8, 8)
    assert hidden_synapses(convert(chain(), x, encoder=Direct(8)).network) == ["conv2", "fc1"]
    blocks = hidden_synapses(convert(residual(), x, encoder=Direct(8)).network)
    assert blocks == [
        *("blocks_0_one", "blocks_0_two", "blocks_1_one", "blocks_1_two", "blocks_1_short")
    ]


@pytest.mark.parametrize("bias", [False, True])
def test_signs_times_the_mean_size(bias: bool) -> None:
    net = converted(bias)
    made = binarise(net)
    for name in ("2", "4"):
        before, after = net.get_submodule(name), made.get_submodule(name)
        assert set(after.weight.unique().tolist()) == {-1.0, 1.0}
        gain = before.weight.abs().mean()
        assert after.scale == pytest.approx(float(gain.detach()))
        x = torch.rand(2, 3, 64)
        biased = before.bias if bias else 0
        torch.testing.assert_close(
            after(x), x @ (before.weight.sign() * gain).T + biased, rtol=1e-4, atol=1e-5
        )
        # the best single gain in the sense of least squares
        for other in (0.9, 1.1):
            residue = [(before.weight - g * gain * after.weight).square().sum() for g in (1, other)]
            assert residue[0] < residue[1]
    assert torch.equal(made.get_submodule("0").weight, net.get_submodule("0").weight)
    assert torch.equal(made.get_submodule("3").v_threshold, net.get_submodule("3").v_threshold)
    assert net.get_submodule("2").scale == 1


def test_a_network_of_signs_is_unchanged() -> None:
    net = binarise(converted())
    twice = binarise(net)
    torch.testing.assert_close(twice(direct(X, 8))[0], net(direct(X, 8))[0])


def test_chosen_layers() -> None:
    made = binarise(converted(), ["6"])
    assert set(made.get_submodule("6").weight.unique().tolist()) == {-1.0, 1.0}
    assert made.get_submodule("2").scale == 1
    with pytest.raises(ValueError, match="'3' is no layer with weights"):
        binarise(converted(), ["3"])
    with pytest.raises(ValueError, match="'no' is no layer with weights"):
        bernoulli_prior(converted(), ["no"])
    for made in (binarise, bernoulli_prior):
        with pytest.raises(TypeError, match=r"several, as \('2',\), got the string '2'"):
            made(converted(), "2")
    net = converted()
    with torch.no_grad():
        net.get_submodule("2").weight.zero_()
    with pytest.raises(ValueError, match="weights of '2' are all 0"):
        binarise(net)
    shallow = nn.Sequential(nn.Linear(50, 3), nn.ReLU(), nn.Linear(3, 2))
    with pytest.raises(ValueError, match="no hidden layer of weights; give names"):
        binarise(convert(shallow, X, encoder=Direct(8)).network)


@pytest.mark.parametrize("bias", [False, True])
def test_the_mean_network_is_the_converted_one(bias: bool) -> None:
    net = converted(bias)
    found = bernoulli_prior(net, limit=20.0)
    assert found.clipped == {"2.weight": 0.0, "4.weight": 0.0}
    answers = [
        predict(*pair, direct(X, 16), stream=Stream(0), how=MeanParameter()).probabilities
        for pair in (
            (found.network, Bernoulli(found.logits)),
            (net, Bernoulli({})),
        )
    ]
    torch.testing.assert_close(answers[0], answers[1], rtol=1e-3, atol=1e-4)
    scale = float(net.get_submodule("2").weight.abs().max().detach())
    assert found.network.get_submodule("2").scale == pytest.approx(scale)


def test_clipping_by_hand() -> None:
    net = converted()
    weight = net.get_submodule("2").weight.detach()
    found = bernoulli_prior(net, ["2"], spread=0.5, limit=3.0)
    scale = 0.5 * float(weight.abs().max())
    mean = (weight / scale).clamp(-1, 1)
    torch.testing.assert_close(
        found.logits["2.weight"].tanh(), mean.clamp(-0.99505, 0.99505), rtol=1e-3, atol=1e-4
    )
    assert found.clipped["2.weight"] == pytest.approx(float((weight.abs() > scale).double().mean()))
    assert float(found.logits["2.weight"].abs().max()) == 3.0
    with pytest.raises(ValueError, match="spread"):
        bernoulli_prior(net, spread=1.5)
    with pytest.raises(ValueError, match="limit"):
        bernoulli_prior(net, limit=0)


def test_bayes_bisnn_goes_on_from_the_prior() -> None:
    found = bernoulli_prior(converted())
    rule = BayesBiSNN(Temperature(examples=20), initial=Given())
    learn = learner(rule, found.network, RateCrossEntropy())
    state = learn.init(Stream(1), params=found.logits)
    state = state._replace(rule=state.rule._replace(prior=found.logits))
    for name, values in learn.posterior(state).logits.items():
        torch.testing.assert_close(values, found.logits[name])
    after, info = learn.update(state, Batch(direct(X, 8), torch.arange(20) % 10))
    assert bool(info.loss.isfinite())
    moved = learn.posterior(after)
    assert float(moved.kl(Bernoulli(found.logits))) > 0
    draws = predict(found.network, moved, direct(X, 8), stream=Stream(2)).members
    assert draws.shape == (30, 20, 10)
