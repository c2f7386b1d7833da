"""Areas that people upload: taken, shown, removed."""

from __future__ import annotations

from typing import Any

import shapely
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from marinemap.api.access import Access, check_access
from marinemap.api.areas import named
from marinemap.api.areas.files import read_file
from marinemap.api.conf import max_body_bytes
from marinemap.api.declarations import Document
from marinemap.api.declarations.documents import PRIVATE
from marinemap.api.declarations.serving import respond
from marinemap.api.features.sketch import sketch
from marinemap.api.identity import (
    get_uploaded_area,
    refuse_cross_site,
    remember_owner,
    sender_or_new,
)
from marinemap.api.links import GEOJSON, link
from marinemap.api.problems import NotFoundError
from marinemap.jobs import uploads
from marinemap.jobs.models import UploadedArea
from marinemap.sentences import say

_MOST_TITLE = 200


def upload(request: HttpRequest, title: str | None) -> HttpResponseBase:
    """Read the area that a file holds and keep it for a day."""
    refuse_cross_site(request)
    sender = sender_or_new(request)
    uploads.check_room(sender)
    content, name = read_file(request)
    found = uploads.read_upload(content, max_body_bytes())
    area = uploads.keep(sender, title or name[:_MOST_TITLE], found)
    response = respond(request, _document(request, area, status=201), "json")
    response.headers["Location"] = request.build_absolute_uri(reverse("api:area", args=[area.pk]))
    remember_owner(request, response, sender.owner)
    return response


def show(request: HttpRequest, area_id: str) -> Document:
    """Answer an area, uploaded or named, as a GeoJSON feature."""
    if found := named.show(request, area_id):
        return found
    check_access(request, Access.READ_JOBS)
    return _document(request, _get(request, area_id))


def remove(request: HttpRequest, area_id: str) -> Document:
    """Remove an uploaded area before its day is over."""
    area = _get(request, area_id)
    refuse_cross_site(request)
    area_was = _document(request, area)
    area.delete()
    return area_was


def _get(request: HttpRequest, area_id: str) -> UploadedArea:
    area = get_uploaded_area(request, area_id)
    if area is None:
        raise NotFoundError(
            say("there is no such area; one that was uploaded is kept for a day"),
            field="areaId",
            value=area_id,
            hint=say("Search those with a name: GET /api/areas?q=..."),
        )
    return area


def _document(request: HttpRequest, area: UploadedArea, status: int = 200) -> Document:
    properties = {
        "title": area.title,
        "notes": area.notes,
        "corners": area.corners,
        "areaKm2": round(area.area_km2, 6),
        "created": area.created_at.isoformat(),
        "expires": area.expires_at.isoformat(),
    }
    body: dict[str, Any] = {
        "type": "Feature",
        "id": str(area.pk),
        "bbox": area.bounds,
        "properties": properties,
        "links": [link(request, "self", "area", area.pk, type_=GEOJSON)],
    }
    return Document(
        area.title or _("Area"),
        body,
        GEOJSON,
        status=status,
        cache_control=PRIVATE,
        written=lambda: {"geometry": area.geometry.encode()},
        picture=lambda: _picture(area),
    )


def _picture(area: UploadedArea) -> SafeString:
    return sketch([shapely.from_geojson([area.geometry])])
