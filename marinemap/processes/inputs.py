"""The inputs of an extraction: read from a request, checked, and kept as JSON values."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from marinemap.catalogue.models import Layer
from marinemap.catalogue.reading import look_again
from marinemap.catalogue.viewers import EVERYONE, Viewer
from marinemap.errors import DatasetError, RequestError, UnavailableError, did_you_mean, quote
from marinemap.extraction import (
    Area,
    ExtractionRequest,
    SourceLayer,
    crs_label,
    parse_area,
    parse_crs,
)
from marinemap.processes.layer_limits import check_area
from marinemap.sentences import say

MAX_LAYERS = 50
_LAYER_MEMBERS = ("name", "fields", "filter")


@dataclass(frozen=True)
class ChosenLayer:
    """A layer of the catalogue, the fields to keep (None: all) and a filter (None: none)."""

    layer: Layer
    fields: list[str] | None = None
    filter: str | Mapping[str, Any] | None = None

    def to_source(self) -> SourceLayer:
        """Return the layer as the engine reads it."""
        megabytes = self.layer.most_megabytes
        return dataclasses.replace(
            self.layer.to_source(),
            fields=self.fields,
            filter=self.filter,
            most_features=self.layer.most_features,
            most_bytes=None if megabytes is None else megabytes * 1_000_000,
        )

    def to_json(self) -> Any:
        """Return the id, or an object where something is chosen besides."""
        chosen = {"fields": self.fields, "filter": self.filter}
        given = {name: value for name, value in chosen.items() if value is not None}
        return {"name": self.layer.pk, **given} if given else self.layer.pk


@dataclass(frozen=True)
class ExtractInputs:
    """What a person asks for, checked except for the fields and filters."""

    layers: list[ChosenLayer]
    area: Area
    crs: str | None
    mode: str
    format: str
    full_copy: bool

    def to_request(
        self, destination: Path | None = None, made_at: datetime | None = None
    ) -> ExtractionRequest:
        """Return the engine's request.

        Raises
        ------
        RequestError
            If the mode, format or full copy is none, the CRS is not the format's, or the fields
            are no list of names.
        """
        return ExtractionRequest(
            layers=[chosen.to_source() for chosen in self.layers],
            area=self.area,
            destination=destination,
            crs=self.crs,
            mode=self.mode,
            format=self.format,
            full_copy=self.full_copy,
            made_at=made_at,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the inputs in one form, from which the same can be asked again.

        Defaults are written out: a later version may have others.
        """
        kept = {
            "layers": [chosen.to_json() for chosen in self.layers],
            "area": self.area.given,
            "mode": self.mode,
            "format": self.format,
            "full_copy": self.full_copy,
        }
        return kept | ({"crs": self.crs} if self.crs else {})


def read_inputs(inputs: Mapping[str, Any], viewer: Viewer = EVERYONE) -> ExtractInputs:
    """Read the inputs of a request or of a job, without opening any data.

    Raises
    ------
    RequestError
        As :func:`choose_layers` and :func:`complete_inputs` do.
    """
    return complete_inputs(inputs, choose_layers(inputs, viewer))


def complete_inputs(inputs: Mapping[str, Any], layers: list[ChosenLayer]) -> ExtractInputs:
    """Read the rest of the inputs, the layers being known; the database is not asked.

    Raises
    ------
    RequestError
        If the area is not sound, lies outside of every layer or is larger than one of them
        takes, or the CRS does not exist or does not fit the area.
    """
    area = parse_area(inputs["area"])
    crs = None if inputs.get("crs") is None else parse_crs(inputs["crs"])
    if crs is not None:
        area.check_fits(crs, "crs")
    check_area([chosen.layer for chosen in layers], area)
    _check_overlap([chosen.layer for chosen in layers], area)
    return ExtractInputs(
        layers=layers,
        area=area,
        crs=crs_label(crs) if crs else None,
        mode=inputs.get("mode", "clip"),
        format=inputs.get("format", "shapefile"),
        full_copy=inputs.get("full_copy", True),
    )


def choose_layers(inputs: Mapping[str, Any], viewer: Viewer = EVERYONE) -> list[ChosenLayer]:
    """Return the layers of the catalogue that somebody asks for.

    Raises
    ------
    RequestError
        If one is unknown to them or named twice, or there are none or too many.
    """
    asked = [_members(item) for item in _layer_items(inputs["layers"])]
    names = [members["name"] for members in asked]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise RequestError(
            say("'{repeated}' is listed twice; name each layer once", repeated=quote(repeated)),
            field="layers",
            value=repeated,
        )
    # What is chosen for all counts where a layer has no choice of its own.
    general = {name: inputs.get(name) for name in ("fields", "filter")}
    return [
        ChosenLayer(
            Layer.objects.get_visible(members["name"], viewer),
            *(general[n] if members.get(n) is None else members[n] for n in ("fields", "filter")),
        )
        for members in asked
    ]


def layer_ids(inputs: Mapping[str, Any]) -> list[str]:
    """Return the ids of the layers that inputs name which were checked."""
    return [str(_members(item)["name"]) for item in _layer_items(inputs["layers"])]


def _layer_items(value: Any) -> list[Any]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items:
        raise RequestError(
            say('give a list with the id of at least one layer, such as ["reefs"]'),
            field="layers",
            value=value,
        )
    if len(items) > MAX_LAYERS:
        raise RequestError(
            say(
                "{count} layers are asked for; at most {most} go into one request",
                count=len(items),
                most=MAX_LAYERS,
            ),
            field="layers",
            value=f"{len(items)} layers",
        )
    return items


def _members(item: Any) -> Mapping[str, Any]:
    """Return a layer's id and what is chosen for it alone."""
    if not isinstance(item, Mapping):
        return {"name": item}
    for member in item:
        if member not in _LAYER_MEMBERS:
            raise RequestError(
                say(
                    "a layer has no '{member}'; it has 'name', 'fields' and 'filter'.{nearest}",
                    member=quote(member),
                    nearest=did_you_mean(quote(member), _LAYER_MEMBERS),
                ),
                field="layers",
                value=member,
            )
    if "name" not in item:
        raise RequestError(
            say('a layer is its id, or an object such as {"name": "reefs", "fields": ["name"]}'),
            field="layers",
            value=item,
        )
    return item


def _check_overlap(layers: list[Layer], area: Area) -> None:
    if _touches_any(layers, area):
        return
    for layer in layers:
        # The data may have grown since they were read last; where they are away, what is known
        # of them counts.
        with contextlib.suppress(DatasetError, UnavailableError):
            look_again(layer)
    if _touches_any(layers, area):
        return
    where = "; ".join(f"'{layer.pk}' covers {_extent_words(layer)}" for layer in layers)
    raise RequestError(
        say("the area lies outside of every layer that is asked for: {where}", where=where),
        field="area",
        value=[round(edge, 6) for edge in area.bounds_4326],
        hint=say("Draw the area where the layer has data."),
    )


def _touches_any(layers: list[Layer], area: Area) -> bool:
    return any(layer.touches(box) for layer in layers for box in area.boxes_4326)


def _extent_words(layer: Layer) -> str:
    if layer.bounds_4326 is None:
        return "nothing, for it is empty"
    west, south, east, north = layer.bounds_4326
    return f"longitude {west:.4f} to {east:.4f}, latitude {south:.4f} to {north:.4f}"
