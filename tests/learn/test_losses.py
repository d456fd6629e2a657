"""learn/losses: cross-entropies by hand, over draws, time and batch."""

import math

import pytest
import torch

from bayesnn_spike.learn import Local, RateCrossEntropy, StepCrossEntropy, SummedCrossEntropy
from bayesnn_spike.learn.losses import class_logits
from tests.ops import cases

K, T, B, C = 3, 4, 5, 6
LABELS = torch.tensor([0, 5, 2, 2, 1])
LOSSES = [RateCrossEntropy(), SummedCrossEntropy(), StepCrossEntropy(), Local(RateCrossEntropy())]


def nll(logits: list[float], label: int) -> float:
    return math.log(sum(math.exp(v) for v in logits)) - logits[label]


def test_rate_cross_entropy_scores_the_mean_of_the_readout_over_time() -> None:
    readout = cases.normal(K, T, B, C)
    found = RateCrossEntropy()(readout, LABELS)
    for k in range(K):
        rows = readout[k].mean(0).tolist()
        expected = sum(nll(row, int(y)) for row, y in zip(rows, LABELS, strict=True)) / B
        assert float(found[k]) == pytest.approx(expected, rel=1e-12)


def test_summed_cross_entropy_scores_the_sum_of_the_readout_over_time() -> None:
    readout = cases.normal(K, T, B, C)
    found = SummedCrossEntropy()(readout, LABELS)
    torch.testing.assert_close(found, RateCrossEntropy()(T * readout, LABELS))
    for k in range(K):
        rows = readout[k].sum(0).tolist()
        expected = sum(nll(row, int(y)) for row, y in zip(rows, LABELS, strict=True)) / B
        assert float(found[k]) == pytest.approx(expected, rel=1e-12)


def test_gain_multiplies_the_summed_readout() -> None:
    readout = cases.normal(K, T, B, C)
    found = SummedCrossEntropy(gain=0.25)(readout, LABELS)
    for k in range(K):
        rows = (0.25 * readout[k].sum(0)).tolist()
        expected = sum(nll(row, int(y)) for row, y in zip(rows, LABELS, strict=True)) / B
        assert float(found[k]) == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(
        SummedCrossEntropy(gain=1 / T)(readout, LABELS), RateCrossEntropy()(readout, LABELS)
    )


@pytest.mark.parametrize(
    ("gain", "error"), [(0.0, ValueError), (-1.0, ValueError), (math.inf, ValueError),
                        ("1", TypeError), (None, TypeError)]
)  # fmt: skip
def test_a_gain_must_be_a_positive_number(gain, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"SummedCrossEntropy\.gain"):
        SummedCrossEntropy(gain=gain)


def test_step_cross_entropy_scores_every_step_and_averages() -> None:
    readout = cases.normal(K, T, B, C)
    found = StepCrossEntropy()(readout, LABELS)
    for k in range(K):
        terms = [nll(readout[k, t, b].tolist(), int(LABELS[b])) for t in range(T) for b in range(B)]
        assert float(found[k]) == pytest.approx(sum(terms) / (T * B), rel=1e-12)


def test_local_sums_over_blocks() -> None:
    readouts = tuple(cases.normal(K, T, B, C, seed=i) for i in range(3))
    for inner in (RateCrossEntropy(), StepCrossEntropy()):
        expected = sum(inner(r, LABELS) for r in readouts)
        torch.testing.assert_close(Local(inner)(readouts, LABELS), expected)
    assert Local() == Local(StepCrossEntropy())


@pytest.mark.parametrize("loss", LOSSES[:3])
def test_without_draws_there_is_one_loss(loss) -> None:
    readout = cases.normal(T, B, C)
    found = loss(readout, LABELS)
    assert found.shape == (1,)
    torch.testing.assert_close(found, loss(readout[None], LABELS))


@pytest.mark.parametrize("loss", LOSSES[:3])
def test_each_loss_depends_on_its_own_draw(loss) -> None:
    readout = cases.normal(K, T, B, C).requires_grad_()
    losses = loss(readout, LABELS)
    for k in range(K):
        (grad,) = torch.autograd.grad(losses[k], readout, retain_graph=True)
        touched = grad.flatten(1).any(1)
        assert touched.tolist() == [j == k for j in range(K)]


def test_one_readout_unit_is_a_two_class_logit() -> None:
    """Binary cross-entropy: log(1 + exp(-r)) for class 1, log(1 + exp(r)) for class 0."""
    r = torch.tensor([0.7, -1.3], dtype=torch.float64).view(1, 1, 2, 1)
    expected = (math.log1p(math.exp(0.7)) + math.log1p(math.exp(1.3))) / 2
    for loss in (RateCrossEntropy(), StepCrossEntropy()):
        assert float(loss(r, torch.tensor([0, 1]))) == pytest.approx(expected, rel=1e-12)
    assert class_logits(r)[0, 0].tolist() == [[0, 0.7], [0, -1.3]]
    wide = cases.normal(2, 3)
    assert class_logits(wide) is wide


def test_the_two_reductions_differ_unless_the_readout_is_constant() -> None:
    readout = cases.normal(K, T, B, C)
    rate, step = RateCrossEntropy()(readout, LABELS), StepCrossEntropy()(readout, LABELS)
    assert bool((step > rate).all())  # Jensen
    steady = readout[:, :1].expand(-1, T, -1, -1)
    torch.testing.assert_close(
        RateCrossEntropy()(steady, LABELS), StepCrossEntropy()(steady, LABELS)
    )
