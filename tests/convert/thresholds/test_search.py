"""convert/thresholds/search: layer by layer, on spikes that are kept."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from bayesnn_spike.convert import NeuronOptions
from bayesnn_spike.convert.fold import fold_norms
from bayesnn_spike.convert.thresholds.search import search
from bayesnn_spike.convert.trace import trace
from bayesnn_spike.encoding import Direct, SignedRate
from bayesnn_spike.neurons import Delayed, Immediate
from bayesnn_spike.rng import Stream
from tests.convert.nets import chain, images, mlp, residual

CODE = SignedRate(20, Stream(5))


def thresholds(
    net: nn.Module,
    x: Tensor,
    encoder: Direct | SignedRate = CODE,
    options: NeuronOptions = NeuronOptions(),
    *,
    percentile: float = 100.0,
    scale: float = 1.0,
    fixed: tuple = (),
) -> dict[str, float]:
    plan = fold_norms(trace(net, x))
    found = search(plan, x, encoder, options, percentile=percentile, scale=scale, fixed=fixed)
    return {name: float(value) for name, value in found.items()}


def by_hand(net: nn.Sequential, x: Tensor, encoder: SignedRate, v_init: float) -> list[float]:
    """The published loop for an MLP without bias: every layer afresh, step by step, immediate."""
    weights = [m.weight.detach() for m in net if isinstance(m, nn.Linear)]
    inputs = encoder.encode(x)
    found: list[float] = []
    for depth in range(len(weights) - 1):
        membranes = [
            torch.full((len(x), len(w)), v_init * v) for w, v in zip(weights, found, strict=False)
        ]
        best = -math.inf
        for spikes in inputs:
            for layer in range(depth):
                membranes[layer] += spikes @ weights[layer].T
                spikes = (membranes[layer] >= found[layer]).float()
                membranes[layer] -= found[layer] * spikes
            best = max(best, float((spikes @ weights[depth].T).max()))
        found.append(best)
    return found


@pytest.mark.parametrize("v_init", [0.0, 0.5])
def test_equals_the_published_loop(v_init: float) -> None:
    net, x = mlp(), images(70, 50)  # three chunks of images, three of steps
    found = thresholds(net, x, options=NeuronOptions(v_init=v_init))
    expected = by_hand(net, x, CODE, v_init)
    assert list(found.values()) == pytest.approx(expected, rel=1e-5)
    assert list(found) == ["1", "3", "5"]


def test_direct_input_gives_the_largest_activation_of_the_first_layer() -> None:
    net, x = mlp(), images(40, 50)
    found = thresholds(net, x, Direct(30))
    assert found["1"] == pytest.approx((x @ net[0].weight.T).max().item(), rel=1e-6)


def test_the_delayed_order_hears_one_step_less_a_layer() -> None:
    net, x = mlp(), images(20, 50)
    delayed, immediate = (NeuronOptions(order=order) for order in (Delayed(), Immediate()))
    found = thresholds(net, x, Direct(12), delayed)
    assert found["1"] == thresholds(net, x, Direct(12), immediate)["1"]
    assert found["3"] == thresholds(net, x, Direct(11), immediate)["3"]
    with pytest.raises(ValueError, match="into '2' is positive on these 20 images in 1 steps"):
        thresholds(net, x, Direct(1), delayed)


def test_the_first_threshold_grows_with_steps_and_images() -> None:
    net, x = mlp(), images(60, 50)
    steps = [thresholds(net, x, SignedRate(t, Stream(5)))["1"] for t in (1, 4, 9, 30)]
    assert steps == sorted(steps)
    assert steps[0] < steps[-1]
    counts = [thresholds(net, x[:n])["1"] for n in (1, 10, 60)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_percentiles_are_monotone_and_end_at_the_maximum() -> None:
    net, x = mlp(), images(40, 50)
    first = [thresholds(net, x, percentile=q)["1"] for q in (60.0, 90.0, 99.7, 100.0)]
    assert first == sorted(first)
    assert first[-1] == thresholds(net, x)["1"]


def test_a_percentile_by_hand() -> None:
    """Of every step's currents the 90th percentile, of those the largest."""
    net, x = mlp(), images(37, 50)
    current = CODE.encode(x) @ net[0].weight.detach().T
    per_step = current.flatten(1).sort(1).values[:, math.ceil(0.9 * 37 * 64) - 1]
    assert thresholds(net, x, percentile=90.0)["1"] == pytest.approx(float(per_step.max()))


@pytest.mark.parametrize("percentile", [100.0, 97.0])
def test_the_order_of_the_images_does_not_matter(percentile: float) -> None:
    net, x = chain(), images(50, 1, 8, 8)
    turned = thresholds(net, x.flip(0), Direct(12), percentile=percentile)
    assert turned == pytest.approx(thresholds(net, x, Direct(12), percentile=percentile), rel=1e-5)


def test_homogeneity() -> None:
    """Twice a layer's weights is twice its threshold and nothing else."""
    net, x = chain(), images(33, 1, 8, 8)
    before = thresholds(net, x)
    doubled = copy.deepcopy(net)
    with torch.no_grad():
        doubled.conv2.weight.mul_(2)
    after = thresholds(doubled, x)
    assert after == pytest.approx(before | {"relu2": 2 * before["relu2"]})


def test_the_scale_comes_at_the_end_and_once() -> None:
    net, x = chain(), images(33, 1, 8, 8)
    plain = thresholds(net, x)
    scaled = thresholds(net, x, scale=0.5)
    assert scaled == {name: 0.5 * value for name, value in plain.items()}
    assert thresholds(net, x, scale=0.5) == scaled


def test_dropout_does_not_count() -> None:
    net, x = chain(), images(33, 1, 8, 8)
    without = copy.deepcopy(net)
    without.drop2.p = 0.0
    assert thresholds(net.train(), x) == thresholds(without, x)
    assert net.training


def test_the_leak_does_not_count() -> None:
    net, x = mlp(), images(10, 50)
    leaky = NeuronOptions(leak=0.5, learn_leak=True, learn_threshold=True)
    assert thresholds(net, x, options=leaky) == thresholds(net, x)


def test_given_thresholds_are_used_and_not_scaled() -> None:
    net, x = residual(), images(20, 1, 8, 8)
    found = thresholds(net, x, scale=0.7, fixed=(("blocks_*", 1.0),))
    assert set(found.values()) == {found["act"], 1.0}
    assert found["act"] == pytest.approx(0.7 * thresholds(net, x)["act"])
    with pytest.raises(ValueError, match="no neuron is called 'layer\\*'; there are"):
        thresholds(net, x, fixed=(("layer*", 1.0),))


def test_a_dead_layer_is_named() -> None:
    net, x = mlp(), images(10, 50)
    with torch.no_grad():
        net[2].weight.copy_(-net[2].weight.abs())
    with pytest.raises(ValueError, match="no current into '2' is positive on these 10 images"):
        thresholds(net, x)
