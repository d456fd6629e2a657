"""ops/fire/triton: the reference's spikes and membranes bit for bit, its gradients to rounding."""

from itertools import product

import pytest
import torch
from torch import Tensor

from bayesnn_spike.ops import RefusedError, only
from bayesnn_spike.ops.fire import fire
from bayesnn_spike.ops.fire.surrogate import (
    Above,
    ATan,
    AtOrAbove,
    Boxcar,
    FastSigmoid,
    Gaussian,
    Sigmoid,
    Subtract,
    ToValue,
    Triangle,
)
from tests.ops import cases
from tests.ops.gpu import DEVICE, both

SURROGATES = [Boxcar(1.5), Triangle(0.7), FastSigmoid(3.0), ATan(), Sigmoid(), Gaussian(0.4)]
NEURONS = list(product((Subtract(), ToValue(-0.3)), (AtOrAbove(), Above()), (True, False)))
# A kernel has its own form for bits and for floats, and for a reset with and without a gradient.
GRADIENTS = [
    (s, *n) for i, s in enumerate(SURROGATES) for n in (NEURONS if i < 2 else NEURONS[::5])
]


def gradients(current: Tensor, state: Tensor | None, time_dim: int, **neuron) -> list[Tensor]:
    """Spikes, membrane, and gradients for cotangents of both."""
    leaves = [x.detach().requires_grad_() for x in (current, state) if x is not None]
    options = {"time_dim": time_dim, "beta": 0.9, "v_threshold": 1.0} | neuron
    spikes, v = fire(leaves[0], leaves[1] if len(leaves) > 1 else None, **options)
    g = [cases.normal(*y.shape, seed=i, dtype=torch.float32) for i, y in enumerate((spikes, v))]
    grads = torch.autograd.grad(
        (spikes, v), leaves, [x.to(y.device) for x, y in zip(g, (spikes, v), strict=True)]
    )
    return [spikes.detach(), v.detach(), *grads]


def assert_like_the_reference(call, *inputs: Tensor) -> None:
    found, expected = both(call, *inputs)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])
    for one, two in zip(found[2:], expected[2:], strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-5)


def currents(*shape: int) -> Tensor:
    """Real currents, and a row on the lattice, where ties are common."""
    current = cases.normal(*shape, dtype=torch.float32)
    current[0] = cases.lattice(*shape[1:])
    return current


@pytest.mark.parametrize(("surrogate", "reset", "comparison", "detach"), GRADIENTS, ids=repr)
def test_spikes_and_gradients_are_the_reference_s(surrogate, reset, comparison, detach) -> None:
    """17 steps: one more than share a word of saved bits."""
    neuron = {"surrogate": surrogate, "reset": reset, "comparison": comparison}
    assert_like_the_reference(
        lambda x, v: gradients(x, v, 0, detach_reset=detach, **neuron),
        currents(17, 3, 5),
        cases.normal(3, 5, dtype=torch.float32),
    )


@pytest.mark.parametrize(
    ("shape", "time_dim"),
    [((3,), 0), ((2, 1, 3), 1), ((2, 3, 4), -1), ((2, 5, 2, 130), 1), ((2, 3, 601), 1)],
    ids=str,
)
def test_time_lies_anywhere_and_rest_is_zero(shape: tuple[int, ...], time_dim: int) -> None:
    """Neurons behind the axis of time: fewer and more than are worth a program of their own."""
    assert_like_the_reference(
        lambda x: gradients(x, None, time_dim, surrogate=Boxcar()), currents(*shape)
    )


@pytest.mark.parametrize("cut", [1, 16])
def test_the_membrane_carries_over(cut: int) -> None:
    current = currents(18, 4).to(DEVICE)
    options = {"time_dim": 0, "beta": 0.9, "v_threshold": 1.0, "surrogate": ATan()}
    with only("triton"):
        whole, last = fire(current, **options)
        one, carried = fire(current[:cut], **options)
        two, ended = fire(current[cut:], carried, **options)
    assert torch.equal(torch.cat([one, two]), whole)
    assert torch.equal(ended, last)


def test_bits_are_saved_where_they_say_all_and_nothing_where_nobody_asks() -> None:
    """A Boxcar with a reset by subtraction, or without gradient, needs two bits a step."""
    from bayesnn_spike.ops.fire import triton

    current = currents(20, 3, 2).to(DEVICE)
    options = {"time_dim": 0, "beta": 0.9, "v_threshold": 1.0, "comparison": AtOrAbove()}

    def saved(surrogate, reset, detach: bool) -> list[Tensor]:
        spikes, _ = triton.fire(
            current.clone().requires_grad_(),
            None,
            surrogate=surrogate,
            reset=reset,
            detach_reset=detach,
            **options,
        )
        while not hasattr(spikes.grad_fn, "saved_tensors") or not spikes.grad_fn.saved_tensors:
            spikes = type("View", (), {"grad_fn": spikes.grad_fn.next_functions[0][0]})
        return [(t.dtype, tuple(t.shape)) for t in spikes.grad_fn.saved_tensors]

    bits, floats = [(torch.int32, (1, 2, 6))], [(torch.float32, (1, 20, 6))]
    assert saved(Boxcar(), Subtract(), False) == bits
    assert saved(Boxcar(), ToValue(0.5), True) == bits
    assert saved(Boxcar(), ToValue(0.5), False) == floats
    assert saved(ATan(), Subtract(), True) == floats


def test_a_second_derivative_is_refused() -> None:
    current = currents(3, 4).to(DEVICE).requires_grad_()
    with only("triton"):
        spikes, _ = fire(current, time_dim=0, beta=0.9, v_threshold=1.0, surrogate=ATan())
    (grad,) = torch.autograd.grad(spikes.sum(), current, create_graph=True)
    with pytest.raises(RuntimeError, match="the compiled gradient of fire has no gradient itself"):
        grad.sum().backward()


def test_other_types_and_surrogates_are_refused() -> None:
    class Mine:
        def grad(self, x: Tensor) -> Tensor:
            return x

    options = {"time_dim": 0, "beta": 0.5, "v_threshold": 1.0}
    for current, surrogate, message in (
        (torch.zeros(2, 3).double(), ATan(), "works in float32, got torch.float64"),
        (torch.zeros(2, 3), Mine(), "compiles the surrogates Boxcar, .*, Gaussian, got"),
    ):
        with only("triton"), pytest.raises(RefusedError, match=f"fire .*: triton: {message}"):
            fire(current.to(DEVICE), surrogate=surrogate, **options)
