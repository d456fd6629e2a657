"""ops/synapse: linear and conv2d against sums written out in float64, for every use of K."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bayesnn_spike.ops import RefusedError, explain, only, synapse
from bayesnn_spike.ops.synapse import conv2d, linear
from tests.ops import cases

K, T, B, N, M = 3, 4, 5, 6, 33  # 33 outputs: the event-driven sum takes its vector and its tail
DRAWS = (None, 1, K)
COMBINATIONS = list(product(DRAWS, DRAWS, ("absent", *DRAWS)))


def with_draws(draws: int | None, shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape if draws is None else (draws, *shape)


def expected_draws(*draws: int | str | None) -> int | None:
    counts = [d for d in draws if isinstance(d, int)]
    return max(counts) if counts else None


def full(tensor: Tensor, ndim: int, draws: int) -> Tensor:
    """float64 with an explicit draw axis."""
    tensor = tensor.double() if tensor.ndim == ndim + 1 else tensor.double()[None]
    return tensor.expand(draws, *tensor.shape[1:])


def linear_oracle(x: Tensor, w: Tensor, b: Tensor | None, draws: int | None) -> Tensor:
    k = draws or 1
    y = torch.einsum("kmn,ktbn->ktbm", full(w, 2, k), full(x, 3, k))
    if b is not None:
        y = y + full(b, 1, k)[:, None, None]
    return y if draws else y[0]


def conv2d_oracle(x, w, b, draws, *, stride: int, padding: int) -> Tensor:
    """Every output pixel as a sum over one window, by hand."""
    k = draws or 1
    x, w = F.pad(full(x, 5, k), (padding,) * 4), full(w, 4, k)
    side = w.shape[-1]
    height = (x.shape[-2] - side) // stride + 1
    width = (x.shape[-1] - side) // stride + 1
    y = torch.zeros(*x.shape[:3], w.shape[1], height, width, dtype=torch.float64)
    for i, j in product(range(height), range(width)):
        top, left = i * stride, j * stride
        window = x[..., top : top + side, left : left + side]
        y[..., i, j] = torch.einsum("kochw,ktbchw->ktbo", w, window)
    if b is not None:
        y = y + full(b, 1, k)[:, None, None, :, None, None]
    return y if draws else y[0]


@pytest.mark.parametrize(("of_x", "of_w", "of_b"), COMBINATIONS)
def test_linear_with_every_combination_of_draws(of_x, of_w, of_b) -> None:
    x = cases.spikes(*with_draws(of_x, (T, B, N)))
    w = cases.signs(*with_draws(of_w, (M, N)), seed=1)
    b = None if of_b == "absent" else cases.signs(*with_draws(of_b, (M,)), seed=2)
    draws = expected_draws(of_x, of_w, of_b)
    found = linear(x, w, b)
    assert found.shape == with_draws(draws, (T, B, M))
    assert torch.equal(found.double(), linear_oracle(x, w, b, draws))


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1), (2, 1)])
@pytest.mark.parametrize(("of_x", "of_w", "of_b"), COMBINATIONS)
def test_conv2d_with_every_combination_of_draws(of_x, of_w, of_b, stride, padding) -> None:
    x = cases.spikes(*with_draws(of_x, (2, 3, 2, 5, 6)))
    w = cases.signs(*with_draws(of_w, (4, 2, 3, 3)), seed=1)
    b = None if of_b == "absent" else cases.signs(*with_draws(of_b, (4,)), seed=2)
    draws = expected_draws(of_x, of_w, of_b)
    found = conv2d(x, w, b, stride=stride, padding=padding)
    expected = conv2d_oracle(x, w, b, draws, stride=stride, padding=padding)
    assert found.shape == expected.shape
    assert torch.equal(found.double(), expected)


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.1, 1.0])
@pytest.mark.parametrize(("of_w", "of_b"), list(product(DRAWS, ("absent", *DRAWS))))
def test_the_event_driven_sum_equals_the_oracle(of_w, of_b, rate) -> None:
    x = cases.spikes(T, B, 50, rate=rate) * cases.lattice(T, B, 50)
    w = cases.signs(*with_draws(of_w, (M, 50)), seed=1)
    b = None if of_b == "absent" else cases.signs(*with_draws(of_b, (M,)), seed=2)
    if rate <= synapse.MAX_DENSITY:
        with only("cpu"):
            found = linear(x, w, b)
    else:  # the dispatcher would refuse so dense an input
        from bayesnn_spike.ops.synapse import cpu

        found = cpu.linear(x, w, b)
    draws = expected_draws(of_w, of_b)
    assert found.shape == with_draws(draws, (T, B, M))
    assert torch.equal(found.double(), linear_oracle(x, w, b, draws))


@pytest.mark.parametrize("name", ["reference", "cpu"])
def test_real_weights_are_right_to_rounding(name: str) -> None:
    x = cases.spikes(T, B, 200, rate=0.1)
    w, b = (cases.normal(*s, dtype=torch.float32) for s in ((K, M, 200), (K, M)))
    with only(name):
        found = linear(x, w, b)
    torch.testing.assert_close(found.double(), linear_oracle(x, w, b, K), rtol=1e-5, atol=1e-4)


def summed_like(grad: Tensor, tensor: Tensor) -> Tensor:
    """Sum the draw axis of a gradient where the tensor was shared by all draws."""
    shared = tensor.ndim < grad.ndim or len(tensor) < len(grad)
    return grad.sum(0).reshape(tensor.shape) if shared else grad


@pytest.mark.parametrize(("of_x", "of_w", "of_b"), COMBINATIONS)
def test_linear_gradients_are_the_readme_s(of_x, of_w, of_b) -> None:
    """dL/dw = sum g x, dL/dx = sum g w; an axis that was broadcast is summed over."""
    x = cases.normal(*with_draws(of_x, (T, B, N))).requires_grad_()
    w = cases.normal(*with_draws(of_w, (M, N)), seed=1).requires_grad_()
    inputs = [x, w]
    if of_b != "absent":
        inputs.append(cases.normal(*with_draws(of_b, (M,)), seed=2).requires_grad_())
    found = linear(*inputs)
    g = cases.normal(*found.shape, seed=3)
    grads = torch.autograd.grad(found, inputs, g)
    draws = expected_draws(of_x, of_w, of_b) or 1
    g = full(g, 3, draws)
    expected = [
        torch.einsum("ktbm,kmn->ktbn", g, full(w, 2, draws)),
        torch.einsum("ktbm,ktbn->kmn", g, full(x, 3, draws)),
        g.sum((1, 2)),
    ]
    for tensor, grad, wanted in zip(inputs, grads, expected, strict=False):
        torch.testing.assert_close(grad, summed_like(wanted, tensor))


@pytest.mark.parametrize("of_w", DRAWS)
@pytest.mark.parametrize("of_x", DRAWS)
def test_conv2d_gradients_agree_with_differences(of_x, of_w) -> None:
    x = cases.normal(*with_draws(of_x, (1, 2, 2, 4, 4))).requires_grad_()
    w = cases.normal(*with_draws(of_w, (2, 2, 3, 3)), seed=1).requires_grad_()
    b = cases.normal(*with_draws(of_w, (2,)), seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda *a: conv2d(*a, stride=2, padding=1), (x, w, b))


@pytest.mark.parametrize("of_b", ["absent", None, K])
@pytest.mark.parametrize("of_w", DRAWS)
def test_event_driven_gradients_equal_the_reference(of_w, of_b) -> None:
    x = cases.spikes(T, B, 50, rate=0.1)
    w = cases.signs(*with_draws(of_w, (M, 50)), seed=1).requires_grad_()
    inputs = [w]
    if of_b != "absent":
        inputs.append(cases.signs(*with_draws(of_b, (M,)), seed=2).requires_grad_())
    found = []
    for name in ("reference", "cpu"):
        with only(name):
            y = linear(x, *inputs)
        g = cases.lattice(*y.shape, seed=3)
        found.append(torch.autograd.grad(y, inputs, g))
    for one, two in zip(*found, strict=True):
        assert torch.equal(one, two)


def test_one_backward_pass_gives_the_gradient_of_every_draw() -> None:
    x = cases.spikes(T, B, N, dtype=torch.float64)
    w = cases.normal(K, M, N).requires_grad_()
    losses = linear(x, w).square().mean((1, 2, 3))
    (together,) = torch.autograd.grad(losses.sum(), w)
    for k in range(K):
        alone = w[k].detach().requires_grad_()
        (grad,) = torch.autograd.grad(linear(x, alone).square().mean(), alone)
        torch.testing.assert_close(together[k], grad)


LINEAR_ERRORS = {
    "no time": ((B, N), (M, N), None, r"spikes must be \[\*K, T, B, N\], got shape \(5, 6\)"),
    "flat weight": ((T, B, N), (N,), None, r"weight must be \[\*K, M, N\], got shape \(6,\)"),
    "inputs": ((T, B, N), (M, 7), None, r"takes 7 inputs, the spikes have 6: .*\(33, 7\)"),
    "draws": ((2, T, B, N), (K, M, N), None, r"'spikes': 2, 'weight': 3"),
    "bias draws": ((T, B, N), (2, M, N), (K, M), r"'weight': 2, 'bias': 3"),
    "bias size": ((T, B, N), (M, N), (7,), r"33 outputs need a bias each: .*bias \(7,\)"),
    "one bias": ((T, B, N), (M, N), (1,), "33 outputs need a bias each"),
    "bias axes": ((T, B, N), (M, N), (1, 1, M), r"bias must be \[\*K, M\]"),
}


@pytest.mark.parametrize("case", LINEAR_ERRORS)
def test_linear_names_what_does_not_fit(case: str) -> None:
    x, w, b, message = LINEAR_ERRORS[case]
    with pytest.raises(ValueError, match=message):
        linear(torch.zeros(x), torch.zeros(w), None if b is None else torch.zeros(b))


CONV_ERRORS = {
    "no time": ((3, 2, 5, 5), (4, 2, 3, 3), None, r"spikes must be \[\*K, T, B, C, H, W\]"),
    "kernel": ((1, 3, 2, 5, 5), (2, 3, 3), None, r"weight must be \[\*K, O, C, h, w\]"),
    "channels": ((1, 3, 2, 5, 5), (4, 1, 3, 3), None, "takes 1 inputs, the spikes have 2"),
    "draws": ((2, 1, 3, 2, 5, 5), (3, 4, 2, 3, 3), None, "'spikes': 2, 'weight': 3"),
    "bias": ((1, 3, 2, 5, 5), (4, 2, 3, 3), (1,), "4 outputs need a bias each"),
}


@pytest.mark.parametrize("case", CONV_ERRORS)
def test_conv2d_names_what_does_not_fit(case: str) -> None:
    x, w, b, message = CONV_ERRORS[case]
    with pytest.raises(ValueError, match=message):
        conv2d(torch.zeros(x), torch.zeros(w), None if b is None else torch.zeros(b))


SPARSE = torch.zeros(T, B, N)
CPU_REFUSALS = {
    "dtype": (SPARSE.double(), torch.ones(M, N).double(), "works in float32"),
    "few outputs": (
        SPARSE,
        torch.ones(2, N),
        "pays off from 32 outputs or 1024 rows, got 2 and 20",
    ),
    "dense": (SPARSE + 1, torch.ones(M, N), "pays off below a density of 0.35, got 1.00"),
    "device": (SPARSE.to("meta"), torch.ones(M, N, device="meta"), "needs tensors on the cpu"),
}


@pytest.mark.parametrize("case", CPU_REFUSALS)
def test_the_event_driven_sum_says_why_it_refuses(case: str) -> None:
    x, w, reason = CPU_REFUSALS[case]
    with only("cpu"), pytest.raises(RefusedError, match=reason):
        linear(x, w)
    assert explain(synapse._LINEAR, x, w, None).endswith("linear/reference: runs")


def test_sparse_spikes_run_event_driven_by_themselves() -> None:
    text = explain(synapse._LINEAR, SPARSE, torch.ones(K, M, N), None)
    assert text.splitlines() == ["linear/cpu: runs", "linear/reference: available"]
