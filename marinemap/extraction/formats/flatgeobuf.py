"""Write FlatGeobuf: one file with an index, made for reading over HTTP."""

from __future__ import annotations

from typing import Any

from marinemap.extraction.formats.ogr import OgrWriter, multi_type
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.wkb import promoted


class FlatGeobufWriter(OgrWriter):
    """Writes a layer as a FlatGeobuf file; singles are kept as multi-geometries of one part."""

    def __init__(self, plan: WritePlan) -> None:
        kind = multi_type(plan)
        self._promotes = kind.startswith("Multi")
        super().__init__(plan, plan.folder / f"{plan.name}.fgb", "FlatGeobuf", kind)

    def write(self, geometries: Any, attributes: Any) -> None:
        """Append features."""
        super().write(promoted(geometries) if self._promotes else geometries, attributes)
