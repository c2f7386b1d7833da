"""Write FlatGeobuf: one file with an index, made for reading over HTTP."""

from __future__ import annotations

import dataclasses
from typing import Any

import pyarrow as pa

from marinemap.extraction.formats.format import Format
from marinemap.extraction.formats.ogr import OgrWriter, multi_type
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.formats.written import Loss, WrittenLayer
from marinemap.extraction.wkb import promoted


class FlatGeobufWriter(OgrWriter):
    """Writes a layer as a FlatGeobuf file; singles are kept as multi-geometries of one part."""

    def __init__(self, plan: WritePlan) -> None:
        kind = multi_type(plan)
        self._promotes = kind.startswith("Multi")
        super().__init__(plan, FORMAT.id, FORMAT.suffix, "FlatGeobuf", kind)

    def write(self, geometries: Any, attributes: Any) -> None:
        """Append features."""
        super().write(promoted(geometries) if self._promotes else geometries, attributes)

    def close(self) -> list[WrittenLayer]:
        """Finish the file. FlatGeobuf has no dates: they become the first moment of their day."""
        (written,) = super().close()
        losses = tuple(
            Loss("type_changed", field.name, 0, f"'{field.name}' (date) is kept as date and time")
            for field in self._plan.schema
            if pa.types.is_date(field.type)
        )
        return [dataclasses.replace(written, losses=(*written.losses, *losses))]


FORMAT = Format(
    id="flatgeobuf",
    title="FlatGeobuf",
    suffix=".fgb",
    media_type="application/flatgeobuf",
    about="Everything in one file with an index, for web maps; dates become dates with time.",
    writer=FlatGeobufWriter,
)
