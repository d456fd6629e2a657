"""convert/check: images that do not fit, in sentences, at every door."""

import re
import threading
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
    assert torch.equal(require_fit(made, X), torch.zeros(5))
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
        ({"thresholds": "max"}, TypeError, r"such as Maximum\(\), .*, got 'max'"),
        ({"thresholds": 0.7}, TypeError, r"such as Maximum\(\), Maximum\(0\.7\), .*, got 0\.7"),
        ({"encoder": 32}, TypeError, r"encoder must be Direct\(\.\.\.\) or SignedRate\(.*, got 32"),
        ({"neuron": NeuronOptions}, TypeError, r"neuron must be NeuronOptions\(\), got the class"),
        ({"report_images": 2.5}, ValueError, r"report_images must be a whole number, got 2\.5"),
    ],
)
def test_options_of_convert_are_values(options: dict, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        convert(chain(), X, **options)


def simple() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.ReLU(), nn.Linear(4, 2))


def test_what_is_no_network_is_refused() -> None:
    """Red before: AttributeError, or a word about len()."""
    made = convert(chain(), X, encoder=FOUR)
    for wrong, text in (
        (None, "must be a module of torch.nn, got NoneType"),
        (X, "must be a module of torch.nn, got Tensor"),
        (nn.Linear, "must be a module of torch.nn, got the class Linear itself"),
        (made, "is converted already (a Conversion): give the one that it was made from"),
        (made.network, "is converted already (a Graph)"),
    ):
        for door in (lambda w=wrong: convert(w, X), lambda w=wrong: with_qcfs(w, 4, X)):
            with pytest.raises(TypeError, match=re.escape(text)):
                door()


class Compiled(nn.Module):
    """What torch.compile makes, as far as it shows: the real one takes a minute to import."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self._orig_mod = net


def test_wrapped_networks_are_told_what_is_inside() -> None:
    net = simple()
    inside = nn.Sequential(Compiled(net[:3]), net[3])
    for wrapped, text in (
        (Compiled(net), "the network: is compiled by torch.compile; give its ._orig_mod"),
        (inside, "0: is compiled by torch.compile"),
        (nn.DataParallel(net), "the network: is wrapped in DataParallel; give its .module"),
        (torch.jit.ScriptModule(), "the network: is compiled by torch.jit; give the module that"),
    ):
        for door in (lambda w=wrapped: convert(w, X), lambda w=wrapped: with_qcfs(w, 4, X)):
            with pytest.raises(ConversionError, match=re.escape(text)):
                door()


class Keeps(nn.Module):
    """Keeps its features, as some do to look at them."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.head = simple()[:3], nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        self.features = self.net(x)
        return self.head(self.features)


def test_what_cannot_be_copied_is_named() -> None:
    """Red before: a RuntimeError of deepcopy."""
    net = nn.Sequential(Keeps())
    convert(net, X, encoder=FOUR)
    with torch.no_grad():
        net(X)
    convert(net, X, encoder=FOUR)
    net(X)
    for door in (lambda: convert(net, X), lambda: with_qcfs(net, 4, X)):
        with pytest.raises(ConversionError, match=r"  0\.features: keeps what a call has computed"):
            door()
    net = simple()
    net.lock = threading.Lock()
    with pytest.raises(ConversionError, match=r"the network: cannot be copied \(TypeError: cannot"):
        convert(net, X)
