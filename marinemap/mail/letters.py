"""Write a letter: it is kept with what it tells of, in one transaction, and sent later."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings

from marinemap.mail.models import Letter

_MOST_CHARACTERS = 100_000
_MOST_OF_A_SUBJECT = 200
_CUT = "\n[cut here; it is longer than a letter may be]\n"


def write(recipients: Iterable[str], subject: str, body: str) -> list[Letter]:
    """Keep a letter to each of some addresses; within the transaction of what it tells.

    It returns at once, whatever the mail server does.

    Parameters
    ----------
    recipients : iterable of str
    subject : str
        One line; what does not belong into a line is made a space.
    body : str
        Plain text; what is longer than 100,000 characters is cut, and says so.
    """
    line = " ".join(subject.split())[:_MOST_OF_A_SUBJECT]
    text = body if len(body) <= _MOST_CHARACTERS else body[:_MOST_CHARACTERS] + _CUT
    # NUL is no character of a text for PostgreSQL.
    line, text = line.replace("\0", ""), text.replace("\0", "")
    return Letter.objects.bulk_create(
        Letter(recipient=each, subject=line, body=text) for each in recipients
    )


def write_to_admins(subject: str, body: str) -> list[Letter]:
    """Keep a letter to each of the site's administrators (``ADMINS``); none where there are none.

    The subject begins with Django's ``EMAIL_SUBJECT_PREFIX``.
    """
    addresses = [address for _, address in settings.ADMINS]
    return write(addresses, f"{settings.EMAIL_SUBJECT_PREFIX}{subject}", body)
