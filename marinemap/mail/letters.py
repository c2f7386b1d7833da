"""Write a letter: it is kept with what it tells of, in one transaction, and sent later."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from marinemap.errors import storable
from marinemap.mail.models import Letter

_MOST_CHARACTERS = 100_000
_MOST_OF_A_SUBJECT = 200
_CUT = "\n[cut here; it is longer than a letter may be]\n"


@dataclass(frozen=True)
class Stop:
    """How a person stops letters: whose they are, and the address that does it.

    Parameters
    ----------
    key : str
        As :func:`recipients.key_of` gives it.
    uri : str
        A POST there stops them; it is told in the letter's headers (RFC 8058).
    """

    key: str
    uri: str


def write(
    recipients: Iterable[str], subject: str, body: str, stop: Stop | None = None
) -> list[Letter]:
    """Keep a letter to each of some addresses; within the transaction of what it tells.

    It returns at once, whatever the mail server does.

    Parameters
    ----------
    recipients : iterable of str
    subject : str
        One line; what does not belong into a line is made a space.
    body : str
        Plain text; what is longer than 100,000 characters is cut, and says so.
    stop : Stop, optional
        How whoever gets it stops further ones; for people who did not ask here themselves.
    """
    line = storable(" ".join(subject.split()))[:_MOST_OF_A_SUBJECT]
    text = storable(body if len(body) <= _MOST_CHARACTERS else body[:_MOST_CHARACTERS] + _CUT)
    key, uri = (stop.key, stop.uri) if stop else ("", "")
    return Letter.objects.bulk_create(
        Letter(recipient=each, subject=line, body=text, recipient_key=key, stop_uri=uri)
        for each in recipients
    )


def write_to_admins(subject: str, body: str) -> list[Letter]:
    """Keep a letter to each of the site's administrators (``ADMINS``); none where there are none.

    The subject begins with Django's ``EMAIL_SUBJECT_PREFIX``.
    """
    addresses = [address for _, address in settings.ADMINS]
    return write(addresses, f"{settings.EMAIL_SUBJECT_PREFIX}{subject}", body)
