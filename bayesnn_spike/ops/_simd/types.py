"""The vector types, widths as values, and what all vector operations are built of."""

from typing import Any

from llvmlite import binding, ir
from numba.core import types
from numba.core.datamodel import models
from numba.core.imputils import lower_constant
from numba.extending import NativeValue, register_model, typeof_impl, unbox

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
WIDTHS = {count: _WidthType(count) for count in (2, 4, 8)}


@typeof_impl.register(Width)
def _typeof_width(value: Width, _context: Any) -> _WidthType:
    return WIDTHS[value.count]


@unbox(_WidthType)
def _unbox_width(_type: Any, _object: Any, c: Any) -> NativeValue:
    return NativeValue(c.context.get_dummy_value())


@lower_constant(_WidthType)
def _constant_width(context: Any, _builder: Any, _type: Any, _value: Any) -> Any:
    return context.get_dummy_value()


def machine_width() -> Width:
    """Return the width of this machine's registers: 8 words with AVX-512, else 4."""
    return Width(8 if binding.get_host_cpu_features().get("avx512f", False) else 4)


def has_vector_popcount() -> bool:
    """Return whether one instruction counts the ones of every word of a vector."""
    return bool(binding.get_host_cpu_features().get("avx512vpopcntdq", False))


def has_multiply_add() -> bool:
    """Return whether a product and a sum are one instruction: not on x86 before 2013."""
    return "x86_64" not in binding.get_process_triple() or bool(
        binding.get_host_cpu_features().get("fma", False)
    )


def pointer(context: Any, builder: ir.IRBuilder, array_type: Any, array: Any, index: Any) -> Any:
    """Build the address of one element of a flat array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


def load_vector(
    context: Any, builder: Any, array_type: Any, args: Any, vector: ir.VectorType
) -> Any:
    """Build a load of a vector from (array, index) on, of any alignment."""
    at = pointer(context, builder, array_type, *args)
    return builder.load(builder.bitcast(at, vector.as_pointer()), align=1)


def store_vector(context: Any, builder: Any, array_type: Any, args: Any, value: Any) -> None:
    """Build a store of a vector from (array, index) on, of any alignment."""
    at = pointer(context, builder, array_type, *args)
    builder.store(value, builder.bitcast(at, value.type.as_pointer()), align=1)


def splat(builder: Any, value: Any, count: int) -> Any:
    """Build a vector that has one value in every place."""
    vector = ir.VectorType(value.type, count)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, I32(0))
    return builder.shuffle_vector(
        one, ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(I32, count), [0] * count)
    )


FLOATS = Floats(16)
