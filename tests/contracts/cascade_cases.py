"""The entries of `op_cases` for chains of layers."""

from torch import Tensor

from bayesnn_spike.neurons import Above, AtOrAbove, Delayed, Immediate
from bayesnn_spike.ops.cascade import Chain, Layer, Neurons, cascade
from tests.contracts.case import Case, T
from tests.ops import cases

MAPS, WIDE = (3, 5, 7), (16, 5, 4)


def _thresholds(*shape: int, seed: int) -> Tensor:
    return cases.lattice(*shape, seed=seed).abs() + 0.5


def _everything(current: Tensor, chain: Chain, *state: Tensor) -> tuple[Tensor, ...]:
    found = cascade(current, chain, state or None, counts=True)
    return found.readout, *found.counts, *found.state


def _maps(x: Tensor, conv: Tensor, bias: Tensor, fc: Tensor, v: Tensor) -> tuple[Tensor, ...]:
    """Odd sizes, a threshold a channel, from rest: a pool, a convolution, a linear layer."""
    options = {"v_init": 0.5, "leak": 0.5, "order": Immediate(), "comparison": AtOrAbove()}
    first = Layer(Neurons(v, **options), conv, bias, pools=(2,), padding=1)
    second = Layer(Neurons(v.new_tensor(1.25), **options), fc, pools=(2,))
    return _everything(x, Chain(MAPS, (first, second)))


def _wide(x: Tensor, conv: Tensor, fc: Tensor, bias: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
    """Sixteen channels, a stride, one threshold, delayed, carried on from a state."""
    neurons = Neurons(
        x.new_tensor(0.75), v_init=0.25, leak=0.5, order=Delayed(), comparison=Above()
    )
    layers = Layer(neurons, conv, stride=2, padding=1), Layer(neurons, fc, bias)
    return _everything(x, Chain(WIDE, layers), *state)


CASCADE_CASES = {
    "cascade": Case(
        "cascade",
        _maps,
        lambda b: [
            cases.lattice(T, b, *MAPS),
            cases.lattice(5, 3, 3, 3, seed=1),
            cases.lattice(5, seed=2),
            cases.lattice(4, 5, seed=3),
            _thresholds(3, 1, 1, seed=4),
        ],
        (1, None, None, None, None),
        (None,) * 5,
        out_batch=(1, 0, 0, 0, 0),
        implementations=("cpu", "reference"),
    ),
    "cascade, delayed, carried": Case(
        "cascade",
        _wide,
        lambda b: [
            cases.lattice(T, b, *WIDE),
            cases.lattice(32, 16, 3, 3, seed=1),
            cases.lattice(10, 32 * 6, seed=2),
            cases.lattice(10, seed=3),
            cases.lattice(b, *WIDE, seed=4),
            cases.lattice(b, 32, 3, 2, seed=5),
        ],
        (1, None, None, None, 0, 0),
        (None,) * 6,
        out_batch=(1, 0, 0, 0, 0),
        implementations=("cpu", "reference"),
    ),
}
