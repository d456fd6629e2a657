"""nn/state: walking the tree of a network's state."""

from typing import NamedTuple

import pytest
import torch

from bayesnn_spike.nn import map_state


class Pair(NamedTuple):
    one: torch.Tensor
    two: torch.Tensor | None


def test_every_tensor_is_mapped_and_the_structure_is_kept() -> None:
    one = torch.tensor(1.0)
    state = (None, Pair(one, None), {"a": one, "b": (one,)}, ())
    found = map_state(lambda x: x + 1, state)
    two = torch.tensor(2.0)
    assert found == (None, Pair(two, None), {"a": two, "b": (two,)}, ())
    assert isinstance(found[1], Pair)


def test_states_are_detached_by_it() -> None:
    x = torch.ones(2, requires_grad=True) * 2
    assert not map_state(torch.Tensor.detach, (x,))[0].requires_grad


@pytest.mark.parametrize("state", [[torch.zeros(1)], 3, (1.0,), "state"])
def test_anything_else_is_refused(state: object) -> None:
    with pytest.raises(TypeError, match="a network state holds tensors, tuples, dicts and None"):
        map_state(lambda x: x, state)
