"""Operations of the draws: Philox rounds, comparison with limits, the limits themselves."""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from bayesnn_spike.ops._simd.types import (
    FLOATS,
    I8,
    I32,
    I64,
    Words,
    load_vector,
    splat,
    store_vector,
)


@intrinsic
def multiply_low(_typing: Any, words: Any, factor: Any) -> Any:
    """`multiply_low(v, f)`: the 64-bit product of every word's low half and f < 2^32."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        low = builder.and_(args[0], ir.Constant(words.llvm, [0xFFFFFFFF] * words.count))
        return builder.mul(low, splat(builder, args[1], words.count))

    return words(words, types.uint64), code


@intrinsic
def count_up(_typing: Any, width: Any, first: Any) -> Any:
    """`count_up(width, n)`: n, n + 1, n + 2, ..."""
    vector = Words(width.count)

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        steps = ir.Constant(vector.llvm, list(range(vector.count)))
        return builder.add(splat(builder, args[1], vector.count), steps)

    return vector(width, types.uint64), code


def _quads(builder: Any, args: Any, count: int) -> Any:
    """Interleave the low halves of four vectors: lane l becomes places 4 l to 4 l + 3."""
    small = ir.VectorType(I32, count)
    halves = [builder.trunc(v, small) for v in args]

    def shuffle(x: Any, y: Any, places: list[int]) -> Any:
        return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, len(places)), places))

    zipped = [p for lane in range(count) for p in (lane, count + lane)]
    first, second = shuffle(*halves[:2], zipped), shuffle(*halves[2:], zipped)
    order = []
    for lane in range(count):
        order += [2 * lane, 2 * lane + 1, 2 * count + 2 * lane, 2 * count + 2 * lane + 1]
    words = shuffle(first, second, order)
    return builder.lshr(words, ir.Constant(words.type, [1] * (4 * count)))


@intrinsic
def bits_above(_typing: Any, low: Any, high: Any, limits: Any, index: Any) -> Any:
    """`bits_above(a, b, limits, i)`: compare pairs of 31-bit words with int32 limits.

    Lane l holds one word in the low half of a[l] and the next in the low half of b[l]. Bit 2 l is
    `a[l] >> 1 > limits[i + 2 l]`, bit 2 l + 1 is `b[l] >> 1 > limits[i + 2 l + 1]`; the last
    shift takes the halves' sign bits off.
    """

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        count = low.count
        mask = ir.Constant(low.llvm, [0xFFFFFFFF] * count)
        half = ir.Constant(low.llvm, [32] * count)
        pairs = builder.or_(builder.and_(args[0], mask), builder.shl(args[1], half))
        words = builder.bitcast(pairs, ir.VectorType(I32, 2 * count))
        words = builder.lshr(words, ir.Constant(words.type, [1] * (2 * count)))
        limit = load_vector(context, builder, signature.args[2], args[2:], words.type)
        above = builder.icmp_signed(">", words, limit)
        result = ir.Constant(I64, 0)
        # Eight at a time: what a move of sign bits takes on AVX2, and no more.
        for start in range(0, 2 * count, 8):
            places = ir.Constant(ir.VectorType(I32, 8), list(range(start, start + 8)))
            part = builder.bitcast(builder.shuffle_vector(above, above, places), I8)
            part = builder.shl(builder.zext(part, I64), I64(start))
            result = builder.or_(result, part)
        return result

    return types.uint64(low, high, limits, types.intp), code


@intrinsic
def store_quads(_typing: Any, array: Any, index: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """`store_quads(array, i, a, b, c, d)`: write the 31-bit words of `bits_above` as int32."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        words = _quads(builder, args[2:], a.count)
        store_vector(context, builder, signature.args[0], args[:2], words)
        return context.get_dummy_value()

    return types.void(array, types.intp, a, b, c, d), code


@intrinsic
def halvings(_typing: Any, a: Any) -> Any:
    """`halvings(v)`: 2^-v of whole numbers 0 <= v <= 126, exactly."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        ints = ir.VectorType(I32, 16)
        exponent = builder.sub(ir.Constant(ints, [127] * 16), builder.fptosi(args[0], ints))
        bits = builder.shl(exponent, ir.Constant(ints, [23] * 16))
        return builder.bitcast(bits, FLOATS.llvm)

    return a(a), code


@intrinsic
def store_limits(_typing: Any, array: Any, index: Any, small: Any, logits: Any) -> Any:
    """`store_limits(out, i, s, l)`: write int32 s - 1 where l >= 0, else 2^31 - 1 - s.

    Places 0, 1 of every four go to i and on, places 2, 3 to i + 16 and on: eight each.
    """

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        ints = ir.VectorType(I32, 16)
        whole = builder.fptosi(args[2], ints)
        above = builder.fcmp_ordered(">=", args[3], ir.Constant(FLOATS.llvm, [0.0] * 16))
        one, top = (ir.Constant(ints, [value] * 16) for value in (1, 2**31 - 1))
        limit = builder.select(above, builder.sub(whole, one), builder.sub(top, whole))
        for pair in range(2):
            places = [4 * lane + 2 * pair + i for lane in range(4) for i in range(2)]
            part = builder.shuffle_vector(limit, limit, ir.Constant(ir.VectorType(I32, 8), places))
            at = builder.add(args[1], ir.Constant(args[1].type, 16 * pair))
            store_vector(context, builder, signature.args[0], (args[0], at), part)
        return context.get_dummy_value()

    return types.void(array, types.intp, small, logits), code
