"""convert/cascade: a chain runs by its spikes and gives what the module gives."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import MatchPotential, NeuronOptions, calibrate, convert
from bayesnn_spike.convert.build import build
from bayesnn_spike.convert.cascade import cascade
from bayesnn_spike.convert.trace import trace
from bayesnn_spike.encoding import Direct, SignedRate
from bayesnn_spike.neurons import Delayed, ThresholdNeuron
from bayesnn_spike.ops import only
from bayesnn_spike.rng import Stream
from tests.convert.nets import Function, chain, images, mlp, residual, seeded

CODES = [Direct(40), SignedRate(40, Stream(5))]
OPTIONS = [
    NeuronOptions(),
    NeuronOptions(order=Delayed()),
    NeuronOptions(v_init=0.5, leak=0.9, learn_threshold=True, learn_leak=True),
]


def rough(net: nn.Module) -> nn.Module:
    """Weights that are multiples of 1/64, so that sums are exact in any order."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_((parameter * 64).round() / 64)
    return net


@pytest.mark.parametrize("implementation", [None, "reference"])
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("options", OPTIONS[:2])
@pytest.mark.parametrize("net", [chain, lambda: mlp(bias=True)])
def test_exact_sums_give_the_same_readout(net, options, code, implementation) -> None:
    ann = rough(net())
    x = images(9, 50) if isinstance(ann[0], nn.Linear) else images(9, 1, 8, 8)
    x = (x * 64).round() / 64
    plan = trace(ann, x)
    # Scales of powers of two keep biases and pooled weights exact as well.
    network = build(plan, {s.name: torch.tensor(1.0) for s in plan.neurons()}, options)
    found = cascade(network, x)
    with torch.no_grad():
        expected, _ = network(code.encode(x))
    with only(implementation) if implementation else nullcontext():
        assert torch.equal(torch.cat(list(found.run(x, code, 40))), expected)


@pytest.mark.parametrize("options", OPTIONS)
def test_real_weights_agree_but_for_ties(options: NeuronOptions) -> None:
    ann, x = chain(), images(30, 1, 8, 8)
    made = convert(ann, x, encoder=Direct(40), neuron=options).network
    with torch.no_grad():
        expected = made(Direct(40).encode(x))[0].sum(0)
    found = torch.cat(list(cascade(made, x).run(x, Direct(40), 40))).sum(0)
    near = ((found - expected).abs() < 1e-3).double().mean()
    assert float(near) > 0.95


def test_a_first_membrane_a_neuron() -> None:
    x = images(20, 1, 8, 8)
    made = convert(chain(), x, encoder=Direct(8))
    made = calibrate(made, x, encoder=Direct(8), match=MatchPotential()).network
    with torch.no_grad():
        expected = made(Direct(8).encode(x))[0].sum(0)
    found = torch.cat(list(cascade(made, x).run(x, Direct(8), 8))).sum(0)
    assert float(((found - expected).abs() < 1e-3).double().mean()) > 0.95


def test_counts_are_those_of_the_spikes() -> None:
    ann, x = rough(chain()), (images(7, 1, 8, 8) * 64).round() / 64
    plan = trace(ann, x)
    network = build(plan, {s.name: torch.tensor(1.0) for s in plan.neurons()}, NeuronOptions())
    seen: dict[str, torch.Tensor] = {}
    for name, module in network.named_children():
        if isinstance(module, ThresholdNeuron):
            module.register_forward_hook(
                lambda m, i, o, name=name: seen.update({name: o[0].sum(0)})
            )
    network(Direct(21).encode(x))
    counts = cascade(network, x).counts(x, Direct(21), 21)
    assert set(counts) == set(seen) == {"relu1", "relu2", "relu3"}
    for name, count in counts.items():
        assert torch.equal(count, seen[name])
        assert float(count.sum()) > 0


def test_double_precision_runs_by_the_reference() -> None:
    x = images(5, 1, 8, 8).double()
    made = convert(chain().double(), x, encoder=Direct(20)).network
    found = torch.cat(list(cascade(made, x).run(x, Direct(20), 20)))
    assert found.dtype == torch.float64
    with torch.no_grad():
        torch.testing.assert_close(found, made(Direct(20).encode(x))[0])


def test_what_has_no_such_form_runs_as_a_module() -> None:
    x = images(6, 1, 8, 8)
    assert cascade(convert(residual(), x, encoder=Direct(6)).network, x) is None
    made = convert(chain(), x, encoder=Direct(6)).network
    assert cascade(made, x) is not None
    assert cascade(made, x.double()) is None
    assert cascade(made.double(), x) is None
    made = convert(chain(), x, encoder=Direct(6)).network
    net = chain()
    net.pool1 = nn.AvgPool2d(3, 2, 1)
    assert cascade(convert(net, x, encoder=Direct(6)).network, x) is None
    doubled = Function(
        lambda self, x: self.c(self.b(self.a(x).relu())),
        **{name: nn.Linear(3, 3) for name in "abc"},
    )
    y = images(6, 3)
    assert cascade(convert(seeded(doubled), y, encoder=Direct(6)).network, y) is None
