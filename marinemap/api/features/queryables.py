"""What features can be filtered by (OGC 19-079r2): each field of a layer, and the filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from marinemap.api.bodies import read_json
from marinemap.api.declarations import Document, Parameter
from marinemap.api.features.layers import get_layer
from marinemap.api.features.spatial import geometry_name
from marinemap.api.times import Interval
from marinemap.catalogue.glance import catalogue_as_it_is
from marinemap.catalogue.models import Layer
from marinemap.errors import RequestError
from marinemap.extraction import Filter, GeometryField, compile_filter
from marinemap.sentences import say

MEDIA_TYPE = "application/schema+json"
LANGUAGES = ("cql2-text", "cql2-json")
_TYPES: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "bool": {"type": "boolean"},
    "float": {"type": "number"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
}
# Parameters of their own meaning; a field of such a name is filtered by CQL2.
RESERVED = frozenset(
    ("limit", "bbox", "bbox-crs", "crs", "datetime", "filter", "filter-lang", "filter-crs", "f")
    + ("after", "offset", "properties")
)


def queryables(request: HttpRequest, collection_id: str) -> Document:
    """Answer the fields of a layer as a JSON Schema."""
    layer = get_layer(request, collection_id)
    address = request.build_absolute_uri(reverse("api:queryables", args=[layer.pk]))
    fields = {each["name"]: {"title": each["name"], **schema_of(each)} for each in layer.fields}
    place = {"title": "Geometry", "x-ogc-role": "primary-geometry", "format": _shape_of(layer)}
    body = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": address,
        "type": "object",
        "title": layer.title,
        "properties": fields | {geometry_name(layer): place},
        "additionalProperties": False,
    }
    title = format_lazy(_("{layer}: what can be asked for"), layer=layer.title)
    return Document(title, body, MEDIA_TYPE, is_data=True, question=catalogue_as_it_is)


def _shape_of(layer: Layer) -> str:
    """Return the format of a spatial queryable (OGC 19-079r2, requirement schema properties)."""
    kind = layer.geometry_type.lower().removeprefix("3d ").removeprefix("measured ")
    # A layer of single geometries may hold multiple ones; a shapefile does not tell them apart.
    single = kind.removeprefix("multi")
    known = {"point", "linestring", "polygon"}
    if single not in known:
        return "geometry-any"
    return f"geometry-{single}" if kind == "point" else f"geometry-{single}-or-multi{single}"


def schema_of(field: Mapping[str, str]) -> dict[str, Any]:
    """Return the schema of a field, by its type in OGR's words, such as ``str:80``."""
    kind = field["type"].partition(":")[0]
    if kind.startswith("int"):
        return {"type": "integer"}
    return dict(_TYPES.get(kind, {"type": "string"}))


def field_parameters(request: HttpRequest, collection_id: str) -> Sequence[Parameter]:
    """Return a parameter for each field of a layer, for what equals a value."""
    return [
        Parameter(each["name"], schema_of(each), f"Features whose {each['name']} is this.")
        for each in get_layer(request, collection_id).fields
        if each["name"] not in RESERVED and _is_plain(each)
    ]


def filters_of(
    layer: Layer,
    schema: Any,
    text: str | None,
    language: str,
    equal: Mapping[str, Any],
    geometry: GeometryField,
) -> list[Filter]:
    """Return the filters of a request, all of which have to let a feature pass.

    Raises
    ------
    RequestError
        If one is not sound.
    """
    found = [_equals(layer, schema, name, value) for name, value in equal.items()]
    if text is not None:
        found.append(compile_filter(_parsed(text, language), schema, geometry=geometry))
    return found


def within(schema: Any, interval: Interval) -> list[Filter]:
    """Return the filter of what has a day or a moment within an interval, or has none at all.

    Of several fields of days and moments one is enough (OGC 17-069r4, 7.15.4, leaves that to the
    server): whoever looks at one of them, as GDAL does, misses nothing. What has no time matches.
    """
    is_time = (pa.types.is_date, pa.types.is_timestamp)
    fields = [each.name for each in schema if any(is_one(each.type) for is_one in is_time)]
    if not fields:
        return []
    times = [{"property": name} for name in fields]
    ends = {"interval": [_moment(interval.start), _moment(interval.end)]}
    meets = [{"op": "t_intersects", "args": [time, ends]} for time in times]
    lacks = [{"op": "isNull", "args": [time]} for time in times]
    no_time = {"op": "and", "args": lacks} if len(lacks) > 1 else lacks[0]
    return [compile_filter({"op": "or", "args": [*meets, no_time]}, schema, field="datetime")]


def _moment(end: datetime | None) -> Any:
    return ".." if end is None else {"timestamp": end.isoformat()}


def _parsed(text: str, language: str) -> Any:
    if language == "cql2-text":
        return text
    try:
        return read_json(text, "filter")
    except ValueError as error:
        raise RequestError(
            say("not JSON: {error}", error=error),
            field="filter",
            hint=say("With filter-lang=cql2-json the filter is a JSON object."),
        ) from error


def _equals(layer: Layer, schema: Any, name: str, value: Any) -> Filter:
    kinds = {each["name"]: schema_of(each).get("format") for each in layer.fields}
    wrap = {"date": "date", "date-time": "timestamp"}.get(kinds[name] or "")
    right = {wrap: value} if wrap else value
    return compile_filter({"op": "=", "args": [{"property": name}, right]}, schema, field=name)


def _is_plain(field: Mapping[str, str]) -> bool:
    return field["type"].partition(":")[0] in _TYPES or field["type"].startswith("int")
