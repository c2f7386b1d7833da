"""Files over HTTP: whole, in part, or handed over to the server in front (RFC 9110)."""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import quote as quote_url

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, http_date

from marinemap.api.conf import sendfile_header
from marinemap.jobs.storage import Stored

# One range; of several the whole may be sent instead (RFC 9110, section 14.2).
_RANGE = re.compile(r"bytes=\s*(?:(?P<first>\d{1,18})-(?P<last>\d{0,18})|-(?P<suffix>\d{1,18}))\s*")
# A location of nginx that leads to the site's home, for itself only.
_INTERNAL = "/marinemap-files/"


@dataclass(frozen=True)
class FileHeaders:
    """What an answer says of a file. With ``download_name`` the browser saves it under that."""

    media_type: str
    cache_control: str
    download_name: str | None = None


@dataclass(frozen=True)
class ServedFile:
    """An open file and how it is answered.

    ``tag`` names the content: a file of the same tag has the same bytes.
    """

    file: BinaryIO
    tag: str
    headers: FileHeaders


def file_response(request: HttpRequest, served: ServedFile) -> HttpResponseBase:
    """Answer a file: 200, 206, 304, 412 or 416; the file is closed when the answer is.

    Where the operator has said so (``MARINEMAP_SENDFILE``), the answer names the file to the
    server in front, which then sees to ranges itself.
    """
    header = sendfile_header()
    response = _handed_over(served, header) if header else _sent(request, served)
    _add_headers(response, served.headers)
    return response


def stored_response(
    request: HttpRequest, stored: Stored, link: str, headers: FileHeaders
) -> HttpResponse:
    """Answer a file that a storage has: by a link to it, or 304, 412 where that says all.

    HEAD is answered here: a link is signed for GET alone. Ranges are the storage's own business,
    which has the condition (``If-Range``) from the client as well.
    """
    known = HttpResponse(content_type=headers.media_type)
    modified = int(stored.modified_at.timestamp())
    known.headers["Content-Length"] = str(stored.size_bytes)
    known.headers["Accept-Ranges"] = "bytes"
    known.headers["ETag"] = stored.etag
    known.headers["Last-Modified"] = http_date(modified)
    answer = get_conditional_response(request, stored.etag, modified, known)
    assert answer is not None
    if answer is known and request.method == "GET":
        answer = HttpResponseRedirect(link)
    _add_headers(answer, headers)
    return answer


def _add_headers(response: HttpResponseBase, headers: FileHeaders) -> None:
    response.headers["Cache-Control"] = headers.cache_control
    if headers.download_name and response.status_code < 300:
        disposition = content_disposition_header(True, headers.download_name)
        response.headers["Content-Disposition"] = disposition or "attachment"


def _handed_over(served: ServedFile, header: str) -> HttpResponse:
    path = Path(served.file.name)
    served.file.close()
    response = HttpResponse(content_type=served.headers.media_type)
    # nginx makes a tag of its own. Apache takes this one: mod_xsendfile's would be "0" for all.
    response.headers["ETag"] = _etag(served)
    if header == "X-Accel-Redirect":
        inside = path.relative_to(settings.MARINEMAP_HOME)
        response.headers[header] = quote_url(f"{_INTERNAL}{inside}")
    else:
        response.headers[header] = quote_url(str(path))
    return response


def _sent(request: HttpRequest, served: ServedFile) -> HttpResponseBase:
    status = os.fstat(served.file.fileno())
    etag, modified = _etag(served), int(status.st_mtime)
    response = _whole_or_part(request, served, status.st_size, etag, modified)
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["ETag"] = etag
    response.headers["Last-Modified"] = http_date(modified)
    if request.method not in ("GET", "HEAD"):
        # What a POST asked for is done: its conditions are not about the file that came of it.
        return response
    # It looks at the headers alone, which each kind of response has.
    conditional = get_conditional_response(request, etag, modified, cast(HttpResponse, response))
    assert conditional is not None
    if conditional is not response:
        served.file.close()
    return conditional


def _etag(served: ServedFile) -> str:
    return f'"{served.tag}"'


def _whole_or_part(
    request: HttpRequest, served: ServedFile, size: int, etag: str, modified: int
) -> HttpResponseBase:
    wanted = _wanted(request, size, etag, modified)
    if wanted is None:
        return _content(served, 0, size)
    start, end = wanted
    if start >= end:
        served.file.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    response = _content(served, start, end)
    response.status_code = 206
    response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return response


def _content(served: ServedFile, start: int, end: int) -> FileResponse:
    return FileResponse(_Part(served.file, start, end), content_type=served.headers.media_type)


def _wanted(request: HttpRequest, size: int, etag: str, modified: int) -> tuple[int, int] | None:
    """Return the bytes asked for, from and up to; None for all; nothing where there are none."""
    match = _RANGE.fullmatch(request.headers.get("Range", ""))
    if match is None or request.method != "GET" or not _is_same(request, etag, modified):
        return None
    if match["suffix"]:
        return max(0, size - int(match["suffix"])), size if int(match["suffix"]) else 0
    first = int(match["first"])
    # Without an end it goes to that of the file, also where it begins beyond.
    last = int(match["last"]) if match["last"] else max(first, size)
    return None if last < first else (first, min(last + 1, size))


def _is_same(request: HttpRequest, etag: str, modified: int) -> bool:
    """Tell whether the file is the one of which the client has the beginning."""
    condition = request.headers.get("If-Range")
    return condition is None or condition in (etag, http_date(modified))


class _Part(io.RawIOBase):
    """The bytes of a file from a start to an end, as a file."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file, self._start, self._end = file, start, end
        file.seek(start)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # any buffer
        left = max(0, self._end - self._file.tell())
        content = self._file.read(min(len(buffer), left))
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: self._start, io.SEEK_CUR: self._file.tell(), io.SEEK_END: self._end}
        return self._file.seek(base[whence] + offset) - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start

    def close(self) -> None:
        self._file.close()
        super().close()
