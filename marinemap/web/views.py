"""The map page; everything on it comes from the API over HTTP."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.views.generic import TemplateView

from marinemap.web.words import catalogue


class MapView(TemplateView):
    """Show the page on which a person draws an area and asks for shapefiles."""

    template_name = "web/map.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> TemplateResponse:
        """Answer the page in the language of whoever asks, with the words of its program."""
        language = request.LANGUAGE_CODE
        response = super().get(
            request, words=catalogue(language), base=settings.MARINEMAP_BASE_LAYER
        )
        assert isinstance(response, TemplateResponse)
        with translation.override(language):
            response.render()
        response.headers["Content-Language"] = language
        patch_vary_headers(response, ["Accept-Language"])
        return response
