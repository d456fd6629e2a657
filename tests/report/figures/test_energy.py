"""The bars are the energies, the points the spikes, the dashes their break-even."""

from dataclasses import replace

import numpy as np

from bayesnn_spike.energy import FP32, INT8, SRAM_8KB, Strict, compare, count
from bayesnn_spike.models import local_mlp
from bayesnn_spike.report.figures import energy_figure, png_bytes
from bayesnn_spike.rng import Stream
from tests.energy.brute import filled, near, numbers_like, small_snn, spikes_like


def test_bars_points_and_dashes() -> None:
    found = compare(count(small_snn(), spikes_like(12, 3, 2, 6, 6)))
    figure = energy_figure(found)
    above, below = figure.axes
    grey, spikes, neurons = above.containers
    size = 1e-9
    assert above.get_ylabel() == "Energy of an example (nJ)"
    heights = [bar.get_height() for bar in grey]
    np.testing.assert_allclose(heights, [layer.ann.joules / size for layer in found.layers])
    tops = [bar.get_y() + bar.get_height() for bar in neurons]
    # A layer without neurons ends with its spikes.
    np.testing.assert_allclose(tops, [layer.snn.joules / size for layer in found.layers])
    assert spikes.get_label() == "SNN: additions of spikes"
    points = {x: y for line in below.lines for x, y in line.get_xydata().tolist()}
    assert points == {i: near(layer.spikes) for i, layer in enumerate(found.layers)}
    dashes = [segment[0][1] for segment in below.collections[0].get_segments()]
    np.testing.assert_allclose(dashes, [max(layer.break_even, 0) for layer in found.layers])
    dearer = [layer.spikes > layer.break_even for layer in found.layers]
    labels = {line.get_label(): len(line.get_xdata()) for line in below.lines}
    assert labels.get("dearer than the ANN", 0) == sum(dearer)
    assert [tick.get_text() for tick in below.get_xticklabels()] == ["conv", "strided", "head"]
    assert f"SNN / ANN = {found.ratio:.2g}" in above.get_title("left")
    assert png_bytes(figure)[:4] == b"\x89PNG"


def test_analog_layers_are_marked_and_parts_have_colours() -> None:
    direct = count(small_snn(), numbers_like(1, 2, 2, 6, 6).expand(4, 2, 2, 6, 6)).times(3)
    figure = energy_figure(compare(direct, table=INT8, accounting=Strict(traffic=SRAM_8KB)))
    above, below = figure.axes
    labels = [c.get_label() for c in above.containers]
    assert labels == [
        "ANN",
        "SNN: additions of spikes",
        "SNN: multiplications",
        "SNN: neurons and biases",
        "SNN: memory",
    ]
    assert [t.get_text() for t in below.texts] == ["analog\ninput"]
    assert "3 networks" in above.get_title("left")


def test_a_network_without_spiking_inputs_and_a_title_of_ones_own() -> None:
    traces = count(filled(local_mlp(6, (8, 8), 3, stream=Stream(0))), spikes_like(4, 2, 6))
    alone = compare(traces).layers[:3]
    found = compare(traces)
    figure = energy_figure(type(found)(alone, found.ann, found.snn), title="Traces")
    above, below = figure.axes
    assert above.get_title("left") == "Traces"
    assert [t.get_text() for t in below.texts] == ["no\nsynapse", "analog\ninput", "analog\ninput"]
    assert below.get_legend() is None


def test_prices_of_both_are_named_and_long_names_lean() -> None:
    counts = count(small_snn(), spikes_like(4, 1, 2, 6, 6))
    found = compare(counts, table=INT8, ann_table=FP32)
    assert "SNN: int8, 45 nm; ANN: fp32, 45 nm" in energy_figure(found).axes[0].get_title("left")
    long = replace(found, layers=tuple(replace(r, name="block." * 5) for r in found.layers))
    assert energy_figure(long).axes[1].get_xticklabels()[0].get_rotation() == 45
