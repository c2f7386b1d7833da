"""Send what is written, in a thread: a mail server that is away or mute holds up nobody.

A letter that a process took and did not end is taken by another after its lease: it is sent at
least once.
"""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.utils import timezone

from marinemap.mail.models import Letter
from marinemap.mail.outbox import Outbox

logger = logging.getLogger(__name__)

# For each answer of the mail server.
_ANSWER_WITHIN_SECONDS = 10
_outbox = Outbox(
    # Longer than sending one takes at the slowest server.
    lease=timedelta(minutes=5),
    first_pause=timedelta(seconds=30),
    longest_pause=timedelta(hours=1),
    tried_for=timedelta(days=2),
)
_AT_A_TIME = 50
# What the caller waits for: usually the server has taken everything by then.
_ROUND_SECONDS = 1.0

_one_at_a_time = threading.Lock()
_sender: threading.Thread | None = None


def send_due() -> None:
    """Begin to send what is due, unless this process is at it; return within a second or so."""
    global _sender
    with _one_at_a_time:
        if (_sender is None or not _sender.is_alive()) and _find_due():
            _sender = threading.Thread(target=_send_all, name="letters", daemon=True)
            _sender.start()
        sender = _sender
    if sender is not None:
        sender.join(_ROUND_SECONDS)


def _find_due() -> list[Letter]:
    due = Letter.objects.filter(due_at__lte=timezone.now())
    # What was never tried goes first: one that no server takes delays no other.
    return list(due.order_by("attempts", "due_at")[:_AT_A_TIME])


def _send_all() -> None:
    try:
        while (due := _find_due()) and _send(due):
            pass
    except Exception:
        # Such as a database that is away; the next round goes on.
        logger.warning("Letters could not be sent just now", exc_info=True)
    finally:
        connection.close()


def _send(due: list[Letter]) -> bool:
    """Send letters over one connection; tell whether the server takes any at all."""
    taken = [letter for letter in due if _outbox.take(letter)]
    server = get_connection(timeout=_ANSWER_WITHIN_SECONDS)
    try:
        server.open()
    except Exception as error:
        for letter in taken:
            _try_later(letter, error)
        _warn(f"the mail server does not answer: {error}")
        return False
    try:
        for letter in taken:
            _send_one(letter, server)
    finally:
        server.close()
    return bool(taken)


def _send_one(letter: Letter, server: BaseEmailBackend) -> None:
    message = EmailMessage(
        letter.subject,
        letter.body,
        settings.DEFAULT_FROM_EMAIL,
        [letter.recipient],
        headers=_headers(letter),
        connection=server,
    )
    try:
        message.send()
    except Exception as error:
        _try_later(letter, error)
        _warn(f"the letter to {letter.recipient} was not taken: {error}")
    else:
        Letter.objects.filter(pk=letter.pk).delete()


def _headers(letter: Letter) -> dict[str, str]:
    # No program that is away answers it (RFC 3834).
    headers = {"Auto-Submitted": "auto-generated"}
    if letter.stop_uri:
        # Mail programs show a button of their own for it (RFC 2369, RFC 8058).
        headers["List-Unsubscribe"] = f"<{letter.stop_uri}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def _try_later(letter: Letter, error: Exception) -> None:
    if _outbox.try_later(letter, letter.created_at, trouble=str(error)[:500]) is None:
        logger.error("The letter '%s' to %s is given up", letter.subject, letter.recipient)
        Letter.objects.filter(pk=letter.pk).delete()


def _warn(what: str) -> None:
    logger.warning("E-mail: %s", what)
