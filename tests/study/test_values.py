"""Names in a configuration become the library's values, all of them."""

import pytest

from bayesnn_spike.export.values import DescriptionError
from bayesnn_spike.learn.estimators import EpsScale, Estimator, ExactScale, Relaxed
from bayesnn_spike.learn.initial import CoinFlip
from bayesnn_spike.learn.optimizers import Adam, Optimizer
from bayesnn_spike.learn.schedule import Constant, Cosine
from bayesnn_spike.study import values


def test_every_estimator_and_optimizer_of_the_library_has_a_name() -> None:
    assert set(values.ESTIMATORS.values()) == set(Estimator.__args__)
    assert set(values.OPTIMIZERS.values()) == set(Optimizer.__args__)
    for name in values.ESTIMATORS:
        assert isinstance(values.estimator(name), values.ESTIMATORS[name])


def test_options_reach_the_value() -> None:
    scale = {"kind": "exact", "maximum": 10.0}
    found = values.estimator({"kind": "relaxed", "tau": 0.3, "draws": 2, "scale": scale})
    assert found == Relaxed(0.3, 2, ExactScale(10.0))
    assert values.estimator({"kind": "relaxed", "scale": "eps"}).scale == EpsScale()
    assert values.optimizer({"kind": "adam", "beta1": 0.95}, 0.3) == Adam(0.3, beta1=0.95)
    assert values.initial({"kind": "coin_flip", "magnitude": 2}) == CoinFlip(2)


def test_schedules() -> None:
    assert values.SCHEDULES["constant"](0.3, 100, 10) == Constant(0.3)
    assert values.SCHEDULES["cosine"](0.3, 100, 10) == Cosine(0.3, 100, 10)


@pytest.mark.parametrize("description", [3, None, ["adam"], {"beta1": 0.9}, {"kind": 3}])
def test_what_is_no_description_is_refused(description: object) -> None:
    with pytest.raises(DescriptionError, match="write a name, or a mapping with the name under"):
        values.estimator(description)


def test_a_value_that_the_library_refuses_is_refused_with_its_reason() -> None:
    with pytest.raises(DescriptionError, match="estimator 'relaxed': tau must be"):
        values.estimator({"kind": "relaxed", "tau": -1})
    with pytest.raises(DescriptionError, match=r"initial 'coin_flip': .*magnitude"):
        values.initial("coin_flip")
