"""`signed_linear` and `signed_conv2d` on the CPU: counters over events, or population counts.

Oracle: tests/ops/test_synapse_signed.py.
"""

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.draw.signs import Signs, rows_of
from bayesnn_spike.ops.spikes import PackedSpikes
from bayesnn_spike.ops.synapse import popcount
from bayesnn_spike.ops.synapse.engine import Neuron, Result, run
from bayesnn_spike.ops.synapse.lists import Geometry
from bayesnn_spike.ops.synapse.packed import chunks, geometry_of, layer_of, part_of, spike_words

_F32 = np.float32
_IDLE = Neuron(_F32(0), _F32(0), _F32(0), True, _F32(0))


def signed_linear(spikes: Tensor | PackedSpikes, signs: Signs, bias: Tensor | None) -> Tensor:
    """Currents `[K, T, B, M]`."""
    x = spike_words(spikes, 1)
    active = _active(x)
    if _events_are_cheaper(active, signs):
        return _by_events(x, signs, bias, Geometry())[..., 0, :]
    rows = x.reshape(len(x), -1, x.shape[-1])
    parts = []
    for first, some in chunks(signs):
        here = slice(None) if len(x) == 1 else slice(first, first + some.draws)
        words = some.packed().words.numpy().view(np.uint64)
        offset = np.zeros((some.draws, signs.size[0]), _F32)
        if bias is not None:
            offset[:] = part_of(bias, first, some.draws).detach().to(torch.float32).numpy()
        parts.append(popcount.multiply(rows[here], active[here], words, offset))
    currents = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return torch.from_numpy(currents).unflatten(1, (x.shape[1], x.shape[3])).transpose(1, 2)


def signed_conv2d(
    spikes: Tensor | PackedSpikes,
    signs: Signs,
    bias: Tensor | None,
    *,
    stride: int | tuple[int, int],
    padding: int | tuple[int, int],
) -> Tensor:
    """Currents `[K, T, B, O, H', W']`, counted over events."""
    geometry = geometry_of(spikes, signs, stride, padding)
    currents = _by_events(spike_words(spikes, 3), signs, bias, geometry)
    return currents.unflatten(3, (geometry.out_height, geometry.out_width)).movedim(-1, 3)


def linear_form(spikes: Tensor | PackedSpikes, signs: Signs, _bias: Tensor | None = None) -> str:
    """Say which form `signed_linear` takes for these spikes, and why."""
    x = spike_words(spikes, 1)
    active = _active(x)
    density = active.mean() / signs.size[1] if active.size else 0.0
    form = "event-driven" if _events_are_cheaper(active, signs) else "population counts"
    return (
        f"{form}: density {density:.3f}, {signs.size[0]} outputs; estimated "
        f"{_event_cost(active, signs):.2g} ns a row by events, {_count_cost(signs):.2g} by counts"
    )


def _events_are_cheaper(active: np.ndarray, signs: Signs) -> bool:
    return _event_cost(active, signs) <= _count_cost(signs)


def _event_cost(active: np.ndarray, signs: Signs) -> float:
    """Nanoseconds a row of spikes and draw, as fitted on one core with AVX2.

    With wider vectors both forms get faster alike; only the ratio counts.
    """
    outputs, _ = rows_of(signs.size)
    events = float(active.mean()) if active.size else 0.0
    return events * (1.5 + 1.05 * -(-outputs // 256)) + 200.0 + 0.3 * outputs


def _count_cost(signs: Signs) -> float:
    """As `_event_cost`, for population counts."""
    outputs, inputs = rows_of(signs.size)
    return outputs * (2.4 + 0.2 * -(-inputs // 64))


def _active(x: np.ndarray) -> np.ndarray:
    """Spikes of every row, int64 `[1 or K, B * T]`."""
    rows = x.reshape(-1, x.shape[-1])
    out = np.empty(len(rows), np.int64)
    parallel(lambda i, j: popcount.count_active(rows, out, i, j), len(rows), least=1024)
    return out.reshape(len(x), -1)


def _by_events(x: np.ndarray, signs: Signs, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Currents `[K, T, B, P, M]`."""
    shape = (signs.draws, x.shape[3], x.shape[1], geometry.positions, signs.size[0])
    out = np.empty(shape, _F32)
    nothing = (np.empty((0,) * 5, np.uint64), np.empty((0,) * 4, _F32))
    for first, some in chunks(signs):
        here = slice(first, first + some.draws)
        layer = layer_of(some, part_of(bias, first, some.draws), 1.0, len(x) == 1)
        run(x if len(x) == 1 else x[here], geometry, layer, _IDLE, Result(*nothing, out[here]))
    return torch.from_numpy(out)
