"""Oracles of the packed kernels in plain numpy: packing, sums of signs, a firing neuron."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops.fire.surrogate import AtOrAbove, Comparison, Reset, Subtract
from tests.ops import cases

# No multiple of anything, one below, at and above a word, several words.
COUNTS = (1, 7, 63, 64, 65, 300)
OUTPUTS = (1, 5, 33, 64, 65, 130, 512, 700)


def pack(bits: np.ndarray) -> np.ndarray:
    """Truth values `[*, N]` as uint64 `[*, ceil(N / 64)]`, element 64 w + j in bit j of word w."""
    count = bits.shape[-1]
    padded = np.zeros((*bits.shape[:-1], -(-count // 64) * 64), np.uint8)
    padded[..., :count] = bits
    return np.packbits(padded, axis=-1, bitorder="little").view("<u8").astype(np.uint64)


def pack_tensor(bits: Tensor) -> Tensor:
    """As `pack`, from a tensor to a tensor of int64."""
    return torch.from_numpy(pack(bits.numpy() != 0).view(np.int64))


def linear(x: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
    """Sums `[K, T, B, M]` of spikes `[*K, T, B, N]` and signs `[K, M, N]` in float64."""
    x = x.double() if x.ndim == 4 else x.double()[None]
    y = torch.einsum("ktbn,kmn->ktbm", x.expand(len(w), *x.shape[1:]), w.double())
    return y if bias is None else y + bias.double().reshape(-1, 1, 1, bias.shape[-1])


def conv2d(
    x: Tensor,
    w: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
) -> Tensor:
    """Sums `[K, T, B, O, H', W']` in float64: every output place as a sum over one window."""
    (sy, sx), (py, px) = (v if isinstance(v, tuple) else (v, v) for v in (stride, padding))
    x = x.double() if x.ndim == 6 else x.double()[None].expand(len(w), *x.shape)
    x, w = torch.nn.functional.pad(x, (px, px, py, py)), w.double()
    high, wide = w.shape[-2:]
    rows, columns = (x.shape[-2] - high) // sy + 1, (x.shape[-1] - wide) // sx + 1
    y = torch.zeros(*x.shape[:3], w.shape[1], rows, columns, dtype=torch.float64)
    for i in range(rows):
        for j in range(columns):
            window = x[..., i * sy : i * sy + high, j * sx : j * sx + wide]
            y[..., i, j] = torch.einsum("ktbchw,kochw->ktbo", window, w)
    return y if bias is None else y + bias.double().reshape(-1, 1, 1, bias.shape[-1], 1, 1)


def fire(
    current: Tensor,
    v: Tensor | None,
    *,
    beta: float,
    v_threshold: float,
    reset: Reset = Subtract(),
    comparison: Comparison = AtOrAbove(),
) -> tuple[Tensor, Tensor]:
    """Spikes and last membranes of currents `[K, T, B, *]`, step by step in float32."""
    currents = current.numpy().astype(np.float32)
    state = np.zeros_like(currents[:, 0]) if v is None else v.numpy().astype(np.float32)
    leak, threshold = np.float32(beta), np.float32(v_threshold)
    spikes = np.empty_like(currents)
    for t in range(currents.shape[1]):
        u = leak * state + currents[:, t]
        x = u - threshold
        fires = x >= 0 if isinstance(comparison, AtOrAbove) else x > 0
        after = x if isinstance(reset, Subtract) else np.float32(reset.v_reset)
        state = np.where(fires, after, u).astype(np.float32)
        spikes[:, t] = fires
    return torch.from_numpy(spikes), torch.from_numpy(state)


@dataclass(frozen=True)
class Problem:
    """Spikes and signs of a fully connected layer, with a bias on the lattice."""

    spikes: Tensor
    weight: Tensor
    bias: Tensor


def problem(
    inputs: int, outputs: int, *, k: int, t: int, b: int, rate: float = 0.1, apart: bool = False
) -> Problem:
    """A layer with signs `[K, M, N]`; `apart` gives every draw spikes of its own."""
    lead = (k, t, b) if apart else (t, b)
    return Problem(
        cases.spikes(*lead, inputs, seed=inputs + outputs, rate=rate),
        cases.signs(k, outputs, inputs, seed=outputs),
        cases.lattice(k, outputs, seed=k),
    )
