"""encoding/direct: images are shown at every step, without a copy."""

import pytest
import torch

from bayesnn_spike.encoding import Direct, direct


def test_every_step_is_the_image_and_none_is_a_copy() -> None:
    images = torch.randn(2, 3)
    found = direct(images, 5)
    assert found.shape == (5, 2, 3)
    assert found.stride(0) == 0
    assert found.data_ptr() == images.data_ptr()
    assert all(torch.equal(step, images) for step in found)


def test_as_a_value() -> None:
    images = torch.randn(2, 3)
    assert Direct(4).encode(images).shape == (4, 2, 3)
    assert Direct(4).encode(images, steps=2, first_step=3, first_example=9).shape == (2, 2, 3)
    assert Direct(4) == Direct(4)


def test_no_step_is_refused() -> None:
    with pytest.raises(ValueError, match="steps must be positive"):
        direct(torch.ones(1, 1), 0)
    with pytest.raises(ValueError, match=r"Direct\.steps must be positive"):
        Direct(0)


@pytest.mark.parametrize("steps", [2.5, 4.0, True, "4"])
def test_steps_are_a_whole_number(steps: object) -> None:
    """Red before: a TypeError of torch, at the first use."""
    with pytest.raises(ValueError, match=r"Direct\.steps must be a whole number"):
        Direct(steps)
    with pytest.raises(ValueError, match="steps must be a whole number"):
        direct(torch.ones(1, 1), steps)
