"""Inputs that name an area by its id are given the area itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from marinemap.api.areas import named
from marinemap.api.identity import get_uploaded_area, viewer_of
from marinemap.catalogue import area_names
from marinemap.errors import RequestError
from marinemap.sentences import say

_INPUT = "area"
_MOST_NAME = 100
_IS_WKT = re.compile(
    r"\s*(SRID=\d+;)?\s*(MULTI|CURVE)?(POLYGON|POINT|LINESTRING|SURFACE)[ ZM]*\(", re.I
)


def with_area(request: HttpRequest, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return inputs in which the id of an area is the area: it is kept with the job.

    Raises
    ------
    RequestError
        If there is no area of that id for who asks.
    """
    given = inputs.get(_INPUT)
    value = given.get("value") if isinstance(given, Mapping) else given
    if not isinstance(value, str):
        return inputs
    geometry = _geometry(request, value)
    # What else a qualified value says of itself is looked at with the others.
    found = {**given, "value": geometry} if isinstance(given, Mapping) else geometry
    return {**inputs, _INPUT: found}


def _geometry(request: HttpRequest, area_id: str) -> Any:
    geometry = named.geometry_of(request, area_id)
    if geometry is not None:
        return json.loads(geometry)
    area = get_uploaded_area(request, area_id)
    if area is None and _IS_WKT.match(area_id):
        raise RequestError(
            say("an input takes no WKT"),
            field=_INPUT,
            value=area_id,
            hint=say(
                "Send it to POST /api/areas and give the id that it answers; or give GeoJSON."
            ),
        )
    if area is None:
        raise RequestError(
            say(
                "there is no area of this id; one that was uploaded is kept for a day.{nearest}",
                nearest=_nearest(request, area_id),
            ),
            field=_INPUT,
            value=area_id,
            hint=say(
                "POST /api/areas takes a file and answers an id, GET /api/areas?q=... "
                "searches those with a name; or give GeoJSON, or bounds [west, south, "
                "east, north]."
            ),
        )
    return json.loads(area.geometry)


def _nearest(request: HttpRequest, text: str) -> str:
    """Return the id of the area that somebody meant who wrote its name."""
    found = area_names.search(text[:_MOST_NAME], viewer_of(request), 1)
    return say(" Did you mean '{name}'?", name=found[0].id) if found else ""
