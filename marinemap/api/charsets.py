"""How the letters of a request are written: in UTF-8, whatever it says of its body."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

_CHARSET = re.compile(r';\s*charset\s*=\s*("[^"]*"|[^;]*)', re.IGNORECASE)
Environ = dict[str, Any]
Application = Callable[..., Iterable[bytes]]


class AllInUtf8:
    """A WSGI application to which no body says how its letters are written.

    JSON and forms are in UTF-8. Django would read the address, too, by what a body says, and end
    in an error before any middleware where that is no coding of texts (``charset=rot13``).
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer what is asked for in UTF-8."""
        if kind := environ.get("CONTENT_TYPE"):
            environ["CONTENT_TYPE"] = _CHARSET.sub("", kind)
        return self._application(environ, start_response)
