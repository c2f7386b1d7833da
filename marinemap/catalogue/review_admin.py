"""The admin site's pages that show a layer: on a map, and its new data before they are served."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any, BinaryIO

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import NoReverseMatch, URLPattern, path, reverse

from marinemap.catalogue import drawings
from marinemap.catalogue.changes import compare
from marinemap.catalogue.models import Layer, SourceToRead
from marinemap.catalogue.new_sources import discard, serve_held

# What the map page is built with.
_SCRIPT, _STYLE = "marinemap/pagemap.js", "marinemap/pagemap.css"
_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{1,15})")
# What a map asks for at once is less.
_MOST_BYTES = 8 * 2**20


class ReviewPages:
    """Show a layer's new data beside those that are served, and serve or discard them.

    Parameters
    ----------
    site : AdminSite
    """

    def __init__(self, site: AdminSite) -> None:
        self._site = site

    @property
    def urls(self) -> list[URLPattern]:
        """The pages, below the list of layers."""
        return [
            self._path("<str:pk>/review/", self.review, "review"),
            self._path("<str:pk>/drawing/<str:which>/", self.drawing, "drawing"),
        ]

    def _path(self, route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
        return path(route, self._site.admin_view(view), name=f"catalogue_layer_{name}")

    def review(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Show what would change; serve that or discard it."""
        layer = _find(request, pk, "change")
        given: SourceToRead | None = getattr(layer, "to_read", None)
        if given is None or not given.is_held:
            messages.info(request, "No new data of this layer wait to be looked at.")
            return HttpResponseRedirect(_form_of(layer))
        if request.method == "POST":
            return self._act(request, layer, given)
        found = given.to_layer() if given.found is not None else None
        context = {
            **self._site.each_context(request),
            "title": f"New data of {layer.title}",
            "opts": Layer._meta,
            "layer": layer,
            "given": given,
            "changes": compare(layer, found) if found and layer.is_read else [],
            "found": found,
            "before": map_of(layer),
            "after": _map_of_held(found, given) if found else None,
            "asked": given.asked_at.isoformat(),
        }
        return TemplateResponse(request, "catalogue/review.html", context)

    def _act(self, request: HttpRequest, layer: Layer, given: SourceToRead) -> HttpResponse:
        # Of another source, which somebody gave meanwhile, nothing was seen.
        is_seen = request.POST.get("asked") == given.asked_at.isoformat()
        if not is_seen or ("discard" in request.POST and not discard(given)):
            messages.warning(request, "Another source was given meanwhile; look at that.")
            return HttpResponseRedirect(reverse("admin:catalogue_layer_review", args=[layer.pk]))
        if "discard" in request.POST:
            messages.success(request, "Discarded: the layer is served as it was.")
        elif serve_held(given):
            messages.success(request, "The new data are served from now on.")
        else:
            messages.warning(request, "They were not read yet, or are not wanted any more.")
        return HttpResponseRedirect(_form_of(layer))

    def drawing(self, request: HttpRequest, pk: str, which: str) -> HttpResponse:
        """Answer a part of a layer's drawing, as maps ask for it."""
        layer = _find(request, pk, "view")
        file = _open(layer, which)
        if file is None:
            raise Http404("there is no drawing")
        with file:
            return _part_of(file, request.headers.get("Range", ""))


def map_of(layer: Layer) -> dict[str, Any] | None:
    """Return what a map of a layer is made of, None where it has no drawing to show."""
    drawing = getattr(layer, "drawing", None)
    return _map(layer, "served", drawing.file if drawing else "")


def _map_of_held(found: Layer, given: SourceToRead) -> dict[str, Any] | None:
    return _map(found, "new", given.drawing)


def _map(layer: Layer, which: str, file: str) -> dict[str, Any] | None:
    # Of a site whose map page was not built there is no script.
    with contextlib.suppress(ValueError):
        made_of = {"script": static(_SCRIPT), "style": static(_STYLE)}
        address = reverse("admin:catalogue_layer_drawing", args=[layer.pk, which])
        bounds = ",".join(map(str, layer.bounds_4326 or ()))
        # By its name, which is another for other data, a map knows that it is another.
        told = {"drawing": f"{address}?file={file}", "bounds": bounds, "land": _land()}
        return made_of | told if file else None
    return None


def _land() -> str:
    # A site may be without the API's pages.
    with contextlib.suppress(NoReverseMatch):
        return reverse("api:collection", args=[settings.MARINEMAP_BASE_LAYER])
    return ""


def _find(request: HttpRequest, pk: str, action: str) -> Layer:
    may = {f"catalogue.{name}_layer" for name in (action, "change")}
    if not any(request.user.has_perm(name) for name in may):
        raise PermissionDenied
    layers = Layer.objects.select_related("drawing", "to_read")
    # What is no id is not looked up: PostgreSQL refuses a NUL.
    return get_object_or_404(layers, pk=pk.replace("\0", "?"))


def _form_of(layer: Layer) -> str:
    return reverse("admin:catalogue_layer_change", args=[layer.pk])


def _open(layer: Layer, which: str) -> BinaryIO | None:
    if which == "new":
        given: SourceToRead | None = getattr(layer, "to_read", None)
        return drawings.open_held(given) if given else None
    drawing = getattr(layer, "drawing", None)
    return drawings.open_drawing(layer, drawing.file) if drawing and which == "served" else None


def _part_of(file: BinaryIO, asked: str) -> HttpResponse:
    """Answer one range of a file (RFC 9110, 14.2); all of it is never asked for by a map."""
    size = file.seek(0, 2)
    found = _RANGE.fullmatch(asked)
    begin, end = map(int, found.groups()) if found else (0, _MOST_BYTES - 1)
    end = min(end, size - 1, begin + _MOST_BYTES - 1)
    if begin > end:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    file.seek(begin)
    headers = {"Content-Range": f"bytes {begin}-{end}/{size}", "Cache-Control": "private"}
    content = file.read(end - begin + 1)
    return HttpResponse(content, "application/vnd.pmtiles", status=206, headers=headers)
