"""The admin site's pages on which an operator says where the data of a layer are."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from marinemap.catalogue import layer_folders, source_looks, uploads
from marinemap.catalogue.layer_ids import suggest_id
from marinemap.catalogue.models import Layer, SourceLook
from marinemap.catalogue.new_sources import give
from marinemap.catalogue.source_looks import Offered
from marinemap.errors import MarineMapError, RequestError
from marinemap.extraction import allowed_servers

View = Callable[..., HttpResponse]
_MOST_DIGITS = 15


class DataPages:
    """Choose data, upload them, pick a layer among what was found.

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
            path("data/", self._guarded(self.choose), name="catalogue_layer_data"),
            path("data/upload/", self._guarded(self.begin), name="catalogue_layer_upload"),
            path("data/<uuid:pk>/", self._guarded(self.show), name="catalogue_layer_found"),
            path("data/<uuid:pk>/piece/", self._guarded(self.take), name="catalogue_layer_piece"),
        ]

    def _guarded(self, view: View) -> View:
        return self._site.admin_view(view)

    def choose(self, request: HttpRequest) -> HttpResponse:
        """Offer the ways to data; have what is chosen of files and databases looked at."""
        layer = self._layer(request, request.GET.get("layer", ""))
        if request.method == "POST":
            return self._begin_look(request, layer)
        return self._choices(request, layer)

    def _begin_look(self, request: HttpRequest, layer: Layer | None) -> HttpResponse:
        for_layer = layer.pk if layer else ""
        ways = {"file": source_looks.begin_file, "database": source_looks.begin_database}
        way = next((name for name in ways if request.POST.get(name)), None)
        if way is None:
            return self._choices(request, layer, {"choice": "Choose a file, or a database."})
        try:
            look = ways[way](_person(request), request.POST[way], for_layer)
        except MarineMapError as error:
            return self._choices(request, layer, {way: error.message, f"{way}_hint": error.hint})
        return HttpResponseRedirect(reverse("admin:catalogue_layer_found", args=[look.pk]))

    def _choices(
        self, request: HttpRequest, layer: Layer | None, wrong: dict[str, Any] | None = None
    ) -> HttpResponse:
        words = request.GET.get("q", "")[:200]
        context = {
            "title": f"New data of {layer}" if layer else "Add a layer: where are its data?",
            "layer": layer,
            "words": words,
            "found": layer_folders.list_files(words),
            "folders": layer_folders.allowed_folders(),
            "servers": [server.name for server in allowed_servers()],
            "most_bytes": uploads.most_upload_bytes(),
            "piece_bytes": uploads.PIECE_BYTES,
            "recent": _recent(layer),
            "wrong": wrong or {},
        }
        return self._page(request, "choose_data", context)

    def begin(self, request: HttpRequest) -> HttpResponse:
        """Begin an upload: answer where its pieces are sent, and where to go then."""
        layer = self._layer(request, request.POST.get("layer", ""))
        if request.method != "POST":
            return HttpResponse(status=405, headers={"Allow": "POST"})
        name, size = request.POST.get("name", ""), _number(request.POST.get("size", ""))
        try:
            look = uploads.begin(_person(request), name, size, layer.pk if layer else "")
        except MarineMapError as error:
            return _refused(error)
        addresses = {
            "piece": reverse("admin:catalogue_layer_piece", args=[look.pk]),
            "page": reverse("admin:catalogue_layer_found", args=[look.pk]),
        }
        return JsonResponse(addresses, status=201)

    def take(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Take a piece of an upload, of whoever began it."""
        look = get_object_or_404(SourceLook, pk=pk, kind=SourceLook.Kind.UPLOAD)
        self._layer(request, look.for_layer)
        if look.person_id != request.user.pk:
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponse(status=405, headers={"Allow": "POST"})
        try:
            received = uploads.take(look, _number(request.GET.get("offset", "")), request.body)
        except uploads.WrongPlaceError as error:
            return JsonResponse({"received": error.received}, status=409)
        except MarineMapError as error:
            return _refused(error)
        return JsonResponse({"received": received})

    def show(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Show what was found, and take a layer of it; or discard it."""
        look = get_object_or_404(SourceLook, pk=pk)
        layer = self._layer(request, look.for_layer)
        if request.method == "POST":
            return self._act(request, look, layer)
        context = {
            "title": f"The layers of {look.name}",
            "look": look,
            "layer": layer,
            "offers": [_Row(each) for each in source_looks.offered_by(look)],
        }
        return self._page(request, "found_layers", context)

    def _act(self, request: HttpRequest, look: SourceLook, layer: Layer | None) -> HttpResponse:
        place = _number(request.POST.get("layer", ""))
        offers = source_looks.offered_by(look)
        again = HttpResponseRedirect(reverse("admin:catalogue_layer_found", args=[look.pk]))
        if "discard" in request.POST:
            return self._discard(request, look)
        if layer is None or not 0 <= place < len(offers):
            return again
        try:
            source_looks.check_given(offers[place].source, offers[place].layer)
        except MarineMapError as error:
            messages.error(request, error.message)
            return again
        give(layer, offers[place].source, offers[place].layer, is_held=True)
        return HttpResponseRedirect(reverse("admin:catalogue_layer_review", args=[layer.pk]))

    def _discard(self, request: HttpRequest, look: SourceLook) -> HttpResponse:
        if uploads.discard(look):
            messages.success(request, f"Discarded: {look.name}")
        else:
            messages.error(request, f"A layer uses {look.name}, so it stays.")
        return HttpResponseRedirect(reverse("admin:catalogue_layer_changelist"))

    def _layer(self, request: HttpRequest, layer_id: str) -> Layer | None:
        """Return the layer that new data are for, None for a new one; refuse who may not."""
        action = "change" if layer_id else "add"
        if not request.user.has_perm(f"catalogue.{action}_layer"):
            raise PermissionDenied
        # What is no id is not looked up: PostgreSQL refuses a NUL.
        return get_object_or_404(Layer, pk=layer_id.replace("\0", "?")) if layer_id else None

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        everywhere = {**self._site.each_context(request), "opts": Layer._meta}
        return TemplateResponse(request, f"catalogue/{name}.html", {**everywhere, **context})


class _Row:
    """A layer that was found, as a row of the page."""

    def __init__(self, offered: Offered) -> None:
        self.offered = offered

    @property
    def add_address(self) -> str:
        """Return the form of a new layer, with what is known filled in."""
        name = self.offered.layer.rpartition(".")[2] or self.offered.layer
        known = {
            "source": self.offered.source,
            "source_layer": self.offered.layer,
            "title": name[:200],
            "id": suggest_id(name),
        }
        return f"{reverse('admin:catalogue_layer_add')}?{urlencode(known)}"


def _recent(layer: Layer | None) -> list[SourceLook]:
    looks = SourceLook.objects.filter(for_layer=layer.pk if layer else "", is_whole=True)
    return list(looks.order_by("-asked_at")[:5])


def _person(request: HttpRequest) -> int:
    # Nobody else comes to the admin site.
    assert request.user.pk is not None
    return int(request.user.pk)


def _number(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if is_number else -1


def _refused(error: MarineMapError) -> JsonResponse:
    status = 400 if isinstance(error, RequestError) else 503
    return JsonResponse({"error": error.message, "hint": error.hint or ""}, status=status)
