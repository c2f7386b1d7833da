"""What the inputs of an extraction may be just now: layers, their fields, CRS; for a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from marinemap.catalogue.models import Layer
from marinemap.catalogue.viewers import Viewer
from marinemap.processes.descriptions import EXTRACT_INPUTS

# A description is read whole by whoever builds a form: beyond so many layers only their ids are
# listed, beyond this many nothing is; of a layer's fields as well.
_MOST_DESCRIBED, _MOST_LISTED, _MOST_FIELDS = 100, 1_000, 100
_EVERYWHERE = ("EPSG:4326", "EPSG:3857")


class _Choice(NamedTuple):
    id: str
    title: str
    crs: str
    fields: list[dict[str, str]]


def extract_inputs(viewer: Viewer) -> Mapping[str, Mapping[str, Any]]:
    """Return the inputs with what somebody may choose; what they may not see is not there."""
    found = Layer.objects.visible_to(viewer).order_by("title", "id")
    rows = found.values_list("id", "title", "crs", "fields")[: _MOST_DESCRIBED + 1]
    layers = [_Choice(*row) for row in rows]
    described = dict(EXTRACT_INPUTS)
    described["crs"] = _with_schema("crs", _crs(layers))
    if len(layers) > _MOST_DESCRIBED:
        ids = list(found.values_list("id", flat=True)[: _MOST_LISTED + 1])
        is_listed = len(ids) <= _MOST_LISTED
        items = [{"type": "string", "enum": ids}] if is_listed else [{"type": "string"}]
        described["layers"] = _with_items([*items, _object_schema()])
    elif layers:
        named = [_id_schema(layer) for layer in layers]
        described["layers"] = _with_items([*named, *map(_layer_schema, layers)])
    return described


def _id_schema(layer: _Choice) -> dict[str, Any]:
    return {"type": "string", "enum": [layer.id], "title": layer.title}


def _layer_schema(layer: _Choice) -> dict[str, Any]:
    """Return a layer as an object that chooses fields or a filter for it alone."""
    schema = _object_schema()
    names = [field["name"] for field in layer.fields]
    properties = {**schema["properties"], "name": {"type": "string", "enum": [layer.id]}}
    if 0 < len(names) <= _MOST_FIELDS:
        items = {"type": "string", "enum": names}
        properties["fields"] = {**properties["fields"], "items": items}
    return {**schema, "title": f"{layer.title} (name, fields, filter)", "properties": properties}


def _crs(layers: Sequence[_Choice]) -> dict[str, Any]:
    """Return the CRS: those of the layers and those that fit everywhere, and any other code."""
    own = [layer.crs for layer in layers if layer.crs.startswith("EPSG:")]
    known = list(dict.fromkeys([*own, *_EVERYWHERE]))
    return {"anyOf": [{"type": "string", "enum": known}, {"type": "string"}]}


def _object_schema() -> Any:
    return EXTRACT_INPUTS["layers"]["schema"]["items"]["oneOf"][1]


def _with_items(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    schema = EXTRACT_INPUTS["layers"]["schema"]
    return _with_schema("layers", {**schema, "items": {"oneOf": list(items)}})


def _with_schema(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {**EXTRACT_INPUTS[name], "schema": schema}
