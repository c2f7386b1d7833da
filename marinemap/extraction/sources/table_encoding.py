"""In which encoding the texts of a shapefile's table are."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from marinemap.errors import DatasetError, quote
from marinemap.extraction.sources.source import state_of
from marinemap.sentences import say

_HEADER_BYTES = 32
_LANGUAGE_AT = 29
# What programs write into a .cpg: UTF-8, a code page by number, ISO-8859 in several spellings.
_CODE_PAGE = re.compile(r"(?:ansi|oem|cp|windows|ibm)?[ _-]?(\d{3,5})", re.IGNORECASE)
_ISO_8859 = re.compile(r"(?:iso[ _-]?)?8859[_-]?(\d{1,2})", re.IGNORECASE)
_BY_NAME = re.compile(
    r"utf-?8|us-ascii|ascii|system|big5|gbk|gb2312|gb18030|shift_?jis|sjis|euc-?(jp|kr|cn|tw)|"
    r"koi8-?[ru]",
    re.IGNORECASE,
)
_UTF_8, _UTF_8_PAGE = "UTF-8", 65001
# As Windows numbers ISO-8859.
_ISO_PAGES = range(28591, 28606)
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}".encode().decode("latin-1")
# Language drivers that GDAL 3.12 does not know (Hebrew, Arabic), or takes for ISO-8859-1 though
# Windows wrote them: its signs beyond are controls there.
_LANGUAGES = {0x7D: "CP1255", 0x7E: "CP1256"}
_WINDOWS_ANSI = 0x57
# Hebrew and Vietnamese, in which a letter may wait for its mark: the last one is never asked for.
_CUT_BY_GDAL = ("CP1255", "CP1258")
_WINDOWS, _LATIN = "CP1252", "ISO-8859-1"
# Bytes that CP1252 leaves open.
_NOT_WINDOWS = b"\x81\x8d\x8f\x90\x9d"
_CHUNK_BYTES = 1 << 20
_REMEMBERED = 256


def check_encoding(shp: Path) -> None:
    """Refuse a .cpg that names no encoding: GDAL would take the texts for what they are not.

    Raises
    ------
    DatasetError
        With what the file says.
    """
    cpg = _beside(shp, ".cpg")
    if cpg is None:
        return
    text = _stated(cpg)
    # An empty one is what is left of one that was cut.
    if not _is_known(text):
        raise DatasetError(
            say(
                "{name} names no encoding that is known: '{text}'", name=cpg.name, text=quote(text)
            ),
            field="source",
            value=cpg.name,
            hint=say("Write the encoding of the table into it, such as UTF-8, or remove the file."),
        )


def _is_known(text: str) -> bool:
    if _ISO_8859.fullmatch(text) or _BY_NAME.fullmatch(text):
        return True
    match = _CODE_PAGE.fullmatch(text)
    return match is not None and (int(match[1]) in _ISO_PAGES or _is_page(int(match[1])))


def _is_page(page: int) -> bool:
    """Tell whether there is a code page; those of UTF-16 (1200, 1201) are none of a table."""
    try:
        codecs.lookup(f"cp{page}")
    except LookupError:
        return False
    return True


def encoding_of(shp: Path) -> str | None:
    """Return the encoding of a shapefile's table, None where GDAL finds it itself or it is none.

    Where nothing states it, it is UTF-8 if every byte of the table is; else CP1252, which has the
    letters of ISO-8859-1, GDAL's choice, and more signs. GDAL passes such bytes on as they are when
    it reads into Arrow.

    Raises
    ------
    DatasetError
        If it is one whose texts GDAL cuts.
    """
    encoding = _encoding_of(shp) if shp.suffix.lower() == ".shp" else None
    if encoding in _CUT_BY_GDAL:
        raise DatasetError(
            say(
                "the texts of {name} are in {encoding}, of which GDAL loses the last letter",
                name=shp.name,
                encoding=encoding,
            ),
            field="source",
            value=shp.name,
            hint=say(
                "Write the table anew in UTF-8, by a program that does not read it through GDAL."
            ),
        )
    return encoding


def _encoding_of(shp: Path) -> str | None:
    cpg, dbf = _beside(shp, ".cpg"), _beside(shp, ".dbf")
    if cpg is not None and (text := _stated(cpg)):
        return _by_words(text)
    if dbf is None:
        return None
    return _of_table(dbf, state_of(dbf))


def _stated(cpg: Path) -> str:
    text = cpg.read_bytes()[:1000].decode("latin-1")
    return text.removeprefix(_BYTE_ORDER_MARK).strip()


def _by_words(text: str) -> str | None:
    if match := _ISO_8859.fullmatch(text):
        return f"ISO-8859-{match[1]}"
    match = _CODE_PAGE.fullmatch(text)
    if match is None:
        # GDAL knows these names, but none that follows a mark of the order of bytes.
        return _UTF_8 if text.lower().startswith("utf") else None
    page = int(match[1])
    if page in _ISO_PAGES:
        return f"ISO-8859-{page - _ISO_PAGES.start + 1}"
    return _UTF_8 if page == _UTF_8_PAGE else f"CP{page}"


@lru_cache(_REMEMBERED)
def _of_table(dbf: Path, state: object) -> str | None:
    """Look through a table, once for each state of its file."""
    with dbf.open("rb") as file:
        head = file.read(_HEADER_BYTES)
        language = head[_LANGUAGE_AT] if len(head) == _HEADER_BYTES else None
        if language == 0:
            return _found_in(file)
        if language == _WINDOWS_ANSI:
            return _western(file)
    return _LANGUAGES.get(language or 0)


def _found_in(file: BinaryIO) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    begin = file.tell()
    try:
        while chunk := file.read(_CHUNK_BYTES):
            decoder.decode(chunk)
    except UnicodeDecodeError:
        file.seek(begin)
        return _western(file)
    return _UTF_8


def _western(file: BinaryIO) -> str:
    while chunk := file.read(_CHUNK_BYTES):
        if len(chunk.translate(None, _NOT_WINDOWS)) < len(chunk):
            return _LATIN
    return _WINDOWS


def _beside(shp: Path, suffix: str) -> Path | None:
    for candidate in (shp.with_suffix(suffix), shp.with_suffix(suffix.upper())):
        if candidate.exists():
            return candidate
    return None
