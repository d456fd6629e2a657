"""convert/trace: all reasons at once, and what to do about a function of the logits."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bayesnn_spike.convert import ConversionError
from bayesnn_spike.convert.plan import Drop
from bayesnn_spike.convert.trace import trace
from tests.convert.nets import Function, images, seeded


def reasons(net: nn.Module, x: Tensor) -> list[str]:
    with pytest.raises(ConversionError) as caught:
        trace(net, x)
    return [str(reason) for reason in caught.value.reasons]


def test_wrong_orders_are_said_with_what_does_not_convert() -> None:
    """Structure is judged although some layers are refused; what is refused is judged once."""
    net = nn.Sequential(
        nn.BatchNorm1d(3),
        nn.Linear(3, 4),
        nn.GELU(),
        nn.BatchNorm1d(4),
        nn.Linear(4, 4),
        nn.ReLU(),
        nn.Dropout(1.0),
        nn.Linear(4, 2),
        nn.ReLU(),
        nn.Softmax(1),
    )
    found = reasons(seeded(net), images(2, 3))
    assert [reason.partition(":")[0] for reason in found] == ["2", "6", "9", "0", "8"]
    assert found[1] == "6: a dropout rate of 1; take a rate in [0, 1), or take the dropout out"
    assert "the network's output is an activation" in found[4]


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (nn.Softmax(1), "softmax"),
        (nn.Sigmoid(), "sigmoid"),
        (nn.LogSoftmax(1), "logsoftmax"),
        (torch.sigmoid, "sigmoid()"),
        (lambda x: F.log_softmax(x, 1), "log_softmax()"),
        (lambda x: x.softmax(-1), "softmax()"),
    ],
)
def test_a_function_of_the_logits_is_to_be_applied_later(head, name: str) -> None:
    layers = {"a": nn.Linear(3, 3), "b": nn.Linear(3, 2)}
    if isinstance(head, nn.Module):
        layers[name] = head
        net = Function(lambda self, x: getattr(self, name)(self.b(self.a(x).relu())), **layers)
    else:
        net = Function(lambda self, x: head(self.b(self.a(x).relu())), **layers)
    (found,) = reasons(seeded(net), images(2, 3))
    assert found.startswith(f"{name}: ")
    assert "remove it" in found
    assert "apply it to what conversion.descale(summed, steps) returns" in found


def test_inside_a_network_such_functions_are_not_said_to_be_the_head() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Sigmoid(), nn.Linear(3, 2))
    (found,) = reasons(seeded(net), images(2, 3))
    assert "train the network with ReLU" in found
    net = nn.Sequential(nn.Conv2d(1, 1, 3, dilation=2), nn.Flatten(), nn.Linear(16, 2))
    found = reasons(seeded(net), images(2, 1, 8, 8))
    assert [reason.partition(":")[0] for reason in found] == ["0", "the network"]


def test_a_network_that_returns_its_input_has_no_relu() -> None:
    (found,) = reasons(nn.Identity(), images(2, 3))
    assert "has no ReLU" in found


BEFORE = "do it to the images before, outside the network"


@pytest.mark.parametrize(
    ("normalise", "count"),
    [
        (lambda x: (x - 0.5) / 0.5, 2),
        (lambda x: 2 * x - 1, 2),
        (lambda x: (x.flatten(1) + 0.1).div(0.3), 2),
        (lambda x: (x - x.mean()) / x.std(), 4),
    ],
)
def test_images_are_to_be_normalised_before(normalise, count: int) -> None:
    """Red before: `put the factor into the weights`."""
    net = Function(
        lambda self, x: self.b((2 * self.a(normalise(x).flatten(1))).relu()),
        a=nn.Linear(16, 3),
        b=nn.Linear(3, 2),
    )
    *found, inside = reasons(seeded(net), images(3, 1, 4, 4))
    assert len(found) == count
    assert all(BEFORE in reason for reason in found)
    assert "put the factor into the weights" in inside


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda self, x: F.dropout(self.a(x).relu(), 0.5), "dropout(): a dropout that is on in"),
        (lambda self, x: torch.dropout(self.a(x).relu(), 0.5, True), "a dropout that is on in"),
        (lambda self, x: self.a(x).clamp(min=0), "clamp(): a ReLU by another name; write nn.ReLU"),
        (lambda self, x: torch.cat([self.a(x), x], 1)[:, :3].relu(), "would need a scale each"),
        (lambda self, x: (self.a(x) - x).relu(), "sub of several tensors; add, with the sign"),
        (lambda self, x: (self.a(x) * x).relu(), "mul of several tensors; branches are joined"),
    ],
)
def test_reasons_say_what_it_is(function, text: str) -> None:
    net = Function(lambda self, x: self.b(function(self, x)), a=nn.Linear(3, 3), b=nn.Linear(3, 2))
    assert text in reasons(seeded(net), images(3, 3))[0]


def test_dropout_in_training_alone_passes() -> None:
    for off in (
        lambda self, x: F.dropout(x, 0.5, self.training),
        lambda self, x: torch.dropout(x, 0.5, train=self.training),
    ):
        net = Function(
            lambda self, x, off=off: self.b(off(self, self.a(x).relu())),
            a=nn.Linear(3, 3),
            b=nn.Linear(3, 2),
        )
        drop = trace(seeded(net).train(), images(3, 3)).steps[2].operation
        assert isinstance(drop, Drop)
        assert drop.rate == 0.5


def test_a_mean_over_other_axes_of_a_map_is_named_where_shapes_meet() -> None:
    net = Function(
        lambda self, x: self.b(self.a(x).relu().mean((1, 2))),
        a=nn.Conv2d(1, 8, 3, padding=1),
        b=nn.Linear(8, 2),
    )
    (found,) = reasons(seeded(net), images(3, 1, 8, 8))
    assert found.startswith("mean(): a mean over dim=(1, 2) of [n, C, H, W]")
