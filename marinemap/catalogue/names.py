"""Names as people type them: without regard to case, accents and signs."""

from __future__ import annotations

import re
import unicodedata

# Letters that no accent makes, as they are typed where a keyboard lacks them.
_PLAIN = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"}
)
_NO_WORD = re.compile(r"[\W_]+")
_PHRASE_DIGITS = 160


def fold(name: str) -> list[str]:
    """Return the words of a name.

    >>> fold("Mer Égée (Ægean Sea)")
    ['mer', 'egee', 'aegean', 'sea']
    >>> fold("Łódź-Ost") == fold("LODZ ost")
    True
    """
    # Folded first: what is capital may have an accent of its own.
    apart = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return _NO_WORD.sub(" ", letters.translate(_PLAIN)).split()


def slug_of(words: list[str]) -> str:
    """Return the words of a name as an address has them.

    >>> slug_of(["mer", "egee"])
    'mer-egee'
    """
    return "-".join(words)[:80].rstrip("-")


def digits_of(words: list[str]) -> str:
    """Return words as ``NamePhrase`` has them.

    >>> digits_of(["b", "c"])
    '622063'
    """
    return " ".join(words).encode()[: _PHRASE_DIGITS // 2].hex()
