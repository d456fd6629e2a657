"""nn/evaluating: every module gets its own mode back, whatever happens."""

import pytest
from torch import nn

from bayesnn_spike.nn.evaluating import evaluating


def network() -> nn.Sequential:
    made = nn.Sequential(nn.Dropout(), nn.Sequential(nn.BatchNorm1d(2)))
    made[1].eval()
    return made


def test_modes_come_back() -> None:
    one = network()
    with evaluating(one):
        assert not any(module.training for module in one.modules())
    assert [m.training for m in (one, one[0], one[1], one[1][0])] == [True, True, False, False]


def test_modes_come_back_after_an_error() -> None:
    one = network()
    with pytest.raises(RuntimeError, match="stop"), evaluating(one):
        raise RuntimeError("stop")
    assert one.training
    assert not one[1].training
