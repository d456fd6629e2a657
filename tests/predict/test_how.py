"""predict/how: which networks answer, as values that refuse nonsense."""

import pytest

from bayesnn_spike.predict import Committee, Ensemble, MeanParameter, Mode, Vote


@pytest.mark.parametrize("kind", [Committee, Ensemble, Vote])
def test_draws_are_positive_and_thirty_by_default(kind: type) -> None:
    assert kind().draws == 30
    assert kind(3) == kind(3)
    for draws in (0, -1):
        with pytest.raises(ValueError, match=rf"{kind.__name__}\.draws must be positive"):
            kind(draws)


def test_values_compare_and_hash() -> None:
    assert len({Mode(), Mode(), MeanParameter(), Committee(), Committee(30)}) == 3
