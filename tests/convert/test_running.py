"""convert/running: chunks are one run, whichever way it goes."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import NeuronOptions, convert
from bayesnn_spike.convert.running import run, spike_counts
from bayesnn_spike.encoding import Direct, SignedRate
from bayesnn_spike.neurons import Delayed
from bayesnn_spike.ops import only
from bayesnn_spike.rng import Stream
from tests.convert.nets import images, mlp, residual

CODES = [Direct(37), SignedRate(37, Stream(3))]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("net", [mlp, residual])
@pytest.mark.parametrize("options", [NeuronOptions(), NeuronOptions(order=Delayed())])
def test_chunks_are_one_run(net, code, options: NeuronOptions) -> None:
    ann = net()
    x = images(10, 50) if isinstance(ann, nn.Sequential) else images(10, 1, 8, 8)
    made = convert(ann, x, encoder=code, neuron=options).network
    with torch.no_grad():
        whole, _ = made(code.encode(x))
    found = torch.cat(list(run(made, x, code, 37)))
    torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-4)
    part = torch.cat(list(run(made, x[4:], code, 37, first_example=4)))
    torch.testing.assert_close(part, whole[:, 4:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", [NeuronOptions(), NeuronOptions(order=Delayed())])
@pytest.mark.parametrize("implementation", [None, "reference"])
def test_counts_do_not_depend_on_the_batches(options, implementation) -> None:
    x, code = images(10, 50) * 2 - 1, SignedRate(20, Stream(3))
    made = convert(mlp(), x, encoder=code, neuron=options).network
    with only(implementation) if implementation else nullcontext():
        whole = spike_counts(made, x, code)
        part = spike_counts(made, x[4:], code, first_example=4)
    trains: dict[str, torch.Tensor] = {}
    for name in ("1", "3", "5"):
        made.get_submodule(name).register_forward_hook(
            lambda m, i, o, name=name: trains.update({name: o[0]})
        )
    made(code.encode(x))
    for name in ("1", "3", "5"):
        assert torch.equal(part[name], whole[name][4:])
        torch.testing.assert_close(whole[name], trains[name].sum(0))


@pytest.mark.parametrize("implementation", [None, "reference"])
def test_too_few_steps_are_refused_either_way(implementation) -> None:
    x = images(3, 50)
    made = convert(mlp(), x, encoder=Direct(9), neuron=NeuronOptions(order=Delayed())).network
    with only(implementation) if implementation else nullcontext():
        with pytest.raises(ValueError, match="exact chance"):
            list(run(made, x, Direct(3), 3))
        with pytest.raises(ValueError, match="exact chance"):
            spike_counts(made, x, Direct(3))


@pytest.mark.parametrize("before", [False, True])
def test_hooks_of_a_chain_are_called(before: bool) -> None:
    """Red before: the chain ran by its spikes, past its modules."""
    x, code, seen = images(4, 50), Direct(20), []
    made = convert(mlp(), x, encoder=code).network
    plain = torch.cat(list(run(made, x, code, 20)))
    counts = spike_counts(made, x, code)
    neurons = made.get_submodule("5")
    if before:
        neurons.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    else:
        neurons.register_forward_hook(lambda module, inputs, output: seen.append(len(output[0])))
    found = torch.cat(list(run(made, x, code, 20)))
    assert seen == [8, 8, 4]
    torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-4)
    for name, count in spike_counts(made, x, code).items():
        assert torch.equal(count, counts[name])
    assert len(seen) == 6
