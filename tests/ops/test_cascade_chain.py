"""ops/cascade/chain: shapes through a chain, and what makes none."""

import pytest
import torch

from bayesnn_spike.ops.cascade import Chain, Layer, Neurons
from tests.ops.chains import maps_chain, neurons, vector_chain

ONE = Neurons(torch.tensor(1.0))


def test_shapes_go_through_pools_and_synapses() -> None:
    chain = maps_chain((4, 9, 11), (3, 2), outputs=7, pools=(2,), stride=(1, 2), padding=0)
    assert chain.shapes == ((4, 9, 11), (7, 2, 2), (4,))
    assert chain.layers[0].pooled((4, 9, 11)) == (4, 4, 5)
    assert vector_chain((5, 3, 2)).shapes == ((5,), (3,), (2,))
    assert chain.finite
    assert not Chain((1,), (Layer(ONE, torch.tensor([[torch.nan]])),)).finite


def test_the_membrane_at_rest_is_a_part_of_the_threshold() -> None:
    assert float(Neurons(torch.tensor(2.0), v_init=0.25).rest()) == 0.5
    both = Neurons(torch.tensor([2.0, 4.0]), v_init=torch.tensor([0.5, -1.0]))
    assert both.rest().tolist() == [1.0, -4.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Chain((3,), ()), "at least one layer.* got 0 layers"),
        (lambda: Chain((3, 3), (Layer(ONE, torch.ones(1, 9)),)), r"or \(C, H, W\); got 1"),
        (lambda: Layer(ONE, torch.ones(1, 2, 3)), r"must be \[O, C, h, w\] or \[M, N\]"),
        (
            lambda: Chain((3,), (Layer(ONE, torch.ones(2, 4)),)),
            r"\(2, 4\) does not fit features of shape \(3,\)",
        ),
        (
            lambda: Chain((3,), (Layer(ONE, torch.ones(2, 3, 1, 1)),)),
            "does not fit features of shape",
        ),
        (
            lambda: Chain((3,), (Layer(ONE, torch.ones(2, 3), torch.ones(3)),)),
            r"the bias must be \(2,\), got \(3,\)",
        ),
        (
            lambda: Chain((3,), (Layer(ONE, torch.ones(2, 3), pools=(2,)),)),
            r"features of shape \(3,\) hold no window of 2 x 2",
        ),
        (
            lambda: Chain((1, 3, 3), (Layer(ONE, torch.ones(2, 1), pools=(4,)),)),
            "hold no window of 4 x 4",
        ),
        (
            lambda: Chain((1, 3, 3), (Layer(ONE, torch.ones(2, 1), pools=(0,)),)),
            "the side of a pool must be positive",
        ),
        (
            lambda: Chain((1, 2, 2), (Layer(ONE, torch.ones(2, 1, 3, 3)),)),
            "a kernel of 3 does not fit into 2",
        ),
        (
            lambda: Chain((3,), (Layer(neurons(2), torch.ones(2, 3)),)),
            r"threshold of shape \(2,\) does not broadcast to features of shape \(3,\)",
        ),
        (
            lambda: Chain((3,), (Layer(neurons(1, 3), torch.ones(2, 3)),)),
            r"threshold of shape \(1, 3\) does not broadcast",
        ),
        (
            lambda: Chain((3,), (Layer(neurons(v_init=torch.ones(2)), torch.ones(2, 3)),)),
            r"v_init of shape \(2,\) does not broadcast",
        ),
        (
            lambda: Chain((3,), (Layer(ONE, torch.ones(2, 3).double()),)),
            "of one dtype and on one device",
        ),
        (lambda: Neurons(torch.tensor(1.0), leak=1.5), r"Neurons.leak must lie in \[0.0, 1.0\]"),
    ],
)
def test_what_does_not_fit_is_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
