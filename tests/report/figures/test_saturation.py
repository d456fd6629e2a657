"""Histograms of |lambda| are numpy's; entropy maps show the numbers they are given."""

import math

import numpy as np
import pytest
import torch

from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.report.figures import entropy_maps, png_bytes, saturation_histograms
from bayesnn_spike.report.saturation import entropy_map, settled_logit
from tests.ops import cases

LOGITS = {
    "input.weight": cases.normal(8, 2, 5, 4, seed=1) * 2,
    "readout.weight": cases.normal(3, 8, seed=2) * 4,
}


def stairs(axes) -> dict:
    return {patch.get_label(): patch.get_data() for patch in axes.patches}


def test_heights_are_shares_of_a_layer():
    figure = saturation_histograms(Bernoulli(LOGITS), bins=12)
    assert len(figure.axes) == 2
    for axes, values in zip(figure.axes, LOGITS.values(), strict=True):
        drawn = stairs(axes)
        size = values.abs().numpy().ravel()
        inside = np.clip(size, drawn["open"].edges[0], None)
        expected = np.histogram(inside, drawn["open"].edges)[0] / size.size
        np.testing.assert_allclose(drawn["open"].values, expected)
        np.testing.assert_allclose(drawn["open"].values.sum(), 1)
        share = (size > settled_logit()).mean()
        np.testing.assert_allclose(drawn["settled"].values.sum(), share)
        assert f"{100 * share:.1f} % of {size.size} settled" in axes.get_title(loc="left")
        assert axes.get_xscale() == "log"
        (line,) = axes.lines
        assert line.get_xdata()[0] == pytest.approx(settled_logit())
    assert png_bytes(figure)[:4] == b"\x89PNG"


def test_many_layers_take_rows_and_zeros_can_be_drawn():
    many = Bernoulli({f"layer{i}.weight": torch.zeros(4) for i in range(5)})
    figure = saturation_histograms(many)
    assert [axes.get_visible() for axes in figure.axes] == [True] * 5 + [False] * 3
    assert stairs(figure.axes[0])["open"].values[0] == 1  # all in the lowest bin
    assert png_bytes(figure)[:4] == b"\x89PNG"


def test_maps_show_each_unit_with_its_planes_side_by_side():
    values = LOGITS["input.weight"]
    figure = entropy_maps(values, units=6)
    fields = [axes for axes in figure.axes if axes.images]
    maps = entropy_map(values)
    order = maps.flatten(1).mean(1).argsort()[:6].tolist()
    assert len(fields) == 6
    for axes, unit in zip(fields, order, strict=True):
        shown = np.asarray(axes.images[0].get_array())
        np.testing.assert_allclose(shown, torch.cat(list(maps[unit]), dim=1))
        assert axes.images[0].get_clim() == (0.0, math.log(2))
        assert axes.get_title(loc="left").startswith(f"unit {unit}: ")
    assert png_bytes(figure)[:4] == b"\x89PNG"


def test_flat_weights_become_images():
    values = LOGITS["input.weight"]
    folded = entropy_maps(values)
    flat = entropy_maps(values.flatten(1), image=(2, 5, 4))
    assert png_bytes(flat) == png_bytes(folded)


def test_guards():
    with pytest.raises(ValueError, match="no weights to draw"):
        saturation_histograms(Bernoulli({}))
    with pytest.raises(ValueError, match="flip must lie"):
        saturation_histograms(Bernoulli(LOGITS), flip=0.7)
    with pytest.raises(ValueError, match=r"\(3, 8\) are no receptive fields"):
        entropy_maps(LOGITS["readout.weight"])
    with pytest.raises(ValueError, match="give image="):
        entropy_maps(LOGITS["readout.weight"], image=(2, 2, 3))
