"""The compiled loops of `fire` and `refractory_fire`: equations, slopes and bits of README.md.

A kernel takes blocks of neurons through all steps, one row of a block at a time, so that the
membranes stay in the nearest cache; rows are plain loops that LLVM turns into vectors. Arrays are
contiguous, `[L, T, R]` or `[L, R]`. All kernels are in this file because the cache on disk is
renewed by the file of the kernel, not by those it calls. Oracle: tests/ops/test_fire_cpu.py.
"""

import math

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops.fire.surrogate import (
    ATan,
    Boxcar,
    FastSigmoid,
    Gaussian,
    Sigmoid,
    Surrogate,
    Triangle,
)

_F32, _U8, _I32 = np.float32, np.uint8, np.int32
# A surrogate in a kernel is its place here and its one number.
SURROGATES = (Boxcar, Triangle, FastSigmoid, ATan, Sigmoid, Gaussian)
# What the forward pass saves: nothing, bits of the slope (and the spike), or the membrane u.
NOTHING, BITS, FLOATS = 0, 1, 2


def coded(surrogate: Surrogate) -> tuple[int, float]:
    """Return a surrogate as the kernels take it: its place in SURROGATES and its number."""
    (number,) = vars(surrogate).values()
    return SURROGATES.index(type(surrogate)), float(number)


@jit
def fire_forward(
    current, v, beta, threshold, hard, v_reset, tie, spikes, save, kept, bits, each, half,
    block, start, stop,
):  # fmt: skip
    """Update v in place and fill spikes; `kept` u `[L, T, R]`, or `bits` with `each` a step."""
    blocks, steps = -(-current.shape[2] // block), current.shape[1]
    scratch, held = np.empty(block, np.float32), np.zeros(block, np.float32)
    for unit in range(start, stop):
        lead, a = unit // blocks, unit % blocks * block
        b = min(a + block, current.shape[2])
        for t in range(steps):
            u = kept[lead, t, a:b] if save == FLOATS else scratch[: b - a]
            row = current[lead, t, a:b]
            _step(row, v[lead, a:b], beta, threshold, hard, v_reset, tie, u, spikes[lead, t, a:b])
            if save == BITS:
                row = bits[lead, t * each // 8, a:b]
                _pack(u, threshold, half, tie, each, t, steps, held, row)


@jit
def _step(current, v, beta, threshold, hard, v_reset, tie, us, spikes):
    one, zero = _F32(1), _F32(0)
    if hard:
        for r in range(len(spikes)):
            u = beta * v[r] + current[r]
            x = u - threshold
            s = one if x > zero else (tie if x == zero else zero)
            spikes[r], us[r] = s, u
            v[r] = u * (one - s) + v_reset * s
    else:
        for r in range(len(spikes)):
            u = beta * v[r] + current[r]
            x = u - threshold
            s = one if x > zero else (tie if x == zero else zero)
            spikes[r], us[r] = s, u
            v[r] = u - threshold * s


@jit
def _pack(us, threshold, half, tie, each, t, steps, held, bits):
    """Set the bits of step t: inside the boxcar; with two bits a step, also the spike.

    The byte is summed as a float, in vectors as wide as those of u, and written once it is full.
    """
    place = t * each % 8
    inside, spike, none = _F32(1 << place), _F32(each - 1 << place + 1), _F32(0)
    at_zero = spike * tie
    for r in range(len(bits)):
        x = us[r] - threshold
        slope = inside if (x > -half) & (x <= half) else none
        fired = spike if x > none else (at_zero if x == none else none)
        held[r] += slope + fired
    if place + each == 8 or t + 1 == steps:
        for r in range(len(bits)):
            bits[r] = _U8(held[r])
            held[r] = none


@jit
def fire_backward(
    grad, a, beta, threshold, hard, v_reset, tie, full, save, kept, bits, each, code, number, out,
    block, start, stop,
):  # fmt: skip
    """Fill `out`, the gradient of the current; a, the cotangent of v, is updated in place."""
    blocks, steps = -(-out.shape[2] // block), out.shape[1]
    slope, push = np.empty(block, np.float32), np.zeros(block, np.float32)
    stay, nothing = np.ones(block, np.float32), np.zeros(block, np.float32)
    for unit in range(start, stop):
        lead, first = unit // blocks, unit % blocks * block
        last = min(first + block, out.shape[2])
        n, carried = last - first, a[lead, first:last]
        for back in range(steps):
            t = steps - 1 - back
            u = kept[lead, t, first:last] if save == FLOATS else slope[:n]
            if save == BITS:
                _unpack(bits[lead, t * each // 8, first:last], each, t, slope, stay)
            else:
                _slopes(u, threshold, code, number, slope)
                if hard:
                    _stays(u, threshold, tie, stay)
            if full:  # with bits the reset is soft, and u is not read
                _pushes(u, carried, threshold, hard, v_reset, push)
            g = grad[lead, t, first:last] if grad.shape[1] else nothing[:n]
            _recur(g, slope, stay, push, carried, beta, out[lead, t, first:last])


@jit
def _recur(grad, slope, stay, push, carried, beta, out):
    for r in range(len(out)):
        du = (grad[r] + push[r]) * slope[r] + carried[r] * stay[r]
        out[r] = du
        carried[r] = beta * du


@jit
def _stays(us, threshold, tie, stay):
    """dv/du with the spike fixed, hard reset: 1 - s."""
    for r in range(len(us)):
        x = us[r] - threshold
        s = _F32(1) if x > _F32(0) else (tie if x == _F32(0) else _F32(0))
        stay[r] = _F32(1) - s


@jit
def _pushes(us, carried, threshold, hard, v_reset, push):
    """What the reset adds to the cotangent of the spike: a dv/ds."""
    if hard:
        for r in range(len(us)):
            push[r] = (v_reset - us[r]) * carried[r]
    else:
        for r in range(len(us)):
            push[r] = -threshold * carried[r]


@jit
def _unpack(bits, each, t, slope, stay):
    inside = _U8(1 << t * each % 8)
    spike = _U8(inside << 1)
    for r in range(len(bits)):
        slope[r] = _F32(1) if bits[r] & inside else _F32(0)
    if each == 2:
        for r in range(len(bits)):
            stay[r] = _F32(0) if bits[r] & spike else _F32(1)


@jit
def _slopes(us, threshold, code, number, slope):
    """The surrogate `SURROGATES[code](number)` of a row: as `surrogate.grad`, NaN where u is."""
    one = _F32(1)
    p = _F32(number)
    if code == 0:
        half = _F32(number / 2)
        for r in range(len(us)):
            x = us[r] - threshold
            slope[r] = one if (x > -half) & (x <= half) else _F32(0)
    elif code == 1:
        for r in range(len(us)):
            y = one - abs(us[r] - threshold) / p
            slope[r] = _F32(0) if y < _F32(0) else y
    elif code == 2:
        for r in range(len(us)):
            y = one + p * abs(us[r] - threshold)
            slope[r] = one / (y * y)
    elif code == 3:
        peak, scale = _F32(number / 2), _F32(math.pi * number / 2)
        for r in range(len(us)):
            y = scale * (us[r] - threshold)
            slope[r] = peak / (one + y * y)
    elif code == 4:
        for r in range(len(us)):
            e = _exp(-abs(p * (us[r] - threshold)))
            slope[r] = p * e / ((one + e) * (one + e))
    else:
        peak = _F32(1 / (number * math.sqrt(2 * math.pi)))
        for r in range(len(us)):
            y = (us[r] - threshold) / p
            slope[r] = peak * _exp(_F32(-0.5) * (y * y))


@jit
def _exp(z):
    """exp(z) for z <= 0 to 2 units in the last place; 0 below -87, NaN for NaN.

    exp(z) = 2^k exp(r) with |r| <= ln(2)/2 and a polynomial for exp(r) (Cephes, expf): the C
    library's exp would be called for one neuron after the other.
    """
    inside = z if z > _F32(-87) else _F32(-87)
    k = _F32(_I32(inside * _F32(1.44269504) - _F32(0.5)))
    r = inside - k * _F32(0.693359375) - k * _F32(-2.12194440e-4)
    p = _F32(1.9875691500e-4) * r + _F32(1.3981999507e-3)
    p = p * r + _F32(8.3334519073e-3)
    p = p * r + _F32(4.1665795894e-2)
    p = p * r + _F32(1.6666665459e-1)
    p = p * r + _F32(5.0000001201e-1)
    p = p * (r * r) + r + _F32(1)
    # The bits of the float 2^k: its exponent, k + 127, from bit 23 on.
    e = p * _I32((k + _F32(127)) * _F32(1 << 23)).view(_F32)
    return e if z > _F32(-87) else (_F32(0) if z <= _F32(-87) else z)


@jit
def refractory_forward(
    current,
    trace,
    last,
    decay,
    threshold,
    tie,
    spikes,
    membrane,
    save,
    bits,
    half,
    block,
    start,
    stop,
):
    """Update R and the last spikes in place; fill spikes and the membrane U."""
    blocks, steps = -(-current.shape[2] // block), current.shape[1]
    held = np.zeros(block, np.float32)
    for unit in range(start, stop):
        lead, a = unit // blocks, unit % blocks * block
        b = min(a + block, current.shape[2])
        for t in range(steps):
            u, fired = membrane[lead, t, a:b], spikes[lead, t, a:b]
            before = last[lead, a:b] if t == 0 else spikes[lead, t - 1, a:b]
            _refractory_step(
                current[lead, t, a:b], trace[lead, a:b], before, decay, threshold, tie, u, fired
            )
            if save == BITS:
                _pack(u, threshold, half, tie, 1, t, steps, held, bits[lead, t // 8, a:b])
        for r in range(a, b):
            last[lead, r] = spikes[lead, steps - 1, r]


@jit
def _refractory_step(current, trace, before, decay, threshold, tie, us, spikes):
    for r in range(len(spikes)):
        trace[r] = decay * trace[r] + before[r]
        u = current[r] - trace[r]
        x = u - threshold
        spikes[r] = _F32(1) if x > _F32(0) else (tie if x == _F32(0) else _F32(0))
        us[r] = u


@jit
def refractory_backward(
    grad, pull, a, decay, threshold, save, kept, bits, code, number, out, block, start, stop
):
    """Fill `out`, the gradient of the current; a, the cotangent of R, is updated in place."""
    blocks, steps = -(-out.shape[2] // block), out.shape[1]
    slope, nothing = np.empty(block, np.float32), np.zeros(block, np.float32)
    for unit in range(start, stop):
        lead, first = unit // blocks, unit % blocks * block
        last = min(first + block, out.shape[2])
        n = last - first
        for back in range(steps):
            t = steps - 1 - back
            if save == BITS:
                _unpack(bits[lead, t // 8, first:last], 1, t, slope, nothing)
            else:
                _slopes(kept[lead, t, first:last], threshold, code, number, slope)
            g = grad[lead, t, first:last] if grad.shape[1] else nothing[:n]
            q = pull[lead, t, first:last] if pull.shape[1] else nothing[:n]
            _refractory_recur(g, q, slope, a[lead, first:last], decay, out[lead, t, first:last])


@jit
def _refractory_recur(grad, pull, slope, carried, decay, out):
    for r in range(len(out)):
        du = grad[r] * slope[r] + pull[r]
        out[r] = du
        carried[r] = decay * (carried[r] - du)
