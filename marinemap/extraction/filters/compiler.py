"""CQL2 as a tree, compiled against the fields of a layer into masks of columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from marinemap.errors import RequestError, quote
from marinemap.extraction.filters.numbers import ARITHMETIC, exactly
from marinemap.extraction.filters.operands import (
    FOLDS,
    Computed,
    Operands,
    is_field,
    name_of,
)
from marinemap.extraction.filters.patterns import matches
from marinemap.extraction.filters.spatial import SPATIAL, GeometryField, Placed, related
from marinemap.extraction.filters.temporal import TEMPORAL, temporal
from marinemap.extraction.filters.values import Columns, is_text, plain_value
from marinemap.sentences import say

# Arrow makes a regular expression of a pattern, which may grow too large for its engine.
_MAX_PATTERN_CHARACTERS = 1_000
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": pc.equal,
    "<>": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_ALLOWED = (
    "and, or, not, =, <>, <, <=, >, >=, BETWEEN, IN, LIKE, IS NULL, CASEI, ACCENTI, DATE, "
    + ", ".join(["TIMESTAMP", *ARITHMETIC])
)
# What no geometry is to itself.
_NEVER_TO_ITSELF = ("s_disjoint", "s_touches", "s_overlaps", "s_crosses")
_TURNED = {"s_within": "s_contains", "s_contains": "s_within"}
# Among the columns the geometries; no field's name holds this sign.
GEOMETRY = "\0"

# Gives true, false or null for each row.
Mask = Computed


class Compiler:
    """Compiles the conditions of one filter.

    ``operands.used`` are the fields that it needs; what ``is_spatial`` needs the geometries.
    """

    def __init__(self, schema: Any, field: str, geometry: GeometryField | None) -> None:
        self.operands = Operands(schema, field, geometry)
        self.is_spatial = False
        self._geometry = geometry

    def condition(self, node: Any, depth: int) -> Mask:
        """Compile what is true or false."""
        self.operands.count(depth)
        if isinstance(node, bool):
            return lambda columns: pa.scalar(node)
        if is_field(node):
            return self.operands.flag(node["property"])
        operator, arguments = self.operands.operator(node)
        if operator in ("and", "or"):
            return self._joined(operator, [self.condition(a, depth + 1) for a in arguments])
        if operator == "not":
            inner = self.condition(self.operands.only(arguments, 1)[0], depth + 1)
            return lambda columns: pc.invert(inner(columns))
        return self._predicate(operator, arguments)

    def _predicate(self, operator: str, arguments: list[Any]) -> Mask:
        only = self.operands.only
        if operator == "isNull":
            return self._is_null(*only(arguments, 1))
        if operator in SPATIAL and self._geometry:
            return self._spatial(operator, self._geometry, *only(arguments, 2))
        if operator.lower() in TEMPORAL:
            return self._temporal(operator.lower(), *only(arguments, 2))
        if operator in _COMPARISONS:
            return self._compared(operator, *only(arguments, 2))
        if operator == "like":
            return self._like(*only(arguments, 2))
        if operator == "between":
            return self._between(*only(arguments, 3))
        if operator == "in":
            return self._one_of(*only(arguments, 2))
        raise self._unknown(operator)

    def _is_null(self, node: Any) -> Mask:
        if self._geometry and self._geometry.is_meant(node):
            self.is_spatial = True
            return lambda columns: pa.array(shapely.is_missing(columns[GEOMETRY].corners))
        value, _ = self.operands.operand(node, None)
        return lambda columns: pc.is_null(value(columns))

    def _compared(self, operator: str, left: Any, right: Any) -> Mask:
        compare = exactly(_COMPARISONS[operator])
        first, second = self.operands.pair(left, right)
        return lambda columns: compare(first(columns), second(columns))

    def _between(self, value: Any, low: Any, high: Any) -> Mask:
        above, below = self._compared(">=", value, low), self._compared("<=", value, high)
        return lambda columns: pc.and_kleene(above(columns), below(columns))

    def _one_of(self, value: Any, choices: Any) -> Mask:
        if not isinstance(choices, list) or not choices:
            raise self.operands.refuse(say("IN needs a list of values"))
        return self._joined("or", [self._compared("=", value, each) for each in choices])

    def _like(self, value: Any, pattern: Any) -> Mask:
        text, type_ = self.operands.operand(value, pa.string())
        folds = []
        while name_of(pattern) in FOLDS:
            folds.append(FOLDS[name_of(pattern)])
            (pattern,) = self.operands.only(self.operands.operator(pattern)[1], 1)
        plain = plain_value(pattern)
        if not isinstance(plain, str) or not (type_ and is_text(type_)):
            raise self.operands.refuse(say("LIKE compares a text field with a pattern in quotes"))
        if len(plain) > _MAX_PATTERN_CHARACTERS:
            raise self.operands.refuse(
                say(
                    "the pattern of LIKE has {count:,} characters; at most {most:,} are allowed",
                    count=len(plain),
                    most=_MAX_PATTERN_CHARACTERS,
                )
            )
        for fold in reversed(folds):
            plain = fold(pa.scalar(plain)).as_py()
        return lambda columns: matches(text(columns), plain)

    def _spatial(self, function: str, geometry: GeometryField, left: Any, right: Any) -> Mask:
        """Compile a function of the geometry and a literal, of either twice."""
        self.is_spatial = True
        if geometry.is_meant(left) and geometry.is_meant(right):
            holds = function not in _NEVER_TO_ITSELF
            return lambda columns: pa.array(~shapely.is_missing(columns[GEOMETRY].corners) & holds)
        if geometry.is_meant(right):
            function, left, right = _TURNED.get(function, function), right, left
        literal = self._written_out(geometry, right)
        if geometry.is_meant(left):
            return lambda columns: related(function, columns[GEOMETRY], literal)
        other = np.array([self._written_out(geometry, left)], object)
        constant = related(function, Placed(other, other), literal)[0]
        return lambda columns: constant

    def _written_out(self, geometry: GeometryField, node: Any) -> shapely.Geometry:
        try:
            return geometry.literal(node)
        except ValueError as error:
            raise self.operands.refuse(error.args[0]) from error

    def _temporal(self, function: str, left: Any, right: Any) -> Mask:
        try:
            return temporal(function, left, right, self.operands.type_of_field)
        except ValueError as error:
            raise self.operands.refuse(error.args[0]) from error

    def _joined(self, operator: str, masks: list[Mask]) -> Mask:
        if not masks:
            raise self.operands.refuse(say("'{operator}' joins nothing", operator=operator))
        join = pc.and_kleene if operator == "and" else pc.or_kleene

        def joined(columns: Columns) -> Any:
            result = masks[0](columns)
            for mask in masks[1:]:
                result = join(result, mask(columns))
            return result

        return joined

    def _unknown(self, operator: str) -> RequestError:
        if operator in FOLDS:
            return self.operands.refuse(
                say("'{operator}' by itself is not supported as a condition", operator=operator),
                say(
                    "Compare with it: {operator}(name) = {operator}('Reef').",
                    operator=operator.upper(),
                ),
            )
        known = [*TEMPORAL, *(SPATIAL if self._geometry else ())]
        return self.operands.refuse(
            say(
                "'{operator}' is not supported; there are {allowed}{functions}",
                operator=quote(operator),
                allowed=_ALLOWED,
                functions=", ".join(["", *known]).upper(),
            )
        )
