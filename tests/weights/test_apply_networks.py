"""weights/apply: binary weights in any network, against the same weights as numbers."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from bayesnn_spike.models import lenet, local_mlp, mlp
from bayesnn_spike.neurons import IF, LIF, ToValue
from bayesnn_spike.nn import Conv2d, Flatten, Fold, Linear, Sequential
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.rng import Stream
from bayesnn_spike.weights import is_lazy, is_signs, pack_spikes
from tests.ops import cases

K, T, B = 3, 5, 2
STREAM = Stream(3)


class Block(nn.Module):
    """A user's own: plain layers, a gain that is learned, relu, no neuron."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(70, 33), nn.Linear(33, 5, bias=False)
        self.gain = nn.Parameter(torch.full((33,), 0.25))

    def forward(self, x: Tensor, state: None = None) -> tuple[Tensor, None]:
        return self.two(torch.relu(self.one(x) * self.gain - 1) + 0.5), None


class Steps(nn.Module):
    """Torch's convolution on one step after the other, as in other libraries."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool, self.read = nn.Conv2d(2, 4, 3), nn.MaxPool2d(2), nn.Linear(16, 5)

    def forward(self, x: Tensor, state: None = None) -> tuple[Tensor, None]:
        steps = [self.read(self.pool(self.conv(step)).flatten(1)) for step in x]
        return torch.stack(steps), None


def convolutions(second: nn.Module | None = None) -> Sequential:
    """Torch's own convolution as the second; as numbers it knows no axis of time."""
    return Sequential(
        conv=Conv2d(2, 70, 3, padding=1, gain=4.0, bias=True),
        fire=LIF(feature_dims=3, reset=ToValue()),
        pool=Fold(nn.MaxPool2d(2), feature_dims=3),
        plain=second or nn.Conv2d(70, 8, 3, bias=False),
        fire2=IF(feature_dims=3, v_threshold=3.0),
        flatten=Flatten(3),
        read=Linear(8 * 2 * 2, 10),
    )


NETWORKS = {
    "mlp": (lambda: mlp(70, (33, 130), 10), (70,), True),
    "mlp of maps": (lambda: mlp(70, (33,), 10, feature_dims=3), (2, 5, 7), True),
    "convolutions": (convolutions, (2, 8, 9), True),
    "plain linear": (
        lambda: Sequential(a=nn.Linear(70, 33), n=LIF(), b=nn.Linear(33, 5)),
        (70,),
        True,
    ),
    "folded": (lambda: Sequential(a=Fold(nn.Conv2d(2, 4, 3), feature_dims=3)), (2, 5, 5), False),
    "relu between": (Block, (70,), True),
    "steps": (Steps, (2, 6, 6), False),
    "local": (lambda: local_mlp(70, (33, 20), 3, stream=STREAM), (70,), True),
    "lenet": (
        lambda: lenet((2, 8, 8), 3, stream=STREAM, channels=(4, 5), kernel=3, pools=(2, 1)),
        (2, 8, 8),
        True,
    ),
}


def flat(values) -> list[Tensor]:
    """All tensors of an output or state, as numbers."""
    if isinstance(values, tuple):
        return [tensor for value in values for tensor in flat(value)]
    return [] if values is None else [values + 0]


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_any_network_runs_on_signs_as_on_numbers(name: str, pack: bool) -> None:
    """All draws together, and each alone; two chunks of time; every output and state."""
    make, features, together = NETWORKS[name]
    network = make()
    # A gain of sqrt(fan in): a scale of one.
    same = convolutions(Conv2d(70, 8, 3, gain=630**0.5)) if make is convolutions else network
    binary = {n: p.detach() for n, p in network.named_parameters() if n != "gain"}
    generator = STREAM.generator()
    logits = {n: torch.randn(p.shape, generator=generator) for n, p in binary.items()}
    weights = Bernoulli(logits).sample(K, STREAM)
    assert all(is_signs(w) for w in weights.values())
    x = cases.spikes(T, B, *features)
    chunks = [pack_spikes(c) if pack else c for c in (x[:3], x[3:])]
    ends = []
    for k in range(K):
        one = {n: w[k] for n, w in weights.items()}
        alone = run(same, {n: w.dense() for n, w in one.items()}, (x[:3], x[3:]))
        close(run(network, one, chunks), alone)
        ends.append(alone)
    if together:
        found = run(network, weights, chunks)
        # A trace of the input is one for all draws.
        stacked = [torch.stack(parts) for parts in zip(*ends, strict=True)]
        close([y.expand_as(z) for y, z in zip(found, stacked, strict=True)], stacked)


def run(network: nn.Module, weights: dict[str, Tensor], chunks) -> list[Tensor]:
    found, state = [], None
    for chunk in chunks:
        output, state = functional_call(network, weights, (chunk, state))
        found += flat(output)
    return found + flat(state)


def close(found: list[Tensor], expected: list[Tensor]) -> None:
    """Sums of signs are exact; a real gain after them may be summed in another order."""
    assert len(found) == len(expected)
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one.detach(), two.detach(), rtol=1e-6, atol=1e-6)


def test_a_learned_gain_gets_its_gradient() -> None:
    network, x = Block(), cases.spikes(T, B, 70)
    logits = {"one.weight": cases.normal(33, 70).float(), "two.weight": cases.normal(5, 33).float()}
    weight = {n: w[0] for n, w in Bernoulli(logits).sample(1, STREAM).items()}
    grads = []
    for some in (weight, {n: w.dense() for n, w in weight.items()}):
        output, _ = functional_call(network, some, (x,))
        grads.append(torch.autograd.grad(output.square().sum(), [network.gain, network.one.bias]))
    for one, two in zip(*grads, strict=True):
        assert bool(one.any())
        torch.testing.assert_close(one, two)


def test_what_is_bits_stays_bits_up_to_the_readout() -> None:
    """Currents, spikes, pooling, flattening: no layer makes numbers of them."""
    network, seen = convolutions(), {}
    for name, layer in network.named_children():
        layer.register_forward_hook(
            lambda _m, _i, y, name=name: seen.update({name: y[0] if isinstance(y, tuple) else y})
        )
    logits = {n: torch.zeros(p.shape) for n, p in network.named_parameters()}
    x = pack_spikes(cases.spikes(T, B, 2, 8, 9))
    functional_call(network, Bernoulli(logits).sample(K, STREAM), (x,))
    assert list(seen) == [name for name, _ in network.named_children()]
    assert all(is_lazy(y) for y in seen.values())
    made = {name: y.made is not None for name, y in seen.items() if hasattr(y, "made")}
    assert not any(made.values())
