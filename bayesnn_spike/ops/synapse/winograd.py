"""The gradient of spikes through kernels of 3x3, with 4 products where 9 are asked for.

    dL/dx[f, c, y, x] = sum_{o, i, j} g[f, o, y + i - q, x + j - q] w[o, c, 2 - i, 2 - j]

with q = 2 - padding.
Winograd's F(2x2, 3x3): a tile of 4x4 cotangents and a kernel are each turned into 16 numbers by
additions (those of a kernel with factors 1/2), multiplied number by number and summed over o, and
16 sums are turned into 2x2 gradients. Sums of integers are exact. A tile is one chain of sums,
outputs ascending: neither the number of threads nor K changes it. A NaN or an infinity reaches all
of its tile. Source: Lavin & Gray, CVPR 2016. Oracle: tests/ops/test_synapse_winograd.py.
"""

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import (
    get,
    has_multiply_add,
    load_floats,
    multiply_add,
    splat_float,
    store,
    transpose_tile,
)
from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.synapse.lists import Geometry

_F32 = np.float32
# Tiles whose numbers are held at once: a multiple of the six of a product.
_TILES = 48
# Channels are filled up to 16: with fewer than these nothing is saved.
_LEAST = 8
_FUSED = has_multiply_add()
# Between the arrays of two numbers: their places are not a power of two apart.
_GAP = 16


def fits(geometry: Geometry, channels: int) -> bool:
    """Whether kernels of 3x3 go step by step over channels enough, and this machine can."""
    kernel = (geometry.kernel_height, geometry.kernel_width)
    step = (geometry.stride_y, geometry.stride_x)
    few = max(geometry.pad_y, geometry.pad_x) <= 2
    return channels >= _LEAST and kernel == (3, 3) and step == (1, 1) and few and _FUSED


def turned_kernels(weight: np.ndarray) -> np.ndarray:
    """Kernels float32 `[O, C, 3, 3]` as their 16 numbers, `[16, ceil(C / 16), O', 16]`.

    O' is O, filled up to a multiple of 16 with zeros, as are the channels.
    """
    outputs, channels = weight.shape[:2]
    both = weight[:, :, ::-1, ::-1]
    for axis in (2, 3):
        a, b, c = np.moveaxis(both, axis, 0)
        half = _F32(0.5)
        both = np.stack([a, ((a + c) + b) * half, ((a + c) - b) * half, c], axis)
    wide = np.zeros((16, -(-channels // 16) * 16, _filled(outputs)), _F32)
    wide[:, :channels, :outputs] = both.reshape(outputs, channels, 16).transpose(2, 1, 0)
    return np.ascontiguousarray(wide.reshape(16, -1, 16, wide.shape[2]).transpose(0, 1, 3, 2))


def spike_gradient(
    grad: np.ndarray, kernels: np.ndarray, geometry: Geometry, out: np.ndarray, *, add: bool
) -> None:
    """Write the gradient of the spikes of one draw, or add it to what is there.

    Args:
        grad: the cotangents, float32 `[F, O, P']`, contiguous.
        kernels: of `turned_kernels`.
        geometry: of the convolution; it `fits`.
        out: float32 `[F, C, P]`, contiguous.
        add: to what is there.
    """
    parallel(lambda i, j: _run(grad, kernels, geometry, out, add, i, j), len(grad))


def _filled(count: int) -> int:
    return -(-count // 16) * 16


@jit
def _sources(geometry, width):
    """Where the 16 cotangents of every tile begin, `[tiles, 16]`; those outside name row P'."""
    high, wide = (geometry.height + 1) // 2, (geometry.width + 1) // 2
    where = np.empty((high * wide, 16), np.int64)
    for tile in range(high * wide):
        y, x = 2 * (tile // wide) - 2 + geometry.pad_y, 2 * (tile % wide) - 2 + geometry.pad_x
        for i in range(4):
            for j in range(4):
                inside = 0 <= y + i < geometry.out_height and 0 <= x + j < geometry.out_width
                row = (y + i) * geometry.out_width + x + j
                none = geometry.out_height * geometry.out_width
                where[tile, 4 * i + j] = width * (row if inside else none)
    return where


@jit
def _targets(geometry, width):
    """Where the 4 gradients of every tile begin, `[tiles, 4]`; those outside name row P."""
    high, wide = (geometry.height + 1) // 2, (geometry.width + 1) // 2
    where = np.empty((high * wide, 4), np.int64)
    for tile in range(high * wide):
        y, x = 2 * (tile // wide), 2 * (tile % wide)
        for i in range(2):
            for j in range(2):
                inside = y + i < geometry.height and x + j < geometry.width
                row = (y + i) * geometry.width + x + j
                where[tile, 2 * i + j] = width * (
                    row if inside else geometry.height * geometry.width
                )
    return where


@jit
def _line(a, b, c, d):
    return a - c, b + c, c - b, b - d


@jit
def _turn_tile(rows, where, tile, lane, out, to, apart):
    """Turn 16 lanes of a tile of cotangents into 16 numbers, `apart` from each other."""
    at = 16 * tile
    for j in range(4):
        a = load_floats(rows, get(where, at + j) + lane)
        b = load_floats(rows, get(where, at + 4 + j) + lane)
        c = load_floats(rows, get(where, at + 8 + j) + lane)
        d = load_floats(rows, get(where, at + 12 + j) + lane)
        a, b, c, d = _line(a, b, c, d)
        first = to + j * apart
        store(out, first, a)
        store(out, first + 4 * apart, b)
        store(out, first + 8 * apart, c)
        store(out, first + 12 * apart, d)
    for i in range(4):
        first = to + 4 * i * apart
        a, b = load_floats(out, first), load_floats(out, first + apart)
        c, d = load_floats(out, first + 2 * apart), load_floats(out, first + 3 * apart)
        a, b, c, d = _line(a, b, c, d)
        store(out, first, a)
        store(out, first + apart, b)
        store(out, first + 2 * apart, c)
        store(out, first + 3 * apart, d)


@jit
def _product(v, at, steps, u, base, out, to, width):
    """Six tiles, `steps` apart, times 16 channels: u `[steps, 16]` from base on."""
    a, b, c = splat_float(_F32(0)), splat_float(_F32(0)), splat_float(_F32(0))
    d, e, f = splat_float(_F32(0)), splat_float(_F32(0)), splat_float(_F32(0))
    for o in range(steps):
        w = load_floats(u, base + 16 * o)
        i = at + o
        a = multiply_add(splat_float(get(v, i)), w, a)
        b = multiply_add(splat_float(get(v, i + steps)), w, b)
        c = multiply_add(splat_float(get(v, i + 2 * steps)), w, c)
        d = multiply_add(splat_float(get(v, i + 3 * steps)), w, d)
        e = multiply_add(splat_float(get(v, i + 4 * steps)), w, e)
        f = multiply_add(splat_float(get(v, i + 5 * steps)), w, f)
    store(out, to, a)
    store(out, to + width, b)
    store(out, to + 2 * width, c)
    store(out, to + 3 * width, d)
    store(out, to + 4 * width, e)
    store(out, to + 5 * width, f)


@jit
def _turn_back(m, at, apart, where, tile, lane, rows):
    """Turn 16 numbers of a tile into 2x2 gradients, 16 channels."""
    p, q = splat_float(_F32(0)), splat_float(_F32(0))
    r, s = splat_float(_F32(0)), splat_float(_F32(0))
    for i in range(4):
        first = at + 4 * i * apart
        b, c = load_floats(m, first + apart), load_floats(m, first + 2 * apart)
        left = (load_floats(m, first) + b) + c
        right = (b - c) - load_floats(m, first + 3 * apart)
        if i < 3:
            p, q = p + left, q + right
        if i == 1:
            r, s = r + left, s + right
        elif i > 1:
            r, s = r - left, s - right
    store(rows, get(where, 4 * tile) + lane, p)
    store(rows, get(where, 4 * tile + 1) + lane, q)
    store(rows, get(where, 4 * tile + 2) + lane, r)
    store(rows, get(where, 4 * tile + 3) + lane, s)


@jit
def _to_rows(maps, at, count, places, rows, width):
    """Maps of `count` channels, maps[at:] `[count, P]`, to rows `[P, width]`."""
    done, whole = places // 8 * 8, count // 8 * 8
    for m in range(0, whole, 8):
        for p in range(0, done, 8):
            transpose_tile(maps, at + m * places + p, places, rows, width * p + m, width)
    for m in range(count):
        for p in range(done if m < whole else 0, places):
            rows[width * p + m] = maps[at + m * places + p]


@jit
def _to_maps(rows, width, count, places, out, at):
    """The way back."""
    done, whole = places // 8 * 8, count // 8 * 8
    for m in range(0, whole, 8):
        for p in range(0, done, 8):
            transpose_tile(rows, width * p + m, width, out, at + m * places + p, places)
    for m in range(count):
        for p in range(done if m < whole else 0, places):
            out[at + m * places + p] = rows[width * p + m]


@jit
def _run(grad, kernels, geometry, out, add, start, stop):
    """Frames start to stop, `_TILES` tiles at a time, which may lie in several frames."""
    outputs, channels = grad.shape[1], out.shape[1]
    steps, width, panels = kernels.shape[2], 16 * kernels.shape[1], kernels.shape[1]
    many, places = grad.shape[2], out.shape[2]
    source, u, target = grad.reshape(-1), kernels.reshape(-1), out.reshape(-1)
    sources, targets = _sources(geometry, steps), _targets(geometry, width)
    tiles, of_tile, to_tile = len(sources), sources.reshape(-1), targets.reshape(-1)
    rows = np.zeros((many + 1) * steps, np.float32)
    sums = np.empty((places + 1) * width, np.float32)
    turned = np.zeros(channels * places if add else 0, np.float32)
    v_apart, m_apart = _TILES * steps + _GAP, _TILES * width + _GAP
    v, m = np.zeros(16 * v_apart, np.float32), np.empty(16 * m_apart, np.float32)
    last = (stop - start) * tiles
    for first in range(0, last, _TILES):
        some = min(_TILES, last - first)
        for i in range(some):
            f, tile = start + (first + i) // tiles, (first + i) % tiles
            if tile == 0:
                _to_rows(source, f * outputs * many, outputs, many, rows, steps)
            for lane in range(0, steps, 16):
                _turn_tile(rows, of_tile, tile, lane, v, i * steps + lane, v_apart)
        for number in range(16):
            for panel in range(panels):
                base = (number * panels + panel) * steps * 16
                for i in range(0, some, 6):
                    at, to = number * v_apart + i * steps, number * m_apart + i * width
                    _product(v, at, steps, u, base, m, to + 16 * panel, width)
        for i in range(some):
            f, tile = start + (first + i) // tiles, (first + i) % tiles
            for lane in range(0, width, 16):
                _turn_back(m, i * width + lane, m_apart, to_tile, tile, lane, sums)
            if tile == tiles - 1:
                at = f * channels * places
                if add:
                    _to_maps(sums, width, channels, places, turned, 0)
                    for j in range(turned.size):
                        target[at + j] += turned[j]
                else:
                    _to_maps(sums, width, channels, places, target, at)
