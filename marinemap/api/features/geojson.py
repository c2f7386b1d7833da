"""Features as GeoJSON (RFC 7946; in other CRS as OGC 18-058r1 has it)."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import shapely

from marinemap.api.features.crs import FeatureCrs, moved, swapped
from marinemap.catalogue.models import Layer
from marinemap.extraction.page import Features


def write_features(features: Features, layer: Layer, crs: FeatureCrs) -> Iterator[dict[str, bytes]]:
    """Yield the members of each feature, without links, as JSON."""
    geometries = moved(features.geometries, layer, crs)
    texts = shapely.to_geojson(swapped(geometries) if crs.is_swapped else geometries)
    rows = features.attributes.to_pylist() if features.attributes.num_columns else []
    for at, (number, text) in enumerate(zip(features.ids, texts, strict=True)):
        row = rows[at] if rows else {}
        properties = {name: plain(value) for name, value in row.items()}
        yield {
            "type": b'"Feature"',
            "id": b"%d" % number,
            "geometry": b"null" if text is None else text.encode(),
            "properties": _json(properties),
        }


def rows_of(features: Features) -> list[dict[str, Any]]:
    """Return features as the rows of a table, without their geometries."""
    rows = features.attributes.to_pylist() if features.attributes.num_columns else []
    return [
        {"id": int(number)}
        | {name: plain(value) for name, value in (rows[at] if rows else {}).items()}
        for at, number in enumerate(features.ids)
    ]


def plain(value: Any) -> Any:
    """Return a field's value as JSON has it: moments as RFC 3339, no number as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime | date | time):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal | timedelta):
        return str(value)
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    return value


def _json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode(errors="replace")
