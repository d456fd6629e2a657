"""convert/refuse: the order of operations, each of which would convert."""

import pytest
from torch import nn

from bayesnn_spike.convert import ConversionError
from bayesnn_spike.convert.refuse import Reason
from bayesnn_spike.convert.trace import trace
from tests.convert.nets import Function, images, seeded


def test_the_error_lists_all_reasons() -> None:
    error = ConversionError([Reason("a", "is b", "do c"), Reason("d", "is e", "do f")])
    assert str(error) == (
        "the network cannot be converted, for 2 reasons:\n  a: is b; do c\n  d: is e; do f"
    )
    assert error.reasons[1].advice == "do f"
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    ("net", "text"),
    [
        (nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2)), "0: batch"),
        (
            nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.BatchNorm1d(3), nn.Linear(3, 2)),
            "2: batch normalisation that does not follow",
        ),
        (nn.Sequential(nn.Linear(3, 3), nn.ReLU()), "1: the network's output is an activation"),
        (nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Dropout()), "the readout has no neuron"),
        (nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2)), "has no ReLU"),
        (
            Function(
                lambda self, x: self.b((self.n(self.a(x).relu() + x)).relu()),
                a=nn.Linear(3, 3),
                n=nn.BatchNorm1d(3),
                b=nn.Linear(3, 2),
            ),
            "n: batch normalisation that does not follow",
        ),
    ],
)
def test_wrong_orders_are_named(net: nn.Module, text: str) -> None:
    with pytest.raises(ConversionError, match=text):
        trace(seeded(net), images(2, 3))


def test_a_layer_read_without_its_norm_is_named() -> None:
    def forward(self, x):
        y = self.a(x)
        return self.b((self.n(y) + y).relu())

    net = Function(forward, a=nn.Linear(3, 3), n=nn.BatchNorm1d(3), b=nn.Linear(3, 2))
    with pytest.raises(ConversionError, match="n: batch normalisation of a, which others read"):
        trace(seeded(net), images(2, 3))


def test_a_sum_of_currents_may_be_the_readout() -> None:
    net = Function(
        lambda self, x: self.b(self.a(x).relu()) + self.c(x),
        **{name: nn.Linear(3, 3) for name in "abc"},
    )
    assert trace(seeded(net), images(2, 3)).output == "add"
