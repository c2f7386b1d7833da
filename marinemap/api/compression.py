"""Compress what people wait for; files are sent as they are."""

from __future__ import annotations

import re

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import patch_vary_headers


def takes_gzip(request: HttpRequest) -> bool:
    """Tell whether a client takes an answer that is compressed (RFC 9110, section 12.5.3).

    One that says nothing of codings takes any.
    """
    header = request.headers.get("Accept-Encoding")
    if header is None:
        return True
    qualities = {}
    for part in header.lower().split(","):
        coding, _, quality = part.partition(";")
        qualities[coding.strip()] = quality.replace(" ", "")
    asked = qualities.get("gzip", qualities.get("x-gzip", qualities.get("*")))
    return asked is not None and not re.fullmatch(r"q=0(\.0*)?", asked)


class CompressionMiddleware(GZipMiddleware):
    """Compress pages and documents. Django's own would also pack archives, and spoil ranges."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Compress an answer that is in memory, where the client takes it."""
        if response.streaming:
            return response
        if not takes_gzip(request):
            # Django's own packs for gzip;q=0 as well.
            patch_vary_headers(response, ["Accept-Encoding"])
            return response
        return super().process_response(request, response)
