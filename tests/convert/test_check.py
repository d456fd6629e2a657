"""convert/check: images that do not fit, in sentences, at every door."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bayesnn_spike.convert import (
    ConversionError,
    Maximum,
    NeuronOptions,
    bernoulli_prior,
    binarise,
    calibrate,
    convert,
    curve,
    estimate_delay,
    fold_thresholds,
    save_conversion,
    sum_pools,
    with_qcfs,
)
from bayesnn_spike.convert.check import require_fit, require_images, weight_of
from bayesnn_spike.encoding import Direct
from tests.convert.nets import chain, images

FOUR = Direct(4)
X = images(6, 1, 8, 8)
LABELS = torch.zeros(6, dtype=torch.int64)


def broken(value: float) -> Tensor:
    x = X.clone()
    x[2, 0, 3, 4] = value
    return x


WRONG = [
    (X[:0], ValueError, "images must be at least one, got shape (0, 1, 8, 8)"),
    (X[0], ValueError, "images must be [n, N] or [n, C, H, W], got shape (1, 8, 8)"),
    ((255 * X).to(torch.uint8), ValueError, "must be floats, got torch.uint8: scale them as in"),
    (X.double(), ValueError, "torch.float64 but the network's weights are torch.float32: bring"),
    (X.to("meta"), ValueError, "images are on meta but the network's weights are on cpu: bring"),
    (broken(float("nan")), ValueError, "1 values that are not finite, first at (2, 0, 3, 4)"),
    (broken(float("inf")), ValueError, "1 values that are not finite"),
    (np.zeros((2, 1, 8, 8)), TypeError, "images must be a tensor [n, *in], got a ndarray"),
]


@pytest.mark.parametrize(("x", "kind", "text"), WRONG)
def test_every_door_refuses_them(x, kind: type[Exception], text: str) -> None:
    made = convert(chain(), X, encoder=FOUR)
    doors = (
        lambda: convert(chain(), x, encoder=FOUR),
        lambda: with_qcfs(chain(), 4, x),
        lambda: calibrate(made, x, encoder=FOUR),
        lambda: curve(made.network, x, LABELS, encoder=FOUR, steps=(4,)),
    )
    for door in doors:
        with pytest.raises(kind, match=re.escape(text)):
            door()


def test_wrong_channels_and_sizes_name_the_layer() -> None:
    made = convert(chain(), X, encoder=FOUR)
    for shape, layer in (((6, 2, 8, 8), "conv1"), ((6, 1, 9, 12), "fc1")):
        x = images(*shape)
        with pytest.raises(ConversionError, match=rf"{layer}: fails on images \[n, .*give images"):
            convert(chain(), x, encoder=FOUR)
        with pytest.raises(ValueError, match=r"shape that was converted, \[n, 1, 8, 8\], got"):
            calibrate(made, x, encoder=FOUR)
        with pytest.raises(
            ValueError, match=f"do not fit the network: '{layer}', a .* cannot take"
        ):
            curve(made.network, x, LABELS, encoder=FOUR, steps=(4,))


def test_labels_are_checked() -> None:
    made = convert(chain(), X, encoder=FOUR)
    for labels in (LABELS[:5], LABELS.float(), torch.eye(6, 5)):
        with pytest.raises(ValueError, match="6 images need as many whole numbers as labels"):
            curve(made.network, X, labels, encoder=FOUR, steps=(4,))


def test_what_fits_passes() -> None:
    made = convert(chain(), X, encoder=FOUR).network
    require_images(X, like=weight_of(made), shape=(1, 8, 8))
    require_fit(made, X)
    assert weight_of(nn.ReLU()) is None
    require_images(X, like=None, shape=None)


def test_networks_and_conversions_are_told_apart(tmp_path: Path) -> None:
    made = convert(chain(), X, encoder=FOUR)
    for door in (
        lambda: curve(made, X, LABELS, encoder=FOUR, steps=(4,)),
        lambda: binarise(made),
        lambda: bernoulli_prior(made),
        lambda: fold_thresholds(made),
        lambda: sum_pools(made),
    ):
        with pytest.raises(TypeError, match=r"got a Conversion: give made\.network"):
            door()
    for door in (
        lambda: calibrate(made.network, X, encoder=FOUR),
        lambda: save_conversion(tmp_path / "c.safetensors", made.network),
        lambda: estimate_delay(made.network, X),
    ):
        with pytest.raises(TypeError, match="got a Graph: give the Conversion itself"):
            door()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"thresholds": Maximum}, TypeError, r"such as Maximum\(\), .*, got Maximum"),
        ({"thresholds": 0.7}, TypeError, r"such as Maximum\(\), Maximum\(0\.7\), .*, got 0\.7"),
        ({"encoder": 32}, TypeError, r"encoder must be Direct\(\.\.\.\) or SignedRate\(.*, got 32"),
        ({"neuron": NeuronOptions}, TypeError, r"neuron must be NeuronOptions\(\), got the class"),
        ({"report_images": 2.5}, ValueError, r"report_images must be a whole number, got 2\.5"),
    ],
)
def test_options_of_convert_are_values(options: dict, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        convert(chain(), X, **options)
