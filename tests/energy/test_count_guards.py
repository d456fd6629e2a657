"""What is not counted is refused by name, and nothing is left behind."""

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import convert
from bayesnn_spike.encoding import Direct, direct
from bayesnn_spike.energy import count, count_ann
from bayesnn_spike.models import lenet, local_mlp, mlp
from bayesnn_spike.neurons import LIF
from bayesnn_spike.nn import Conv2d, Linear, Sequential
from bayesnn_spike.rng import Stream
from tests.energy.brute import filled, spikes_like


def test_weights_that_no_hook_sees_are_refused_all_at_once() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Bilinear(4, 4, 2), nn.LSTM(4, 3))
    with pytest.raises(ValueError, match=r"1 \(Bilinear\), 2 \(LSTM\); counted are Linear"):
        count_ann(network, torch.ones(2, 4))


def test_a_weight_of_the_network_itself_is_refused() -> None:
    network = nn.Sequential(nn.Linear(4, 4))
    network.mix = nn.Parameter(torch.ones(4, 4))
    with pytest.raises(ValueError, match=r"the network itself \(Sequential\)"):
        count_ann(network, torch.ones(2, 4))


def test_thresholds_and_scales_are_no_weights() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.PReLU(2))
    network.v_threshold = nn.Parameter(torch.ones(2, 1, 1))
    assert len(count_ann(network, torch.ones(1, 1, 2, 2)).synapses) == 1


def test_weights_behind_a_parametrisation_are_counted_once() -> None:
    linear = torch.nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
    (found,) = count_ann(linear, torch.ones(2, 4)).synapses
    assert found.dense == 2 * 12


def test_other_padding_than_zeros_is_refused_with_its_layer() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"))
    with pytest.raises(ValueError, match="0: padding_mode 'reflect' is not counted"):
        count_ann(network, torch.ones(1, 1, 4, 4))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "no batch to count on"),
        (torch.ones(3), r"must be \[T, B, \*in\] with examples, got shape \(3,\)"),
        (torch.ones(3, 0, 4), r"with examples, got shape \(3, 0, 4\)"),
        ([torch.ones(3, 1, 4), torch.ones(2, 1, 4)], "other steps cannot be added: 3 and 2"),
    ],
)
def test_inputs_without_meaning_are_refused(inputs: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        count(Sequential(first=Linear(4, 2)), inputs)


def test_inputs_that_are_no_finite_tensors_are_refused() -> None:
    network = Sequential(first=Linear(4, 2))
    x = torch.ones(3, 2, 4)
    x[1, 0, 2], x[2, 1, 3] = torch.nan, torch.inf
    with pytest.raises(ValueError, match=r"inputs has 2 values .* first at \(1, 0, 2\)"):
        count(network, x)
    with pytest.raises(ValueError, match=r"inputs has 1 values .* first at \(0, 1, 3\)"):
        count(network, [torch.ones(3, 2, 4), x[2].expand(9, 2, 4)])
    with pytest.raises(ValueError, match="inputs has 1 values"):
        count_ann(nn.Linear(4, 2), x[2])
    for wrong in (x.numpy(), "x"):
        with pytest.raises(TypeError, match="inputs must be a tensor or several, got a "):
            count(network, wrong)


def test_images_without_time_are_told_how_to_get_it() -> None:
    advice = r"encoding.direct\(images, T\) makes it"
    with pytest.raises(ValueError, match=rf"\[T, B, \*in\] .* got shape \(5, 4\); {advice}"):
        count(Sequential(first=Linear(4, 2)), torch.ones(5, 4))
    convolution = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))
    images = spikes_like(5, 1, 6, 6) + 0.5
    made = convert(filled(convolution).eval(), images, encoder=Direct(4))
    with pytest.raises(
        ValueError, match=rf"the network got .* \(5, 1, 6, 6\), expected \[T, B, .*3 axes.*{advice}"
    ):
        count(made.network, images)
    with pytest.raises(ValueError, match=rf"first got inputs .* \(5, 1, 6, 6\), .*{advice}"):
        count(Sequential(first=Conv2d(1, 2, 3)), images)
    assert not any(m._forward_pre_hooks for m in made.network.modules())


def test_a_conversion_is_told_of_its_network() -> None:
    images = torch.ones(2, 4)
    ann = nn.Sequential(nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 2))
    made = convert(filled(ann), images, encoder=Direct(4))
    with pytest.raises(TypeError, match=r"got a Conversion: give its \.network"):
        count(made, direct(images, 4))
    with pytest.raises(TypeError, match="got a str: give a network"):
        count_ann("net", images)


def test_a_network_without_synapses_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to count"):
        count(Sequential(fire=LIF()), torch.ones(3, 1, 4))


def test_hooks_are_taken_away_even_after_an_error() -> None:
    network = Sequential(first=Linear(4, 2), fire=LIF())
    count(network, torch.ones(3, 1, 4))
    with pytest.raises((ValueError, RuntimeError)):
        count(network, torch.ones(3, 1, 5))
    assert not any(m._forward_hooks for m in network.modules())


def test_whole_numbers_and_named_arguments_are_fine() -> None:
    class Named(nn.Module):
        """Calls its layer by keyword."""

        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 2)

        def forward(self, x):
            return self.first(input=x)

    x = spikes_like(3, 2, 4)
    assert count(Named(), x.to(torch.uint8)).synapses[0].synops == 2 * float(x.sum())


def test_the_papers_networks_are_counted_with_their_last_readout() -> None:
    network = local_mlp(6, (8, 5), 3, stream=Stream(0))
    found = count(filled(network), spikes_like(4, 2, 6))
    assert [s.name for s in found.synapses] == ["blocks.0.synapse", "blocks.1.synapse", "readout1"]
    head = found.synapses[-1]
    assert head.dense == 4 * 2 * 5 * 3
    assert head.binary
    # Traces of spikes are analog, and so are the inputs of the synapses behind them.
    assert [s.spiking for s in found.synapses] == [False, False, True]
    assert found.neurons[0].layer == ""
    assert found.neurons[0].multiplications == 2 * found.neurons[0].updates


def test_maps_are_flattened_for_the_last_readout() -> None:
    network = lenet((2, 8, 8), 4, stream=Stream(0), channels=(3, 3), kernel=3, pools=(2, 1))
    found = count(network, spikes_like(4, 2, 2, 8, 8))
    assert found.synapses[-1].dense == 4 * 2 * (3 * 4 * 4) * 4


def test_packed_draws_of_a_wide_network_are_counted_as_numbers_are() -> None:
    network = filled(mlp(70, (64,), 10))
    x = spikes_like(5, 3, 70)
    signs = {n: torch.sign(p.detach())[None] for n, p in network.named_parameters()}
    from bayesnn_spike.weights import pack_signs, pack_spikes

    packed = count(network, pack_spikes(x), weights=pack_signs(signs))
    assert packed == count(network, x, weights=signs)
