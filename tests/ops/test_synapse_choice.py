"""ops/synapse/choice: the density that is estimated, and the sentences."""

import pytest
import torch

from bayesnn_spike.ops import explain, only
from bayesnn_spike.ops.synapse import MAX_DENSITY, linear
from bayesnn_spike.ops.synapse.choice import density
from tests.ops import cases


@pytest.mark.parametrize("rate", [0.0, 0.03, 0.3, 1.0])
@pytest.mark.parametrize("shape", [(10, 32, 2048), (7, 11, 4093)])
def test_the_estimate_is_near_the_density(shape, rate) -> None:
    assert density(cases.spikes(*shape, rate=rate)) == pytest.approx(rate, abs=0.01 + 0.05 * rate)


def test_a_small_tensor_is_counted_whole() -> None:
    x = cases.spikes(3, 4, 5, rate=0.3)
    assert density(x) == int(x.sum()) / 60


@pytest.mark.parametrize("inputs", [512, 784, 1024, 2048, 2312, 3072, 4096])
@pytest.mark.parametrize("first", [True, False])
def test_the_sample_does_not_look_at_the_same_inputs_again_and_again(inputs, first) -> None:
    x = torch.zeros(25, 64, inputs)  # an eighth of the inputs is active, always the same
    x[..., slice(inputs // 8) if first else slice(-(inputs // 8), None)] = 1
    assert density(x) == pytest.approx(1 / 8, abs=0.01)


def test_nothing_has_no_density() -> None:
    assert density(torch.zeros(3, 0, 4)) == 0.0


def test_dense_spikes_are_refused_with_the_density() -> None:
    w = cases.signs(64, 100)
    said = explain(linear, torch.ones(4, 4, 100), w, None)
    assert f"pays off below a density of {MAX_DENSITY}, got 1.00" in said
    assert "linear/cpu: runs" in explain(linear, cases.spikes(4, 4, 100, rate=0.1), w, None)


def test_spikes_with_draws_and_gradients_go_event_by_event() -> None:
    x = cases.spikes(3, 4, 5, 50, rate=0.2).requires_grad_()
    w = cases.normal(3, 40, 50, dtype=torch.float32).requires_grad_()
    found = []
    for name in ("cpu", "reference"):
        with only(name):
            y = linear(x, w)
            found.append(torch.autograd.grad(y.square().sum(), [x, w]))
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-3)
