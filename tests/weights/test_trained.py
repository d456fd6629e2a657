"""weights/trained: a SignLeaf is its signs, whatever a module does, and trains its values."""

import importlib.util

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from bayesnn_spike.nn import Conv2d, Linear
from bayesnn_spike.ops import only
from bayesnn_spike.ops.synapse import conv2d, linear
from bayesnn_spike.ops.synapse.straight import through_signs
from bayesnn_spike.weights import SignLeaf, sign_leaves
from tests.ops import cases

K, T, B, N, M, MAPS_OUT = 2, 4, 3, 40, 36, 68


def values(*shape: int) -> torch.Tensor:
    return cases.normal(*(shape or (K, M, N)), dtype=torch.float32).requires_grad_()


def outcome(use, weight_of) -> tuple[torch.Tensor, torch.Tensor]:
    """What a use of the weight gives, and the gradient that reaches the values."""
    v = values()
    found = use(weight_of(v))
    return found.detach(), torch.autograd.grad(found.square().sum(), v)[0]


SHARED, OWN = cases.spikes(T, B, N, rate=0.2), cases.spikes(K, T, B, N, rate=0.2)
USES = {
    "linear": lambda w: linear(SHARED, w),
    "linear, spikes with draws": lambda w: linear(OWN, w),
    "linear, a bias": lambda w: linear(SHARED, w, torch.arange(M) * 0.5),
    "linear of torch": lambda w: F.linear(SHARED, w),
    "spikes that are numbers": lambda w: linear(OWN * 0.5, w),
    "product": lambda w: OWN.flatten(1, 2) @ w.mT,
    "product by axis": lambda w: torch.einsum("tbn,kmn->ktbm", SHARED, w),
    "turned": lambda w: w.mT.sum(1),
    "one draw": lambda w: F.linear(SHARED, w[0]),
    "scaled": lambda w: linear(SHARED, w * 0.5),
    "sum": lambda w: 3 - w.sum(-1),
    "joined": lambda w: torch.cat([w, w], 1),
}


@pytest.mark.parametrize("use", USES)
def test_it_is_its_signs_and_passes_the_gradient(use: str) -> None:
    found, grad = outcome(USES[use], SignLeaf)

    def plain(v: torch.Tensor) -> torch.Tensor:
        return through_signs(v)

    with only("reference"):
        if use == "linear of torch":
            expected, wanted = outcome(USES["linear"], plain)
        else:
            expected, wanted = outcome(USES[use], plain)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(grad, wanted, rtol=1e-4, atol=1e-3)
    assert bool(grad.any())


MAPS = cases.spikes(T, B, 2, 5, 6, rate=0.2)
KERNELS = {
    "convolution": lambda w: conv2d(MAPS, w, padding=1),
    "maps with draws": lambda w: conv2d(MAPS.expand(K, *MAPS.shape), w, stride=2),
    "a bias": lambda w: conv2d(MAPS, w, torch.arange(MAPS_OUT) * 0.5, stride=(1, 2), padding=1),
    "maps that are numbers": lambda w: conv2d(MAPS * 0.5, w, padding=1),
    "kernels of one draw": lambda w: F.conv2d(MAPS.flatten(0, 1), w[0]),
}


@pytest.mark.parametrize("use", KERNELS)
def test_kernels_are_their_signs_and_pass_the_gradient(use: str) -> None:
    v = values(K, MAPS_OUT, 2, 3, 3)
    found = KERNELS[use](SignLeaf(v))
    with only("reference"):
        expected = KERNELS[use](through_signs(v))
        grads = [torch.autograd.grad(y.square().sum(), v)[0] for y in (found, expected)]
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-3)
    assert bool(grads[0].any())


@pytest.mark.parametrize("bias", [False, True])
def test_our_convolution_takes_them_in_one_pass(bias: bool) -> None:
    layer = Conv2d(2, MAPS_OUT, 3, stride=2, padding=1, gain=2.0, bias=bias)
    v, offset = values(K, MAPS_OUT, 2, 3, 3), values(K, MAPS_OUT)
    found, expected = (
        functional_call(layer, {"weight": w} | ({"bias": offset} if bias else {}), (MAPS,))
        for w in (SignLeaf(v), through_signs(v))
    )
    assert torch.equal(found, expected)
    wanted = [v, offset] if bias else [v]
    pairs = [torch.autograd.grad(y.square().sum(), wanted) for y in (found, expected)]
    for one, two in zip(*pairs, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-3)


def test_what_it_says_of_itself() -> None:
    weight = SignLeaf(values())
    assert (weight.shape, weight.ndim, len(weight)) == ((K, M, N), 3, K)
    assert (weight.dtype, weight.device.type) == (torch.float32, "cpu")
    assert weight.is_floating_point()
    assert repr(weight) == f"SignLeaf(shape={(K, M, N)})"
    assert weight.tolist() == weight.dense().tolist()
    assert set(weight.dense().unique().tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize("bias", [False, True])
def test_our_layer_and_torch_s_take_it(bias: bool) -> None:
    ours, theirs = Linear(N, M, bias=bias), nn.Linear(N, M, bias=bias)
    v, offset = values(1, M, N), cases.normal(M, dtype=torch.float32)
    given = {"weight": SignLeaf(v)} | ({"bias": offset} if bias else {})
    plain = {"weight": through_signs(v)} | ({"bias": offset} if bias else {})
    found = functional_call(ours, given, (SHARED,))
    with only("reference"):
        expected = functional_call(ours, plain, (SHARED,))
    assert torch.equal(found, expected)
    grads = [torch.autograd.grad(y.square().sum(), v)[0] for y in (found, expected)]
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(
        functional_call(theirs, given, (SHARED,)) * ours.scale, expected, rtol=1e-6, atol=1e-6
    )


def test_leaves_are_the_values_where_packing_pays_and_signs_elsewhere() -> None:
    given = {
        "wide": values().detach(),
        "narrow": values(K, 31, N).detach(),
        "few": values(K, 63, 2, 3, 3).detach(),
        "bias": values(K, M).detach(),
        "kernel": values(K, MAPS_OUT, 2, 3, 3).detach(),
        "double": values().detach().double(),
    }
    weights, leaves = sign_leaves(given)
    for name in ("wide", "kernel"):
        assert isinstance(weights[name], SignLeaf)
        assert torch.equal(leaves[name], given[name])
    for name in ("narrow", "few", "bias", "double"):
        assert weights[name] is leaves[name]
        assert torch.equal(leaves[name], through_signs(given[name]))
    assert all(leaf.is_leaf and leaf.requires_grad for leaf in leaves.values())
    assert not any(v.requires_grad for v in given.values())


def test_without_numba_leaves_are_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    weights, leaves = sign_leaves({"w": values().detach()})
    assert weights["w"] is leaves["w"]


def test_nothing_touches_memory_that_is_not_there() -> None:
    weight, message = SignLeaf(values()), "SignLeaf has no memory of its own"
    with pytest.raises(TypeError, match=message), torch._C.DisableTorchFunctionSubclass():
        torch.add(weight, 1)
