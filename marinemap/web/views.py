"""The map page; everything on it comes from the API over HTTP."""

from __future__ import annotations

from django.views.generic import TemplateView


class MapView(TemplateView):
    """Show the page on which a person draws an area and asks for shapefiles."""

    template_name = "web/map.html"
