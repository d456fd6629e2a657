"""Networks whose answers can be written down: the readout is the weight itself."""

import torch
from torch import Tensor, nn

from bayesnn_spike.posterior import Empirical
from tests.ops import cases


class Table(nn.Module):
    """Reads `r[k, t, b, c] = w[k, c] * x[t, b]`, one feature in."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(classes))
        self.batches: list[tuple[int, int]] = []

    def forward(self, x: Tensor, state: None = None) -> tuple[Tensor, None]:
        draws = len(self.w) if self.w.ndim == 2 else 1
        self.batches.append((draws, x.shape[1]))
        return torch.einsum("kc,tb->ktbc", self.w.view(draws, -1), x[..., 0]), None


def members(k: int, classes: int = 3) -> Empirical:
    """k networks with known real weights."""
    return Empirical({"w": cases.normal(k, classes, dtype=torch.float32)})


def inputs(steps: int = 4, examples: int = 5) -> Tensor:
    """Spike counts `[T, N, 1]`."""
    return cases.lattice(steps, examples, 1)
