"""convert/curve: all T from one run."""

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import Curve, Maximum, NeuronOptions, convert, curve
from bayesnn_spike.convert.running import spike_counts
from bayesnn_spike.encoding import Direct, SignedRate
from bayesnn_spike.neurons import AtOrAbove, Delayed, Immediate, ThresholdNeuron
from bayesnn_spike.rng import Stream
from tests.convert.nets import Function, chain, images, mlp, residual, seeded

STEPS = (5, 7, 24, 30)


@pytest.mark.parametrize("order", [Immediate(), Delayed()])
@pytest.mark.parametrize("code", [Direct(16), SignedRate(16, Stream(4))])
def test_equals_a_run_of_its_own_for_every_t(order: Immediate | Delayed, code) -> None:
    x = images(23, 50)
    labels = torch.arange(23) % 10
    made = convert(mlp(), x, encoder=code, neuron=NeuronOptions(order=order)).network
    found = curve(made, x, labels, encoder=code, steps=STEPS[::-1], batch_size=9)
    assert found.steps == STEPS
    assert found.readouts.shape == (4, 23, 10)
    for place, steps in enumerate(STEPS):
        with torch.no_grad():
            alone = made(code.encode(x, steps=steps))[0].sum(0)
        torch.testing.assert_close(found.readouts[place], alone)
        right = (alone.argmax(1) == labels).double().mean()
        assert found.accuracy[place] == float(right)


def test_the_table() -> None:
    x = images(4, 50)
    made = convert(mlp(), x, encoder=Direct(16)).network
    tables = {
        steps: str(curve(made, x, made(Direct(steps).encode(x))[0].sum(0).argmax(1), **options))
        for steps in (4, 16)
        for options in [{"encoder": Direct(1), "steps": [steps]}]
    }
    assert tables[16] == "steps  accuracy\n16     100.00%"
    # All readouts are 0, and the first class is the answer whatever the image.
    assert tables[4] == "steps  accuracy  silent\n4      100.00%   100.00%"


def test_wrong_requests_are_refused() -> None:
    x = images(4, 50)
    made = convert(mlp(), x, encoder=Direct(16), neuron=NeuronOptions(order=Delayed())).network
    labels = torch.zeros(4, dtype=torch.int64)
    with pytest.raises(ValueError, match="exact chance"):
        curve(made, x, labels, encoder=Direct(1), steps=(3, 16))
    with pytest.raises(ValueError, match="steps must be positive"):
        curve(made, x, labels, encoder=Direct(1), steps=())
    with pytest.raises(ValueError, match="4 images need as many whole numbers as labels"):
        curve(made, x, labels[:3], encoder=Direct(1), steps=(16,))
    for options in ({"delay": -1}, {"window": 0}):
        with pytest.raises(ValueError, match="delay must be 0 or more and window 1 or more"):
            curve(made, x, labels, encoder=Direct(1), steps=(16,), **options)
    for options in ({"delay": 2.5}, {"window": 2.5}):
        with pytest.raises(ValueError, match=r"(delay|window) must be a whole number, got 2\.5"):
            curve(made, x, labels, encoder=Direct(1), steps=(16,), **options)
    options = {"encoder": Direct(1), "steps": (16,)}
    for size in (0, -1, 2.5):
        with pytest.raises(ValueError, match="batch_size must be"):
            curve(made, x, labels, batch_size=size, **options)
    for beyond in (labels + 10, labels - 1):
        with pytest.raises(
            ValueError, match="the readout has 10 classes, so labels must be 0 to 9"
        ):
            curve(made, x, beyond, **options)
    with pytest.raises(TypeError, match=r"several numbers of steps, as \(8,\), got 8"):
        curve(made, x, labels, encoder=Direct(1), steps=8)
    with pytest.raises(ValueError, match=r"steps must be a whole number, got 2\.5"):
        curve(made, x, labels, encoder=Direct(1), steps=(2.5,))


def test_a_delayed_readout_leaves_the_first_steps_out() -> None:
    x = images(11, 50)
    ann = mlp()
    labels = ann(x).argmax(1)
    made = convert(ann, x, encoder=Direct(16))
    options = {"encoder": Direct(16), "batch_size": 4}
    found = curve(made.network, x, labels, steps=(3, 9, 14, 40), delay=10, window=4, **options)
    assert found.starts == (0, 5, 10, 10)
    assert found.counted == (3, 4, 4, 30)
    with torch.no_grad():
        readout = made.network(Direct(16).encode(x, steps=40))[0]
    for place, (start, stop) in enumerate(zip(found.starts, found.steps, strict=True)):
        by_hand = readout[start:stop].sum(0)
        torch.testing.assert_close(found.readouts[place], by_hand, rtol=1e-4, atol=1e-4)
    # what comes before the last layers hear of the input pulls logits towards 0
    late, early = (curve(made.network, x, labels, steps=(24,), delay=d, **options) for d in (8, 0))
    logits = ann(x).detach()
    errors = [
        float((made.descale(c.readouts[0], c.counted[0]) - logits).abs().mean())
        for c in (late, early)
    ]
    assert errors[0] < errors[1]


def one_neuron(bias: bool) -> nn.Module:
    """x to relu(x) to (2 relu(x), -relu(x)), with a bias of the readout or without."""
    net = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU(), nn.Linear(1, 2, bias=bias))
    with torch.no_grad():
        net[0].weight.fill_(1)
        net[2].weight.copy_(torch.tensor([[2.0], [-1.0]]))
        if bias:
            net[2].bias.copy_(torch.tensor([0.1, 0.7]))
    return net


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("hook", [False, True])
def test_images_that_no_spike_has_reached_are_told(bias: bool, hook: bool) -> None:
    """Threshold 1: currents of 1, 0.5, 0.26 and 0 first fire at steps 1, 2, 4 and never."""
    x = torch.tensor([[1.0], [0.5], [0.26], [0.0]])
    options = {"thresholds": Maximum(fixed=(("1", 1.0),)), "encoder": Direct(4)}
    options["neuron"] = NeuronOptions(comparison=AtOrAbove())
    made = convert(one_neuron(bias), x, **options).network
    if hook:  # runs as a module
        made.get_submodule("1").register_forward_hook(lambda module, inputs, output: None)
    labels = torch.zeros(4, dtype=torch.int64)
    found = curve(made, x, labels, encoder=Direct(1), steps=(1, 2, 3, 4, 20), batch_size=3)
    assert found.silent == (0.75, 0.5, 0.5, 0.25, 0.25)
    assert str(found).splitlines()[0].split() == ["steps", "accuracy", "silent"]
    assert str(found).splitlines()[1].split()[2] == "75.00%"
    # steps 1 and 2 do not count: what fires every second step is heard at 4, the slow one too
    late = curve(made, x, labels, encoder=Direct(1), steps=(3, 4), delay=2, window=1)
    assert late.silent == (0.75, 0.25)


def test_a_readout_that_reads_the_image_itself_is_never_silent() -> None:
    net = Function(
        lambda self, x: self.b(self.a(x).relu()) + self.c(x),
        **{name: nn.Linear(3, 3) for name in "abc"},
    )
    x = images(5, 3)
    made = convert(seeded(net), x, encoder=Direct(4)).network
    labels = torch.zeros(5, dtype=torch.int64)
    for code in (Direct(1), SignedRate(1, Stream(2))):
        assert curve(made, 0 * x, labels, encoder=code, steps=(1, 4)).silent == (0.0, 0.0)


@pytest.mark.parametrize("net", [chain, residual])
def test_silence_is_a_count_of_spikes_of_the_last_neurons(net) -> None:
    x, labels = images(30, 1, 8, 8), torch.zeros(30, dtype=torch.int64)
    code = SignedRate(16, Stream(1))
    made = convert(net(), x, thresholds=Maximum(0.7), encoder=code).network
    last = [n for n, m in made.named_modules() if isinstance(m, ThresholdNeuron)][-1]
    found = curve(made, x, labels, encoder=code, steps=(1, 3, 4, 12))
    by_hand = []
    for steps in found.steps:
        counts = spike_counts(made, x, SignedRate(steps, Stream(1)))[last]
        by_hand.append(float((counts.flatten(1).sum(1) == 0).double().mean()))
    assert found.silent == tuple(by_hand)
    assert by_hand[0] == 1 > by_hand[1] > by_hand[2] > by_hand[3] == 0


def test_curves_by_hand_need_not_know_it() -> None:
    known = Curve((2,), (1.0,), torch.zeros(1, 2, 3), (0,))
    assert known.silent == ()
    assert str(known) == "steps  accuracy\n2      100.00%"
