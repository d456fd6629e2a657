"""ops/cascade: the same spikes as the module of layers, where sums are exact."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bayesnn_spike.neurons import Above, AtOrAbove, Delayed, Immediate, ThresholdNeuron
from bayesnn_spike.ops.cascade import Layer, Neurons, behind, fire, read_out
from bayesnn_spike.ops.cascade.fan import pooled_pixels

ORDERS = [Immediate(), Delayed()]


def eighths(*shape: int, seed: int = 0, high: int = 8) -> Tensor:
    """Multiples of 1/8, whose sums are exact."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-high, high + 1, shape, generator=generator) / 8


def neurons(module: ThresholdNeuron) -> Neurons:
    return Neurons(
        module.v_threshold,
        torch.as_tensor(module.v_init * module.v_threshold),
        isinstance(module.comparison, AtOrAbove),
        float(module.leak),
        isinstance(module.order, Delayed),
    )


def train(layer: Layer, membrane, spikes, current, steps: int) -> Tensor:
    """The spikes of single steps as maps, `[T, B, *shape]`, and of all steps as their sum."""
    one = [
        fire(layer, membrane, spikes, current[t : t + 1], steps=1).counts(layer.shape)
        for t in range(steps)
    ]
    return torch.stack(one)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("comparison", [Above(), AtOrAbove()])
@pytest.mark.parametrize(("leak", "v_init"), [(1.0, 0.0), (1.0, 0.5), (0.5, 0.0)])
@pytest.mark.parametrize("channels", [5, 16])
def test_neurons_of_currents(order, comparison, leak: float, v_init: float, channels: int) -> None:
    steps, shape = 4, (channels, 3, 2)
    current = eighths(steps, 6, *shape)
    module = ThresholdNeuron(
        0.5, order=order, comparison=comparison, leak=leak, v_init=v_init, feature_dims=3
    )
    layer = Layer(shape, neurons=neurons(module))
    expected, state = module(current)
    membrane = layer.rest(6)
    found = train(layer, membrane, None, current, steps)
    assert torch.equal(found, expected)
    last = torch.from_numpy(membrane).view(6, 6, -1)[:, :, :channels].transpose(1, 2)
    torch.testing.assert_close(last.reshape(6, *shape), state.membrane)
    together = fire(layer, layer.rest(6), None, current, steps=steps)
    assert torch.equal(together.counts(shape), expected.sum(0))
    assert together.ends[:, -1].tolist() == expected.flatten(2).sum((0, 2)).tolist()


@pytest.mark.parametrize("shape", [(3,), (3, 2, 2)])
def test_a_threshold_a_channel(shape: tuple[int, ...]) -> None:
    values = torch.tensor([0.5, 1.0, 2.0]).view(3, *[1] * (len(shape) - 1))
    module = ThresholdNeuron(values, v_init=0.5, feature_dims=len(shape))
    current = eighths(6, 2, *shape)
    layer = Layer(shape, neurons=neurons(module))
    assert torch.equal(train(layer, layer.rest(2), None, current, 6), module(current)[0])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "pools", "outputs"),
    [
        (3, 1, 1, (), 16),
        (3, 1, 0, (2,), 5),
        (3, 2, 1, (), 20),
        (2, 2, 0, (2, 2), 3),
        (1, 1, 0, (3,), 17),
    ],
)
def test_a_convolution_behind_pools(order, bias, kernel, stride, padding, pools, outputs) -> None:
    batch, steps, maps = 3, 7, (4, 9, 11)
    before = ThresholdNeuron(0.5, order=order, feature_dims=3)
    behind_it = ThresholdNeuron(0.5, order=order, feature_dims=3)
    weight = eighths(outputs, 4, kernel, kernel, seed=1) * 4
    offset = eighths(outputs, seed=2) if bias else None
    current = eighths(1, batch, *maps).expand(steps, -1, -1, -1, -1)
    spikes = before(current)[0].flatten(0, 1)
    for side in pools:
        spikes = F.avg_pool2d(spikes, side)
    if max(pools, default=1) == 3:
        weight = weight * 9  # the mean of nine is no binary fraction
    maps_after = F.conv2d(spikes, weight, offset, stride, padding).unflatten(0, (steps, batch))
    expected, _ = behind_it(
        maps_after if max(pools, default=1) < 3 else (maps_after * 8).round() / 8
    )
    first = Layer(maps, neurons=neurons(before))
    second = behind(
        first, pools, weight, offset, stride=stride, padding=padding, neurons=neurons(behind_it)
    )
    assert second.shape == tuple(expected.shape[2:])
    trains = fire(first, first.rest(batch), None, current, steps=steps)
    found = fire(second, second.rest(batch), trains, steps=steps)
    assert torch.equal(found.counts(second.shape), expected.sum(0))
    assert found.ends[:, -1].sum() == int(expected.sum())
    readout = read_out(behind(first, pools, weight, offset, stride=stride, padding=padding), trains)
    torch.testing.assert_close(readout, maps_after, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pools", [(), (2,), (3,), (2, 2)])
@pytest.mark.parametrize("shape", [(6,), (3, 8, 9)])
def test_a_linear_layer_behind_maps_and_vectors(pools, shape: tuple[int, ...]) -> None:
    if len(shape) == 1 and pools:
        pools = ()
    module = ThresholdNeuron(0.5, feature_dims=len(shape))
    current = eighths(5, 4, *shape)
    spikes = module(current)[0]
    flat = spikes.flatten(0, 1)
    for side in pools:
        flat = F.avg_pool2d(flat, side)
    flat = flat.flatten(1)
    weight, bias = eighths(10, flat.shape[1], seed=3), eighths(10, seed=4)
    expected = F.linear(flat, weight, bias).unflatten(0, (5, 4))
    first = Layer(shape, neurons=neurons(module))
    trains = fire(first, first.rest(4), None, current, steps=5)
    found = read_out(behind(first, pools, weight, bias), trains)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert found.shape == (5, 4, 10)


def test_membranes_are_carried_on() -> None:
    module = ThresholdNeuron(1.0, leak=0.5, feature_dims=1)
    first = Layer((4,), neurons=neurons(module))
    second = behind(first, (), eighths(20, 4, high=16), None, neurons=neurons(module))
    current = eighths(1, 3, 4, high=16).expand(9, 3, 4)
    whole = fire(first, first.rest(3), None, current[:1], steps=9)
    expected = fire(second, second.rest(3), whole, steps=9).counts((20,))
    one, two, total = first.rest(3), second.rest(3), 0
    for count in (1, 5, 3):
        part = fire(first, one, None, current[:1], steps=count)
        total = total + fire(second, two, part, steps=count).counts((20,))
    assert torch.equal(total, expected)


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ThresholdNeuron(0.5, feature_dims=3)
    first = Layer((4, 6, 6), neurons=neurons(module))
    current = torch.randn(1, 12, 4, 6, 6, generator=torch.Generator().manual_seed(2))
    readout = behind(
        first, (2,), torch.randn(7, 36, generator=torch.Generator().manual_seed(3)), None
    )
    found = []
    for threads in (1, 4):
        monkeypatch.setattr("bayesnn_spike.ops._threads.threads", lambda n=threads: n)
        trains = fire(first, first.rest(12), None, current, steps=6)
        found.append(read_out(readout, trains))
    assert torch.equal(*found)


def test_pools_leave_out_what_windows_do_not_cover() -> None:
    pixels, shape = pooled_pixels((3, 5), (2,))
    assert shape == (1, 2)
    assert pixels.tolist() == [0, 0, 1, 1, -1] * 2 + [-1] * 5
    pixels, shape = pooled_pixels((4, 4), (2, 2))
    assert shape == (1, 1)
    assert pixels.tolist() == [0] * 16
    assert math.prod(pooled_pixels((7, 7), ())[1]) == 49
