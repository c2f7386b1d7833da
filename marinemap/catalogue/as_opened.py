"""Whether a row (a layer, a schedule, a person) is still as it was when its form was opened.

A form sends all of its fields: saved over what somebody else has changed meanwhile, it would bring
back what they had taken away, and show everyone a layer that was withdrawn.
"""

from __future__ import annotations

import hashlib
from typing import Any

from django.db.models import Model

# The name under which a page carries it, beside the form's fields.
NAME = "as_opened"
# The template of a page that carries it, and has nothing else of its own.
GUARDED_FORM = "catalogue/guarded_form.html"
_CHANGED = (
    "Since you opened this form, somebody else has changed: {fields}. Nothing of yours is saved, "
    "for it would undo that. Open it anew, in another tab, and enter your changes there."
)


def as_opened(form: Any) -> str:
    """Return what a form was opened with, for the page to carry: a mark for each field."""
    return str(form.data.get(NAME) or " ".join(_marks(form)))


def changed_meanwhile(form: Any) -> list[str]:
    """Return the labels of fields that are no longer as a form that was sent was opened with.

    None where it does not say: a program that sends one means what it sends.
    """
    opened = set(form.data.get(NAME, "").split())
    if not opened:
        return []
    changed = (mark.partition(":")[0] for mark in _marks(form) if mark not in opened)
    return [str(form.fields[name].label) for name in changed]


def refuse_older(form: Any) -> None:
    """Give a form that was opened before a change an error that names what was changed."""
    if changed := changed_meanwhile(form):
        form.add_error(None, _CHANGED.format(fields=", ".join(changed)))


def _marks(form: Any) -> list[str]:
    return [
        f"{name}:{hashlib.sha256(_text(form.initial[name]).encode()).hexdigest()[:16]}"
        for name in form.fields
        # What is shown and not taken, as a password's digest is, undoes nothing.
        if name in form.initial and not form.fields[name].disabled
    ]


def _text(value: Any) -> str:
    """Return a value as a text that is the same for the same; of several rows, whichever order."""
    if isinstance(value, list | tuple):
        return repr(sorted(str(row.pk) if isinstance(row, Model) else str(row) for row in value))
    return repr(value)
