"""`signed_linear` and `signed_conv2d` on the CPU: counters over events, or population counts.

Oracle: tests/ops/test_synapse_signed.py.
"""

import math

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.draw.signs import Signs, rows_of
from bayesnn_spike.ops.spikes import PackedSpikes
from bayesnn_spike.ops.synapse import popcount
from bayesnn_spike.ops.synapse.columns import columns, signs_by_tap
from bayesnn_spike.ops.synapse.engine import Neuron, Result, run
from bayesnn_spike.ops.synapse.lists import Geometry
from bayesnn_spike.ops.synapse.packed import chunks, geometry_of, layer_of, part_of, spike_words

_F32 = np.float32
_IDLE = Neuron(_F32(0), _F32(0), _F32(0), True, _F32(0))


def signed_linear(spikes: Tensor | PackedSpikes, signs: Signs, bias: Tensor | None) -> Tensor:
    """Currents `[K, T, B, M]`."""
    return _currents(spike_words(spikes, 1), signs, bias, Geometry())[..., 0, :]


def signed_conv2d(
    spikes: Tensor | PackedSpikes,
    signs: Signs,
    bias: Tensor | None,
    *,
    stride: int | tuple[int, int],
    padding: int | tuple[int, int],
) -> Tensor:
    """Currents `[K, T, B, O, H', W']`."""
    geometry = geometry_of(spikes, signs, stride, padding)
    currents = _currents(spike_words(spikes, 3), signs, bias, geometry)
    return currents.unflatten(3, (geometry.out_height, geometry.out_width)).movedim(-1, 3)


def linear_form(spikes: Tensor | PackedSpikes, signs: Signs, _bias: Tensor | None = None) -> str:
    """Say which form `signed_linear` takes for these spikes, and why."""
    return _form(spike_words(spikes, 1), signs)


def conv2d_form(
    spikes: Tensor | PackedSpikes, signs: Signs, _bias: Tensor | None = None, **_: object
) -> str:
    """Say which form `signed_conv2d` takes for these spikes, and why."""
    return _form(spike_words(spikes, 3), signs)


def _currents(x: np.ndarray, signs: Signs, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Currents `[K, T, B, P, M]` by whichever form is cheaper."""
    form = _by_events if _events_are_cheaper(_density(x, signs), signs) else _by_counts
    return form(x, signs, bias, geometry)


def _form(x: np.ndarray, signs: Signs) -> str:
    density = _density(x, signs)
    form = "event-driven" if _events_are_cheaper(density, signs) else "population counts"
    return (
        f"{form}: density {density:.3f}, {signs.size[0]} outputs; estimated "
        f"{_event_cost(density, signs):.2g} ns a row by events, {_count_cost(signs):.2g} by counts"
    )


def _events_are_cheaper(density: float, signs: Signs) -> bool:
    return _event_cost(density, signs) <= _count_cost(signs)


def _density(x: np.ndarray, signs: Signs) -> float:
    """Share of channels that are active, over all positions and steps."""
    active = _active(x.reshape(-1, x.shape[-1]))
    return float(active.mean()) / signs.size[1] if active.size else 0.0


def _event_cost(density: float, signs: Signs) -> float:
    """Nanoseconds a row of spikes and draw, as fitted on one core with AVX2.

    With wider vectors both forms get faster alike; only the ratio counts.
    """
    outputs, inputs = rows_of(signs.size)
    return density * inputs * (1.5 + 1.05 * -(-outputs // 256)) + 200.0 + 0.3 * outputs


def _count_cost(signs: Signs) -> float:
    """As `_event_cost`, for population counts."""
    taps = math.prod(signs.size[2:])
    cost = signs.size[0] * (2.4 + 0.2 * taps * -(-signs.size[1] // 64))
    # Putting side by side what a position sees costs as much again.
    return cost if taps == 1 else 2 * cost


def _active(rows: np.ndarray) -> np.ndarray:
    """Spikes of every row of `[R, W]`, int64 `[R]`."""
    out = np.empty(len(rows), np.int64)
    parallel(lambda i, j: popcount.count_active(rows, out, i, j), len(rows), least=1024)
    return out


def _by_counts(x: np.ndarray, signs: Signs, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Currents `[K, T, B, P, M]`, dense: and, then count ones."""
    seen = columns(x, geometry)
    rows = seen.reshape(len(x), -1, seen.shape[-1])
    active = _active(rows.reshape(-1, rows.shape[-1])).reshape(len(x), -1)
    out = np.empty((signs.draws, rows.shape[1], signs.size[0]), _F32)
    for first, some in chunks(signs):
        here = slice(first, first + some.draws)
        mine = slice(None) if len(x) == 1 else here
        words = some.packed().words.contiguous().numpy().view(np.uint64)
        words = signs_by_tap(words, geometry.taps, signs.size[1])
        offset = np.zeros((some.draws, signs.size[0]), _F32)
        if bias is not None:
            offset[:] = part_of(bias, first, some.draws).detach().to(torch.float32).numpy()
        out[here] = popcount.multiply(rows[mine], active[mine], words, offset)
    # From [K, (B, P, T), M].
    split = (x.shape[1], geometry.positions, x.shape[3])
    return torch.from_numpy(out).unflatten(1, split).permute(0, 3, 1, 2, 4)


def _by_events(x: np.ndarray, signs: Signs, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Currents `[K, T, B, P, M]`, every event adds a row of bits."""
    shape = (signs.draws, x.shape[3], x.shape[1], geometry.positions, signs.size[0])
    out = np.empty(shape, _F32)
    nothing = (np.empty((0,) * 5, np.uint64), np.empty((0,) * 4, _F32))
    for first, some in chunks(signs):
        here = slice(first, first + some.draws)
        layer = layer_of(some, part_of(bias, first, some.draws), 1.0, len(x) == 1)
        run(x if len(x) == 1 else x[here], geometry, layer, _IDLE, Result(*nothing, out[here]))
    return torch.from_numpy(out)
