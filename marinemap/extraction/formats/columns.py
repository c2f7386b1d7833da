"""Attributes as a format can hold them: names, types and values; and what that loses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from marinemap.extraction.formats.fields import to_plain_text, type_words, unique_names
from marinemap.extraction.formats.written import Loss
from marinemap.sentences import Sentence, say


@dataclass(frozen=True)
class Rule:
    """Values that a format cannot hold, and what stands in their place.

    ``change`` takes a column of a type that ``applies`` and returns it as the format can hold it.
    ``words`` say it to a person: ``{count:,}`` and ``{field}`` are filled in.
    """

    kind: str
    applies: Callable[[Any], bool]
    change: Callable[[Any], Any]
    words: str

    def loss(self, field: str, count: int) -> Loss:
        """Return what so many changed values of a field are to a person."""
        return Loss(self.kind, field, count, Sentence(self.words, {"count": count, "field": field}))


class Columns:
    """Turns a layer's attributes into what a format holds, and counts what is lost.

    Parameters
    ----------
    schema : pyarrow.Schema
    reserved : sequence of str
        Names that the format needs itself, in small letters.
    clean : callable
        Makes a name of such letters as the format takes.
    rules : sequence of Rule
    keep : callable
        Tells of an Arrow type whether the format holds it; others become text.
    """

    def __init__(
        self,
        schema: Any,
        *,
        reserved: Sequence[str] = (),
        clean: Callable[[str], str] = str,
        rules: Sequence[Rule] = (),
        keep: Callable[[Any], bool] | None = None,
    ) -> None:
        self._given = schema
        self._rules = rules
        self.names = unique_names(schema.names, reserved, clean)
        keep = keep or holds_by_gdal
        self.schema = pa.schema(
            [
                pa.field(self.names[f.name], _plain_type(f.type) if keep(f.type) else pa.string())
                for f in schema
            ]
        )
        self._changed: Counter[tuple[Rule, str]] = Counter()

    @property
    def unseen(self) -> tuple[str, ...]:
        """The written fields that fiona's reader passes by: it knows no 32-bit reals."""
        return tuple(f.name for f in self.schema if pa.types.is_float32(f.type))

    def written(self, attributes: Any) -> list[Any]:
        """Return a batch's columns as they are written."""
        pairs = zip(self._given, self.schema, attributes.columns, strict=True)
        return [self._column(given.name, field.type, column) for given, field, column in pairs]

    def losses(self) -> list[Loss]:
        """Return what could not be kept as it came."""
        became = [
            Loss("type_changed", f.name, 0, kept_as_text(f.name, f.type))
            for f, kept in zip(self._given, self.schema, strict=True)
            if _plain_type(f.type) != kept.type and not pa.types.is_null(f.type)
        ]
        return became + [rule.loss(name, count) for (rule, name), count in self._changed.items()]

    def _column(self, name: str, type_: Any, column: Any) -> Any:
        if column.type != type_ and _plain_type(column.type) == type_:
            column = column.cast(type_)
        elif column.type != type_:
            column = to_plain_text(column)
        for rule in self._rules:
            if rule.applies(column.type):
                changed = rule.change(column)
                count = _differences(column, changed)
                if count:
                    self._changed[rule, name] += count
                    column = changed
        return column


def kept_as_text(name: str, type_: Any) -> str:
    """Say that a field becomes text."""
    return say("'{field}' ({type}) is kept as text", field=name, type=type_words(type_))


def _plain_type(type_: Any) -> Any:
    """Return the type of the same values that every format and function knows."""
    if pa.types.is_large_string(type_):
        return pa.string()
    return pa.float32() if pa.types.is_float16(type_) else type_


def holds_by_gdal(type_: Any) -> bool:
    """Tell whether GDAL's writers take an Arrow type as it is."""
    odd = pa.types.is_nested(type_) or pa.types.is_duration(type_) or pa.types.is_time(type_)
    odd = odd or pa.types.is_dictionary(type_) or pa.types.is_decimal(type_)
    return not (odd or pa.types.is_null(type_) or type_ == pa.uint64())


def holds_but_bytes(type_: Any) -> bool:
    """Tell whether a format of texts takes an Arrow type: GDAL makes text of bytes unasked."""
    return holds_by_gdal(type_) and not (
        pa.types.is_binary(type_)
        or pa.types.is_large_binary(type_)
        or pa.types.is_fixed_size_binary(type_)
    )


def is_text(type_: Any) -> bool:
    """Tell whether an Arrow type is text."""
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def _without_nul(column: Any) -> Any:
    return pc.replace_substring(column, "\0", "")


def _finite(column: Any) -> Any:
    return pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))


def _numbers(column: Any) -> Any:
    return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)


def _differences(before: Any, after: Any) -> int:
    same = pc.fill_null(pc.equal(before, after), False)
    same = pc.or_(same, pc.and_(pc.is_null(before), pc.is_null(after)))
    if pa.types.is_floating(before.type):
        # NaN differs from itself.
        nan = pc.and_(pc.is_nan(before), pc.is_nan(after))
        same = pc.or_(same, pc.fill_null(nan, False))
    return len(same) - int(pc.sum(same).as_py() or 0)


# Texts end at a NUL in C, in which GDAL and SQLite are written.
NO_NUL = Rule(
    "text_changed",
    is_text,
    _without_nul,
    say("{count:,} of the texts of '{field}' lost the sign NUL, which the format cannot hold"),
)
NO_NAN = Rule(
    "value_lost",
    pa.types.is_floating,
    _numbers,
    "{count:,} of the values of '{field}' became null: the format holds no NaN",
)
ONLY_FINITE = Rule(
    "value_lost",
    pa.types.is_floating,
    _finite,
    "{count:,} of the values of '{field}' became null: the format holds finite numbers only",
)
