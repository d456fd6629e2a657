"""convert/exits: the first clear answer, by hand."""

import math

import pytest
import torch

from bayesnn_spike.convert import convert, curve, early_exit
from bayesnn_spike.convert.curve import Curve
from bayesnn_spike.encoding import Direct
from tests.convert.nets import images, mlp

READOUTS = torch.tensor(
    [
        [[1.0, 0.0, 0.0], [2.0, 3.0, 0.0]],  # margins 1, 1
        [[3.0, 0.0, 1.0], [5.0, 3.0, 0.0]],  # margins 2, 2
        [[4.0, 0.0, 1.0], [9.0, 3.0, 0.0]],  # margins 3, 6
    ]
)
BY_HAND = Curve((2, 4, 8), (0.5, 1.0, 1.0), READOUTS, (0, 0, 0))
LABELS = torch.tensor([0, 0])


@pytest.mark.parametrize(
    ("limit", "accuracy", "steps", "undecided"),
    [
        (0.0, 0.5, 2.0, 0.0),
        (1.0, 1.0, 4.0, 0.0),  # a margin of 1 does not pass a limit of 1
        (1.5, 1.0, 4.0, 0.0),
        (2.5, 1.0, 8.0, 0.0),
        (4.0, 1.0, 8.0, 0.5),
        (math.inf, 1.0, 8.0, 1.0),
    ],
)
def test_exits_by_hand(limit: float, accuracy: float, steps: float, undecided: float) -> None:
    found = early_exit(BY_HAND, LABELS, [limit])
    assert found.limits == (limit,)
    assert (found.accuracy, found.steps, found.undecided) == ((accuracy,), (steps,), (undecided,))


def test_exits_may_differ_between_images() -> None:
    readouts = READOUTS.clone()
    readouts[0, 0] = torch.tensor([9.0, 0.0, 0.0])
    found = early_exit(Curve((2, 4, 8), (0.5, 1.0, 1.0), readouts, (0, 0, 0)), LABELS, [3, 5])
    assert found.steps == (5.0, 5.0)
    assert found.accuracy == (1.0, 1.0)
    assert str(found).splitlines()[1].split() == ["3", "5.00", "100.00%", "0.00%"]


def test_limits_trade_time_for_accuracy() -> None:
    ann, x = mlp(), images(200, 50)
    labels = ann(x).argmax(1)
    made = convert(ann, x[:60], encoder=Direct(32))
    found = curve(made.network, x, labels, encoder=Direct(32), steps=range(1, 65))
    two = found.readouts[-1].topk(2).values
    typical = float((two[:, 0] - two[:, 1]).median())
    rows = early_exit(found, labels, (0.0, 0.2 * typical, 0.5 * typical, math.inf))
    assert list(rows.steps) == sorted(rows.steps)
    assert rows.accuracy[-1] == found.accuracy[-1]
    assert rows.steps[-1] == 64
    assert rows.steps[2] < 0.8 * 64
    # a margin tells more than the clock: more accurate than stopping all at the same mean time
    fixed = found.accuracy[math.ceil(rows.steps[1]) - 1]
    assert rows.accuracy[1] >= fixed


def test_wrong_requests_are_refused() -> None:
    for labels in (LABELS[:1], LABELS.float()):
        with pytest.raises(ValueError, match="2 images need as many whole numbers as labels"):
            early_exit(BY_HAND, labels, [1.0])
    for labels in ([0, 3], [-1, 0]):
        with pytest.raises(ValueError, match="has 3 classes, so labels must be 0 to 2, got"):
            early_exit(BY_HAND, labels, [1.0])
    with pytest.raises(TypeError, match="found must be what curve returns, got a Tensor"):
        early_exit(READOUTS, LABELS, [1.0])
    with pytest.raises(ValueError, match="limits must be numbers"):
        early_exit(BY_HAND, LABELS, [math.nan])
    with pytest.raises(TypeError, match=r"limits must be a sequence such as .*, got a float"):
        early_exit(BY_HAND, LABELS, 0.5)
    one = Curve((2,), (1.0,), torch.zeros(1, 2, 1), (0,))
    with pytest.raises(ValueError, match="two classes at least"):
        early_exit(one, LABELS, [1.0])
    assert early_exit(BY_HAND, LABELS, []).limits == ()


def test_labels_may_be_a_list() -> None:
    assert early_exit(BY_HAND, [0, 0], [1.5]) == early_exit(BY_HAND, LABELS, [1.5])
