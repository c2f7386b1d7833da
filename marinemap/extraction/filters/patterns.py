r"""Patterns of LIKE (OGC 21-065r2): % is any text, _ any sign, and \ takes the next for itself."""

from __future__ import annotations

import re
from typing import Any

import pyarrow.compute as pc

_PART = re.compile(r"\\(.)|(%)|(_)|(.)", re.DOTALL)


def matches(texts: Any, pattern: str) -> Any:
    """Return which texts a pattern is one of; null where there is none.

    Arrow's own takes a backslash for a letter where the rest of the pattern is plain.
    """
    if "\\" not in pattern:
        return pc.match_like(texts, pattern)
    return pc.match_substring_regex(texts, rf"(?s)\A{_PART.sub(_as_regex, pattern)}\z")


def _as_regex(found: re.Match[str]) -> str:
    escaped, is_any, is_one, plain = found.groups()
    if is_any or is_one:
        return ".*" if is_any else "."
    return re.escape(escaped or plain)
