"""convert: rates become activations, argmax survives, and nothing of the user's is touched."""

import copy

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import Maximum, NeuronOptions, convert, curve
from bayesnn_spike.encoding import Direct, SignedRate, direct
from bayesnn_spike.neurons import Delayed, Immediate
from bayesnn_spike.nn import dropout_noise
from bayesnn_spike.rng import Stream
from tests.convert.nets import Function, chain, images, mlp, residual, seeded

CONSTANT = Direct(64)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("order", [Immediate(), Delayed()])
def test_an_mlp_converges_to_its_logits(bias: bool, order: Immediate | Delayed) -> None:
    ann, x = mlp(bias), images(100, 50)
    made = convert(ann, x, encoder=CONSTANT, neuron=NeuronOptions(order=order))
    logits = ann(x).detach()
    found = curve(made.network, x, logits.argmax(1), encoder=CONSTANT, steps=(256, 2048))
    assert found.accuracy[0] >= 0.95
    assert found.accuracy[1] >= 0.98
    descaled = made.descale(found.readouts[1], 2048)
    assert float((descaled - logits).abs().max() / logits.abs().max()) < 0.01
    product = torch.stack([made.network.get_submodule(n).v_threshold for n in "135"]).prod()
    torch.testing.assert_close(made.scales["6"], product)


def test_rate_coded_input_converges_in_the_mean() -> None:
    ann, x = mlp(), images(60, 50)
    made = convert(ann, x, encoder=SignedRate(64, Stream(1)))
    code = SignedRate(1, Stream(2))
    found = curve(made.network, x, ann(x).argmax(1), encoder=code, steps=(1024,))
    assert found.accuracy[0] >= 0.95


def test_a_leak_keeps_rates_away_from_the_activations() -> None:
    ann, x = mlp(), images(100, 50)
    logits = ann(x).detach()
    errors = {}
    for leak in (1.0, 0.95):
        made = convert(ann, x, encoder=CONSTANT, neuron=NeuronOptions(leak=leak))
        found = curve(made.network, x, logits.argmax(1), encoder=CONSTANT, steps=(1024,))
        errors[leak] = float((made.descale(found.readouts[0], 1024) - logits).abs().mean())
    assert errors[0.95] > 20 * errors[1.0]


@pytest.mark.parametrize("order", [Immediate(), Delayed()])
def test_a_residual_network_with_norms_and_biases(order: Immediate | Delayed) -> None:
    ann, x = residual(), images(20, 1, 8, 8)
    made = convert(ann, x, encoder=Direct(32), neuron=NeuronOptions(order=order))
    logits = ann(x).detach()
    found = curve(made.network, x, logits.argmax(1), encoder=CONSTANT, steps=(256, 2048))
    errors = [
        float((made.descale(sums, t) - logits).abs().max() / logits.abs().max())
        for t, sums in zip(found.steps, found.readouts, strict=True)
    ]
    assert errors[1] < 0.03
    assert errors[0] > 4 * errors[1]  # it falls as 1 / T


def test_a_junction_equals_the_corrected_skip() -> None:
    """With V on the main branch the skip must be multiplied by 1 / V; with V = 1 by nothing."""
    net = Function(
        lambda self, x: self.head((self.b(self.a(x).relu()) + x).relu()),
        a=nn.Linear(6, 6, bias=False),
        b=nn.Linear(6, 6, bias=False),
        head=nn.Linear(6, 3, bias=False),
    )
    ann, x = seeded(net), images(30, 6) / 2
    for value in (1.0, 4.0):
        fixed = Maximum(fixed=(("relu", value), ("relu_1", 4.0)))
        made = convert(ann, x, thresholds=fixed, encoder=CONSTANT)
        assert made.network.add.gain0 == 1
        assert float(made.network.add.gain1) == 1 / value
        logits = ann(x).detach()
        found = curve(made.network, x, logits.argmax(1), encoder=CONSTANT, steps=(2048,))
        rough = float((made.descale(found.readouts[0], 2048) - logits).abs().max())
        assert rough < 0.03 * float(logits.abs().max())


def test_homogeneity_of_the_whole_network() -> None:
    ann, x = chain(), images(20, 1, 8, 8)
    loud = copy.deepcopy(ann)
    with torch.no_grad():
        loud.conv2.weight.mul_(4)  # a power of two: exact in floating point
    one, other = (convert(net, x, encoder=Direct(20)) for net in (ann, loud))
    assert float(other.network.relu2.v_threshold) == 4 * float(one.network.relu2.v_threshold)
    torch.testing.assert_close(
        other.network(direct(x, 20))[0], one.network(direct(x, 20))[0], rtol=0, atol=0
    )


def test_the_users_network_is_not_changed_and_repeats_agree() -> None:
    ann, x = chain().train(), images(20, 1, 8, 8)
    before = copy.deepcopy(ann.state_dict())
    one, other = (convert(ann, x, thresholds=Maximum(0.7), encoder=Direct(9)) for _ in range(2))
    assert ann.training
    assert all(torch.equal(value, before[name]) for name, value in ann.state_dict().items())
    for name, value in one.network.state_dict().items():
        assert torch.equal(value, other.network.state_dict()[name])
    assert one.report == other.report


def test_too_few_steps_for_the_delayed_order_are_refused_with_the_reason() -> None:
    x, delayed = images(10, 50), NeuronOptions(order=Delayed())
    with pytest.raises(ValueError, match="exact chance; take at least 4 steps"):
        convert(mlp(), x, encoder=Direct(3), neuron=delayed)
    made = convert(mlp(), x, encoder=Direct(16), neuron=delayed)
    with pytest.raises(ValueError, match="3 time steps cannot cross 3 spiking layers"):
        made.network(direct(x, 3))
    readout, state = made.network(direct(x, 4))
    assert readout[:3].abs().sum() == 0
    made.network(direct(x, 1), state)


def test_the_readout_is_the_sum_of_its_currents() -> None:
    """U_T = sum_t W s_t, without leak and reset, whatever the neurons do."""
    x = images(10, 50)
    made = convert(mlp(), x, encoder=Direct(16), neuron=NeuronOptions(leak=0.9))
    spikes = []
    made.network.get_submodule("5").register_forward_hook(lambda m, i, o: spikes.append(o[0]))
    readout, _ = made.network(direct(x, 16))
    by_hand = spikes[0].sum(0) @ made.network.get_submodule("6").weight.T
    torch.testing.assert_close(readout.sum(0), by_hand)


def test_dropout_masks_are_held_over_time() -> None:
    x = images(10, 1, 8, 8)
    made = convert(chain(), x, encoder=Direct(16), thresholds=Maximum(0.3)).network
    seen: list = []
    made.drop2.register_forward_hook(lambda m, inputs, output: seen.append((inputs[0], output)))
    weights = dict(made.named_parameters())
    for number in (1, 1, 2):
        noise = dropout_noise(made, Stream(number), 1)
        torch.func.functional_call(made, weights | noise, (direct(x, 16),))
    made(direct(x, 16))
    masks = []
    for before, after in seen[:3]:
        fired = before > 0
        assert set(after[fired].unique().tolist()) == {0.0, 1.25}
        dropped, kept = fired & (after == 0), fired & (after > 0)
        assert not bool((dropped.any(0) & kept.any(0)).any())  # one unit, one fate
        masks.append(kept.any(0))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])
    assert torch.equal(*seen[3])


def test_weights_may_have_a_draw_axis() -> None:
    x = images(4, 1, 8, 8)
    made = convert(chain(), x, encoder=Direct(6)).network
    one, _ = made(direct(x, 6))
    weights = {n: torch.stack([p, p]) for n, p in made.named_parameters()}
    two, _ = torch.func.functional_call(made, weights, (direct(x, 6),))
    torch.testing.assert_close(two, torch.stack([one, one]))
