"""convert/check: images that do not fit, in sentences, at every door."""

import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bayesnn_spike.convert import ConversionError, calibrate, convert, curve, with_qcfs
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
