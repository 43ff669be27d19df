"""Products whose sums stay in registers from the first term to the last, in LLVM's own terms.

Numba writes the numbers of an array back at every step of an outer loop, and a BLAS takes longer to arrange a small
product than to compute it. Every number is summed by itself and in order, so the width of the machine's vectors doesn't
change it.
"""

from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numba.extending
from llvmlite import ir
from numba import types
from numba.core import cgutils as helpers

cgutils: Any = helpers  # without types

VECTOR = 64 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 32
"""Bytes of a register."""

ROWS = 4
"""Of a tile. With two vectors a row its eight sums outlast an addition's latency and fit into sixteen registers."""

_INT, _LANE = ir.IntType(64), ir.IntType(32)


def panel(width: int) -> Callable[..., None]:
    """A function of a (R, K), b (K, ·), out (R, ·) and j: out's columns from j on become those of the product a b.

    Nothing is checked; b's and out's rows have no gaps, the strides of a may be any.

    Args:
        width: of the columns together, in bytes; 0: one column.
    """

    @numba.extending.intrinsic
    def of_product(_: Any, a: Any, b: Any, out: Any, j: Any) -> Any:
        def call(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            left, right, result = (
                context.make_array(kind)(context, builder, one)
                for kind, one in zip(signature.args[:3], arguments[:3], strict=True)
            )
            rows, terms = cgutils.unpack_tuple(builder, left.shape)
            (a_down, a_along), (b_down, _), (out_down, _) = (
                cgutils.unpack_tuple(builder, one.strides) for one in (left, right, result)
            )
            offset = builder.mul(arguments[3], ir.Constant(_INT, a.dtype.bitwidth // 8))
            b_start, out_start = (cgutils.pointer_add(builder, one.data, offset) for one in (right, result))
            places = (left.data, a_down, a_along, b_start, b_down, out_start, out_down, rows, terms)
            number = context.get_data_type(a.dtype)
            builder.call(_function(builder.module, number, max(8 * width // a.dtype.bitwidth, 1)), places)
            return context.get_dummy_value()

        return types.void(a, b, out, types.intp), call

    return of_product


def _function(module: Any, number: Any, columns: int) -> Any:
    """The panel of so many columns as a function of the module's: it is compiled once, however often it is called."""
    pointer, name = number.as_pointer(), f"throughtime.panel.{number}.{columns}"
    if name in module.globals:
        return module.globals[name]
    arguments = [pointer, _INT, _INT, pointer, _INT, pointer, _INT, _INT, _INT]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block())
    a, a_down, a_along, b, b_down, out, out_down, rows, terms = function.args
    vector, height = ir.VectorType(number, columns), ir.Constant(_INT, ROWS)

    def tile(first: Any, rows: int) -> None:
        each = [builder.add(first, ir.Constant(_INT, r)) for r in range(rows)]
        starts = [cgutils.pointer_add(builder, a, builder.mul(row, a_down)) for row in each]
        sums = [cgutils.alloca_once(builder, vector) for _ in each]
        for total in sums:
            builder.store(ir.Constant(vector, [0.0] * columns), total)
        with cgutils.for_range(builder, terms) as term:
            below = cgutils.pointer_add(builder, b, builder.mul(term.index, b_down), vector.as_pointer())
            many, along = builder.load(below, align=4), builder.mul(term.index, a_along)
            for start, total in zip(starts, sums, strict=True):
                one = _spread(builder, builder.load(cgutils.pointer_add(builder, start, along)), vector)
                product = builder.fmul(one, many, flags=("contract",))
                builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)
        for row, total in zip(each, sums, strict=True):
            target = cgutils.pointer_add(builder, out, builder.mul(row, out_down), vector.as_pointer())
            builder.store(builder.load(total), target, align=4)

    with cgutils.for_range(builder, builder.sdiv(rows, height)) as whole:
        tile(builder.mul(whole.index, height), ROWS)
    with (
        builder.if_then(builder.icmp_signed("!=", builder.srem(rows, height), ir.Constant(_INT, 0))),
        builder.if_else(builder.icmp_signed(">", rows, height)) as (more, fewer),
    ):
        with more:  # a last tile that does some of the one before it again
            tile(builder.sub(rows, height), ROWS)
        with fewer, cgutils.for_range(builder, rows) as single:
            tile(single.index, 1)
    builder.ret_void()
    return function


def _spread(builder: Any, number: Any, vector: Any) -> Any:
    """One number as all of a vector's."""
    nothing, zeros = ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(_LANE, vector.count), None)
    return builder.shuffle_vector(builder.insert_element(nothing, number, ir.Constant(_LANE, 0)), nothing, zeros)
