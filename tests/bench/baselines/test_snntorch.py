"""snnTorch's neuron as it is used here is the neuron of the cases: ties, leak, strong drive."""

import torch

from bayesnn_spike.bench.baselines.snntorch import firing
from bayesnn_spike.bench.layers import BETA, THRESHOLD
from bayesnn_spike.ops import only
from bayesnn_spike.ops.fire import fire
from bayesnn_spike.ops.fire.surrogate import FastSigmoid
from bayesnn_spike.rng import Stream


def reference(current: torch.Tensor) -> torch.Tensor:
    with only("reference"):
        options = {"beta": BETA, "v_threshold": THRESHOLD, "surrogate": FastSigmoid()}
        return fire(current, time_dim=0, **options)[0]


def spikes(current: torch.Tensor) -> torch.Tensor:
    return firing(torch.device("cpu"))(current)


def test_it_fires_at_the_threshold_and_not_below() -> None:
    below = torch.nextafter(torch.tensor(1.0), torch.tensor(0.0))
    assert spikes(torch.stack([torch.tensor(1.0), below])[None]).tolist() == [[1.0, 0.0]]


def test_a_membrane_beyond_twice_the_threshold_fires_again() -> None:
    """snnTorch's own reset, one step late, would fire otherwise."""
    current = torch.tensor([2.5, 0.0, 0.0, 0.0])[:, None]
    assert spikes(current).flatten().tolist() == [1.0, 1.0, 0.0, 0.0]
    assert torch.equal(spikes(current), reference(current))


def test_it_is_the_reference_on_random_currents_however_strong() -> None:
    current = 1.5 * torch.randn(40, 3, 50, generator=Stream(1).generator())
    found = spikes(current)
    assert torch.equal(found, reference(current))
    assert 0.1 < float(found.mean()) < 0.9
    assert torch.equal(found, spikes(current)), "no membrane is left over"
