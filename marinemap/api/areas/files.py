"""The file that a request carries: as its body, or as the one field of a form."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError

from marinemap.api.bodies import refuse_encoded
from marinemap.api.declarations.operation import FORM_DATA
from marinemap.errors import RequestError
from marinemap.sentences import say

# What curl's -d says by itself of whatever it sends; it also takes line breaks out of it.
_URLENCODED = "application/x-www-form-urlencoded"
_HINT = say(
    "Send the file: curl --data-binary @area.zip -H 'Content-Type: application/zip', or -F."
)


def read_file(request: HttpRequest) -> tuple[bytes, str]:
    """Return the bytes of the file, and its name where a form tells that.

    Raises
    ------
    RequestError
        If there is none, or more than one.
    RequestDataTooBig
        If the body is larger than the site takes.
    """
    refuse_encoded(request)
    # All of it, whatever its form: what is larger than a body may be is refused here.
    content = request.body
    if request.content_type == FORM_DATA:
        content, name = _only_file(request)
    else:
        name = ""
    if not content:
        raise RequestError(say("the file is empty"), field="file", hint=_HINT)
    if request.content_type == _URLENCODED:
        raise RequestError(
            say("a file was sent as the fields of a form"),
            field="Content-Type",
            value=_URLENCODED,
            hint=_HINT,
        )
    return content, name


def _only_file(request: HttpRequest) -> tuple[bytes, str]:
    try:
        files = [file for name in request.FILES for file in request.FILES.getlist(name)]
    except MultiPartParserError as error:
        raise RequestError(
            say("the form cannot be read: {error}", error=error), field="body"
        ) from error
    if len(files) != 1 or request.POST:
        raise RequestError(
            say(
                "a form with {count} files and {fields} other fields; it has one file "
                "and nothing else",
                count=len(files),
                fields=len(request.POST),
            ),
            field="body",
            hint=say("Send curl -F file=@area.zip; the title is a parameter: ?title=..."),
        )
    return files[0].read(), files[0].name or ""
