"""Operations on sixteen float32."""

import operator
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from bayesnn_spike.ops._simd.types import (
    F32,
    FLOATS,
    I16,
    I32,
    I64,
    Floats,
    load_vector,
    splat,
    store_vector,
)
from bayesnn_spike.ops._simd.words import overload_binary

for _op, _name in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    overload_binary(_op, Floats, _name)


@intrinsic
def load_numbers(_typing: Any, array: Any, index: Any) -> Any:
    """`load_numbers(array, i)`: 16 elements (uint8 or int32) from i on, as float32."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = signature.args[0].dtype
        vector = ir.VectorType(context.get_value_type(kind), 16)
        values = load_vector(context, builder, signature.args[0], args, vector)
        if kind == types.uint8:
            values = builder.zext(values, ir.VectorType(I32, 16))
        return builder.sitofp(values, FLOATS.llvm)

    return FLOATS(array, types.intp), code


@intrinsic
def load_floats(_typing: Any, array: Any, index: Any) -> Any:
    """`load_floats(array, i)`: 16 float32 from i on."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return load_vector(context, builder, signature.args[0], args, FLOATS.llvm)

    return FLOATS(array, types.intp), code


@intrinsic
def splat_float(_typing: Any, number: Any) -> Any:
    """`splat_float(x)`: x in 16 places."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return splat(builder, args[0], 16)

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
def differs(_typing: Any, a: Any, b: Any) -> Any:
    """`differs(a, b)`: bit j of the result is a[j] != b[j]; true where one is NaN."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        bits = builder.bitcast(builder.fcmp_unordered("!=", *args), I16)
        return builder.zext(bits, I64)

    return types.uint64(a, b), code


@intrinsic
def multiply_add(_typing: Any, a: Any, b: Any, c: Any) -> Any:
    """`multiply_add(a, b, c)`: a b + c, rounded once."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return _call(builder, "fma", FLOATS.llvm, *args)

    return a(a, b, c), code


_EIGHT = ir.VectorType(F32, 8)
# Swap bit 0, 1, 2 of a row's number with the same bit of the place in the row.
_BUTTERFLIES = [
    (
        bit,
        [place if not place & bit else 8 + (place ^ bit) for place in range(8)],
        [place ^ bit if not place & bit else 8 + place for place in range(8)],
    )
    for bit in (1, 2, 4)
]


@intrinsic
def choose_eight(
    _typing: Any, first: Any, i: Any, second: Any, which: Any, j: Any, target: Any, to: Any
) -> Any:
    """`choose_eight(x, i, y, m, j, z, k)`: z[k + s] = y[j + s] if m[j + s] else x[i + s], s < 8.

    x, y and z are float32, m is int32.
    """

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, i, y, m, j, z, k = args
        kinds = signature.args
        old = load_vector(context, builder, kinds[0], (x, i), _EIGHT)
        new = load_vector(context, builder, kinds[2], (y, j), _EIGHT)
        mask = load_vector(context, builder, kinds[3], (m, j), ir.VectorType(I32, 8))
        chosen = builder.icmp_signed("!=", mask, ir.Constant(mask.type, None))
        value = builder.select(chosen, new, old)
        store_vector(context, builder, kinds[5], (z, k), value)
        return context.get_dummy_value()

    index = types.intp
    return types.void(first, index, second, which, index, target, index), code


@intrinsic
def transpose_tile(
    _typing: Any, source: Any, first: Any, step: Any, target: Any, to: Any, jump: Any
) -> Any:
    """`transpose_tile(x, i, s, y, j, t)`: y[j + t b + a] = x[i + s a + b] for a, b < 8, float32."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, i, s, y, j, t = args
        rows = []
        for _ in range(8):
            rows.append(load_vector(context, builder, signature.args[0], (x, i), _EIGHT))
            i = builder.add(i, s)
        places = ir.VectorType(I32, 8)
        for apart, low, high in _BUTTERFLIES:
            pairs = {a: (rows[a], rows[a | apart]) for a in range(8) if not a & apart}
            for a, pair in pairs.items():
                rows[a] = builder.shuffle_vector(*pair, ir.Constant(places, low))
                rows[a | apart] = builder.shuffle_vector(*pair, ir.Constant(places, high))
        for row in rows:
            store_vector(context, builder, signature.args[3], (y, j), row)
            j = builder.add(j, t)
        return context.get_dummy_value()

    index = types.intp
    return types.void(source, index, index, target, index, index), code
