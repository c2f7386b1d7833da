"""CQL2 as a tree, compiled against the fields of a layer into masks of columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from marinemap.errors import RequestError, did_you_mean, quote
from marinemap.extraction.filters.numbers import ARITHMETIC, as_numbers, exactly
from marinemap.extraction.filters.patterns import matches
from marinemap.extraction.filters.spatial import (
    SPATIAL,
    GeometryField,
    Placed,
    related,
)
from marinemap.extraction.filters.temporal import TEMPORAL, temporal
from marinemap.extraction.filters.text import MAX_DEPTH, MAX_NODES, too_large
from marinemap.extraction.filters.values import (
    family,
    how_to_write,
    is_date,
    is_text,
    plain_value,
    scalar_of,
    suits,
    type_of_literal,
)
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
    "and, or, not, =, <>, <, <=, >, >=, BETWEEN, IN, LIKE, IS NULL, CASEI, DATE, TIMESTAMP, "
    + ", ".join(ARITHMETIC)
)
# Among the columns the geometries; no field's name holds this sign.
GEOMETRY = "\0"

Columns = Mapping[str, Any]
Mask = Callable[[Columns], Any]


class Compiler:
    """Compiles one filter; ``used`` are the fields that it needs."""

    def __init__(self, schema: Any, field: str, geometry: GeometryField | None) -> None:
        self._schema = schema
        self._field = field
        self._geometry = geometry
        self._nodes = 0
        self.used: set[str] = set()
        self.is_spatial = False

    def condition(self, node: Any, depth: int) -> Mask:
        """Compile what is true or false."""
        self._count(depth)
        if isinstance(node, bool):
            return lambda columns: pa.scalar(node)
        if isinstance(node, Mapping) and set(node) == {"property"}:
            return self._flag(node["property"])
        operator, arguments = self._operator(node)
        if operator in ("and", "or"):
            return self._joined(operator, [self.condition(a, depth + 1) for a in arguments])
        if operator == "not":
            inner = self.condition(_only(arguments, 1, self._refuse)[0], depth + 1)
            return lambda columns: pc.invert(inner(columns))
        return self._comparison(operator, arguments)

    def _comparison(self, operator: str, arguments: list[Any]) -> Mask:
        if operator == "isNull":
            (plain,) = _only(arguments, 1, self._refuse)
            if self._geometry and self._geometry.is_meant(plain):
                self.is_spatial = True
                return lambda columns: pa.array(shapely.is_missing(columns[GEOMETRY].corners))
            (value, _) = self._operand(plain, None)
            return lambda columns: pc.is_null(value(columns))
        if operator in SPATIAL and self._geometry:
            return self._spatial(operator, self._geometry, *_only(arguments, 2, self._refuse))
        if operator.lower() in TEMPORAL:
            return self._temporal(operator.lower(), *_only(arguments, 2, self._refuse))
        if operator in _COMPARISONS:
            compare = exactly(_COMPARISONS[operator])
            left, right = self._pair(*_only(arguments, 2, self._refuse))
            return lambda columns: compare(left(columns), right(columns))
        if operator == "like":
            return self._like(*_only(arguments, 2, self._refuse))
        if operator == "between":
            value, low, high = _only(arguments, 3, self._refuse)
            low_mask = self._comparison(">=", [value, low])
            high_mask = self._comparison("<=", [value, high])
            return lambda columns: pc.and_kleene(low_mask(columns), high_mask(columns))
        if operator == "in":
            value, choices = _only(arguments, 2, self._refuse)
            if not isinstance(choices, list) or not choices:
                raise self._refuse(say("IN needs a list of values"))
            return self._joined("or", [self._comparison("=", [value, c]) for c in choices])
        if operator == "casei":
            raise self._refuse(
                say("'casei' by itself is not supported as a condition"),
                say("Compare with it: CASEI(name) = CASEI('Reef')."),
            )
        known = [*TEMPORAL, *(SPATIAL if self._geometry else ())]
        functions = ", ".join(["", *known]).upper()
        raise self._refuse(
            say(
                "'{operator}' is not supported; there are {allowed}{functions}",
                operator=quote(operator),
                allowed=_ALLOWED,
                functions=functions,
            )
        )

    def _spatial(self, function: str, geometry: GeometryField, left: Any, right: Any) -> Mask:
        """Compile a function of the geometry and a literal, of either twice."""
        self.is_spatial = True
        if geometry.is_meant(left) and geometry.is_meant(right):
            is_same = function not in ("s_disjoint", "s_touches", "s_overlaps", "s_crosses")
            return lambda columns: pa.array(
                ~shapely.is_missing(columns[GEOMETRY].corners) & is_same
            )
        if geometry.is_meant(right):
            turned = {"s_within": "s_contains", "s_contains": "s_within"}
            function, left, right = turned.get(function, function), right, left
        literal = self._written_out(geometry, right)
        if geometry.is_meant(left):
            return lambda columns: related(function, columns[GEOMETRY], literal)
        other = np.array([self._written_out(geometry, left)], object)
        constant = related(function, Placed(other, other), literal)[0]
        return lambda columns: constant

    def _temporal(self, function: str, left: Any, right: Any) -> Mask:
        def type_of(name: Any) -> Any:
            return self._schema.field(self._name(name)).type

        try:
            return temporal(function, left, right, type_of)
        except ValueError as error:
            raise self._refuse(error.args[0]) from error

    def _written_out(self, geometry: GeometryField, node: Any) -> shapely.Geometry:
        try:
            return geometry.literal(node)
        except ValueError as error:
            raise self._refuse(error.args[0]) from error

    def _joined(self, operator: str, masks: list[Mask]) -> Mask:
        if not masks:
            raise self._refuse(say("'{operator}' joins nothing", operator=operator))
        join = pc.and_kleene if operator == "and" else pc.or_kleene

        def joined(columns: Columns) -> Any:
            result = masks[0](columns)
            for mask in masks[1:]:
                result = join(result, mask(columns))
            return result

        return joined

    def _like(self, value: Any, pattern: Any) -> Mask:
        text, type_ = self._operand(value, pa.string())
        ignore_case = _name_of(pattern) == "casei"
        plain = plain_value(self._operator(pattern, 1)[1][0] if ignore_case else pattern)
        if not isinstance(plain, str) or not (type_ and is_text(type_)):
            raise self._refuse(say("LIKE compares a text field with a pattern in quotes"))
        if len(plain) > _MAX_PATTERN_CHARACTERS:
            raise self._refuse(
                say(
                    "the pattern of LIKE has {count:,} characters; at most {most:,} are allowed",
                    count=len(plain),
                    most=_MAX_PATTERN_CHARACTERS,
                )
            )
        wanted = _folded(pa.scalar(plain)).as_py() if ignore_case else plain
        return lambda columns: matches(text(columns), wanted)

    def _pair(self, left: Any, right: Any) -> tuple[Mask, Mask]:
        """Compile two operands of one type, each literal read as the other's field needs."""
        type_ = self._type_of(left) or self._type_of(right) or type_of_literal(left)
        if type_ is None:
            raise self._refuse(say("{left} is no value for a filter", left=quote(left)))
        if pa.types.is_timestamp(type_) and (is_date(left) or is_date(right)):
            # A moment is compared with a day by the day on which it is, in UTC.
            return self._as_day(left), self._as_day(right)
        return self._operand(left, type_)[0], self._operand(right, type_)[0]

    def _as_day(self, node: Any) -> Mask:
        if is_date(node):
            return self._operand(node, pa.date32())[0]
        moment, type_ = self._operand(node, None)
        unit = pa.timestamp(type_.unit)
        return lambda columns: moment(columns).cast(unit).cast(pa.date32(), safe=False)

    def _operand(self, node: Any, wanted: Any, depth: int = 0) -> tuple[Mask, Any]:
        self._count(depth)
        if _name_of(node) == "casei":
            (plain,) = self._operator(node, 1)[1]
            inner, type_ = self._operand(plain, pa.string(), depth + 1)
            if type_ is None or not is_text(type_):
                raise self._refuse(say("CASEI needs a text"))
            return (lambda columns: _folded(inner(columns))), type_
        if _name_of(node) in ARITHMETIC:
            return self._computed(node, wanted, depth)
        if isinstance(node, Mapping) and set(node) == {"property"}:
            name = self._name(node["property"])
            type_ = self._schema.field(name).type
            if wanted is not None and family(wanted) != family(type_):
                raise self._refuse(
                    say(
                        "'{name}' ({type}) cannot be compared with {wanted}",
                        name=name,
                        type=type_,
                        wanted=wanted,
                    )
                )
            return (lambda columns: columns[name]), type_
        literal = self._literal(node, wanted)
        return (lambda columns: literal), literal.type

    def _computed(self, node: Mapping[str, Any], wanted: Any, depth: int) -> tuple[Mask, Any]:
        """Compile arithmetic; what is no number is refused by name."""
        if wanted is not None and family(wanted) != "number":
            raise self._refuse(
                say("a computed number cannot be compared with {wanted}", wanted=wanted)
            )
        compute = ARITHMETIC[node["op"]]
        arguments = self._operator(node, 2)[1]
        left, right = (self._operand(each, pa.float64(), depth + 1)[0] for each in arguments)
        return (
            lambda columns: compute(as_numbers(left(columns)), as_numbers(right(columns)))
        ), pa.float64()

    def _literal(self, node: Any, wanted: Any) -> Any:
        value = plain_value(node)
        if value is None or wanted is None or not suits(value, wanted):
            raise self._refuse(_no_value(node, wanted), how_to_write(value, wanted))
        try:
            return scalar_of(value, wanted)
        except (pa.ArrowException, OverflowError) as error:
            raise self._refuse(
                say("{node} does not fit a field of type {wanted}", node=quote(node), wanted=wanted)
            ) from error

    def _type_of(self, node: Any) -> Any:
        if _name_of(node) == "casei":
            return pa.string()
        if _name_of(node) in ARITHMETIC:
            return pa.float64()
        if isinstance(node, Mapping) and set(node) == {"property"}:
            return self._schema.field(self._name(node["property"])).type
        return None

    def _flag(self, name: Any) -> Mask:
        known = self._name(name)
        if not pa.types.is_boolean(self._schema.field(known).type):
            raise self._refuse(
                say("'{known}' is neither true nor false; compare it with a value", known=known)
            )
        return lambda columns: columns[known]

    def _name(self, name: Any) -> str:
        if self._geometry and name == self._geometry.name and name not in self._schema.names:
            raise self._refuse(
                say("'{name}' is the geometry", name=name),
                say("Write S_INTERSECTS({name}, BBOX(5, 42, 10, 45)).", name=name),
            )
        if not isinstance(name, str) or name not in self._schema.names:
            listed = ", ".join(f"'{known}'" for known in self._schema.names)
            nearest = did_you_mean(quote(name), self._schema.names)
            raise self._refuse(
                say(
                    "no field '{name}'; there are {listed}.{nearest}",
                    name=quote(name),
                    listed=listed,
                    nearest=nearest,
                ),
                say("If it is a text, write it in single quotes: '{name}'.", name=quote(name)),
            )
        self.used.add(name)
        return name

    def _operator(self, node: Any, count: int | None = None) -> tuple[str, list[Any]]:
        """Return an operator and its arguments, of which there may have to be so many."""
        if not isinstance(node, Mapping) or not isinstance(node.get("op"), str):
            raise self._refuse(say("not a condition; write for example depth > 20"))
        for member in node:
            if member not in ("op", "args"):
                nearest = did_you_mean(quote(member), ("op", "args"))
                raise self._refuse(
                    say(
                        "an operator has no '{member}', but 'args'.{nearest}",
                        member=quote(member),
                        nearest=nearest,
                    )
                )
        arguments = node.get("args")
        given = arguments if isinstance(arguments, list) else []
        return node["op"], given if count is None else _only(given, count, self._refuse)

    def _count(self, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise too_large(self._field)

    def _refuse(self, message: str, hint: str | None = None) -> RequestError:
        return RequestError(message, field=self._field, hint=hint)


def _name_of(node: Any) -> str:
    """Return the name of an operator; empty where a part of a filter is none."""
    name = node.get("op") if isinstance(node, Mapping) else None
    return name if isinstance(name, str) else ""


def _no_value(node: Any, wanted: Any) -> str:
    if wanted is None:
        return say("{node} is no value for a filter", node=quote(node))
    return say("{node} is no value for a field of type {type}", node=quote(node), type=wanted)


def _only(arguments: Any, count: int, refuse: Callable[[str], RequestError]) -> list[Any]:
    if not isinstance(arguments, list) or len(arguments) != count:
        raise refuse(say("an operator has not {count} arguments, as CQL2 asks", count=count))
    return arguments


def _folded(text: Any) -> Any:
    """Return a text without regard to case: some letters have two small forms, such as sigma."""
    return pc.utf8_lower(pc.utf8_upper(text))
