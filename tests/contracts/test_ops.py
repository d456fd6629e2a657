"""Every implementation of every operation keeps the same laws; the table is `op_cases`."""

import importlib.util
import pkgutil

import numpy as np
import pytest
import torch
from torch import Tensor

from bayesnn_spike import ops
from bayesnn_spike.ops import Op, RefusedError, only
from tests.contracts.op_cases import CASES, B, Case, K

TABLE = [(name, i) for name, case in CASES.items() for i in case.implementations]
SMOOTH = [(name, i) for name, i in TABLE if CASES[name].smooth]
DRAWN = [(name, i) for name, i in TABLE if any(axis is not None for axis in CASES[name].drawn)]
NOT = "needs spikes of 0 and 1"
BATCHED = [(name, i) for name, i in TABLE if CASES[name].out_batch]


def run(case: Case, implementation: str, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    """Triton runs on a GPU if there is one, else interpreted; results come back to the CPU."""
    on_gpu = implementation == "triton" and torch.cuda.is_available()
    with only(implementation):
        found = case.call(*(x.cuda() if on_gpu and not x.is_meta else x for x in inputs))
    return tuple(y.cpu() for y in found)


def assert_equal(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> None:
    assert len(found) == len(expected)
    for one, two in zip(found, expected, strict=True):
        assert one.dtype == two.dtype
        assert one.shape == two.shape
        assert torch.equal(one, two)


@pytest.fixture
def poison(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that nobody wrote is all ones bits (NaN, -1), never a lucky zero."""
    name, implementation = (request.getfixturevalue(f) for f in ("name", "implementation"))
    if implementation == "cpu":  # compiled before numpy's `empty` is another, which numba knows not
        case = CASES[name]
        run(case, implementation, case.inputs(B))
        if case.smooth:
            gradients(case, implementation, case.inputs(B), torch.float32)

    def empty(shape, dtype=float, **options) -> np.ndarray:
        made = np.zeros(shape, dtype, **options)
        made.view(np.uint8).fill(0xFF)
        return made

    def torch_empty(*shape, dtype=torch.float32, device=None) -> Tensor:
        value = torch.nan if dtype.is_floating_point else -1
        size = shape[0] if len(shape) == 1 else shape
        return torch.full(size, value, dtype=dtype, device=device)

    monkeypatch.setattr(np, "empty", empty)
    monkeypatch.setattr(torch, "empty", torch_empty)
    monkeypatch.setattr(torch, "empty_like", lambda x: torch.full_like(x, torch.nan))
    assert bool(torch.empty_like(torch.zeros(3)).isnan().all())


def test_the_table_has_every_implementation_of_every_operation() -> None:
    found = set()
    for module in pkgutil.walk_packages(ops.__path__, "bayesnn_spike.ops."):
        names = vars(importlib.import_module(module.name))
        for op in (value for value in names.values() if isinstance(value, Op)):
            found |= {(op.name, implementation.name) for implementation in op.implementations}
    assert found == {(CASES[name].op, implementation) for name, implementation in TABLE}


@pytest.mark.parametrize(("name", "implementation"), TABLE)
def test_on_the_lattice_it_equals_float64_exactly(name: str, implementation: str, poison) -> None:
    case = CASES[name]
    inputs = case.inputs(B)
    found = run(case, implementation, inputs)
    exact = run(case, "reference", [x.double() for x in inputs])
    assert_equal(tuple(y.to(z.dtype) for y, z in zip(found, exact, strict=True)), exact)


@pytest.mark.parametrize(("name", "implementation"), TABLE)
def test_it_gives_the_same_bits_again_and_changes_no_input(name: str, implementation: str) -> None:
    case = CASES[name]
    inputs = case.inputs(B)
    copies, versions = [x.clone() for x in inputs], [x._version for x in inputs]
    assert_equal(run(case, implementation, inputs), run(case, implementation, inputs))
    for x, copy, version in zip(inputs, copies, versions, strict=True):
        assert torch.equal(x, copy)
        assert x._version == version


@pytest.mark.parametrize(("name", "implementation"), TABLE)
def test_strides_do_not_matter(name: str, implementation: str) -> None:
    case = CASES[name]
    inputs = case.inputs(B)
    expected = run(case, implementation, inputs)
    turned = [x.movedim(0, -1).contiguous().movedim(-1, 0) for x in inputs]
    assert any(not x.is_contiguous() for x in turned)
    assert_equal(run(case, implementation, turned), expected)
    spaced = [torch.stack([x, x + 100], -1)[..., 0] for x in inputs]
    assert_equal(run(case, implementation, spaced), expected)


@pytest.mark.parametrize(("name", "implementation"), TABLE)
def test_expanded_inputs_are_inputs(name: str, implementation: str) -> None:
    case = CASES[name]
    inputs = [
        x if axis is None else x.narrow(axis, 0, 1).expand_as(x)
        for x, axis in zip(case.inputs(B), case.batch, strict=True)
    ]
    assert any(0 in x.stride() for x in inputs)
    assert_equal(
        run(case, implementation, inputs), run(case, implementation, [x.clone() for x in inputs])
    )


@pytest.mark.parametrize(("name", "implementation"), TABLE)
def test_an_empty_batch_is_a_batch(name: str, implementation: str, poison) -> None:
    case = CASES[name]
    found = run(case, implementation, case.inputs(0))
    full = run(case, implementation, case.inputs(B))
    for one, many in zip(found, full, strict=True):
        assert one.numel() == 0
        assert one.ndim == many.ndim
        assert one.dtype == many.dtype


@pytest.mark.parametrize(("name", "implementation"), BATCHED)
def test_examples_do_not_know_each_other(name: str, implementation: str) -> None:
    case = CASES[name]
    whole = run(case, implementation, case.inputs(B))
    for b in (0, B - 1):
        part = [
            x if axis is None else x.narrow(axis, b, 1)
            for x, axis in zip(case.inputs(B), case.batch, strict=True)
        ]
        expected = tuple(
            y.narrow(axis, b, 1) for y, axis in zip(whole, case.out_batch, strict=True)
        )
        assert_equal(run(case, implementation, part), expected)


@pytest.mark.parametrize(("name", "implementation"), DRAWN)
def test_draws_do_not_know_each_other(name: str, implementation: str) -> None:
    """op(x)[k] == op(x[k:k+1]), in value."""
    case = CASES[name]
    inputs = case.inputs(B)
    whole = run(case, implementation, inputs)
    for k in range(K):
        part = [
            x if axis is None else x.narrow(axis, k, 1)
            for x, axis in zip(inputs, case.drawn, strict=True)
        ]
        assert_equal(run(case, implementation, part), tuple(y[k : k + 1] for y in whole))


def gradients(case: Case, implementation: str, inputs: list[Tensor], dtype) -> list[Tensor]:
    """Gradients for cotangents on the lattice, of every output that has any."""
    leaves = [x.detach().to(dtype).requires_grad_(i in case.smooth) for i, x in enumerate(inputs)]
    outputs = [y for y in run(case, implementation, leaves) if y.requires_grad]
    generator = torch.Generator().manual_seed(5)
    cotangents = [torch.randint(-4, 5, y.shape, generator=generator).to(y.dtype) for y in outputs]
    return list(torch.autograd.grad(outputs, [leaves[i] for i in case.smooth], cotangents))


@pytest.mark.parametrize(("name", "implementation"), SMOOTH)
def test_gradients_equal_those_of_the_reference_in_float64(
    name: str, implementation: str, poison
) -> None:
    case = CASES[name]
    inputs = case.inputs(B)
    found = gradients(case, implementation, inputs, torch.float32)
    expected = gradients(case, "reference", inputs, torch.float64)
    for one, two in zip(found, expected, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one.double(), two, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "implementation"), SMOOTH)
def test_what_a_draw_costs_does_not_reach_another_draw(name: str, implementation: str) -> None:
    case = CASES[name]
    leaves = [x.requires_grad_(i in case.smooth) for i, x in enumerate(case.inputs(B))]
    output = run(case, implementation, leaves)[0]
    grads = torch.autograd.grad(output[1].sum(), [leaves[i] for i in case.smooth])
    for i, grad in zip(case.smooth, grads, strict=True):
        assert case.drawn[i] == 0
        assert grad.flatten(1).any(1).tolist() == [False, True, False]


REFUSALS = {
    ("draw_signs", "triton"): (
        [torch.zeros(2, device="meta")],
        "needs tensors on a GPU, got meta",
    ),
    ("draw_words", "triton"): (
        [torch.zeros(2, device="meta")],
        "needs tensors on a GPU, got meta",
    ),
    ("random_bits", "triton"): (
        [torch.zeros(2, device="meta")],
        "needs tensors on a GPU, got meta",
    ),
    ("fire, soft", "triton"): (
        [torch.zeros(2, 3, 4).double(), torch.zeros(2, 4).double()],
        "works in float32, got torch.float64",
    ),
    **{
        (name, i): ([x * 0.5 for x in CASES[name].inputs(1)[:1]] + CASES[name].inputs(1)[1:], NOT)
        for name in ("signed_linear", "signed_conv2d", "sampled_linear", "sampled_conv2d")
        for i in ("triton", "cpu")
    },
    ("draw_words", "cpu"): ([torch.zeros(2, device="meta")], "needs tensors on the cpu, got meta"),
    ("random_bits", "cpu"): ([torch.zeros(2, device="meta")], "needs tensors on the cpu, got meta"),
    ("draw_signs", "cpu"): ([torch.zeros(2, device="meta")], "needs tensors on the cpu, got meta"),
    ("fire, soft", "cpu"): (
        [torch.zeros(2, 3, 4).double(), torch.zeros(2, 4).double()],
        "works in float32",
    ),
    ("refractory_fire", "cpu"): (
        [torch.zeros(2, 3, 4, device="meta"), *[torch.zeros(2, 4, device="meta")] * 2],
        "needs tensors on the cpu, got meta",
    ),
    ("clocked_fire, delayed", "cpu"): (
        [x.double() for x in CASES["clocked_fire, delayed"].inputs(1)],
        "works in float32, got torch.float64",
    ),
    ("trace", "cpu"): (
        [torch.zeros(2, 3, 4).double(), torch.zeros(2, 4).double()],
        "works in float32",
    ),
    ("cascade", "cpu"): (
        [x.double() for x in CASES["cascade"].inputs(1)],
        "works in float32, got torch.float64",
    ),
    ("mean_pool2d", "cpu"): ([torch.zeros(2, 3, 5, 7).double()], "works in float32"),
    ("adam", "cpu"): ([torch.zeros(2, 7).double()] * 4, "works in float32, got torch.float64"),
    ("straight_linear", "cpu"): (
        [torch.zeros(2, 3, 4).double(), torch.zeros(5, 4).double(), torch.zeros(5).double()],
        "works in float32.*pays off from 32 outputs, got 5",
    ),
    ("straight_conv2d", "cpu"): (
        [torch.zeros(2, 3, 1, 4, 4).double(), torch.zeros(5, 1, 3, 3).double(), torch.zeros(5)],
        "works in float32.*pays off from 64 outputs, got 5",
    ),
    ("conv2d", "cpu"): ([2 * x for x in CASES["conv2d"].inputs(1)], NOT),
    ("linear", "cpu"): (
        [torch.zeros(2, 3, 4).double(), torch.zeros(5, 4).double(), torch.zeros(5).double()],
        "works in float32.*pays off from 32 outputs or 1024 rows, got 5 and 6",
    ),
}


@pytest.mark.parametrize(("name", "implementation"), REFUSALS)
def test_a_refusal_is_a_sentence_and_never_a_wrong_result(name: str, implementation: str) -> None:
    inputs, message = REFUSALS[name, implementation]
    expected = f"{CASES[name].op} cannot run: {implementation}: .*{message}"
    with pytest.raises(RefusedError, match=expected):
        run(CASES[name], implementation, inputs)


def test_everything_but_the_references_has_a_refusal_in_the_table() -> None:
    others = {(CASES[n].op, i) for n, i in TABLE if i != "reference"}
    assert {(CASES[name].op, i) for name, i in REFUSALS} == others


@pytest.mark.parametrize("name", [n for n, i in TABLE if i == "cpu"])
def test_without_numba_the_reference_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    expected = run(case, "reference", case.inputs(B))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert_equal(case.call(*case.inputs(B)), expected)
    with pytest.raises(RefusedError, match="numba is not installed"):
        run(case, "cpu", case.inputs(B))
