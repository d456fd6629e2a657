"""The bench of draws: who is green, and that each check sees wrong bits."""

import pytest
import torch

from bayesnn_spike.bench import draw
from bayesnn_spike.bench.cases import QUICK
from bayesnn_spike.bench.group import Group

CASE = QUICK["nmnist-mlp"]


@pytest.fixture
def group() -> Group:
    (found,) = draw.groups([CASE], "cpu")
    return found


def test_the_job_is_counted_in_weights(group: Group) -> None:
    assert (group.bench, group.case, group.k) == ("draw", "nmnist-mlp", CASE.alone)
    assert (group.item, group.items) == ("weight", CASE.alone * CASE.weights)
    assert group.macs is None


@pytest.mark.parametrize("who", ["cpu", "reference", "torch-bernoulli"])
def test_everyone_is_green_and_runs(group: Group, who: str) -> None:
    entry = group.build(who)
    assert entry.check() is None
    entry.run()


def test_one_wrong_bit_is_seen(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = group.build("cpu")
    assert entry.check() is None  # the reference's words are kept from now on
    right = draw.draw_words

    def wrong(*args, **kwargs) -> torch.Tensor:
        words = right(*args, **kwargs).clone()
        words.view(-1)[0] ^= 1
        return words

    monkeypatch.setattr(draw, "draw_words", wrong)
    assert entry.check() == "1 words differ from the reference's"


def test_wrong_frequencies_are_seen(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "sigmoid", lambda x: torch.full_like(x, 0.6))
    assert "standard errors" in group.build("torch-bernoulli").check()
