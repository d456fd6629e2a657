"""Vector values for numba kernels: `Words(n)` of n x 64 bits and `Floats(n)` of n float32.

A kernel holds vectors in ordinary local variables; LLVM keeps them in registers and legalises any
width to what the machine has. So one source runs on AVX-512, AVX2, NEON and without vectors.
Indices count elements of the array (not vectors); nothing is checked, nothing need be aligned.
Oracle: tests/ops/test_simd.py.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import binding, ir
from numba.core import types
from numba.core.datamodel import models
from numba.core.imputils import lower_constant
from numba.extending import (
    NativeValue,
    intrinsic,
    overload,
    register_model,
    typeof_impl,
    unbox,
)

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
F32 = ir.FloatType()


class Words(types.Type):
    """The type of a vector of 64-bit words."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.llvm = ir.VectorType(I64, count)
        super().__init__(name=f"Words({count})")


class Floats(types.Type):
    """The type of a vector of float32."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.llvm = ir.VectorType(F32, count)
        super().__init__(name=f"Floats({count})")


@register_model(Words)
@register_model(Floats)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Any) -> None:
        super().__init__(manager, vector, vector.llvm)


class Width:
    """A vector width as a value that a kernel can be specialised on.

    Attributes:
        count: 64-bit words in a vector.
    """

    def __init__(self, count: int) -> None:
        self.count = count


class _WidthType(types.Type):
    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(name=f"Width({count})")


register_model(_WidthType)(models.OpaqueModel)
_WIDTHS = {count: _WidthType(count) for count in (2, 4, 8)}


@typeof_impl.register(Width)
def _typeof_width(value: Width, _context: Any) -> _WidthType:
    return _WIDTHS[value.count]


@unbox(_WidthType)
def _unbox_width(_type: Any, _object: Any, c: Any) -> NativeValue:
    return NativeValue(c.context.get_dummy_value())


@lower_constant(_WidthType)
def _constant_width(context: Any, _builder: Any, _type: Any, _value: Any) -> Any:
    return context.get_dummy_value()


def machine_width() -> Width:
    """Return the width of this machine's registers: 8 words with AVX-512, else 4."""
    return Width(8 if binding.get_host_cpu_features().get("avx512f", False) else 4)


NARROW = Width(2)


def _pointer(context: Any, builder: ir.IRBuilder, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


def _load(context: Any, builder: Any, array_type: Any, args: Any, vector: ir.VectorType) -> Any:
    pointer = _pointer(context, builder, array_type, *args)
    pointer = builder.bitcast(pointer, vector.as_pointer())
    return builder.load(pointer, align=1)


def _store(context: Any, builder: Any, array_type: Any, args: Any, value: Any) -> None:
    pointer = _pointer(context, builder, array_type, *args)
    pointer = builder.bitcast(pointer, value.type.as_pointer())
    builder.store(value, pointer, align=1)


def _splat(builder: Any, value: Any, count: int) -> Any:
    vector = ir.VectorType(value.type, count)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, I32(0))
    return builder.shuffle_vector(
        one, ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(I32, count), [0] * count)
    )


@intrinsic
def zeros(_typing: Any, width: Any) -> Any:
    """`zeros(width)`: a vector of zero words."""
    vector = Words(width.count)

    def code(_context: Any, _builder: Any, _signature: Any, _args: Any) -> Any:
        return ir.Constant(vector.llvm, None)

    return vector(width), code


@intrinsic
def load(_typing: Any, width: Any, array: Any, index: Any) -> Any:
    """`load(width, words, i)`: the words from element i on."""
    vector = Words(width.count)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _load(context, builder, signature.args[1], args[1:], vector.llvm)

    return vector(width, array, types.intp), code


@intrinsic
def store(_typing: Any, array: Any, index: Any, value: Any) -> Any:
    """`store(array, i, vector)`: write the vector's bytes from element i on."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _store(context, builder, signature.args[0], args[:2], args[2])
        return context.get_dummy_value()

    return types.void(array, types.intp, value), code


@intrinsic
def splat_words(_typing: Any, width: Any, word: Any) -> Any:
    """`splat_words(width, w)`: w (uint64) in every place."""
    vector = Words(width.count)

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return _splat(builder, args[1], vector.count)

    return vector(width, types.uint64), code


@intrinsic
def popcount(_typing: Any, words: Any) -> Any:
    """`popcount(v)`: the number of ones of every word."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        kind = words.llvm
        name = f"llvm.ctpop.v{words.count}i64"
        module = builder.module
        function = module.globals.get(name) or ir.Function(
            module, ir.FunctionType(kind, [kind]), name
        )
        return builder.call(function, args)

    return words(words), code


def _binary(name: str) -> Callable[[Any, Any], Any]:
    @intrinsic
    def binary(_typing: Any, a: Any, b: Any) -> Any:
        def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            return getattr(builder, name)(*args)

        return a(a, b), code

    return binary


def _overload(op: Callable, kind: type, name: str) -> None:
    binary = _binary(name)

    @overload(op)
    def typed(a, b):  # numba compares the signatures: no annotations
        if isinstance(a, kind) and isinstance(b, kind):
            return lambda a, b: binary(a, b)
        return None


for _op, _name in ((operator.and_, "and_"), (operator.or_, "or_"), (operator.xor, "xor")):
    _overload(_op, Words, _name)
_overload(operator.add, Words, "add")
for _op, _name in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _overload(_op, Floats, _name)


@overload(operator.lshift)
def _left(a, b):
    if isinstance(a, Words):
        return lambda a, b: _shift_left(a, b)
    return None


@overload(operator.rshift)
def _right(a, b):
    if isinstance(a, Words):
        return lambda a, b: _shift_right(a, b)
    return None


def _shift(name: str) -> Callable[[Any, Any], Any]:
    @intrinsic
    def shift(_typing: Any, words: Any, bits: Any) -> Any:
        def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            return getattr(builder, name)(args[0], _splat(builder, args[1], words.count))

        return words(words, types.uint64), code

    return shift


_shift_left, _shift_right = _shift("shl"), _shift("lshr")


@intrinsic
def multiply_low(_typing: Any, words: Any, factor: Any) -> Any:
    """`multiply_low(v, f)`: the 64-bit product of every word's low half and f < 2^32."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        low = builder.and_(args[0], ir.Constant(words.llvm, [0xFFFFFFFF] * words.count))
        return builder.mul(low, _splat(builder, args[1], words.count))

    return words(words, types.uint64), code


@intrinsic
def count_up(_typing: Any, width: Any, first: Any) -> Any:
    """`count_up(width, n)`: n, n + 1, n + 2, ..."""
    vector = Words(width.count)

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        steps = ir.Constant(vector.llvm, list(range(vector.count)))
        return builder.add(_splat(builder, args[1], vector.count), steps)

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
        limit = _load(context, builder, signature.args[2], args[2:], words.type)
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
        _store(context, builder, signature.args[0], args[:2], words)
        return context.get_dummy_value()

    return types.void(array, types.intp, a, b, c, d), code


@intrinsic
def get(_typing: Any, array: Any, index: Any) -> Any:
    """`get(array, i)`: element i >= 0 of a flat array, without numba's test for i < 0."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, signature.args[0], *args))

    return array.dtype(array, types.intp), code


@intrinsic
def put(_typing: Any, array: Any, index: Any, value: Any) -> Any:
    """`put(array, i, x)`: set element i >= 0 of a flat array, without numba's test for i < 0."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(context, builder, signature.args[0], *args[:2]))
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), code


@intrinsic
def trailing_zeros(_typing: Any, word: Any) -> Any:
    """`trailing_zeros(w)`: the place of the lowest one of a word that is not zero."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], I1(1))

    return types.intp(types.uint64), code


@intrinsic
def transpose_bytes(_typing: Any, words: Any) -> Any:
    """`transpose_bytes(v)`: byte i of word b becomes byte b of word i (eight words)."""
    if words.count != 8:
        return None

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        flat = builder.bitcast(args[0], ir.VectorType(I8, 64))
        places = [8 * b + i for i in range(8) for b in range(8)]
        mixed = builder.shuffle_vector(
            flat, ir.Constant(flat.type, ir.Undefined), ir.Constant(ir.VectorType(I32, 64), places)
        )
        return builder.bitcast(mixed, words.llvm)

    return words(words), code


@intrinsic
def store_pieces(_typing: Any, array: Any, index: Any, step: Any, words: Any) -> Any:
    """`store_pieces(array, i, s, v)`: write the 16-byte pieces of v at i, i + s, i + 2 s, ..."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        values, index, step, vector = args
        for piece in range(words.count // 2):
            places = ir.Constant(ir.VectorType(I32, 2), [2 * piece, 2 * piece + 1])
            part = builder.shuffle_vector(vector, vector, places)
            _store(context, builder, signature.args[0], (values, index), part)
            index = builder.add(index, step)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, words), code


FLOATS = Floats(16)


@intrinsic
def load_numbers(_typing: Any, array: Any, index: Any) -> Any:
    """`load_numbers(array, i)`: 16 elements (uint8 or int32) from i on, as float32."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = signature.args[0].dtype
        vector = ir.VectorType(context.get_value_type(kind), 16)
        values = _load(context, builder, signature.args[0], args, vector)
        if kind == types.uint8:
            values = builder.zext(values, ir.VectorType(I32, 16))
        return builder.sitofp(values, FLOATS.llvm)

    return FLOATS(array, types.intp), code


@intrinsic
def load_floats(_typing: Any, array: Any, index: Any) -> Any:
    """`load_floats(array, i)`: 16 float32 from i on."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _load(context, builder, signature.args[0], args, FLOATS.llvm)

    return FLOATS(array, types.intp), code


@intrinsic
def splat_float(_typing: Any, number: Any) -> Any:
    """`splat_float(x)`: x in 16 places."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return _splat(builder, args[0], 16)

    return FLOATS(types.float32), code


@intrinsic
def reaches(_typing: Any, a: Any, b: Any) -> Any:
    """`reaches(a, b)`: bit j of the result is a[j] >= b[j]; false where one is NaN."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        bits = builder.bitcast(builder.fcmp_ordered(">=", *args), I16)
        return builder.zext(bits, I64)

    return types.uint64(a, b), code


@intrinsic
def where_reaches(_typing: Any, a: Any, b: Any, x: Any, y: Any) -> Any:
    """`where_reaches(a, b, x, y)`: x[j] where a[j] >= b[j], else y[j]."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">=", *args[:2]), *args[2:])

    return FLOATS(a, b, x, y), code


@intrinsic
def popcount_word(_typing: Any, word: Any) -> Any:
    """`popcount_word(w)`: the number of ones of one word."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.intp(types.uint64), code


def _call(builder: Any, name: str, vector: Any, *args: Any) -> Any:
    """Call an LLVM intrinsic of one vector type."""
    full = f"llvm.{name}.v{vector.count}f32"
    module, kind = builder.module, ir.FunctionType(vector, [vector] * len(args))
    function = module.globals.get(full) or ir.Function(module, kind, full)
    return builder.call(function, args)


@intrinsic
def absolute(_typing: Any, a: Any) -> Any:
    """`absolute(v)`: |v| of every place."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return _call(builder, "fabs", FLOATS.llvm, *args)

    return a(a), code


@intrinsic
def rounded(_typing: Any, a: Any) -> Any:
    """`rounded(v)`: the nearest whole number, ties to even."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return _call(builder, "rint", FLOATS.llvm, *args)

    return a(a), code


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
            _store(context, builder, signature.args[0], (args[0], at), part)
        return context.get_dummy_value()

    return types.void(array, types.intp, small, logits), code
