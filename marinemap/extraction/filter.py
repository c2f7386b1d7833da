"""Attribute filters: CQL2 (OGC 21-065r2) parsed by a library, compiled here against the fields."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import cql2
import pyarrow as pa
import pyarrow.compute as pc

from marinemap.errors import RequestError, did_you_mean, quote

_MAX_CHARACTERS = 10_000
_MAX_NODES = 500
_MAX_DEPTH = 32
# A text in quotes, in which no sign means anything; and the signs that nest.
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")
# Numbers that a double cannot hold; the library's parser makes doubles of all.
_LARGE_INTEGER = re.compile(r"(?<![\w.])-?\d{16,}(?![\w.])")
# Stands before such a number on its way through the parser, as a text; no text of a user begins so.
_INTEGER_MARK = "\ue000integer:"
# Arrow makes a regular expression of a pattern, which may grow too large for its engine.
_MAX_PATTERN_CHARACTERS = 1_000
_NESTING = re.compile(r"\bnot\b|[-+*/%^=<>(]", re.IGNORECASE)
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": pc.equal,
    "<>": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_ALLOWED = "and, or, not, =, <>, <, <=, >, >=, BETWEEN, IN, LIKE, IS NULL, CASEI, DATE, TIMESTAMP"

_Columns = Mapping[str, Any]
_Mask = Callable[[_Columns], Any]


@dataclass(frozen=True)
class Filter:
    """A compiled filter: the fields that it needs, and whether each row passes."""

    fields: tuple[str, ...]
    _mask: _Mask

    def passes(self, attributes: Any) -> Any:
        """Return a pyarrow.BooleanArray for a pyarrow.RecordBatch; unknown counts as no."""
        columns = {name: attributes.column(name) for name in self.fields}
        mask = self._mask(columns)
        if isinstance(mask, pa.Scalar):
            mask = pa.array([mask.as_py()] * attributes.num_rows, pa.bool_())
        return pc.fill_null(mask, False)


def compile_filter(text: str | Mapping[str, Any], schema: Any, *, field: str = "filter") -> Filter:
    """Compile CQL2 text or CQL2 JSON against a layer's fields.

    No part of it becomes SQL or a file's name: it is computed on the columns as they are read.

    Parameters
    ----------
    text : str or mapping
        At most 10,000 characters or 500 parts.
    schema : pyarrow.Schema
        Of the layer's attributes.
    field : str
        The name of the input, for messages.

    Raises
    ------
    RequestError
        If it does not parse, names a field that the layer lacks, compares a field with a value
        of another type, or uses an operator that is not supported.
    """
    compiler = _Compiler(schema, field)
    mask = compiler.condition(_parsed(text, field), 0)
    compiled = Filter(tuple(sorted(compiler.used)), mask)
    try:
        # What Arrow cannot compare is seen on no rows as on a million.
        compiled.passes(pa.RecordBatch.from_pylist([], schema=schema))
    except pa.ArrowException as error:
        raise RequestError(f"the filter cannot be computed: {error}", field=field) from error
    return compiled


def _parsed(text: Any, field: str) -> Any:
    if isinstance(text, Mapping):
        # The library's JSON parser recurses; what is nested too deep never reaches it.
        return text
    if not isinstance(text, str):
        raise RequestError(
            'a filter is CQL2 text such as "depth > 20", or CQL2 JSON (OGC 21-065r2)',
            field=field,
            value=text,
        )
    if len(text) > _MAX_CHARACTERS:
        raise RequestError(
            f"the filter has {len(text):,} characters; at most {_MAX_CHARACTERS:,} are allowed",
            field=field,
        )
    _check_nesting(text, field)
    try:
        return _with_integers(cql2.parse_text(_with_marks(text)).to_json())
    except (cql2.ParseError, cql2.ValidationError, ValueError) as error:
        raise RequestError(f"not CQL2: {error}", field=field, value=text) from error


def _with_marks(text: str) -> str:
    """Return CQL2 text with large integers as texts, but for what is in quotes."""
    marked, end = [], 0
    for quoted in _QUOTED.finditer(text):
        marked += [_mark(text[end : quoted.start()]), quoted[0]]
        end = quoted.end()
    return "".join([*marked, _mark(text[end:])])


def _mark(text: str) -> str:
    return _LARGE_INTEGER.sub(lambda found: f"'{_INTEGER_MARK}{found[0]}'", text)


def _with_integers(node: Any) -> Any:
    if isinstance(node, str) and node.startswith(_INTEGER_MARK):
        digits = node.removeprefix(_INTEGER_MARK)
        return int(digits) if _LARGE_INTEGER.fullmatch(digits) else node
    if isinstance(node, list):
        return [_with_integers(item) for item in node]
    if isinstance(node, dict):
        return {name: _with_integers(item) for name, item in node.items()}
    return node


def _check_nesting(text: str, field: str) -> None:
    """Refuse a text that the library's parser would recurse into too deeply.

    Some thousand signs in a row overflow its stack, which ends the process (cql2 0.6).
    """
    plain = _QUOTED.sub("", text)
    steps = ({"(": 1, ")": -1}.get(character, 0) for character in plain)
    deepest = max(itertools.accumulate(steps), default=0)
    if deepest > _MAX_DEPTH or len(_NESTING.findall(plain)) > _MAX_NODES:
        raise _too_large(field)


class _Compiler:
    def __init__(self, schema: Any, field: str) -> None:
        self._schema = schema
        self._field = field
        self._nodes = 0
        self.used: set[str] = set()

    def condition(self, node: Any, depth: int) -> _Mask:
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

    def _comparison(self, operator: str, arguments: list[Any]) -> _Mask:
        if operator == "isNull":
            (value, _) = self._operand(_only(arguments, 1, self._refuse)[0], None)
            return lambda columns: pc.is_null(value(columns))
        if operator in _COMPARISONS:
            compare = _COMPARISONS[operator]
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
                raise self._refuse("IN needs a list of values")
            return self._joined("or", [self._comparison("=", [value, c]) for c in choices])
        raise self._refuse(f"'{quote(operator)}' is not supported; there are {_ALLOWED}")

    def _joined(self, operator: str, masks: list[_Mask]) -> _Mask:
        if not masks:
            raise self._refuse(f"'{operator}' joins nothing")
        join = pc.and_kleene if operator == "and" else pc.or_kleene

        def joined(columns: _Columns) -> Any:
            result = masks[0](columns)
            for mask in masks[1:]:
                result = join(result, mask(columns))
            return result

        return joined

    def _like(self, value: Any, pattern: Any) -> _Mask:
        text, type_ = self._operand(value, pa.string())
        ignore_case = isinstance(pattern, Mapping) and pattern.get("op") == "casei"
        plain = _plain_value(self._operator(pattern, 1)[1][0] if ignore_case else pattern)
        if not isinstance(plain, str) or not (type_ and _is_text(type_)):
            raise self._refuse("LIKE compares a text field with a pattern in quotes")
        if len(plain) > _MAX_PATTERN_CHARACTERS:
            raise self._refuse(
                f"the pattern of LIKE has {len(plain):,} characters; at most "
                f"{_MAX_PATTERN_CHARACTERS:,} are allowed"
            )
        wanted = _folded(pa.scalar(plain)).as_py() if ignore_case else plain
        return lambda columns: pc.match_like(text(columns), wanted)

    def _pair(self, left: Any, right: Any) -> tuple[_Mask, _Mask]:
        """Compile two operands of one type, each literal read as the other's field needs."""
        type_ = self._type_of(left) or self._type_of(right)
        if type_ is None:
            raise self._refuse("a comparison needs a field on one side")
        if pa.types.is_timestamp(type_) and (_is_date(left) or _is_date(right)):
            # A moment is compared with a day by the day on which it is, in UTC.
            return self._as_day(left), self._as_day(right)
        return self._operand(left, type_)[0], self._operand(right, type_)[0]

    def _as_day(self, node: Any) -> _Mask:
        if _is_date(node):
            return self._operand(node, pa.date32())[0]
        moment, type_ = self._operand(node, None)
        unit = pa.timestamp(type_.unit)
        return lambda columns: moment(columns).cast(unit).cast(pa.date32(), safe=False)

    def _operand(self, node: Any, wanted: Any, depth: int = 0) -> tuple[_Mask, Any]:
        self._count(depth)
        if isinstance(node, Mapping) and node.get("op") == "casei":
            (plain,) = self._operator(node, 1)[1]
            inner, type_ = self._operand(plain, pa.string(), depth + 1)
            if type_ is None or not _is_text(type_):
                raise self._refuse("CASEI needs a text")
            return (lambda columns: _folded(inner(columns))), type_
        if isinstance(node, Mapping) and set(node) == {"property"}:
            name = self._name(node["property"])
            type_ = self._schema.field(name).type
            if wanted is not None and _family(wanted) != _family(type_):
                raise self._refuse(f"'{name}' ({type_}) cannot be compared with {wanted}")
            return (lambda columns: columns[name]), type_
        literal = self._literal(node, wanted)
        return (lambda columns: literal), literal.type

    def _literal(self, node: Any, wanted: Any) -> Any:
        value = _plain_value(node)
        if value is None or wanted is None or not _suits(value, wanted):
            kind = f"a field of type {wanted}" if wanted is not None else "a filter"
            raise self._refuse(f"{quote(node)} is no value for {kind}")
        if isinstance(value, float) and value.is_integer() and pa.types.is_integer(wanted):
            value = int(value)
        try:
            if isinstance(value, datetime) and pa.types.is_timestamp(wanted) and wanted.tz is None:
                value = value.astimezone(UTC).replace(tzinfo=None)
            return pa.scalar(value) if isinstance(value, float | int) else pa.scalar(value, wanted)
        except (pa.ArrowException, OverflowError) as error:
            raise self._refuse(f"{quote(node)} does not fit a field of type {wanted}") from error

    def _type_of(self, node: Any) -> Any:
        if isinstance(node, Mapping) and node.get("op") == "casei":
            return pa.string()
        if isinstance(node, Mapping) and set(node) == {"property"}:
            return self._schema.field(self._name(node["property"])).type
        return None

    def _flag(self, name: Any) -> _Mask:
        known = self._name(name)
        if not pa.types.is_boolean(self._schema.field(known).type):
            raise self._refuse(f"'{known}' is neither true nor false; compare it with a value")
        return lambda columns: columns[known]

    def _name(self, name: Any) -> str:
        if not isinstance(name, str) or name not in self._schema.names:
            listed = ", ".join(f"'{known}'" for known in self._schema.names)
            hint = did_you_mean(quote(name), self._schema.names)
            raise self._refuse(f"no field '{quote(name)}'; there are {listed}.{hint}")
        self.used.add(name)
        return name

    def _operator(self, node: Any, count: int | None = None) -> tuple[str, list[Any]]:
        """Return an operator and its arguments, of which there may have to be so many."""
        if not isinstance(node, Mapping) or not isinstance(node.get("op"), str):
            raise self._refuse("not a condition; write for example depth > 20")
        for member in node:
            if member not in ("op", "args"):
                hint = did_you_mean(quote(member), ("op", "args"))
                raise self._refuse(f"an operator has no '{quote(member)}', but 'args'.{hint}")
        arguments = node.get("args")
        given = arguments if isinstance(arguments, list) else []
        return node["op"], given if count is None else _only(given, count, self._refuse)

    def _count(self, depth: int) -> None:
        self._nodes += 1
        if self._nodes > _MAX_NODES or depth > _MAX_DEPTH:
            raise _too_large(self._field)

    def _refuse(self, message: str) -> RequestError:
        return RequestError(message, field=self._field)


def _too_large(field: str) -> RequestError:
    return RequestError(
        f"the filter has more than {_MAX_NODES} parts or {_MAX_DEPTH} levels", field=field
    )


def _only(arguments: Any, count: int, refuse: Callable[[str], RequestError]) -> list[Any]:
    if not isinstance(arguments, list) or len(arguments) != count:
        raise refuse(f"an operator has not {count} arguments, as CQL2 asks")
    return arguments


def _plain_value(node: Any) -> Any:
    """Return a literal as Python has it, None where it is none."""
    if isinstance(node, str):
        # NUL and lone surrogates are valid JSON, but stand in no file and no database's text.
        return None if _UNWRITABLE.search(node) else node
    if isinstance(node, int | float):
        # JSON's 1e999 is read as infinite, which no JSON can hold again.
        return node if abs(node) != math.inf else None
    if not isinstance(node, Mapping) or len(node) != 1:
        return None
    try:
        if isinstance(node.get("date"), str):
            return date.fromisoformat(node["date"])
        if isinstance(node.get("timestamp"), str):
            return datetime.fromisoformat(node["timestamp"])
    except ValueError:
        return None
    return None


def _is_date(node: Any) -> bool:
    return isinstance(node, Mapping) and isinstance(node.get("date"), str)


def _folded(text: Any) -> Any:
    """Return a text without regard to case: some letters have two small forms, such as sigma."""
    return pc.utf8_lower(pc.utf8_upper(text))


def _suits(value: Any, type_: Any) -> bool:
    families = {bool: "flag", str: "text", int: "number", float: "number", date: "time"}
    return families.get(type(value), "time") == _family(type_)


def _family(type_: Any) -> str:
    if pa.types.is_boolean(type_):
        return "flag"
    if _is_text(type_):
        return "text"
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        return "number"
    if pa.types.is_date(type_) or pa.types.is_timestamp(type_):
        return "time"
    return str(type_)


def _is_text(type_: Any) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))
