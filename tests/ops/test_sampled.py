"""ops/sampled: draw, multiply and fire in one pass, against a neuron stepped in numpy."""

from collections.abc import Iterator
from itertools import product

import pytest
import torch
from torch import Tensor

from bayesnn_spike.ops import RefusedError, explain, only, sampled
from bayesnn_spike.ops.draw.signs import Drawn, Packed
from bayesnn_spike.ops.fire.surrogate import Above, AtOrAbove, Subtract, ToValue
from bayesnn_spike.ops.sampled import sampled_conv2d, sampled_linear
from bayesnn_spike.ops.spikes import PackedSpikes
from bayesnn_spike.ops.synapse import packed as engine_arrays
from bayesnn_spike.ops.synapse import signed_conv2d
from bayesnn_spike.rng import Stream
from tests.ops import cases, packed

NAMES = ("cpu", "reference")
# Thresholds and leaks on the lattice: many membranes are exactly at the threshold.
SOFT = {"beta": 0.5, "v_threshold": 0.75}
NEURONS = [
    SOFT | {"reset": reset, "comparison": comparison}
    for reset, comparison in product(
        (Subtract(), ToValue(0.0), ToValue(-0.25)), (AtOrAbove(), Above())
    )
]


@pytest.fixture(params=NAMES)
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    with only(request.param):
        yield request.param


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)
    torch.set_flush_denormal(False)


def scaled(current: Tensor, scale: float | Tensor, feature_dims: int) -> Tensor:
    """One rounding of the exact sum (and of its bias), one of the product."""
    if isinstance(scale, Tensor):
        scale = scale.view(-1, *([1] * (feature_dims - 1)))
    return current.float() * scale


def check_linear(
    case: packed.Problem, *, bias: Tensor | None = None, scale: float | Tensor = 0.25,
    state: Tensor | None = None, neuron: dict = SOFT,
) -> None:  # fmt: skip
    current = scaled(packed.linear(case.spikes, case.weight, bias), scale, 1)
    spikes, v = packed.fire(current, state, **neuron)
    for x in (case.spikes, PackedSpikes.of(case.spikes, 1)):
        found, last = sampled_linear(x, Packed.of(case.weight), bias, state, scale=scale, **neuron)
        assert isinstance(found, PackedSpikes)
        assert torch.equal(found.dense(), spikes)
        assert torch.equal(found.words, PackedSpikes.of(spikes, 1).words)
        assert last.dtype == torch.float32
        assert torch.equal(last, v)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("k", [1, 3, 16])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (7, 65), (63, 5), (65, 130), (300, 700)])
def test_linear_equals_the_stepped_neuron(inputs, outputs, k, apart, implementation) -> None:
    case = packed.problem(inputs, outputs, k=k, t=2, b=3, rate=0.2, apart=apart)
    check_linear(case)
    check_linear(case, bias=case.bias, state=cases.lattice(k, 3, outputs))


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
def test_resets_and_ties(neuron: dict, implementation: str) -> None:
    case = packed.problem(20, 70, k=3, t=63, b=2, rate=0.3)
    current = packed.linear(case.spikes, case.weight) * 0.25
    assert bool((current == 0.75).any())
    check_linear(case, state=cases.lattice(3, 2, 70), neuron=neuron)


@pytest.mark.parametrize(
    "neuron", [{"beta": 0.9, "v_threshold": 1.1}, {"beta": 1, "v_threshold": 0}]
)
def test_general_floats_round_alike(neuron: dict, implementation: str) -> None:
    """Any scale, bias, leak and state: the same operations in the same order."""
    case = packed.problem(300, 70, k=3, t=20, b=2, rate=0.2)
    for shape in ((70,), (3, 70)):
        check_linear(
            case,
            bias=cases.normal(*shape, dtype=torch.float32),
            scale=cases.normal(70, seed=1, dtype=torch.float32),
            state=cases.normal(3, 2, 70, seed=2, dtype=torch.float32),
            neuron=neuron,
        )
    check_linear(case, scale=4 / 300**0.5, neuron=neuron)


@pytest.mark.parametrize("rate", [0.0, 1.0])
@pytest.mark.parametrize("apart", [False, True])
def test_silence_and_full_activity(rate: float, apart: bool, implementation: str) -> None:
    """More active inputs than a byte counts, or none: only the leak and the bias act."""
    case = packed.problem(600, 65, k=3, t=3, b=2, rate=rate, apart=apart)
    check_linear(case, bias=case.bias, state=cases.lattice(3, 2, 65))


CONVOLUTIONS = [
    ((6, 5), (3, 3), 1, 1),
    ((6, 7), (2, 4), (2, 3), (1, 2)),
    ((3, 4), (3, 4), 1, 0),
    ((1, 1), (1, 1), 1, 0),
]


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(("k", "channels", "outputs"), [(1, 2, 70), (3, 2, 5), (2, 70, 130)])
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_conv2d_equals_the_stepped_neuron(
    case, k, channels, outputs, apart, implementation
) -> None:
    before, kernel, stride, padding = case
    x = cases.spikes(*((k, 3, 2) if apart else (3, 2)), channels, *before)
    w = cases.signs(k, outputs, channels, *kernel)
    options = {"stride": stride, "padding": padding}
    plain = packed.conv2d(x, w, **options)
    state = cases.lattice(k, 2, outputs, *plain.shape[-2:])
    scale = cases.normal(outputs, dtype=torch.float32)
    for bias, before_first, factor in (
        (None, None, 0.25),
        (cases.lattice(outputs), state, scale),
        (cases.lattice(k, outputs), None, scale),
    ):
        current = scaled(packed.conv2d(x, w, bias, **options), factor, 3)
        spikes, v = packed.fire(current, before_first, **SOFT)
        for given in (x, PackedSpikes.of(x, 3)):
            found, last = sampled_conv2d(
                given, Packed.of(w), bias, before_first, **options, scale=factor, **SOFT
            )
            assert torch.equal(found.dense(), spikes)
            assert torch.equal(found.words, PackedSpikes.of(spikes, 3).words)
            assert torch.equal(last, v)


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
def test_two_chunks_of_time_are_one_run(neuron: dict, implementation: str) -> None:
    """The packed spikes and the membrane of one call go into the next as they are."""
    case = packed.problem(70, 65, k=3, t=7, b=2)
    signs = Packed.of(case.weight)
    whole, last = sampled_linear(case.spikes, signs, scale=0.25, **neuron)
    one, v = sampled_linear(case.spikes[:3], signs, scale=0.25, **neuron)
    two, end = sampled_linear(case.spikes[3:], signs, None, v, scale=0.25, **neuron)
    assert torch.equal(torch.cat([one.words, two.words], 1), whole.words)
    assert torch.equal(end, last)
    maps, kernels = cases.spikes(3, 7, 2, 2, 5, 5), Packed.of(cases.signs(3, 5, 2, 3, 3))
    whole, last = sampled_conv2d(maps, kernels, scale=0.25, **neuron)
    one, v = sampled_conv2d(maps[:, :3], kernels, scale=0.25, **neuron)
    two, end = sampled_conv2d(maps[:, 3:], kernels, None, v, scale=0.25, **neuron)
    assert torch.equal(torch.cat([one.words, two.words], 1), whole.words)
    assert torch.equal(end, last)


def test_layers_hand_bits_to_layers(implementation: str) -> None:
    case = packed.problem(70, 65, k=3, t=5, b=2)
    second = cases.signs(3, 33, 65)
    first, _ = sampled_linear(case.spikes, Packed.of(case.weight), scale=0.25, **SOFT)
    found, _ = sampled_linear(first, Packed.of(second), scale=0.25, **SOFT)
    expected, _ = packed.fire(packed.linear(first.dense(), second).float() * 0.25, None, **SOFT)
    assert torch.equal(found.dense(), expected)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("size", [1, 5000, 1 << 25])
def test_draws_in_chunks_change_no_bit(size: int, apart: bool, monkeypatch) -> None:
    monkeypatch.setattr(engine_arrays, "SIGN_BYTES", size)
    case = packed.problem(70, 130, k=5, t=3, b=2, apart=apart)
    check_linear(case, bias=case.bias, state=cases.lattice(5, 2, 130))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_threads_change_no_bit(count: int, threads: None) -> None:
    torch.set_num_threads(count)
    for apart in (False, True):
        case = packed.problem(300, 130, k=3, t=5, b=7, apart=apart)
        check_linear(case, bias=case.bias)


def test_recipes_draw_what_they_would_draw_alone(implementation: str) -> None:
    case = packed.problem(70, 33, k=3, t=5, b=2)
    recipe = Drawn(cases.normal(33, 70, dtype=torch.float32), Stream(5), draws=3, first=4)
    found, v = sampled_linear(case.spikes, recipe, scale=0.25, **SOFT)
    expected, last = sampled_linear(case.spikes, Packed.of(recipe.dense()), scale=0.25, **SOFT)
    assert torch.equal(found.words, expected.words)
    assert torch.equal(v, last)


def test_no_examples(implementation: str) -> None:
    signs, state = Packed.of(cases.signs(3, 5, 70)), torch.zeros(3, 0, 5)
    for v in (None, state):
        found, last = sampled_linear(torch.zeros(2, 0, 70), signs, None, v, **SOFT)
        assert (found.shape, last.shape) == ((3, 2, 0, 5), (3, 0, 5))
    signs, state = Packed.of(cases.signs(3, 5, 2, 2, 2)), torch.zeros(3, 0, 5, 2, 2)
    for v in (None, state):
        found, last = sampled_conv2d(torch.zeros(2, 0, 2, 3, 3), signs, None, v, **SOFT)
        assert (found.shape, last.shape) == ((3, 2, 0, 5, 2, 2), (3, 0, 5, 2, 2))


def test_no_state_and_no_input_is_changed(implementation: str) -> None:
    case = packed.problem(70, 65, k=3, t=3, b=2)
    state = cases.lattice(3, 2, 65)
    before = state.clone()
    _, last = sampled_linear(case.spikes, Packed.of(case.weight), None, state, **SOFT)
    assert torch.equal(state, before)
    assert not torch.equal(last, before)


@pytest.mark.parametrize("comparison", [AtOrAbove(), Above()])
def test_flushed_denormals_change_no_tie(comparison, threads: None, implementation: str) -> None:
    """`torch.set_flush_denormal` reads the smallest numbers as zero."""
    assert torch.set_flush_denormal(True)
    case = packed.problem(20, 70, k=3, t=20, b=2, rate=0.3)
    check_linear(case, neuron=SOFT | {"comparison": comparison})


def test_refusals() -> None:
    x, w = cases.lattice(2, 3, 70), Packed.of(cases.signs(3, 33, 70))
    with only("cpu"), pytest.raises(RefusedError, match="cpu: needs spikes of 0 and 1"):
        sampled_linear(x, w, **SOFT)
    spikes = cases.spikes(2, 3, 70)
    text = explain(sampled._LINEAR, spikes, w, None, None, scale=1.0, **NEURONS[0])
    assert "sampled_linear/cpu: runs" in text
    assert "sampled_linear/reference: available" in text


ERRORS = {
    "inputs": (71, {}, "the signs take 70 inputs, the spikes have 71"),
    "state": (70, {"state": torch.zeros(3, 33)}, r"membrane must have shape \(3, 3, 33\), got"),
    "scale": (70, {"scale": torch.ones(1)}, r"scale must have shape \(33,\), got \(1,\)"),
    "leak": (70, {"beta": 1.5}, r"beta must lie in \[0.0, 1.0\], got 1.5"),
    "steps": (70, {"steps": 0}, "the number of time steps must be positive, got 0"),
    "bias": (70, {"bias": torch.ones(3, 1)}, r"the bias must be \(33,\) or \(3, 33\)"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_does_not_fit_is_named(case: str) -> None:
    inputs, options, message = ERRORS[case]
    signs = Packed.of(torch.ones(3, 33, 70))
    options = SOFT | options
    x = torch.zeros(options.pop("steps", 2), 3, inputs)
    with pytest.raises(ValueError, match=message):
        sampled_linear(x, signs, **options)


def test_no_draws_are_refused() -> None:
    none = Packed.of(torch.ones(0, 33, 70))
    with pytest.raises(ValueError, match="signs need at least one draw"):
        sampled_linear(torch.zeros(2, 3, 70), none, **SOFT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride": 0}, "a stride is at least 1 and a padding at least 0, got 0 and 0"),
        ({"padding": (0, -1)}, r"got 1 and \(0, -1\)"),
        ({"stride": 1.5}, "an integer or a pair of them, got 1.5"),
        ({"stride": (1,)}, r"an integer or a pair of them, got \(1,\)"),
        ({"padding": "same"}, "an integer or a pair of them, got 'same'"),
    ],
)
def test_strides_and_paddings_that_are_none(options: dict, message: str) -> None:
    signs = Packed.of(torch.ones(3, 5, 2, 2, 2))
    with pytest.raises(ValueError, match=message):
        signed_conv2d(torch.zeros(2, 3, 2, 3, 3), signs, **options)


def test_a_membrane_of_a_map_has_its_size() -> None:
    signs = Packed.of(torch.ones(3, 5, 2, 2, 2))
    with pytest.raises(ValueError, match=r"membrane must have shape \(3, 3, 5, 2, 2\)"):
        sampled_conv2d(torch.zeros(2, 3, 2, 3, 3), signs, None, torch.zeros(3, 3, 5), **SOFT)
