"""Sixteen floats at once, as values in kernels: one register of AVX-512, two of AVX2, four of NEON.

LLVM vectorises loops by itself, but with half-width registers on most processors that have AVX-512,
with checks whether rows overlap that cost as much as the rows' arithmetic, and without keeping sums of
several rows in registers. Rows are padded to whole lanes with zeros, which updates leave zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # pyright: ignore[reportMissingImports]
from numba import extending  # pyright: ignore[reportMissingImports]
from numba.core import cgutils, types  # pyright: ignore[reportMissingImports]
from numba.extending import models  # pyright: ignore[reportMissingImports]

LANES = 16
_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)
_INT32 = ir.IntType(32)


def intrinsic(code: Callable[..., Any]) -> Any:
    """numba's, whose functions a type checker would take for their code generators."""
    return extending.intrinsic(code)


class _Lanes(types.Type):
    def __init__(self) -> None:
        super().__init__("lanes16")


lanes = _Lanes()
Lanes = Any
"""What such a value is to a type checker."""


@extending.register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _address(context: Any, builder: Any, array_type: Any, array: Any, at: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), _VECTOR.as_pointer())


@intrinsic
def load(_typing: Any, array: Any, at: Any) -> Any:
    """The sixteen floats of the flat array from index `at`."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature.args[0], *arguments)
        return builder.load(address, align=4)

    return lanes(array, types.int64), code


@intrinsic
def store(_typing: Any, array: Any, at: Any, value: Any) -> Any:
    """The flat array holds `value` from index `at`."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], address, align=4)
        return context.get_dummy_value()

    return types.void(array, types.int64, lanes), code


@intrinsic
def every(_typing: Any, value: Any) -> Any:
    """`value` in all lanes."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one = builder.insert_element(
            ir.Constant(_VECTOR, ir.Undefined), arguments[0], ir.Constant(_INT32, 0)
        )
        first = ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES)
        return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), first)

    return lanes(types.float32), code


@intrinsic
def multiplied(_typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, rounded once."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32")
        return builder.call(function, arguments)

    return lanes(lanes, lanes, lanes), code


@intrinsic
def total(_typing: Any, value: Any) -> Any:
    """The sum of the lanes."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_FLOAT, [_FLOAT, _VECTOR])
        function = cgutils.get_or_insert_function(
            builder.module, kind, f"llvm.vector.reduce.fadd.v{LANES}f32"
        )
        zero = ir.Constant(_FLOAT, 0.0)
        return builder.call(function, [zero, *arguments], fastmath=("reassoc",))

    return types.float32(lanes), code


def _halves(level: int) -> tuple[list[int], list[int]]:
    """Which lanes of two vectors are added to which, so that four levels of it sum sixteen vectors
    into the lanes of one: neighbours within quarters first, then quarters."""
    if level == 1:
        low = [quarter + n for quarter in range(0, 16, 4) for n in (0, 16, 1, 17)]
        return low, [n + 2 for n in low]
    if level == 2:
        low = [quarter + n for quarter in range(0, 16, 4) for n in (0, 1, 16, 17)]
        return low, [n + 2 for n in low]
    low = [quarter + n for quarter in (0, 8, 16, 24) for n in range(4)]
    return low, [n + 4 for n in low]


def _joined(level: int) -> Any:
    @intrinsic
    def joined(_typing: Any, a: Any, b: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            parts = [
                builder.shuffle_vector(
                    *arguments, ir.Constant(ir.VectorType(_INT32, LANES), chosen)
                )
                for chosen in _halves(level)
            ]
            return builder.fadd(*parts)

        return lanes(lanes, lanes), code

    return joined


joined1, joined2, joined4 = _joined(1), _joined(2), _joined(3)


@intrinsic
def coming(_typing: Any, array: Any, at: Any) -> Any:
    """The processor is told that the cache line at index `at` of the flat array is read soon."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature.args[0], *arguments)
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), _INT32, _INT32, _INT32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        address = builder.bitcast(address, ir.IntType(8).as_pointer())
        builder.call(function, [address, *(ir.Constant(_INT32, n) for n in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(array, types.int64), code
