"""ops/cascade/fan: every spike reaches what a convolution of it alone reaches."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bayesnn_spike.ops.cascade import Layer
from bayesnn_spike.ops.cascade.fan import fan_of, padded, places, pooled_pixels
from tests.ops.chains import neurons


def test_pools_leave_out_what_windows_do_not_cover() -> None:
    pixels, shape = pooled_pixels((3, 5), (2,))
    assert shape == (1, 2)
    assert pixels.tolist() == [0, 0, 1, 1, -1] * 2 + [-1] * 5
    pixels, shape = pooled_pixels((4, 4), (2, 2))
    assert shape == (1, 1)
    assert pixels.tolist() == [0] * 16
    assert pooled_pixels((7, 7), ())[1] == (7, 7)


def test_channels_are_filled_up_to_sixteen() -> None:
    assert [padded(n) for n in (1, 16, 17)] == [16, 16, 32]
    assert places((17, 2, 3)) == 192
    assert places((10,)) == 16


@pytest.mark.parametrize("pools", [(), (2,)])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [((3, 3), 1, 1), ((2, 3), (2, 1), (0, 2)), ((4, 1), 3, (1, 0))],
)
def test_a_spike_reaches_what_its_convolution_reaches(pools, kernel, stride, padding) -> None:
    """One spike at a time, through the runs of its pixel."""
    shape, generator = (2, 6, 8), torch.Generator().manual_seed(0)
    weight = torch.randn(3, 2, *kernel, generator=generator)
    layer = Layer(neurons(), weight, pools=pools, stride=stride, padding=padding)
    fan, rows = fan_of(layer, shape)
    size = places(layer.shape_after(shape))
    for place in torch.cartesian_prod(*(torch.arange(n) for n in shape)).tolist():
        one = torch.zeros(1, *shape)
        one[(0, *place)] = 1
        for side in pools:
            one = F.avg_pool2d(one, side)
        expected = F.conv2d(one, weight, None, stride, padding)[0]
        found, pixel = np.zeros(size, np.float32), place[1] * shape[2] + place[2]
        for k in range(fan.starts[pixel], fan.starts[pixel + 1]):
            to, row = fan.targets[k], place[0] * fan.block + fan.offsets[k]
            found[to : to + fan.lengths[k]] += rows[row : row + fan.lengths[k]]
        maps = torch.from_numpy(found).view(*expected.shape[1:], 16).movedim(-1, 0)
        torch.testing.assert_close(maps[:3], expected)
        assert not bool(maps[3:].any())
