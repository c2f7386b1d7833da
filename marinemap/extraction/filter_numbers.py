"""Arithmetic of filters (OGC 21-065r2, class Arithmetic Expressions), in double precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


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
    return pc.subtract(left, pc.multiply(right, _whole_quotient(left, right)))


ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda left, right: _finite(pc.add(left, right)),
    "-": lambda left, right: _finite(pc.subtract(left, right)),
    "*": lambda left, right: _finite(pc.multiply(left, right)),
    "/": lambda left, right: _finite(pc.divide(left, right)),
    "^": lambda left, right: _finite(pc.power(left, right)),
    "%": _remainder,
    "div": _whole_quotient,
}
