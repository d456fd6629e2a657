"""predict/predictive: entropies, their parts, and standard errors by hand."""

import math

import pytest
import torch

from bayesnn_spike.calibration import nll
from bayesnn_spike.predict import Predictive
from bayesnn_spike.predict.predictive import entropy
from tests.ops import cases


def predictive(members: torch.Tensor) -> Predictive:
    return Predictive(members.mean(0), members, "mean_k p_k")


def test_two_networks_by_hand() -> None:
    """p = (.9, .1) and (.1, .9): they disagree, and their mean knows nothing."""
    found = predictive(torch.tensor([[[0.9, 0.1]], [[0.1, 0.9]]], dtype=torch.float64))
    inner = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert found.total().item() == pytest.approx(math.log(2))
    assert found.aleatoric().item() == pytest.approx(inner)
    assert found.epistemic().item() == pytest.approx(math.log(2) - inner)
    # A deviation of .8 / sqrt(2) over the root of two members.
    assert found.standard_error()[0].tolist() == pytest.approx([0.4, 0.4])


def test_certain_networks_that_disagree_are_all_epistemic() -> None:
    found = predictive(torch.eye(3)[:, None])
    assert found.aleatoric().item() == 0
    assert found.epistemic().item() == pytest.approx(math.log(3))


@pytest.mark.parametrize("k", [1, 3, 7, 30])
def test_equal_members_have_no_epistemic_uncertainty_exactly(k: int) -> None:
    one = cases.normal(1, 50, 4, dtype=torch.float32).softmax(-1)
    found = predictive(one.repeat(k, 1, 1))
    assert torch.equal(found.epistemic(), torch.zeros(50))
    assert torch.equal(found.total(), entropy(one)[0])


def test_epistemic_uncertainty_is_never_negative() -> None:
    generator = torch.Generator().manual_seed(0)
    members = torch.rand(5, 1000, 4, generator=generator)
    members[:, :500] = members[:1, :500] + 1e-7 * members[:, 500:]
    found = predictive(members / members.sum(-1, keepdim=True))
    assert float(found.epistemic().min()) >= 0
    torch.testing.assert_close((found.total() - found.aleatoric()).clamp(min=0), found.epistemic())


def test_the_standard_error_is_that_of_a_mean_and_unknown_for_one() -> None:
    members = cases.normal(16, 3, 2).softmax(-1)
    expected = members.std(0, correction=1) / 4
    torch.testing.assert_close(predictive(members).standard_error(), expected)
    assert predictive(members[:1]).standard_error() is None


def test_entropy_of_certainty_is_zero_and_of_ignorance_log_c() -> None:
    p = torch.tensor([[1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]], dtype=torch.float64)
    assert entropy(p).tolist() == pytest.approx([0.0, math.log(3)])


def test_the_class_is_the_most_probable_of_the_pooled() -> None:
    members = torch.tensor([[[0.6, 0.4]], [[0.6, 0.4]], [[0.0, 1.0]]])
    assert predictive(members).classes().tolist() == [1]


def test_the_score_of_equal_members_is_the_score_of_one() -> None:
    one = cases.normal(1, 20, 4).softmax(-1)
    labels = torch.arange(20) % 4
    single, many = (nll(predictive(m).probabilities, labels) for m in (one, one.repeat(7, 1, 1)))
    assert many.value == pytest.approx(single.value, rel=1e-14)
    assert single.value == pytest.approx(-float(one[0, range(20), labels].log().mean()))
