"""ops/fire and ops/trace in a process whose default is double precision: float32 stays float32."""

from collections.abc import Iterator

import pytest
import torch

from bayesnn_spike.neurons import LIF, LinearRatio, SpikeTime, ThresholdNeuron
from bayesnn_spike.ops.trace import trace
from bayesnn_spike.rng import Stream

X = torch.randn(5, 3, 7, generator=Stream(1).generator())
HALF = torch.tensor(0.5)


def found() -> list[torch.Tensor]:
    """Outputs and gradients of float32 currents."""
    values = []
    for run in (
        LIF(),
        *(
            ThresholdNeuron(HALF, surrogate=surrogate, learn_threshold=learned)
            for surrogate in (SpikeTime(), LinearRatio())
            for learned in (False, True)
        ),
        lambda x: trace(x, decay=0.5, time_dim=0),
    ):
        x = X.clone().requires_grad_()
        y = run(x)[0]
        (y * X).sum().backward()
        values += [y.detach(), x.grad]
    return values


@pytest.fixture
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


WANTED = found()


def test_results_are_the_same_bits_and_float32(double: None) -> None:
    for value, wanted in zip(found(), WANTED, strict=True):
        assert value.dtype == torch.float32
        assert torch.equal(value, wanted)
