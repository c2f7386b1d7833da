"""What the web server refuses itself, told as the application tells it: a problem document.

The application never sees such a request, so that the server reads by itself which language it
asks for, as far as its header has come.
"""

from __future__ import annotations

import json
import re
from typing import Any

from django.conf import settings
from django.utils import translation
from waitress.task import ErrorTask
from waitress.utilities import Error

from marinemap.api.readers import retold, title_of
from marinemap.languages import choose
from marinemap.sentences import say

LATE = say("The request did not arrive in time; send it again.")
# In a header that is not whole.
_LANGUAGE = re.compile(rb"\nAccept-Language:([^\r\n]{0,200})", re.IGNORECASE)


class RequestTimeout(Error):  # type: ignore[misc] # the library has no types
    """The request did not arrive in time."""

    code = 408
    reason = "Request Timeout"


class ProblemTask(ErrorTask):  # type: ignore[misc] # the library has no types
    """Answers an error of the server's own as a problem document (RFC 9457)."""

    def execute(self) -> None:
        """Write the answer; the connection ends with it."""
        code, detail = self._what()
        language = choose(_asked(self.request), settings.MARINEMAP_LANGUAGES)
        with translation.override(language):
            told = {"title": retold(title_of(code)), "detail": retold(detail)}
        body = {"type": "about:blank", "status": code, **told}
        content = json.dumps(body).encode()
        self.status = f"{code} {title_of(code)}"
        self.response_headers += [
            ("Content-Type", "application/problem+json"),
            ("Content-Language", language),
        ]
        self.set_close_on_finish()
        self.channel.is_refusing = True
        self.content_length = len(content)
        self.write(b"" if _is_head(self.request) else content)

    def _what(self) -> tuple[int, str]:
        error, most = self.request.error, self.channel.adj
        if error.code == 431:
            most_bytes = most.max_request_header_size
            if not self.channel.has_first_line:
                return 414, say("The address has more than {most:,} bytes.", most=most_bytes)
            return 431, say("The headers have more than {most:,} bytes.", most=most_bytes)
        if error.code == 413:
            # The limit itself is one too many for the library.
            most_bytes = most.max_request_body_size - 1
            return 413, say("The body has more than {most:,} bytes.", most=most_bytes)
        # Of others the library's own words.
        return error.code, LATE if error.code == 408 else str(error.body)


def _is_head(request: Any) -> bool:
    """Tell whether HEAD was asked; of what is refused early the library says GET."""
    # There is none before the header has come whole.
    line: bytes = getattr(request, "first_line", b"")
    return any(each.startswith(b"HEAD ") for each in (line, request.header_plus.lstrip()))


def _asked(request: Any) -> str:
    """Return the header Accept-Language of a request, of which not all need have come."""
    if "ACCEPT_LANGUAGE" in request.headers:
        return str(request.headers["ACCEPT_LANGUAGE"])
    found = _LANGUAGE.search(request.header_plus)
    return found[1].decode("latin-1").strip() if found else ""
