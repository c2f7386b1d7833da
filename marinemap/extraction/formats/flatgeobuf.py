"""Write FlatGeobuf: one file with an index, made for reading over HTTP."""

from __future__ import annotations

import dataclasses

import pyarrow as pa

from marinemap.extraction.formats.by_type import ByType
from marinemap.extraction.formats.columns import NO_NUL, Columns
from marinemap.extraction.formats.format import Format
from marinemap.extraction.formats.moments import BEFORE_1970, CALENDAR, MILLISECONDS
from marinemap.extraction.formats.ogr import OgrWriter
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.formats.weight import Weight
from marinemap.extraction.formats.written import Loss, WrittenLayer


class FlatGeobufWriter(ByType):
    """Writes a layer as a FlatGeobuf for each type: one of an open type has no heights."""

    def __init__(self, plan: WritePlan) -> None:
        columns = Columns(
            plan.schema, reserved=["ogc_fid"], rules=[NO_NUL, CALENDAR, MILLISECONDS, BEFORE_1970]
        )
        super().__init__(plan, columns, self._open)

    def close(self) -> list[WrittenLayer]:
        """Finish the files. FlatGeobuf has no dates: they become the first moment of their day."""
        first, *others = super().close()
        losses = tuple(
            Loss("type_changed", field.name, 0, f"'{field.name}' (date) is kept as date and time")
            for field in self._plan.schema
            if pa.types.is_date(field.type)
        )
        return [dataclasses.replace(first, losses=(*first.losses, *losses)), *others]

    def _open(self, name: str, geometry_type: str) -> OgrWriter:
        return OgrWriter(
            self._plan,
            self._columns,
            FORMAT.id,
            FORMAT.suffix,
            "FlatGeobuf",
            geometry_type,
            name=name,
        )


FORMAT = Format(
    id="flatgeobuf",
    title="FlatGeobuf",
    suffix=".fgb",
    media_type="application/flatgeobuf",
    about="A file with an index for each type of geometry, for web maps; dates become dates with "
    "time.",
    parts_collections=True,
    writer=FlatGeobufWriter,
    weigh=Weight(empty=1_200, feature=120),
)
