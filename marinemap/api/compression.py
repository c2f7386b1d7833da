"""Compress what people wait for; files are sent as they are."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware


class CompressionMiddleware(GZipMiddleware):
    """Compress pages and documents. Django's own would also pack archives, and spoil ranges."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Compress an answer that is in memory, where the client takes it."""
        if response.streaming:
            return response
        return super().process_response(request, response)
