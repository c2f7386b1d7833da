"""The table of a shapefile: which fields it keeps, as what, and what that loses."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from marinemap.extraction.formats.columns import NO_NUL, kept_as_text
from marinemap.extraction.formats.dbf import MAX_FIELDS, DbfColumn
from marinemap.extraction.formats.fields import (
    changes_type,
    dbf_type,
    exceeds_exact_integers,
    launder_names,
    to_texts,
)
from marinemap.extraction.formats.written import Loss
from marinemap.extraction.geometry.wkb import buffers_of
from marinemap.sentences import say


class ShapefileTable:
    """Turns attributes into the texts of a DBF and counts what is lost.

    Parameters
    ----------
    schema : pyarrow.Schema
    """

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._large: set[str] = set()
        kept = schema.names[:MAX_FIELDS]
        self.names = launder_names(kept)
        self._types = {name: dbf_type(schema.field(name).type) for name in kept}
        self._cut: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._nul: Counter[str] = Counter()
        self._longest: Counter[str] = Counter()

    def columns(self) -> list[DbfColumn]:
        """Return the columns as they begin; a table without any gets FID, for DBF needs one."""
        columns = [
            DbfColumn(self.names[name], kept_as.kind, kept_as.width, kept_as.decimals)
            for name, kept_as in self._types.items()
        ]
        return columns or [DbfColumn("FID", "N", 9)]

    def texts(self, attributes: Any, first_id: int) -> list[Any]:
        """Return a batch's columns as texts (pyarrow.StringArray, null where there is none)."""
        if not self._types:
            return [_identifiers(first_id, attributes.num_rows)]
        return [self._column(name, attributes.column(name)) for name in self._types]

    @property
    def large_integers(self) -> list[str]:
        """The fields that held integers of more than 15 digits so far: readers would round them.

        They are kept as text, in all rows; see ``DbfWriter.close``.
        """
        return sorted(self._large)

    def losses(self) -> list[Loss]:
        """Return what the table could not keep as it came."""
        lost = [
            Loss("type_changed", name, 0, kept_as_text(name, type_))
            for name, type_ in ((n, self._schema.field(n).type) for n in self._types)
            if name in self._large or changes_type(type_, self._types[name])
        ]
        lost += [
            Loss("text_cut", name, count, _cut_sentence(name, count, self._longest[name]))
            for name, count in self._cut.items()
            if count
        ]
        lost += [
            Loss("value_lost", name, count, _lost_sentence(name, count))
            for name, count in self._lost.items()
            if count
        ]
        lost += [NO_NUL.loss(name, count) for name, count in self._nul.items() if count]
        return lost + [
            Loss("field_dropped", name, 0, _dropped_sentence(name))
            for name in self._schema.names[MAX_FIELDS:]
        ]

    def _column(self, name: str, column: Any) -> Any:
        if exceeds_exact_integers(column):
            self._large.add(name)
        texts = to_texts(column, self._types[name])
        if NO_NUL.applies(column.type) and _has_nul(texts.texts):
            texts = to_texts(self._without_nul(name, column), self._types[name])
        self._cut[name] += texts.cut
        self._lost[name] += texts.lost
        self._longest[name] = max(self._longest[name], texts.longest)
        return texts.texts

    def _without_nul(self, name: str, column: Any) -> Any:
        self._nul[name] += pc.sum(pc.match_substring(column, "\0")).as_py() or 0
        return NO_NUL.change(column)


def _has_nul(texts: Any) -> bool:
    """Tell whether there is one in any text: all bytes at once, in a tenth of the time."""
    places, data = buffers_of(texts)
    every = data[places[0] : places[-1]]
    return bool(len(every) and every.min() == 0)


def _identifiers(first: int, count: int) -> Any:
    return pa.array([str(number) for number in range(first, first + count)], pa.string())


def _cut_sentence(name: str, count: int, longest: int) -> str:
    return say(
        "{count:,} of the texts of '{field}' had to be cut to 254 bytes, the most that a shapefile "
        "holds; the longest had {longest:,}",
        count=count,
        field=name,
        longest=longest,
    )


def _lost_sentence(name: str, count: int) -> str:
    return say(
        "{count:,} of the values of '{field}' became null: a shapefile holds neither infinite "
        "numbers nor years beyond 1 to 9999",
        count=count,
        field=name,
    )


def _dropped_sentence(name: str) -> str:
    return say(
        "'{field}' is left out: a shapefile holds {most} fields", field=name, most=MAX_FIELDS
    )
