"""convert/qcfs: the activation by hand, its gradients, and what it becomes in spikes."""

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import (
    Maximum,
    NeuronOptions,
    Qcfs,
    QcfsReLU,
    convert,
    curve,
    with_qcfs,
)
from bayesnn_spike.encoding import Direct, direct
from bayesnn_spike.neurons import ThresholdNeuron
from tests.convert.nets import images, mlp, seeded


def test_values_by_hand() -> None:
    """bound 2, 4 levels: steps of 0.5, rounded to the nearest."""
    z = torch.tensor([-1.0, 0.0, 0.2, 0.25, 0.7, 0.8, 1.9, 2.0, 5.0])
    expected = [0.0, 0.0, 0.0, 0.5, 0.5, 1.0, 2.0, 2.0, 2.0]
    assert QcfsReLU(4, 2.0)(z).tolist() == expected


def test_gradients_by_hand() -> None:
    """Through the floor as if it were not there; to the bound what rounding and clipping leave."""
    act = QcfsReLU(4, 2.0)
    z = torch.tensor([-1.0, 0.7, 3.0], requires_grad=True)
    y = act(z)
    found = [torch.autograd.grad(y[i], act.bound, retain_graph=True)[0].item() for i in range(3)]
    # 0 below; rounded - z / bound inside: .25 - .35; 1 above
    assert found == pytest.approx([0.0, -0.1, 1.0], abs=1e-6)
    y.sum().backward()
    assert z.grad.tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("steps", [1, 2, 4, 8, 16])
def test_equals_a_neuron_with_constant_input_where_levels_are_steps(steps: int) -> None:
    z = torch.randn(1, 5000, generator=torch.Generator().manual_seed(steps)) * 1.5
    wanted = QcfsReLU(steps, 1.25)(z).detach()
    spikes, _ = ThresholdNeuron(1.25, v_init=0.5)(direct(z, steps))
    torch.testing.assert_close(spikes.mean(0) * 1.25, wanted, rtol=0, atol=1e-6)
    # Levels and spikes are counted, not rounded: no difference at all.
    assert torch.equal(spikes.sum(0), (wanted / 1.25 * steps).round())


def test_other_numbers_of_steps_have_no_mean_error() -> None:
    z = torch.linspace(0, 1, 100_001)[None]
    wanted = QcfsReLU(4, 1.0)(z).detach()
    for steps in (3, 7, 32):
        spikes, _ = ThresholdNeuron(1.0, v_init=0.5)(direct(z, steps))
        error = spikes.mean(0) - wanted
        assert abs(float(error.mean())) < 1e-3
        assert float(error.abs().max()) > 0.05


def test_a_network_with_one_hidden_layer_is_exact() -> None:
    x = images(50, 20)
    net = seeded(nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 5)))
    ann = with_qcfs(net, 4, x)
    made = convert(ann, x, thresholds=Qcfs(), encoder=Direct(4), neuron=NeuronOptions(v_init=0.5))
    readout, _ = made.network(direct(x, 4))
    torch.testing.assert_close(made.descale(readout.sum(0), 4), ann(x), rtol=1e-4, atol=1e-4)


def test_deep_networks_agree_at_few_steps() -> None:
    x = images(200, 50)
    ann = with_qcfs(mlp(), 8, x, percentile=99.0)
    options = NeuronOptions(v_init=0.5)
    made = convert(ann, x, thresholds=Qcfs(), encoder=Direct(8), neuron=options)
    found = curve(made.network, x, ann(x).argmax(1), encoder=Direct(1), steps=(8, 64))
    assert min(found.accuracy) > 0.75
    plain = convert(ann, x, encoder=Direct(8)).network
    assert curve(plain, x, ann(x).argmax(1), encoder=Direct(1), steps=(8,)).accuracy[0] < 0.6


def test_double_precision_stays() -> None:
    x = images(20, 6).double()
    plain = nn.Sequential(nn.Linear(6, 8, bias=False), nn.ReLU(), nn.Linear(8, 3, bias=False))
    for thresholds in (Qcfs(), Maximum(fixed=(("1", 2.0),))):
        net = with_qcfs(plain.double(), 4, x) if isinstance(thresholds, Qcfs) else plain.double()
        made = convert(net, x, thresholds=thresholds, encoder=Direct(4))
        readout, _ = made.network(direct(x, 4))
        assert readout.dtype == torch.float64
        assert all(
            b.dtype == torch.float64 for b in made.network.buffers() if b.is_floating_point()
        )


def test_what_is_no_activation_is_refused() -> None:
    with pytest.raises(ValueError, match="levels"):
        QcfsReLU(0, 1.0)
    with pytest.raises(ValueError, match="bound"):
        QcfsReLU(4, 0.0)
    act = QcfsReLU(4, 1.0)
    with torch.no_grad():
        act.bound.fill_(-0.5)
    with pytest.raises(ValueError, match=r"has become -0\.5"):
        act(torch.ones(1))
