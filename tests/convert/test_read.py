"""convert/read: modules that convert, and a sentence of advice for those that do not."""

import pytest
import torch
from torch import nn

from bayesnn_spike.convert.plan import Drop, Flatten, Pool, Rectify, Synapse
from bayesnn_spike.convert.qcfs import QcfsReLU
from bayesnn_spike.convert.read import advice, advice_on_several, read_function, read_module
from bayesnn_spike.convert.refuse import Reason
from tests.convert.nets import images, seeded


def test_modules_become_operations() -> None:
    conv = seeded(nn.Conv2d(2, 3, 3, stride=2, padding="valid"))
    (found,) = read_module(conv, "c")
    assert isinstance(found, Synapse)
    assert (found.stride, found.padding) == (2, 0)
    assert torch.equal(found.weight, conv.weight)
    assert found.weight.data_ptr() != conv.weight.data_ptr()
    (found,) = read_module(nn.Conv2d(2, 3, 5, padding="same"), "c")
    assert found.padding == 2
    (found,) = read_module(QcfsReLU(4, 1.5), "a")
    assert (found.bound, found.levels) == (1.5, 4)
    (found,) = read_module(nn.ReLU(), "a")
    assert found.bound is None
    (found,) = read_module(nn.Dropout(0.25), "d")
    assert isinstance(found, Drop)
    assert found.rate == 0.25
    assert read_module(nn.Identity(), "i") == []


def test_pools_keep_their_options() -> None:
    pool = nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False, divisor_override=7)
    (found,) = read_module(pool, "p")
    assert isinstance(found, Pool)
    x = images(1, 2, 7, 7)
    torch.testing.assert_close(found.module(x), pool(x))
    (found,) = read_module(nn.AdaptiveAvgPool2d((2, 3)), "p")
    torch.testing.assert_close(found.module(x), nn.AdaptiveAvgPool2d((2, 3))(x))


@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_becomes_a_factor_and_an_offset(affine: bool) -> None:
    norm = nn.BatchNorm2d(3, affine=affine).eval()
    norm.running_mean.copy_(torch.tensor([0.1, -0.2, 0.3]))
    norm.running_var.copy_(torch.tensor([0.5, 1.0, 2.0]))
    (found,) = read_module(norm, "n")
    x = images(2, 3, 4, 4)
    by_hand = x * found.factor.view(-1, 1, 1) + found.offset.view(-1, 1, 1)
    torch.testing.assert_close(by_hand, norm(x))


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (nn.MaxPool2d(2), "AvgPool2d in its place"),
        (nn.AdaptiveMaxPool2d(1), "AvgPool2d in its place"),
        (nn.LeakyReLU(), "LeakyReLU does not convert; train the network with ReLU"),
        (nn.GELU(), "train the network with ReLU"),
        (nn.ReLU6(), "train the network with ReLU"),
        (nn.Sigmoid(), "train the network with ReLU"),
        (nn.LogSoftmax(1), "inside a network it cannot be in rates"),
        (nn.Dropout(1.0), "a dropout rate of 1; take a rate in"),
        (nn.LayerNorm(3), "BatchNorm2d"),
        (nn.Dropout2d(0.1), "nn.Dropout"),
        (nn.LSTM(2, 2), "only linear, convolution, ReLU"),
        (nn.Conv2d(2, 4, 3, groups=2), "groups=2"),
        (nn.Conv2d(2, 4, 3, dilation=2), r"dilation=\(2, 2\)"),
        (nn.Conv2d(2, 4, (3, 1)), r"kernel=\(3, 1\)"),
        (nn.Conv2d(2, 4, 3, stride=(1, 2), padding=(0, 1)), r"stride=\(1, 2\), padding=\(0, 1\)"),
        (nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular"), "circular"),
        (nn.Conv2d(2, 4, 2, padding="same"), "padding='same' of a kernel"),
        (nn.BatchNorm2d(3, track_running_stats=False), "without running statistics"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_refusals_of_modules(module: nn.Module, text: str) -> None:
    found = read_module(module, "net.here")
    assert isinstance(found, Reason)
    assert found.where == "net.here"
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(str(found))


def test_functions() -> None:
    size = torch.Size((2, 3, 4, 4))
    assert isinstance(read_function("relu", (), {}, (size, size), "f")[0], Rectify)
    assert read_function("dropout", (), {"p": 0.3}, (size, size), "f")[0].rate == 0.3
    assert read_function("contiguous", (), {}, (size, size), "f") == []
    assert isinstance(read_function("max_pool2d", (2,), {}, (size, size), "f"), Reason)
    assert "AvgPool2d" in advice("max_pool2d")
    assert "nn.Linear" in advice("linear")
    assert "scale each" in advice("cat")
    assert "scale each" in advice_on_several("cat")
    assert "sign in the weights" in advice_on_several("sub")
    assert advice_on_several("mul") == "branches are joined by + only"


@pytest.mark.parametrize("width", [3, 4])
def test_only_the_mean_of_a_whole_map_converts(width: int) -> None:
    """Red before: other axes passed where the shapes met by chance, as C = W = 3 here."""
    before = torch.Size((2, 3, 4, width))
    for dims in ((2, 3), [-1, -2], (3, 2)):
        for args, kwargs in (((dims,), {}), ((), {"dim": dims}), ((), {"axis": dims})):
            found = read_function("mean", args, kwargs, (before, before[:2]), "f")
            assert [type(o) for o in found] == [Pool, Flatten]
    kept = read_function("mean", ((2, 3),), {}, (before, torch.Size((2, 3, 1, 1))), "f")
    assert [type(o) for o in kept] == [Pool]
    for dims in ((1, 2), 1, (0, 1), None):
        found = read_function("mean", (dims,), {}, (before, before[:2]), "f")
        assert str(found).startswith(f"f: a mean over dim={dims} of [n, C, H, W]; only the mean")


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((0.5, True), {}), ((), {"p": 0.5, "training": True}), ((0.5,), {"train": True})],
)
def test_dropout_that_is_always_on_is_refused(args: tuple, kwargs: dict) -> None:
    size = torch.Size((2, 3))
    found = read_function("dropout", args, kwargs, (size, size), "f")
    assert str(found).startswith("f: a dropout that is on in evaluation as well; give it training=")


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "relu"),
    [
        ("clamp", (), {"min": 0}, True),
        ("clamp_", (0.0,), {}, True),
        ("clip", (0, None), {}, True),
        ("clamp_min", (0,), {}, True),
        ("clamp", (0, 6), {}, False),
        ("clamp", (0,), {"max": 1.0}, False),
        ("clamp", (), {"max": 0}, False),
        ("clamp", (-1,), {}, False),
    ],
)
def test_a_clamp_at_zero_is_a_relu(name: str, args: tuple, kwargs: dict, relu: bool) -> None:
    size = torch.Size((2, 3))
    found = read_function(name, args, kwargs, (size, size), "f")
    assert (str(found) == "f: a ReLU by another name; write nn.ReLU()") is relu
    assert isinstance(found, Reason)
