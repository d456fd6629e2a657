"""weights/perturbed: the mean, variance and covariance of noisy currents, and their gradients."""

import math

import pytest
import torch

from bayesnn_spike.nn import Conv2d, Linear
from bayesnn_spike.ops.draw import draw_signs
from bayesnn_spike.ops.synapse import conv2d, linear
from bayesnn_spike.rng import Stream
from bayesnn_spike.weights import FlipoutWeight, LocalWeight
from tests.ops import cases

N, M, B, T = 4, 3, 2, 3
KINDS = ["flipout", "local"]


def perturbed(kind: str, mean: torch.Tensor, seed: int) -> torch.Tensor:
    """A noisy weight of this mean `[1, *shape]`; a new draw for every seed."""
    stream = Stream(seed)
    if kind == "local":
        return LocalWeight(mean, stream.child("noise"))
    signs = draw_signs(mean.detach().atanh(), stream=stream.child("signs"))[0]
    return FlipoutWeight(mean, signs, stream.child("noise"))


def mean_of(*shape: int, seed: int = 0) -> torch.Tensor:
    return cases.normal(1, *shape, seed=seed).mul(0.7).tanh()


def repeats(kind: str, op, means: list[torch.Tensor], draws: int = 1500) -> torch.Tensor:
    """Currents of many independent draws, `[draws, *current]`."""
    return torch.stack(
        [
            op(*(perturbed(kind, mean, 1000 * seed + i) for i, mean in enumerate(means)))[0]
            for seed in range(draws)
        ]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_linear_currents_have_the_exact_mean_and_covariance(kind: str) -> None:
    """Per example: mean mu x, variance sum (1 - mu^2) x^2, constant in time, no correlation
    between examples nor units; over time the covariance sum (1 - mu^2) x_t x_s of one draw,
    which the local normal replaces by a perfect one."""
    mean, bias = mean_of(M, N), mean_of(M, seed=1)
    x = cases.normal(T, B, N)
    y = repeats(kind, lambda w, b: linear(x, w, b), [mean, bias])
    central = linear(x, mean[0], bias[0])
    bias_variance = 1 - bias[0].square()
    variance = linear(x.square(), 1 - mean[0].square(), bias_variance)
    error = (y.mean(0) - central).abs() / (variance / len(y)).sqrt()
    assert float(error.max()) < 5
    spread = (y - central).square().mean(0)
    fourth = (y - central).pow(4).mean(0) - spread.square()
    assert float(((spread - variance).abs() / (fourth / len(y)).sqrt()).max()) < 5
    deviation = (y - central).flatten(1)  # [draws, T * B * M]
    covariance = (deviation.T @ deviation / len(y)).view(T, B, M, T, B, M)
    scale = variance.sqrt()
    correlation = covariance / scale[..., None, None, None] / scale
    for b in range(B):
        for m in range(M):
            other = correlation[:, b, m].clone()
            other[:, :, b, m] = 0
            assert float(other.abs().max()) < 5 / math.sqrt(len(y))
    if kind == "flipout":
        shared = (
            torch.einsum("tbn,sbn,mn->btms", x, x, 1 - mean[0].square())
            + bias_variance[None, None, :, None]
        )
        products = torch.einsum("ktbm,ksbm->kbtms", y - central, y - central)
        error = (products.mean(0) - shared).abs() / (products.std(0) / math.sqrt(len(y)))
        assert float(error.max()) < 5


@pytest.mark.parametrize("kind", KINDS)
def test_conv2d_currents_have_the_exact_mean_and_variance(kind: str) -> None:
    mean, bias = mean_of(2, 1, 3, 3), mean_of(2, seed=1)
    x = cases.normal(2, 2, 1, 4, 4)
    y = repeats(kind, lambda w, b: conv2d(x, w, b, padding=1, stride=2), [mean, bias], 800)
    central = conv2d(x, mean[0], bias[0], padding=1, stride=2)
    variance = conv2d(x.square(), 1 - mean[0].square(), 1 - bias[0].square(), padding=1, stride=2)
    assert float(((y.mean(0) - central).abs() / (variance / len(y)).sqrt()).max()) < 5
    spread = (y - central).square().mean(0)
    fourth = (y - central).pow(4).mean(0) - spread.square()
    assert float(((spread - variance).abs() / (fourth / len(y)).sqrt()).max()) < 5


def test_a_flipped_draw_is_an_exact_draw_for_each_example() -> None:
    """One active input: the current is mu + s r (w - mu), which is w or its mirror image."""
    mean = mean_of(M, N)
    x = torch.eye(N, dtype=torch.float64)[None]  # example n sees weight n alone
    weight = perturbed("flipout", mean, 5)
    y = linear(x, weight)[0, 0].T  # [M, N]
    signs = weight.signs
    same = torch.isclose(y, signs)
    mirrored = torch.isclose(y, 2 * mean[0] - signs)
    assert bool((same | mirrored).all())
    assert bool(same.any())
    assert bool(mirrored.any())


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_a_function_of_the_stream_and_held_over_time(kind: str) -> None:
    mean = mean_of(M, N)
    x = cases.normal(1, B, N).expand(T, B, N)
    y = linear(x, perturbed(kind, mean, 1))
    assert torch.equal(y, linear(x, perturbed(kind, mean, 1)))
    assert not torch.equal(y, linear(x, perturbed(kind, mean, 2)))
    assert torch.equal(y[:, :1].expand_as(y), y)


@pytest.mark.parametrize("kind", KINDS)
def test_certain_weights_carry_no_noise(kind: str) -> None:
    mean = cases.signs(1, M, N, dtype=torch.float64)
    mean[:, 0, 0] = 1.0
    x = cases.spikes(T, B, N, dtype=torch.float64)
    leaf = mean.clone().requires_grad_()
    weight = LocalWeight(leaf, Stream(1)) if kind == "local" else None
    weight = weight if kind == "local" else FlipoutWeight(leaf, mean[0], Stream(1))
    y = linear(x, weight)
    torch.testing.assert_close(y, linear(x, mean))
    (grad,) = torch.autograd.grad(y.sum(), leaf)
    assert bool(torch.isfinite(grad).all())


def test_flipout_s_gradient_goes_to_the_mean_as_if_there_were_no_noise() -> None:
    mean, x = mean_of(M, N).requires_grad_(), cases.normal(T, B, N)
    y = linear(x, perturbed("flipout", mean, 1))
    g = cases.normal(*y.shape, seed=2)
    (found,) = torch.autograd.grad(y, mean, g)
    torch.testing.assert_close(found, torch.einsum("ktbm,tbn->kmn", g, x))


def test_the_local_gradient_is_that_of_mean_and_deviation() -> None:
    mean, x = mean_of(M, N).requires_grad_(), cases.normal(T, B, N)
    weight = LocalWeight(mean, Stream(1))
    generator = Stream(1).generator()
    eps = torch.randn(1, B, M, generator=generator, dtype=torch.float64)[:, None]
    y = linear(x, mean) + linear(x.square(), 1 - mean.square()).sqrt() * eps
    found = linear(x, weight)
    torch.testing.assert_close(found, y)
    g = cases.normal(*y.shape, seed=2)
    grads = [torch.autograd.grad(out, mean, g, retain_graph=True)[0] for out in (found, y)]
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("noisy_names", [{"weight"}, {"bias"}, {"weight", "bias"}])
def test_weights_and_biases_may_be_noisy_apart(kind: str, noisy_names: set[str]) -> None:
    for layer, x in (
        (Linear(N, M, bias=True).double(), cases.normal(T, B, N)),
        (Conv2d(2, M, 3, bias=True).double(), cases.normal(T, B, 2, 4, 5)),
    ):
        weights = {}
        for name, p in layer.named_parameters():
            mean = mean_of(*p.shape)
            weights[name] = perturbed(kind, mean, 1) if name in noisy_names else mean[0]
        y = torch.func.functional_call(layer, weights, (x,))
        plain = {name: w.mean if name in noisy_names else w for name, w in weights.items()}
        central = torch.func.functional_call(layer, plain, (x,))
        noise = y - central
        assert y.shape == central.shape
        assert bool(noise.any())
        if noisy_names == {"bias"}:  # the same at every step and pixel
            first = noise[:, :1, :, :, :1, :1] if noise.ndim == 6 else noise[:, :1]
            torch.testing.assert_close(noise, first.expand_as(noise))


@pytest.mark.parametrize("kind", KINDS)
def test_anything_but_the_synapses_is_refused(kind: str) -> None:
    weight = perturbed(kind, mean_of(M, N), 1)
    for use in (
        lambda: torch.add(weight, 1),
        lambda: weight.sum(),
        lambda: torch.nn.functional.linear(torch.zeros(2, N), weight),
        lambda: weight[0],
    ):
        with pytest.raises(TypeError, match=r"supports the linear and conv2d .* use its .mean"):
            use()
