"""The compiled loops of `clocked_fire`: equations and bits of README.md.

Blocks of neurons go through all steps, one row of a block at a time, as in `kernels.py`; rows are
plain loops that LLVM turns into vectors. Arrays are contiguous: `[L, T, R]`, `[L, R]`, or `[1, 1]`
for one number for all neurons. Oracle: tests/ops/test_fire_clocked_cpu.py.
"""

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops.fire.clocked_slopes import write_slopes

_F32, _U8, _I32 = np.float32, np.uint8, np.int32
# What the forward pass saves: nothing, the spikes as bits, or the membrane of the threshold test.
NOTHING, BITS, FLOATS = 0, 1, 2


@jit
def clocked_forward(
    current, v, clock, threshold, leak, tie, delayed, spikes, save, kept, bits, block, start, stop
):
    """Update v and clock in place and fill spikes; `kept` `[L, T, R]` or `bits` `[L, T/8, R]`.

    `current` may have one step for all of them.
    """
    blocks, steps = -(-v.shape[1] // block), spikes.shape[1]
    scratch, held = np.empty(block, np.float32), np.zeros(block, np.float32)
    one_v, one_leak = np.empty(block, np.float32), np.empty(block, np.float32)
    for unit in range(start, stop):
        lead, a = unit // blocks, unit % blocks * block
        b = min(a + block, v.shape[1])
        n = b - a
        vth, beta = _row(threshold, lead, a, b, one_v), _row(leak, lead, a, b, one_leak)
        for t in range(steps):
            i = current[lead, t if current.shape[1] > 1 else 0, a:b]
            u = kept[lead, t, a:b] if save == FLOATS else scratch[:n]
            fired = spikes[lead, t, a:b]
            if delayed:
                _late_step(i, v[lead, a:b], clock[lead, a:b], vth, beta, tie, u, fired)
            else:
                _step(i, v[lead, a:b], clock[lead, a:b], vth, beta, tie, u, fired)
            if save == BITS:
                _pack(fired, t, steps, held, bits[lead, t // 8, a:b])


@jit
def _row(values, lead, a, b, space):
    """The numbers of a block; one number for all is spread over `space`."""
    if values.size == 1:
        space[: b - a] = values[0, 0]
        return space[: b - a]
    return values[lead, a:b]


@jit
def _step(current, v, clock, threshold, leak, tie, us, spikes):
    one, zero = _F32(1), _F32(0)
    for r in range(len(spikes)):
        u = leak[r] * v[r] + current[r]
        x = u - threshold[r]
        s = one if x > zero else (tie if x == zero else zero)
        spikes[r], us[r] = s, u
        v[r] = u - threshold[r] * s
        clock[r] = _I32(1) if s > zero else clock[r] + _I32(1)


@jit
def _late_step(current, v, clock, threshold, leak, tie, us, spikes):
    one, zero = _F32(1), _F32(0)
    for r in range(len(spikes)):
        u = v[r]
        x = u - threshold[r]
        s = one if x > zero else (tie if x == zero else zero)
        spikes[r], us[r] = s, u
        v[r] = (leak[r] * u + current[r]) - threshold[r] * s
        clock[r] = _I32(1) if s > zero else clock[r] + _I32(1)


@jit
def _pack(spikes, t, steps, held, bits):
    """Set the bits of step t; a byte is summed as a float and written once it is full."""
    place = _F32(1 << t % 8)
    for r in range(len(bits)):
        held[r] += place * spikes[r]
    if t % 8 == 7 or t + 1 == steps:
        for r in range(len(bits)):
            bits[r] = _U8(held[r])
            held[r] = _F32(0)


@jit
def clocked_backward(
    grad, a, clock, threshold, leak, tie, delayed, scaled, looked_up, gamma, save, kept, bits, out,
    learned, first, to_threshold, to_leak, steps, block, start, stop,
):  # fmt: skip
    """Fill `out`, the gradient of the current; a, the cotangent of v, is updated in place.

    `out` has all steps, or one where the current has: then it is the sum over all steps.

    `looked_up` are the `tables` of SpikeTime; empty ones stand for LinearRatio of height `gamma`.
    Slopes are divided by the threshold where `scaled`.
    Where `learned`, `to_threshold` and `to_leak` `[L, R]` get the gradients of every neuron, and
    `first` is the membrane before the first step.
    """
    blocks, once = -(-a.shape[1] // block), out.shape[1] < steps
    space = np.empty((steps if once else 0, block), np.float32)
    one_v, one_leak = np.empty(block, np.float32), np.empty(block, np.float32)
    nothing, ones = np.zeros(block, np.float32), np.ones(block, np.float32)
    timed, bytes_of_block = looked_up[0].size > 0, np.empty(block, np.uint8)
    dt, before = np.empty(block, np.int32), np.empty(block, np.float32)
    for unit in range(start, stop):
        lead, left = unit // blocks, unit % blocks * block
        right = min(left + block, a.shape[1])
        n = right - left
        vth = _row(threshold, lead, left, right, one_v)
        beta = _row(leak, lead, left, right, one_leak)
        divisor = vth if scaled else ones[:n]
        for r in range(n):
            dt[r] = clock[0, 0] if clock.size == 1 else clock[lead, left + r]
        # The slopes, in the order of time, lie where the gradients will.
        slopes = space if once else out[lead]
        offset = 0 if once else left
        for first_step in range(0, steps if timed else 0, 8):
            some = min(8, steps - first_step)
            if save == BITS:
                spikes = bits[lead, first_step // 8, left:right]
            else:
                spikes = bytes_of_block[:n]
                _spikes(kept[lead], first_step, some, left, vth, tie, spikes)
            flat, jump = slopes.reshape(-1), slopes.shape[1]
            write_slopes(spikes, dt[:n], looked_up, some, flat, first_step * jump + offset, jump)
        for t in range(steps):
            slope = slopes[t, offset : offset + n]
            if not timed:
                _linear(kept[lead, t, left:right], vth, divisor, gamma, slope)
            elif scaled:
                _divide(slope, vth)
        carried = a[lead, left:right]
        for back in range(steps):
            t = steps - 1 - back
            g = grad[lead, t, left:right] if grad.shape[1] else nothing[:n]
            row = space[t, :n] if once else out[lead, t, left:right]
            if learned:
                u = kept[lead, t, left:right]
                _to_threshold(u, vth, tie, g, row, carried, to_threshold[lead, left:right])
            if learned and not delayed:
                if t == 0:
                    before[:n] = first[lead, left:right]
                else:
                    _after_reset(kept[lead, t - 1, left:right], vth, tie, before)
            if delayed:
                _late_recur(g, carried, beta, row)
            else:
                _recur(g, carried, beta, row)
            if learned:
                v = kept[lead, t, left:right] if delayed else before[:n]
                _accumulate(row, v, to_leak[lead, left:right])
        if once:
            out[lead, 0, left:right] = space[steps - 1, :n]
            for back in range(1, steps):
                _add(space[steps - 1 - back, :n], out[lead, 0, left:right])


@jit
def _linear(us, threshold, divisor, gamma, slope):
    one, zero = _F32(1), _F32(0)
    for r in range(len(us)):
        y = one - abs(us[r] / threshold[r] - one)
        slope[r] = gamma * (zero if y < zero else y) / divisor[r]


@jit
def _spikes(us, first, steps, left, threshold, tie, bits):
    """The spikes of up to eight steps as bits, from membranes `[T, R]`."""
    for r in range(len(bits)):
        bits[r] = _U8(0)
    for t in range(steps):
        u, one = us[first + t, left : left + len(bits)], _U8(1 << t)
        for r in range(len(bits)):
            bits[r] |= one if _spike(u[r], threshold[r], tie) > _F32(0) else _U8(0)


@jit
def _divide(slope, threshold):
    for r in range(len(slope)):
        slope[r] = slope[r] / threshold[r]


@jit
def _spike(u, threshold, tie):
    x = u - threshold
    return _F32(1) if x > _F32(0) else (tie if x == _F32(0) else _F32(0))


@jit
def _recur(grad, carried, leak, row):
    """Immediate: du_t = a_t + g_t slope_t, a_{t-1} = leak du_t; `row` is the slope, then du."""
    for r in range(len(row)):
        du = carried[r] + grad[r] * row[r]
        row[r] = du
        carried[r] = leak[r] * du


@jit
def _late_recur(grad, carried, leak, row):
    """Delayed: du_t = a_t, a_{t-1} = leak a_t + g_t slope_t."""
    for r in range(len(row)):
        push = grad[r] * row[r]
        row[r] = carried[r]
        carried[r] = leak[r] * carried[r] + push


@jit
def _to_threshold(us, threshold, tie, grad, slope, carried, out):
    """Add -o a (the reset) and g do/dV = -g slope u / V; `slope` is still do/du."""
    for r in range(len(us)):
        reset = _spike(us[r], threshold[r], tie) * carried[r]
        out[r] -= reset + grad[r] * slope[r] * (us[r] / threshold[r])


@jit
def _after_reset(us, threshold, tie, v):
    for r in range(len(us)):
        v[r] = us[r] - threshold[r] * _spike(us[r], threshold[r], tie)


@jit
def _accumulate(du, v, out):
    for r in range(len(du)):
        out[r] += du[r] * v[r]


@jit
def _add(row, out):
    for r in range(len(row)):
        out[r] += row[r]
