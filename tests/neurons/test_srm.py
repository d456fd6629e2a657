"""neurons/srm: the spike-response neuron of BiSNN against its golden trace and kernels."""

import math

import pytest
import torch
from torch import nn
from torch.func import functional_call

from bayesnn_spike.neurons import Above, Refractory, SynapticTrace
from bayesnn_spike.neurons.srm import TraceState
from bayesnn_spike.nn import Linear, Sequential
from tests.ops import cases

A, B, C = math.exp(-1 / 10), math.exp(-1 / 6), math.exp(-1 / 2)
INPUTS = torch.tensor([[1, 0], [0, 0], [0, 1], [0, 0], [1, 1], [0, 0]], dtype=torch.float64)
P = [[0, 0], [1, 0], [1.751319, 0], [2.301190, 1], [2.688734, 1.751319], [3.946284, 3.301190]]
R = [[0, 0], [1, 1], [0.606531] * 2, [1.367879, 0.367879], [1.829661, 0.223130]]
R += [[2.109745, 0.135335]]
S = [[1, 1], [0, 0], [1, 0], [1, 0], [1, 0], [1, 0]]


def assert_near(found: torch.Tensor, expected: list) -> None:
    expected = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_the_golden_trace_of_a_whole_layer() -> None:
    """Section 1.5: two inputs, two neurons, W = [[1, 1], [-1, 1]], k = 1/sqrt(2), six steps."""
    layer = Sequential(trace=SynapticTrace(), synapse=Linear(2, 2), neuron=Refractory()).double()
    weights = {"synapse.weight": torch.tensor([[1.0, 1.0], [-1.0, 1.0]], dtype=torch.float64)}
    for steps in range(1, 7):
        x = INPUTS[:steps, None]
        spikes, (trace, _, neuron) = functional_call(layer, weights, (x,))
        assert spikes[:, 0].tolist() == S[:steps]
        assert_near(trace.membrane[0], P[steps - 1])
        assert_near(neuron.refractory[0], R[steps - 1])


def test_the_synaptic_kernel_is_delayed_and_not_normalised() -> None:
    impulse = torch.zeros(400, 1, 1, dtype=torch.float64)
    impulse[0] = 1
    kernel = SynapticTrace()(impulse)[0].flatten()
    n = torch.arange(400, dtype=torch.float64)
    torch.testing.assert_close(kernel, (A**n - B**n) / (A - B))
    assert_near(
        kernel[:9],
        [0, 1, 1.751319, 2.301190, 2.688734, 2.946284, 3.100506, 3.173334, 3.182754],
    )
    assert int(kernel.argmax()) == 8
    assert float(kernel.sum()) == pytest.approx(68.450, abs=5e-4)
    assert float(kernel.sum()) == pytest.approx(1 / ((1 - A) * (1 - B)), rel=1e-9)


def test_the_refractory_kernel() -> None:
    """After one spike U = I - R with R = 1, .606531, .367879, .223130, ..."""
    neuron, state = Refractory(v_threshold=1.0), None
    current = torch.tensor([5.0, 0, 0, 0, 0], dtype=torch.float64).view(5, 1, 1)
    found = []
    for i in current:
        _, state = neuron(i[None], state)
        found.append(state.refractory.item())
    assert found == pytest.approx([0, 1, 0.606531, 0.367879, 0.223130], abs=1e-6)
    assert neuron.decay == C


def test_the_gradient_of_the_current_in_the_weight_is_the_trace() -> None:
    """dU/dW = k P exactly: nothing else of the past reaches a weight."""
    layer = Sequential(trace=SynapticTrace(), synapse=Linear(2, 2)).double()
    u, _ = layer(INPUTS[:, None])
    (grad,) = torch.autograd.grad(u[4, 0, 1], layer.synapse.weight)
    assert_near(grad * math.sqrt(2), [[0, 0], P[4]])


@pytest.mark.parametrize("cut", [1, 2, 5])
def test_two_halves_with_carried_state_equal_one_run(cut: int) -> None:
    x = cases.spikes(6, 3, 4)
    for module in (SynapticTrace(), Refractory(v_threshold=0.2)):
        whole, last = module(x)
        one, carried = module(x[:cut])
        two, ended = module(x[cut:], carried)
        assert torch.equal(torch.cat([one, two]), whole)
        for a, b in zip(ended, last, strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("draws", [(), (2,)])
def test_pooling_comes_before_the_threshold_and_not_into_the_refractory_state(draws) -> None:
    current = cases.normal(*draws, 5, 3, 2, 4, 6)
    plain, plain_state = Refractory(feature_dims=3)(current)
    pooled, state = Refractory(feature_dims=3, pool=2)(current)
    assert pooled.shape == (*draws, 5, 3, 2, 2, 3)
    # The largest U of a window fires if and only if any neuron of the window does.
    windows = nn.functional.max_pool2d(plain.flatten(0, -4), 2)
    assert torch.equal(pooled, windows.view_as(pooled))
    assert torch.equal(state.refractory, plain_state.refractory)
    assert state.spikes.shape == (*draws, 3, 2, 4, 6)


def test_pooled_gradients_go_to_the_largest_membrane() -> None:
    current = torch.tensor([[0.1, -0.4], [0.3, 0.2]], dtype=torch.float64)
    current = current.view(1, 1, 1, 2, 2).requires_grad_()
    spikes, _ = Refractory(feature_dims=3, pool=2)(current)
    (grad,) = torch.autograd.grad(spikes.sum(), current)
    assert grad.flatten().tolist() == [0, 0, 1, 0]


def test_threshold_and_comparison_are_options() -> None:
    silence = torch.zeros(4, 1, 1)
    assert Refractory()(silence)[0].sum() == 1
    assert Refractory(comparison=Above())(silence)[0].sum() == 0
    assert Refractory(v_threshold=0.1)(silence)[0].sum() == 0


def test_wrong_states_are_refused() -> None:
    x = torch.zeros(4, 2, 3)
    with pytest.raises(ValueError, match=r"state has shape \(3,\) instead of \(2, 3\)"):
        SynapticTrace()(x, TraceState(torch.zeros(2, 3), torch.zeros(3)))
    with pytest.raises(ValueError, match=r"dtype torch.float64"):
        SynapticTrace()(x, TraceState(torch.zeros(2, 3).double(), torch.zeros(2, 3)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SynapticTrace(tau_mem=0), "tau_mem must be positive"),
        (lambda: SynapticTrace(tau_syn=-1), "tau_syn must be positive"),
        (lambda: Refractory(tau_ref=0), "tau_ref must be positive"),
        (lambda: Refractory(pool=2), r"pool=2 needs maps \(feature_dims=3\), got 1"),
    ],
)
def test_wrong_options_are_refused(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
