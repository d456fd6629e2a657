"""ops/synapse/columns: a convolution as a product of packed rows."""

import numpy as np
import pytest
import torch

from bayesnn_spike.ops.bits import unpack_bits
from bayesnn_spike.ops.draw.signs import Packed
from bayesnn_spike.ops.spikes import PackedSpikes
from bayesnn_spike.ops.synapse import reference, signed_cpu
from bayesnn_spike.ops.synapse.columns import columns, signs_by_tap
from bayesnn_spike.ops.synapse.lists import Geometry
from bayesnn_spike.ops.synapse.packed import geometry_of, spike_words
from tests.ops import cases

CASES = {
    "padding": ((3, 5, 6), (4, 3, 3, 3), 1, 1),
    "stride, not square": ((70, 4, 7), (5, 70, 2, 3), (2, 1), (0, 2)),
    "one position": ((2, 3, 3), (130, 2, 3, 3), 1, 0),
}


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("form", [signed_cpu._by_counts, signed_cpu._by_events])
def test_both_forms_equal_the_convolution(case: str, shared: bool, form) -> None:
    features, size, stride, padding = CASES[case]
    lead = (4, 2) if shared else (3, 4, 2)
    x = cases.spikes(*lead, *features, rate=0.6)
    weights, bias = cases.signs(3, *size, seed=1), cases.signs(3, size[0], seed=2)
    signs = Packed.of(weights)
    geometry = geometry_of(PackedSpikes.of(x, 3), signs, stride, padding)
    found = form(spike_words(x, 3), signs, bias, geometry)
    expected = reference.conv2d(x, weights, bias, stride=stride, padding=padding)
    after = (geometry.out_height, geometry.out_width)
    assert torch.equal(found.unflatten(3, after).movedim(-1, 3), expected)


def test_signs_by_tap_puts_the_channels_of_a_tap_together() -> None:
    weights = cases.signs(2, 3, 70, 2, 2)
    sorted_words = signs_by_tap(Packed.of(weights).words.numpy().view(np.uint64), 4, 70)
    assert sorted_words.shape == (2, 3, 4 * 2)
    words = torch.from_numpy(sorted_words.view(np.int64)).unflatten(2, (4, 2))
    by_tap = weights.flatten(3).movedim(-1, 2)  # [K, M, taps, C]
    assert torch.equal(2 * unpack_bits(words, 70).float() - 1, by_tap)


def test_a_fully_connected_layer_is_left_as_it_is() -> None:
    x = spike_words(cases.spikes(4, 2, 70), 1)
    assert columns(x, Geometry()) is x
    words = np.ones((2, 3, 2), np.uint64)
    assert signs_by_tap(words, 1, 70) is words


def test_the_form_follows_the_density() -> None:
    signs = Packed.of(cases.signs(1, 64, 64, 3, 3))
    dense, sparse = torch.ones(2, 1, 64, 4, 4), torch.zeros(2, 1, 64, 4, 4)
    assert signed_cpu.conv2d_form(dense, signs).startswith("population counts: density 1.000")
    assert signed_cpu.conv2d_form(sparse, signs).startswith("event-driven: density 0.000")
