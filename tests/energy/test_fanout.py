"""Fan-out of every input equals that of convolving a single one."""

import pytest
import torch
import torch.nn.functional as F

from bayesnn_spike.energy.fanout import Window, connections, full_connections

WINDOWS = {
    "plain": Window((3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    "padded": Window((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    "strided": Window((3, 2), (2, 3), ((1, 1), (0, 0)), (1, 1), 1),
    "stride beyond the kernel": Window((2, 2), (3, 3), ((0, 0), (0, 0)), (1, 1), 1),
    "dilated": Window((3, 3), (1, 2), ((2, 2), (1, 1)), (2, 2), 1),
    "grouped": Window((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 2),
    "depthwise": Window((3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 4),
    "uneven padding": Window((2, 4), (1, 1), ((0, 1), (1, 2)), (1, 1), 1),
}
SIZE = (4, 6, 7)  # channels, height, width
OUT = 8


def by_convolving(weight: torch.Tensor, window: Window) -> torch.Tensor:
    """One input at a time through the nonzero weights."""
    (top, bottom), (left, right) = window.padding
    used, answer = (weight != 0).double(), torch.zeros(SIZE, dtype=torch.float64)
    for place in torch.cartesian_prod(*(torch.arange(n) for n in SIZE)).tolist():
        one = torch.zeros(SIZE, dtype=torch.float64)
        one[tuple(place)] = 1
        maps = F.conv2d(
            F.pad(one, (left, right, top, bottom))[None],
            used,
            stride=window.stride,
            dilation=window.dilation,
            groups=window.groups,
        )
        answer[tuple(place)] = maps.sum()
    return answer


@pytest.mark.parametrize("name", WINDOWS)
def test_every_input_reaches_what_a_single_one_reaches(name: str) -> None:
    window = WINDOWS[name]
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(2, OUT, SIZE[0] // window.groups, *window.kernel, generator=generator)
    full = full_connections(OUT, SIZE, window)
    torch.testing.assert_close(full, by_convolving(weight[0], window), rtol=0, atol=0)
    weight[torch.rand(weight.shape, generator=generator) < 0.4] = 0.0
    expected = torch.stack([by_convolving(draw, window) for draw in weight])
    torch.testing.assert_close(connections(weight, SIZE, window), expected, rtol=0, atol=0)


def test_a_corner_reaches_4_places_and_an_inner_input_9() -> None:
    fan = full_connections(16, (3, 8, 8), WINDOWS["padded"])
    assert fan[0, 0, 0] == 4 * 16
    assert fan[2, 0, 3] == 6 * 16
    assert fan[1, 4, 4] == 9 * 16


def test_linear_layers_reach_every_output() -> None:
    weight = torch.tensor([[[1.0, 0.0, -2.0], [0.5, 0.0, 0.0]]])
    assert connections(weight, (3,), None).tolist() == [[2.0, 0.0, 1.0]]
    assert full_connections(2, (3,), None).tolist() == [2.0, 2.0, 2.0]


def test_a_kernel_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="spans 5 does not fit 4"):
        Window((5, 5), (1, 1), ((0, 0), (0, 0)), (1, 1), 1).reach(0, 4)
