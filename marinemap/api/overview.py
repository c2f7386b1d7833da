"""What there is: the landing page, the conformance classes, and the description of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import conditional_page

import marinemap
from marinemap.api.access import Access
from marinemap.api.declarations import Document, Operation, Route, openapi
from marinemap.api.declarations.documents import never_another
from marinemap.api.declarations.operation import HTML, Answer
from marinemap.api.declarations.serving import FORM
from marinemap.api.links import OGC, link
from marinemap.api.readers import in_language_of
from marinemap.catalogue.glance import catalogue_as_it_is

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PROCESSES = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/"
_PROCESS_CLASSES = (
    "core",
    "ogc-process-description",
    "json",
    "html",
    "oas30",
    "job-list",
    "callback",
    "dismiss",
)
_FEATURES = "http://www.opengis.net/spec/ogcapi-features"
_TILES = "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/"
_CQL2 = "http://www.opengis.net/spec/cql2/1.0/conf/"
_FILTERS = ("queryables", "queryables-query-parameters", "filter", "features-filter")
_CQL2_CLASSES = (
    "cql2-text",
    "cql2-json",
    "basic-cql2",
    "advanced-comparison-operators",
    "case-insensitive-comparison",
    "accent-insensitive-comparison",
    "basic-spatial-functions",
    "basic-spatial-functions-plus",
    "spatial-functions",
    "temporal-functions",
    "property-property",
    "arithmetic",
)
CONFORMANCE = [
    *(f"{_FEATURES}-1/1.0/conf/{name}" for name in ("core", "geojson", "html", "oas30")),
    f"{_FEATURES}-2/1.0/conf/crs",
    *(f"{_FEATURES}-3/1.0/conf/{name}" for name in _FILTERS),
    *(f"{_CQL2}{name}" for name in _CQL2_CLASSES),
    *(f"{_TILES}{name}" for name in ("core", "tileset", "tilesets-list", "mvt")),
    *(f"{_PROCESSES}{name}" for name in _PROCESS_CLASSES),
]


def landing(request: HttpRequest) -> Document:
    """Answer where everything is."""
    links = [
        link(request, "service-desc", "openapi", type_=openapi.MEDIA_TYPE, title="OpenAPI"),
        link(request, "service-doc", "service-doc", type_="text/html", title=_("How to ask")),
        link(request, "conformance", "conformance", title=_("What it conforms to")),
        link(request, f"{OGC}conformance", "conformance", title=_("What it conforms to")),
        link(request, f"{OGC}processes", "processes", title=_("What can be run")),
        link(request, f"{OGC}job-list", "jobs", title=_("Your jobs")),
        link(request, "data", "collections", title=_("The layers")),
        link(request, "limits", "limits", title=_("What you may ask for")),
        link(request, f"{OGC}tiling-schemes", "matrix-sets", title=_("How tiles are numbered")),
    ]
    description = _("Clip, zip and ship: map data of the area that you draw on a map.")
    body = {"title": "MarineMap", "description": description, "links": links}
    return Document("MarineMap", body, question=never_another)


def conformance(request: HttpRequest) -> Document:
    """Answer the conformance classes that this service meets in full."""
    body = {"conformsTo": CONFORMANCE, "links": []}
    return Document(_("Conformance"), body, question=never_another)


def routes(declared: Callable[[], Sequence[Route]]) -> tuple[Route, ...]:
    """Return the routes of this module; ``declared`` gives all of the API's, to describe them."""

    def described(request: HttpRequest) -> Document:
        server = request.build_absolute_uri(reverse("api:landing")).rstrip("/")
        found = openapi.document(request, declared(), server, marinemap.__version__)
        return Document(
            "OpenAPI", found, openapi.MEDIA_TYPE, is_data=True, question=catalogue_as_it_is
        )

    @conditional_page
    def page(request: HttpRequest) -> HttpResponse:
        root = reverse("api:landing").rstrip("/")
        shown = openapi.summary(declared(), root)
        context = {"title": _("How to ask"), "root": reverse("api:landing"), "routes": shown}
        with translation.override(request.LANGUAGE_CODE):
            response = HttpResponse(render_to_string("api/openapi.html", context, request))
        in_language_of(request, response)
        return response

    object_ = {"type": "object"}
    return (
        Route("landing", "/", (_get("landing", "Where everything is", landing),)),
        Route(
            "conformance",
            "/conformance",
            (_get("conformance", "The conformance classes", conformance),),
        ),
        Route(
            "openapi",
            "/openapi.json",
            (
                Operation(
                    "GET",
                    "openapi",
                    "This description, as OpenAPI 3.0",
                    described,
                    "Overview",
                    answers={200: Answer("OpenAPI 3.0.3", object_, (openapi.MEDIA_TYPE, HTML))},
                    access=Access.OPEN,
                ),
            ),
        ),
        Route(
            "service-doc",
            "/openapi.html",
            (
                Operation(
                    "GET",
                    "serviceDoc",
                    "This description, for people",
                    page,
                    "Overview",
                    answers={200: Answer("A page", None, ("text/html",))},
                    access=Access.OPEN,
                ),
            ),
        ),
    )


def _get(id_: str, summary: str, view: Callable[..., Document]) -> Operation:
    answers = {200: Answer(summary, {"type": "object"})}
    return Operation(
        "GET",
        id_,
        summary,
        view,
        "Overview",
        (FORM,),
        answers=answers,
        access=Access.OPEN,
    )
