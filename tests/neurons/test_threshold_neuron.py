"""neurons/threshold_neuron: rates in closed form, what is learned, and the leading draw axis."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from bayesnn_spike.neurons import (
    IF,
    Above,
    AtOrAbove,
    Delayed,
    Immediate,
    LinearRatio,
    SpikeTime,
    ThresholdNeuron,
    ToValue,
)
from tests.neurons.refusals import OF_ANOTHER_KIND
from tests.ops import cases

# Currents that float32 adds up exactly.
RATIOS = [0.0, 1 / 64, 5 / 64, 0.25, 0.5, 37 / 64, 63 / 64]


def spikes_of(current: float | list[float], neuron: nn.Module, steps: int = 0) -> list[float]:
    """The train of one neuron, `[T, B, N]` = `[T, 1, 1]`."""
    values = current if isinstance(current, list) else [current] * steps
    dtype = next(neuron.buffers(), torch.zeros(())).dtype
    return neuron(torch.tensor(values, dtype=dtype).view(-1, 1, 1))[0].flatten().tolist()


@pytest.mark.parametrize("v", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("steps", [1, 7, 64, 101])
def test_the_number_of_spikes_of_a_constant_current(steps: int, ratio: float, v: float) -> None:
    """floor(zT/V), rounded with half a threshold at rest; delayed, strictly above, a step less."""
    z = ratio * v
    assert sum(spikes_of(z, ThresholdNeuron(v), steps)) == math.floor(ratio * steps)
    half = ThresholdNeuron(v, v_init=0.5)
    assert sum(spikes_of(z, half, steps)) == math.floor(ratio * steps + 0.5)
    late = sum(spikes_of(z, ThresholdNeuron(v, order=Delayed()), steps))
    assert late == max(math.ceil(ratio * (steps - 1)) - 1, 0)
    assert abs(late / steps - ratio) < 2 / steps


def test_saturated_and_inhibited_neurons() -> None:
    for order, steps in ((Immediate(), 20), (Delayed(), 19)):
        neuron = ThresholdNeuron(1.0, order=order)
        assert sum(spikes_of(1.25, neuron, 20)) == steps
        assert sum(spikes_of(-0.5, neuron, 20)) == 0
    _, state = neuron(torch.full((20, 1, 1), -0.5))
    assert state.membrane.item() == -10  # no floor under the membrane


def test_golden_trains() -> None:
    def fired(current: float, steps: int, order) -> list[int]:
        train = spikes_of(current, ThresholdNeuron(order=order), steps)
        return [t for t, s in enumerate(train) if s]

    assert fired(0.4, 10, Immediate()) == [2, 4, 7, 9]
    assert fired(0.4, 10, Delayed()) == [3, 6, 8]
    assert fired(0.5, 8, Immediate()) == [1, 3, 5, 7]
    assert fired(0.5, 8, Delayed()) == [3, 5, 7]


@pytest.mark.parametrize(("z", "hard"), [(0.3, 0.25), (0.6, 0.5), (0.7, 0.5), (0.9, 0.5)])
def test_a_hard_reset_has_another_rate(z: float, hard: float) -> None:
    """1 / ceil(V/z): a reset to 0 throws the rest of the membrane away."""
    assert sum(spikes_of(z, IF(reset=ToValue()), 1000)) / 1000 == hard
    assert sum(spikes_of(z, ThresholdNeuron(), 1000)) / 1000 == pytest.approx(z, abs=2e-3)


@pytest.mark.parametrize(
    ("leak", "z", "rate"),
    [(0.99, 0.005, 0), (0.95, 0.02, 0), (0.99, 0.3, 0.2948), (0.95, 0.3, 0.274)],
)
def test_a_leak_lowers_the_rate_and_silences(leak: float, z: float, rate: float) -> None:
    """Silent where z / (1 - leak) does not reach the threshold."""
    found = sum(spikes_of(z, ThresholdNeuron(leak=leak), 5000)) / 5000
    assert found == pytest.approx(rate, abs=1e-4)


@pytest.mark.parametrize(
    ("currents", "spikes", "rest"),
    [([1.25, 0.375, 0.375, -1], 2, -1), ([-1, 0.375, 0.375, 1.25], 1, 0), ([0.0, 0, 0, 3], 1, 2)],
)
def test_the_order_of_currents_matters(currents: list[float], spikes: int, rest: float) -> None:
    """Binary fractions, so that the tie of the third step is one in float32 too."""
    train, state = ThresholdNeuron()(torch.tensor(currents).view(-1, 1, 1))
    assert (train.sum().item(), state.membrane.item()) == (spikes, rest)


def test_a_large_current_is_paid_off_one_spike_a_step() -> None:
    """A burst neuron would send its three spikes at once; here the rest waits for silent steps."""
    for order, first in ((Immediate(), 3), (Delayed(), 4)):
        # Strictly above, the last third of exactly three thresholds would stay.
        neuron = ThresholdNeuron(order=order, comparison=AtOrAbove())
        train, state = neuron(torch.tensor([0.0, 0, 0, 3, 0, 0, 0]).view(-1, 1, 1))
        expected = [float(first <= t < first + 3) for t in range(7)]
        assert train.flatten().tolist() == expected
        assert state.membrane.item() == 0


def test_a_threshold_of_the_largest_current_never_overflows() -> None:
    """Conversion balances so: after the reset the membrane is below the threshold."""
    current = cases.normal(50, 4, 30, dtype=torch.float32)
    neuron = ThresholdNeuron(current.max())
    state = None
    for t in range(50):
        _, state = neuron(current[t : t + 1], state)
        assert bool((state.membrane < neuron.v_threshold).all())


def test_ties_follow_the_order_unless_said_otherwise() -> None:
    assert ThresholdNeuron().comparison == AtOrAbove()
    assert ThresholdNeuron(order=Delayed()).comparison == Above()
    assert ThresholdNeuron(comparison=Above()).comparison == Above()
    assert spikes_of([1.0, 0.5], ThresholdNeuron(comparison=Above())) == [0, 1]


def test_threshold_and_leak_are_in_the_state_dict() -> None:
    neuron = ThresholdNeuron(torch.tensor([[[2.0]], [[3.0]]]), leak=0.75, feature_dims=3)
    assert set(neuron.state_dict()) == {"v_threshold", "leak"}
    assert list(neuron.parameters()) == []
    other = ThresholdNeuron(torch.ones(2, 1, 1), feature_dims=3)
    other.load_state_dict(neuron.state_dict())
    x = cases.normal(6, 2, 2, 4, 4, dtype=torch.float32)
    assert torch.equal(other(x)[0], neuron(x)[0])
    assert neuron.double()(x.double())[0].dtype == torch.float64


def test_a_membrane_at_rest_for_every_neuron() -> None:
    """A tensor is a buffer: it broadcasts over a step, and may be negative or above 1."""
    v_init = torch.tensor([-0.5, 0.0, 0.5, 1.5])
    neuron = ThresholdNeuron(torch.full((4,), 2.0), v_init=v_init)
    assert set(neuron.state_dict()) == {"v_threshold", "leak", "v_init"}
    spikes, state = neuron(torch.zeros(1, 3, 4))
    assert torch.equal(spikes[0], torch.tensor([0.0, 0, 0, 1]).expand(3, 4))
    assert torch.equal(state.membrane, torch.tensor([-1.0, 0, 1, 1]).expand(3, 4))
    for i, part in enumerate(v_init):
        train, _ = neuron(torch.full((9, 1, 4), 0.75))
        assert train[:, 0, i].tolist() == spikes_of(
            0.75, ThresholdNeuron(2.0, v_init=float(part)), 9
        )
    assert "v_init=(4,)" in repr(neuron)
    with pytest.raises(ValueError, match="v_init must be one number or broadcast to a step"):
        ThresholdNeuron(v_init=torch.zeros(3))(torch.zeros(1, 3, 4))


def test_a_caller_s_threshold_is_copied() -> None:
    v = torch.tensor(1.0)
    neuron = ThresholdNeuron(v)
    v.mul_(2)
    assert neuron.v_threshold.item() == 1.0


@pytest.mark.parametrize("surrogate", [SpikeTime(), LinearRatio()])
@pytest.mark.parametrize("order", [Delayed(), Immediate()])
def test_what_is_learned_gets_a_gradient(order, surrogate) -> None:
    x = cases.normal(6, 3, 5, dtype=torch.float32)
    for learned in ({"learn_threshold"}, {"learn_leak"}, {"learn_threshold", "learn_leak"}):
        neuron = ThresholdNeuron(
            0.5, leak=0.5, order=order, surrogate=surrogate, **dict.fromkeys(learned, True)
        )
        names = {
            name.removeprefix("learn_").replace("threshold", "v_threshold") for name in learned
        }
        assert {name for name, _ in neuron.named_parameters()} == names
        neuron(x)[0].sum().backward()
        assert all(p.grad.item() != 0 for p in neuron.parameters())


def test_a_step_that_leads_out_is_clamped_where_it_is_learned() -> None:
    neuron = ThresholdNeuron(0.5, learn_threshold=True, learn_leak=True)
    with torch.no_grad():
        neuron.leak.fill_(1.25)
        neuron.v_threshold.fill_(-0.5)
    neuron.clamp_()
    assert (neuron.leak.item(), neuron.v_threshold.item()) == (1.0, pytest.approx(1e-3))
    fixed = ThresholdNeuron(1e-4)
    fixed.clamp_()
    assert fixed.v_threshold.item() == pytest.approx(1e-4)


def currents(k: int) -> Tensor:
    return cases.normal(k, 6, 3, 4, 5, 5, dtype=torch.float32) + 0.2


@pytest.mark.parametrize(
    "threshold", [torch.tensor(0.5), torch.tensor([0.5, 1, 2, 3])[:, None, None]]
)
@pytest.mark.parametrize("k", [1, 3])
def test_handed_in_values_may_have_a_draw_axis(k: int, threshold: Tensor) -> None:
    """Draw k runs with its own threshold and leak, on its own currents or on common ones."""
    neuron = ThresholdNeuron(threshold, feature_dims=3, learn_threshold=True, learn_leak=True)
    factors = torch.arange(1.0, 1 + k)
    v = factors.view(-1, *[1] * threshold.ndim) * threshold
    leak = 1 / factors
    x = currents(k)
    for given in (x, x[0]):
        spikes, state = functional_call(neuron, {"v_threshold": v, "leak": leak}, given)
        assert spikes.shape == x.shape
        for i in range(k):
            own = given[i] if given.ndim == x.ndim else given
            one = ThresholdNeuron(v[i], leak=float(leak[i]), feature_dims=3)(own)
            assert torch.equal(spikes[i], one[0])
            assert torch.equal(state.membrane[i], one[1].membrane)


def test_carried_state_goes_on() -> None:
    x, neuron = currents(2), ThresholdNeuron(0.7, leak=0.9, feature_dims=3, order=Delayed())
    whole, last = neuron(x)
    first, state = neuron(x[:, :2])
    second, end = neuron(x[:, 2:], state)
    assert torch.equal(torch.cat([first, second], 1), whole)
    assert all(torch.equal(a, b) for a, b in zip(end, last, strict=True))


def test_it_says_what_it_is() -> None:
    assert repr(ThresholdNeuron(2.0, leak=0.99, v_init=0.5)) == (
        "ThresholdNeuron(v_threshold=2, leak=0.99, order=Immediate(), "
        "surrogate=LinearRatio(gamma=0.3, scale_by_threshold=True), v_init=0.5, feature_dims=1)"
    )
    assert "v_threshold=(4, 1, 1)" in repr(ThresholdNeuron(torch.ones(4, 1, 1), feature_dims=3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"v_threshold": 0.0}, "v_threshold must be positive and finite, got 0.0"),
        ({"v_threshold": float("inf")}, "v_threshold must be positive and finite"),
        ({"v_threshold": torch.tensor([1.0, torch.nan])}, "v_threshold must be positive"),
        ({"v_threshold": torch.ones(2, 1, 1)}, r"shape \(2, 1, 1\) has more axes than the 1"),
        ({"leak": 1.01}, r"leak must lie in \[0.0, 1.0\]"),
    ],
)
def test_what_means_nothing_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ThresholdNeuron(**options)


@OF_ANOTHER_KIND
def test_values_of_another_kind_are_refused(options: dict, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        ThresholdNeuron(**options)
