"""Send what is written, in a thread: a mail server that is away or mute holds up nobody.

A letter that a process took and did not end is taken by another after its lease: it is sent at
least once.
"""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection

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
    due = Letter.objects.filter(_outbox.is_due())
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
    """Send letters over one connection, while it lasts; tell whether to go on with a new one."""
    server = get_connection(timeout=_ANSWER_WITHIN_SECONDS)
    try:
        server.open()
    except Exception as error:
        for letter in filter(_outbox.take, due):
            _try_later(letter, error)
        _warn(f"the mail server does not answer: {error}")
        return False
    try:
        return _send_over(server, due)
    finally:
        server.close()


def _send_over(server: BaseEmailBackend, due: list[Letter]) -> bool:
    """Send letters until one is not taken, for then the connection may be lost to the others.

    Each is taken when its turn comes: at a slow server the last would wait beyond its lease, and
    another process would send it, too. Tell whether there was one to send.
    """
    was_any = False
    for letter in due:
        if not _outbox.take(letter):
            continue
        was_any = True
        if not _send_one(letter, server):
            break
    return was_any


def _send_one(letter: Letter, server: BaseEmailBackend) -> bool:
    """Send a letter; tell whether the server took it."""
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
        return False
    Letter.objects.filter(pk=letter.pk).delete()
    return True


def _headers(letter: Letter) -> dict[str, str]:
    headers = {
        # No program that is away answers it (RFC 3834).
        "Auto-Submitted": "auto-generated",
        # The same at each try: where only the server's answer was lost, mailboxes can tell that
        # the letter is one that they have.
        "Message-ID": f"<letter-{letter.pk}-{letter.created_at.timestamp():.6f}@{_domain()}>",
    }
    if letter.stop_uri:
        # Mail programs show a button of their own for it (RFC 2369, RFC 8058).
        headers["List-Unsubscribe"] = f"<{letter.stop_uri}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def _domain() -> str:
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"


def _try_later(letter: Letter, error: Exception) -> None:
    if _outbox.try_later(letter, letter.created_at, trouble=str(error)[:500]) is None:
        logger.error("The letter '%s' to %s is given up", letter.subject, letter.recipient)
        Letter.objects.filter(pk=letter.pk).delete()


def _warn(what: str) -> None:
    logger.warning("E-mail: %s", what)
