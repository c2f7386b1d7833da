"""The drawing of a layer: an archive of tiles, of which a map reads parts."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from marinemap.api.features.layers import get_layer, kept_by
from marinemap.api.files import FileHeaders, ServedFile, file_response
from marinemap.api.problems import NotFoundError
from marinemap.catalogue.drawings import open_drawing
from marinemap.extraction.tiles import MEDIA_TYPE
from marinemap.sentences import say


def drawing(request: HttpRequest, collection_id: str, file: str) -> HttpResponseBase:
    """Answer the drawing of a layer, whole or in part."""
    layer = get_layer(request, collection_id)
    opened = open_drawing(layer, file)
    if opened is None:
        raise NotFoundError(
            say("there is no such drawing; the collection's link leads to the present one"),
            field="file",
            value=file,
        )
    # The name changes with what is drawn.
    kept = f"{kept_by(layer)}, max-age=31536000, immutable"
    served = ServedFile(opened, file, FileHeaders(MEDIA_TYPE, kept))
    return file_response(request, served)
