"""Sentences that the site says: a template and its values, so that each reader has their language.

Whoever says one knows no languages: it is English, as a text is. Where a person reads it, the
template is looked up and filled in anew.
"""

from __future__ import annotations

import math
import numbers
import string
from collections.abc import Callable, Mapping
from typing import Any

# As JSON keeps them.
Value = str | int | float


class Sentence(str):
    """A text that still knows what it was made of.

    It is a text like any other, in English: joined to another, or cut, it is no sentence any more.
    """

    template: str
    values: Mapping[str, Value]

    def __new__(cls, template: str, values: Mapping[str, Value]) -> Sentence:
        made = super().__new__(cls, template.format(**values) if values else template)
        made.template, made.values = template, values
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        # Celery and the process that looks at requests carry errors, and their sentences.
        return Sentence, (self.template, self.values)


def say(template: str, /, **values: Any) -> Sentence:
    """Return a sentence; ``make messages`` finds its template, which is a text in quotes.

    Parameters
    ----------
    template : str
        With the names of values in braces, and how a number is written, as ``str.format`` has it;
        without values it is taken as it is.
    **values : object
        Numbers, sentences, and what is written as its text.

    Examples
    --------
    >>> say("{count:,} corners", count=1234)
    '1,234 corners'
    """
    return Sentence(template, {name: _plain(value) for name, value in values.items()})


def retold(text: str, translate: Callable[[str], str], point: str = ".", comma: str = ",") -> str:
    """Return a text as a reader has it: a sentence in their language, others as they are.

    Parameters
    ----------
    text : str
    translate : callable
        Gives a template in another language.
    point, comma : str
        What stands before decimals, and between thousands.
    """
    if not isinstance(text, Sentence):
        return text
    template = translate(text.template)
    values = {
        name: retold(value, translate, point, comma) if isinstance(value, str) else value
        for name, value in text.values.items()
    }
    return _Writer(point, comma).format(template, **values) if values else template


def kept(text: Value | None) -> dict[str, Any] | None:
    """Return what a text was made of as JSON values, for :func:`recalled`; None of others.

    JSON has no infinity: of a sentence with one the text alone can be kept.
    """
    if not isinstance(text, Sentence) or not all(map(_is_finite, text.values.values())):
        return None
    values = {name: kept(each) or each for name, each in text.values.items()}
    return {"template": text.template, "values": values}


def recalled(made_of: Mapping[str, Any]) -> Sentence:
    """Return the sentence that was kept."""
    values = {
        name: recalled(each) if isinstance(each, dict) else each
        for name, each in made_of["values"].items()
    }
    return Sentence(made_of["template"], values)


class _Writer(string.Formatter):
    """Fills in a template; numbers have the signs of a language."""

    def __init__(self, point: str, comma: str) -> None:
        self._signs = str.maketrans({".": point, ",": comma})

    def format_field(self, value: Any, format_spec: str) -> str:
        text: str = super().format_field(value, format_spec)
        return text.translate(self._signs) if format_spec and not isinstance(value, str) else text


def _is_finite(value: Value) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _plain(value: Any) -> Value:
    if isinstance(value, str):
        return value
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        return float(value)
    return str(value)
