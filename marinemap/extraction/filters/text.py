"""CQL2 as it comes, text or JSON, as one tree: what the library's parser cannot bear is refused."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import cql2

from marinemap.errors import RequestError
from marinemap.sentences import say

_MAX_CHARACTERS = 10_000
MAX_NODES = 500
MAX_DEPTH = 32
# A text in quotes, in which no sign means anything; and the signs that nest.
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
# Numbers that a double cannot hold; the library's parser makes doubles of all.
_LARGE_INTEGER = re.compile(r"(?<![\w.])-?\d{16,}(?![\w.])")
# A double has no more than 309 before its point.
_MAX_DIGITS = 400
_ENDLESS = re.compile(rf"\d{{{_MAX_DIGITS + 1}}}")
# Stands before such a number on its way through the parser, as a text; no text of a user begins so.
_INTEGER_MARK = "\ue000integer:"
# Where the library's parser stopped, by line and character.
_PLACE = re.compile(r"\s*--> (\d+):(\d+)")
_UNREADABLE = (cql2.ParseError, cql2.ValidationError, ValueError)
_EXAMPLE = say("Write for example depth > 20 AND name LIKE 'Reef%'.")
_SLIPS = (
    (re.compile("=="), say("Equality is one sign: name = 'Reef'.")),
    (re.compile(r"&&|\|\|"), say("Conditions are joined by AND and OR.")),
    (re.compile(r"\bcasei\b(?!\s*\()", re.IGNORECASE), say("CASEI takes brackets: CASEI(name).")),
)
_NESTING = re.compile(r"\bnot\b|[-+*/%^=<>(]", re.IGNORECASE)


def parse(text: Any, field: str) -> Any:
    """Return a filter as CQL2 JSON has it.

    Parameters
    ----------
    text : str, mapping or bool
        CQL2 text, or JSON, which is not looked at.
    field : str
        The name of the input, for messages.

    Raises
    ------
    RequestError
        If it is neither, does not parse, or is larger or deeper than may be.
    """
    if isinstance(text, Mapping | bool):
        # The library's JSON parser recurses; what is nested too deep never reaches it.
        return text
    if not isinstance(text, str):
        raise RequestError(
            say('a filter is CQL2 text such as "depth > 20", or CQL2 JSON (OGC 21-065r2)'),
            field=field,
            value=text,
        )
    if len(text) > _MAX_CHARACTERS:
        raise RequestError(
            say(
                "the filter has {count:,} characters; at most {most:,} are allowed",
                count=len(text),
                most=_MAX_CHARACTERS,
            ),
            field=field,
        )
    _check_nesting(text, field)
    _check_signs(text, field)
    try:
        return _tree(text)
    except _UNREADABLE as error:
        # CQL2's other way to write an apostrophe, which the library does not know: 'O\'Brien'.
        # Tried last, for a text may end with a backslash.
        other = text.replace("\\'", "''")
        if other != text:
            _check_nesting(other, field)
            with suppress(*_UNREADABLE):
                return _tree(other)
        raise _not_cql2(text, str(error), field) from error


def _tree(text: str) -> Any:
    return _with_integers(cql2.parse_text(_with_marks(text)).to_json())


def _not_cql2(text: str, error: str, field: str) -> RequestError:
    """Return the error of a text that does not parse, with the commonest slips."""
    found = _PLACE.match(error)
    line, character = (int(found[1]), int(found[2])) if found else (1, len(text) + 1)
    rest = text.split("\n")[line - 1][character - 1 :].strip()[:40]
    where = (
        say("from '{rest}' on it cannot be read", rest=rest) if rest else say("it ends too early")
    )
    plain = _QUOTED.sub("", text)
    hint = next((words for slip, words in _SLIPS if slip.search(plain)), _EXAMPLE)
    return RequestError(say("not CQL2: {where}", where=where), field=field, value=text, hint=hint)


def _with_marks(text: str) -> str:
    """Return CQL2 text with large integers as texts, but for what is in quotes."""
    marked, end = [], 0
    for quoted in _QUOTED.finditer(text):
        marked += [_mark(text[end : quoted.start()]), quoted[0]]
        end = quoted.end()
    return "".join([*marked, _mark(text[end:])])


def _mark(text: str) -> str:
    return _LARGE_INTEGER.sub(lambda found: f"'{_INTEGER_MARK}{found[0]}'", text)


def _with_integers(node: Any) -> Any:
    if isinstance(node, str) and node.startswith(_INTEGER_MARK):
        digits = node.removeprefix(_INTEGER_MARK)
        return int(digits) if _LARGE_INTEGER.fullmatch(digits) else node
    if isinstance(node, list):
        return [_with_integers(item) for item in node]
    if isinstance(node, dict):
        return {name: _with_integers(item) for name, item in node.items()}
    return node


def _check_nesting(text: str, field: str) -> None:
    """Refuse a text that the library's parser would recurse into too deeply.

    Some thousand signs in a row overflow its stack, which ends the process (cql2 0.6).
    """
    plain = _QUOTED.sub("", text)
    steps = ({"(": 1, ")": -1}.get(character, 0) for character in plain)
    deepest = max(itertools.accumulate(steps), default=0)
    if deepest > MAX_DEPTH or len(_NESTING.findall(plain)) > MAX_NODES:
        raise too_large(field)


def _check_signs(text: str, field: str) -> None:
    """Refuse what the parser would call the end of the text."""
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise RequestError(say("it holds what cannot be kept"), field=field, value=text)
    if _ENDLESS.search(_QUOTED.sub("", text)):
        message = say("a number has more than {most} digits", most=_MAX_DIGITS)
        raise RequestError(message, field=field)


def too_large(field: str) -> RequestError:
    """Return the refusal of a filter that has too many parts."""
    return RequestError(
        say(
            "the filter has more than {nodes} parts or {depth} levels",
            nodes=MAX_NODES,
            depth=MAX_DEPTH,
        ),
        field=field,
    )
