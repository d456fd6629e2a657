"""convert: rates become activations, argmax survives, and nothing of the user's is touched."""

import copy
import os
import sys

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from bayesnn_spike.convert import (
    LocalBalance,
    MatchBias,
    MatchPotential,
    Maximum,
    NeuronOptions,
    Percentile,
    bernoulli_prior,
    binarise,
    calibrate,
    convert,
    curve,
    estimate_delay,
)
from bayesnn_spike.convert.report import measure
from bayesnn_spike.encoding import Direct, SignedRate, direct
from bayesnn_spike.neurons import Delayed, Immediate, ThresholdNeuron
from bayesnn_spike.nn import dropout_noise
from bayesnn_spike.ops import only
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
        assert torch.equal(made.network(direct(x, 64))[0], corrected_skip(ann, x, value, 64))


def corrected_skip(net: nn.Module, x: torch.Tensor, value: float, steps: int) -> torch.Tensor:
    """The block by hand, with V on the main branch and the skip times 1 / V."""
    a, b, head = (layer.weight.detach().T for layer in (net.a, net.b, net.head))
    first, second = torch.zeros(len(x), 6), torch.zeros(len(x), 6)
    readout = []
    for _ in range(steps):
        first = first + x @ a
        spikes = (first >= value).float()
        first = first - value * spikes
        second = second + (spikes @ b + x * (1 / value))
        spikes = (second >= 4.0).float()
        second = second - 4.0 * spikes
        readout.append(spikes @ head)
    return torch.stack(readout)


def test_homogeneity_of_the_whole_network() -> None:
    """Four times a layer's weights: four times its threshold, all else and all spikes the same."""
    ann, x = chain(), images(20, 1, 8, 8)
    loud = copy.deepcopy(ann)
    with torch.no_grad():
        loud.conv2.weight.mul_(4)  # a power of two: exact in floating point
    options = NeuronOptions(leak=0.99)
    one, other = (
        convert(net, x, encoder=Direct(20), neuron=options).network for net in (ann, loud)
    )
    for name, factor in (("relu1", 1), ("relu2", 4), ("relu3", 1)):
        mine, his = other.get_submodule(name), one.get_submodule(name)
        assert float(mine.v_threshold) == factor * float(his.v_threshold)
        # Thresholds are found without leak; the network has the one that was asked for.
        assert float(mine.leak) == pytest.approx(0.99)
    for mine, his in zip(trains(other, x, 20), trains(one, x, 20), strict=True):
        assert torch.equal(mine, his)
    assert torch.equal(other(direct(x, 20))[0], one(direct(x, 20))[0])


def trains(network: nn.Module, x: torch.Tensor, steps: int) -> list[torch.Tensor]:
    """The spikes of all layers of neurons."""
    found: list[torch.Tensor] = []
    hooks = [
        module.register_forward_hook(lambda m, i, o: found.append(o[0]))
        for module in network.modules()
        if isinstance(module, ThresholdNeuron)
    ]
    with torch.no_grad():
        network(direct(x, steps))
    for hook in hooks:
        hook.remove()
    return found


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


@pytest.mark.parametrize("options", [NeuronOptions(v_init=0.5), NeuronOptions(shift_steps=8)])
@pytest.mark.parametrize("thresholds", [Maximum(0.7), Percentile(99.0), LocalBalance(rounds=4)])
def test_double_precision_is_kept_everywhere(thresholds, options) -> None:
    """Gains of sums were made in single precision before."""
    ann, x = residual().double(), images(20, 1, 8, 8).double()
    made = convert(ann, x, thresholds=thresholds, encoder=Direct(8), neuron=options)
    assert {v.dtype for v in made.network.state_dict().values()} == {torch.float64, torch.uint8}
    assert {v.dtype for v in made.scales.values()} == {torch.float64}
    for match in (MatchBias(), MatchPotential()):
        found = calibrate(made, x, encoder=Direct(8), match=match).network
        assert found(direct(x, 8))[0].dtype == torch.float64
        kinds = {v.dtype for v in found.state_dict().values()}
        assert kinds == {torch.float64, torch.uint8}


class Elsewhere(TorchFunctionMode):
    """Notes tensors that the conversion makes from numbers without saying on which device."""

    makers = (torch.tensor, torch.zeros, torch.ones, torch.full, torch.empty, torch.arange)

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where
        self.calls: list[str] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in self.makers and kwargs.get("device") is None:
            frame = sys._getframe(1)
            if self.where in frame.f_code.co_filename:
                self.calls.append(f"{frame.f_code.co_filename}:{frame.f_lineno}")
        return func(*args, **kwargs)


@pytest.mark.parametrize("options", [NeuronOptions(v_init=0.5), NeuronOptions(shift_steps=8)])
@pytest.mark.parametrize("thresholds", [Maximum(0.7), Percentile(99.0), LocalBalance(rounds=4)])
def test_no_tensor_is_made_on_the_default_device(thresholds, options) -> None:
    """On another device a tensor made without saying where would break the run."""
    ann, x = residual(), images(20, 1, 8, 8)
    labels = torch.zeros(20, dtype=torch.int64)
    with Elsewhere("test_convert") as control:
        torch.zeros(1), torch.zeros(1, device="cpu")
    assert len(control.calls) == 1
    package = os.path.join("bayesnn_spike", "convert")
    with only("reference"), Elsewhere(package) as elsewhere:
        made = convert(ann, x, thresholds=thresholds, encoder=Direct(8), neuron=options)
        calibrate(made, x, encoder=Direct(8), match=MatchPotential())
        calibrate(made, x, encoder=Direct(8))
        curve(made.network, x, labels, encoder=Direct(8), steps=(4, 8))
        estimate_delay(made, x)
        binarise(made.network)
        bernoulli_prior(made.network)
    assert elsewhere.calls == []


def test_the_report_takes_some_images_evenly_spaced() -> None:
    ann, x = mlp(), images(90, 50)
    made, few = (convert(ann, x, encoder=Direct(8), report_images=n) for n in (90, 9))
    assert (made.report.images, few.report.images) == (90, 9)
    assert convert(ann, x, encoder=Direct(8)).report.images == 64
    for name, value in made.network.state_dict().items():
        assert torch.equal(value, few.network.state_dict()[name])
    by_hand = measure(few.network, few.plan, few.scales, x[::10], Direct(8))
    assert few.report == by_hand
    with pytest.raises(ValueError, match="report_images must be positive"):
        convert(ann, x, encoder=Direct(8), report_images=0)


def test_no_steps_have_no_logits() -> None:
    made = convert(mlp(), images(9, 50), encoder=Direct(8))
    for steps in (0, -1):
        with pytest.raises(ValueError, match="steps must be positive"):
            made.descale(torch.ones(2, 10), steps)
