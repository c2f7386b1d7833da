"""Operands of CQL2: fields, literals, CASEI, ACCENTI and arithmetic, each compiled to a column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from marinemap.errors import RequestError, did_you_mean, quote
from marinemap.extraction.filters.numbers import ARITHMETIC, as_numbers
from marinemap.extraction.filters.spatial import GeometryField
from marinemap.extraction.filters.text import MAX_DEPTH, MAX_NODES, too_large
from marinemap.extraction.filters.values import (
    Columns,
    family,
    how_to_write,
    in_words,
    is_day,
    is_moment,
    is_text,
    plain_value,
    scalar_of,
    suits,
    type_of_literal,
)
from marinemap.sentences import say

# Gives a value for each row of the columns, or one for all of them.
Computed = Callable[[Columns], Any]


class Operands:
    """Compiles the operands of one filter; ``used`` are the fields that they need."""

    def __init__(self, schema: Any, field: str, geometry: GeometryField | None) -> None:
        self._schema = schema
        self._field = field
        self._geometry = geometry
        self._nodes = 0
        self.used: set[str] = set()

    def pair(self, left: Any, right: Any) -> tuple[Computed, Computed]:
        """Compile two operands of one type, each literal read as the other's field needs."""
        own = [self._type_of(each) for each in (left, right)]
        type_ = own[0] or own[1] or type_of_literal(left)
        if type_ is None:
            self._check_gives_value(left)
            raise self.refuse(say("{left} is no value for a filter", left=quote(left)))
        times = [own[n] or type_of_literal(each) for n, each in enumerate((left, right))]
        if any(map(is_day, times)) and any(map(is_moment, times)):
            # A moment is compared with a day by the day on which it is, in UTC.
            return self._as_day(left, times[0]), self._as_day(right, times[1])
        return self.operand(left, type_)[0], self.operand(right, type_)[0]

    def operand(self, node: Any, wanted: Any, depth: int = 0) -> tuple[Computed, Any]:
        """Compile an operand of a type of Arrow, of any where none is wanted; with its type."""
        self.count(depth)
        if name_of(node) in FOLDS:
            return self._folded(node, depth)
        if name_of(node) in ARITHMETIC:
            return self._computed(node, wanted, depth)
        if is_field(node):
            return self._column(node["property"], wanted)
        literal = self._literal(node, wanted)
        return (lambda columns: literal), literal.type

    def flag(self, name: Any) -> Computed:
        """Compile a field that is true or false by itself."""
        if not pa.types.is_boolean(self.type_of_field(name)):
            raise self.refuse(
                say("'{known}' is neither true nor false; compare it with a value", known=name)
            )
        return lambda columns: columns[name]

    def type_of_field(self, name: Any) -> Any:
        """Return the type of a field that there is, and note that it is needed."""
        if self._geometry and name == self._geometry.name and name not in self._schema.names:
            raise self.refuse(
                say("'{name}' is the geometry", name=name),
                say("Write S_INTERSECTS({name}, BBOX(5, 42, 10, 45)).", name=name),
            )
        if not isinstance(name, str) or name not in self._schema.names:
            raise self._refuse_name(name)
        self.used.add(name)
        return self._schema.field(name).type

    def operator(self, node: Any) -> tuple[str, list[Any]]:
        """Return an operator and its arguments."""
        if not isinstance(node, Mapping) or not isinstance(node.get("op"), str):
            raise self.refuse(say("not a condition; write for example depth > 20"))
        for member in node:
            if member not in ("op", "args"):
                nearest = did_you_mean(quote(member), ("op", "args"))
                raise self.refuse(
                    say(
                        "an operator has no '{member}', but 'args'.{nearest}",
                        member=quote(member),
                        nearest=nearest,
                    )
                )
        arguments = node.get("args")
        return node["op"], arguments if isinstance(arguments, list) else []

    def only(self, arguments: list[Any], count: int) -> list[Any]:
        """Return arguments of which there have to be so many."""
        if len(arguments) != count:
            raise self.refuse(
                say("an operator has not {count} arguments, as CQL2 asks", count=count)
            )
        return arguments

    def count(self, depth: int) -> None:
        """Take one more part of the filter, so many parts deep."""
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise too_large(self._field)

    def refuse(self, message: str, hint: str | None = None) -> RequestError:
        """Return the error of the input that the filter is."""
        return RequestError(message, field=self._field, hint=hint)

    def _column(self, name: Any, wanted: Any) -> tuple[Computed, Any]:
        type_ = self.type_of_field(name)
        if wanted is not None and family(wanted) != family(type_):
            raise self.refuse(
                say(
                    "'{name}' ({type}) cannot be compared with {wanted}",
                    name=name,
                    type=in_words(type_),
                    wanted=in_words(wanted),
                )
            )
        return (lambda columns: columns[name]), type_

    def _folded(self, node: Any, depth: int) -> tuple[Computed, Any]:
        operator, arguments = self.operator(node)
        (plain,) = self.only(arguments, 1)
        text, type_ = self.operand(plain, pa.string(), depth + 1)
        if type_ is None or not is_text(type_):
            raise self.refuse(say("{function} needs a text", function=operator.upper()))
        fold = FOLDS[operator]
        return (lambda columns: fold(text(columns))), type_

    def _computed(self, node: Any, wanted: Any, depth: int) -> tuple[Computed, Any]:
        """Compile arithmetic; what is no number is refused by name."""
        if wanted is not None and family(wanted) != "number":
            raise self.refuse(
                say("a computed number cannot be compared with {wanted}", wanted=in_words(wanted))
            )
        operator, arguments = self.operator(node)
        compute = ARITHMETIC[operator]
        left, right = (
            self.operand(each, pa.float64(), depth + 1)[0] for each in self.only(arguments, 2)
        )
        return (
            lambda columns: compute(as_numbers(left(columns)), as_numbers(right(columns)))
        ), pa.float64()

    def _as_day(self, node: Any, type_: Any) -> Computed:
        found, type_ = self.operand(node, type_)
        if not is_moment(type_):
            return found
        unit = pa.timestamp(type_.unit)
        return lambda columns: found(columns).cast(unit).cast(pa.date32(), safe=False)

    def _literal(self, node: Any, wanted: Any) -> Any:
        self._check_gives_value(node)
        value = plain_value(node)
        if value is None or wanted is None or not suits(value, wanted):
            raise self.refuse(_no_value(node, wanted), how_to_write(node, wanted))
        try:
            return scalar_of(value, wanted)
        except (pa.ArrowException, OverflowError) as error:
            raise self.refuse(
                say(
                    "{node} does not fit a field of type {wanted}",
                    node=quote(node),
                    wanted=in_words(wanted),
                )
            ) from error

    def _check_gives_value(self, node: Any) -> None:
        """Refuse an operator that is none, or only true or false."""
        if name_of(node):
            allowed = ", ".join([*FOLDS, *ARITHMETIC]).upper()
            raise self.refuse(
                say(
                    "'{operator}' gives no value to compare with; those that do are {allowed}",
                    operator=quote(name_of(node)),
                    allowed=allowed,
                )
            )

    def _type_of(self, node: Any) -> Any:
        """Return the type that an operand has by itself; a literal has none."""
        if name_of(node) in FOLDS:
            return pa.string()
        if name_of(node) in ARITHMETIC:
            return pa.float64()
        return self.type_of_field(node["property"]) if is_field(node) else None

    def _refuse_name(self, name: Any) -> RequestError:
        listed = ", ".join(f"'{known}'" for known in self._schema.names)
        nearest = did_you_mean(quote(name), self._schema.names)
        return self.refuse(
            say(
                "no field '{name}'; there are {listed}.{nearest}",
                name=quote(name),
                listed=listed,
                nearest=nearest,
            ),
            say("If it is a text, write it in single quotes: '{name}'.", name=quote(name)),
        )


def is_field(node: Any) -> bool:
    """Tell whether a part of a filter names a field."""
    return isinstance(node, Mapping) and set(node) == {"property"}


def name_of(node: Any) -> str:
    """Return the name of an operator; empty where a part of a filter is none."""
    name = node.get("op") if isinstance(node, Mapping) else None
    return name if isinstance(name, str) else ""


def folded(text: Any) -> Any:
    """Return a text without regard to case, by Unicode's full folding: Straße is STRASSE.

    Arrow has none: it changes one character into one.
    """
    if isinstance(text, pa.Scalar):
        return pa.scalar(text.as_py() and text.as_py().casefold(), text.type)
    is_odd = pc.fill_null(pc.invert(pc.string_is_ascii(text)), False)
    lowered = pc.ascii_lower(text)
    if not pc.any(is_odd).as_py():
        return lowered
    # Each of them once.
    odd = pc.dictionary_encode(text.filter(is_odd))
    texts = pa.array([each.casefold() for each in odd.dictionary.to_pylist()], text.type)
    return pc.replace_with_mask(lowered, is_odd, texts.take(odd.indices))


def without_accents(text: Any) -> Any:
    """Return a text without the marks that stand over and under its letters."""
    parted = pc.utf8_normalize(text, "NFD")
    return pc.utf8_normalize(pc.replace_substring_regex(parted, r"\p{Mn}+", ""), "NFC")


# What texts are made of to be compared without regard to something (OGC 21-065r2).
FOLDS: dict[str, Callable[[Any], Any]] = {"casei": folded, "accenti": without_accents}


def _no_value(node: Any, wanted: Any) -> str:
    if node is None:
        return say("nothing is equal to NULL")
    if isinstance(node, Mapping) and len(node) == 1 and set(node) <= {"date", "timestamp"}:
        (text,) = node.values()
        if plain_value(node) is None:
            return say("'{text}' is no day or moment that there is", text=quote(text))
        node = text
    if wanted is None:
        return say("{node} is no value for a filter", node=quote(node))
    return say(
        "{node} is no value for a field of type {type}", node=quote(node), type=in_words(wanted)
    )
