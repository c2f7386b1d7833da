"""Numbers of filters: compared as they are; arithmetic (OGC 21-065r2, class Arithmetic
Expressions) is in double precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# No integer of 64 bits is as large.
_BEYOND_INTEGERS = 2.0**63


def exactly(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a comparison that takes an integer and a real for what they are.

    Arrow's own makes doubles of both, and raises where an integer is none.
    """

    def compared(left: Any, right: Any) -> Any:
        if not (_is_number(left) and _is_number(right)) or _is_whole(left) == _is_whole(right):
            return compare(left, right)
        doubles = as_numbers(left), as_numbers(right)
        is_tie = pc.equal(*doubles)
        fits = pc.and_(is_tie, pc.less(doubles[_is_whole(left)], _BEYOND_INTEGERS))
        # To round changes no order; only what is one double then is looked at whole.
        exact = compare(_as_whole(left, fits), _as_whole(right, fits))
        return pc.if_else(is_tie, exact, compare(*doubles))

    return compared


def _as_whole(values: Any, fits: Any) -> Any:
    """Return integers; beyond all of them -1 for an integer and 0 for the larger real."""
    if _is_whole(values):
        return pc.if_else(fits, values, -1)
    return pc.cast(pc.if_else(fits, values, 0.0), pa.int64())


def _is_number(values: Any) -> bool:
    return _is_whole(values) or bool(pa.types.is_floating(values.type))


def _is_whole(values: Any) -> bool:
    return bool(pa.types.is_integer(values.type))


def as_numbers(values: Any) -> Any:
    """Return numbers of any type as doubles."""
    return pc.cast(values, pa.float64(), safe=False)


def _finite(values: Any) -> Any:
    """Return numbers with null for what is none, such as a quotient by zero: it compares with no
    other."""
    return pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64()))


def _whole_quotient(left: Any, right: Any) -> Any:
    return pc.trunc(_finite(pc.divide(left, right)))


def _remainder(left: Any, right: Any) -> Any:
    # Of the quotient only what a double holds is known: it may be off by more than the divisor.
    with np.errstate(invalid="ignore"):
        found = np.fmod(_plain(left), _plain(right))
    return _finite(pa.array(found) if np.ndim(found) else pa.scalar(float(found)))


def _plain(numbers: Any) -> Any:
    """Return doubles for NumPy, which has NaN for null."""
    if isinstance(numbers, pa.Scalar):
        return np.nan if numbers.as_py() is None else numbers.as_py()
    return numbers.to_numpy(zero_copy_only=False)


ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda left, right: _finite(pc.add(left, right)),
    "-": lambda left, right: _finite(pc.subtract(left, right)),
    "*": lambda left, right: _finite(pc.multiply(left, right)),
    "/": lambda left, right: _finite(pc.divide(left, right)),
    "^": lambda left, right: _finite(pc.power(left, right)),
    "%": _remainder,
    "div": _whole_quotient,
}
