"""Operations on vectors of 64-bit words, and on single words, without bounds or sign checks."""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, overload

from bayesnn_spike.ops._simd.types import (
    I1,
    I8,
    I32,
    Words,
    load_vector,
    pointer,
    splat,
    store_vector,
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
        return load_vector(context, builder, signature.args[1], args[1:], vector.llvm)

    return vector(width, array, types.intp), code


@intrinsic
def store(_typing: Any, array: Any, index: Any, value: Any) -> Any:
    """`store(array, i, vector)`: write the vector's bytes from element i on."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        store_vector(context, builder, signature.args[0], args[:2], args[2])
        return context.get_dummy_value()

    return types.void(array, types.intp, value), code


@intrinsic
def splat_words(_typing: Any, width: Any, word: Any) -> Any:
    """`splat_words(width, w)`: w (uint64) in every place."""
    vector = Words(width.count)

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return splat(builder, args[1], vector.count)

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


def overload_binary(op: Callable, kind: type, name: str) -> None:
    """Make a Python operator work on two vectors of a kind, by the LLVM instruction `name`."""
    binary = _binary(name)

    @overload(op)
    def typed(a, b):  # numba compares the signatures: no annotations
        if isinstance(a, kind) and isinstance(b, kind):
            return lambda a, b: binary(a, b)
        return None


for _op, _name in ((operator.and_, "and_"), (operator.or_, "or_"), (operator.xor, "xor")):
    overload_binary(_op, Words, _name)


overload_binary(operator.add, Words, "add")


def _shift(name: str) -> Callable[[Any, Any], Any]:
    @intrinsic
    def shift(_typing: Any, words: Any, bits: Any) -> Any:
        def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            return getattr(builder, name)(args[0], splat(builder, args[1], words.count))

        return words(words, types.uint64), code

    return shift


_shift_left, _shift_right = _shift("shl"), _shift("lshr")


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


@intrinsic
def get(_typing: Any, array: Any, index: Any) -> Any:
    """`get(array, i)`: element i >= 0 of a flat array, without numba's test for i < 0."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(pointer(context, builder, signature.args[0], *args))

    return array.dtype(array, types.intp), code


@intrinsic
def put(_typing: Any, array: Any, index: Any, value: Any) -> Any:
    """`put(array, i, x)`: set element i >= 0 of a flat array, without numba's test for i < 0."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], pointer(context, builder, signature.args[0], *args[:2]))
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), code


@intrinsic
def trailing_zeros(_typing: Any, word: Any) -> Any:
    """`trailing_zeros(w)`: the place of the lowest one, 64 of zero."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], I1(0))

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
            store_vector(context, builder, signature.args[0], (values, index), part)
            index = builder.add(index, step)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, words), code


@intrinsic
def popcount_word(_typing: Any, word: Any) -> Any:
    """`popcount_word(w)`: the number of ones of one word."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.intp(types.uint64), code
