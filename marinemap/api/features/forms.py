"""The forms that a page of features may have besides JSON and HTML."""

from __future__ import annotations

from marinemap.api.declarations import Parameter
from marinemap.api.declarations.negotiation import FORMS
from marinemap.api.declarations.serving import FORM
from marinemap.extraction import get_format

_FILES = ("csv", "flatgeobuf")
FILE_FORMS = {name: get_format(name).media_type for name in _FILES}
ITEMS_FORM = Parameter(
    FORM.name, {"type": "string", "enum": [*FORMS, *FILE_FORMS]}, FORM.description
)
