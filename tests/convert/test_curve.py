"""convert/curve: all T from one run."""

import pytest
import torch

from bayesnn_spike.convert import NeuronOptions, convert, curve
from bayesnn_spike.encoding import Direct, SignedRate
from bayesnn_spike.neurons import Delayed, Immediate
from bayesnn_spike.rng import Stream
from tests.convert.nets import images, mlp

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
    found = curve(
        made, x, made(Direct(8).encode(x))[0].sum(0).argmax(1), encoder=Direct(1), steps=[8]
    )
    assert str(found) == "steps  accuracy\n8      100.00%"


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
