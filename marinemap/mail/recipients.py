"""Whom the site may write to: addresses as they are typed, and who wants no more letters."""

from __future__ import annotations

import re
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils import timezone
from django.utils.crypto import salted_hmac

from marinemap.errors import RequestError
from marinemap.mail.models import Letter, Recipient

_MOST_CHARACTERS = 254
# What every mail server takes without quotes (RFC 5322, dot-atom); neither blanks nor signs that
# part addresses or lines.
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
_KEPT_FOR = timedelta(days=400)
_HINT = "Write one address, such as ann@example.org."


def check_recipient(text: str, field: str) -> str:
    """Return an address as letters are sent to it: one, of a host with a name of its own.

    Raises
    ------
    RequestError
        If it is none, or would be more than one.
    """
    local, _, domain = text.rpartition("@")
    try:
        # "bücher.example" is xn--bcher-kva.example for mail servers.
        found = f"{local}@{domain.encode('idna').decode()}"
        EmailValidator(allowlist=[])(found)
    except (ValidationError, UnicodeError) as error:
        raise RequestError("not an e-mail address", field=field, value=text, hint=_HINT) from error
    if not _LOCAL.fullmatch(local) or "[" in domain or len(found) > _MOST_CHARACTERS:
        raise RequestError(
            "not an e-mail address that letters can be sent to", field=field, value=text, hint=_HINT
        )
    return found


def key_of(recipient: str) -> str:
    """Return by what a mailbox is known where its address need not be.

    Nobody finds one by the other without the site's secret. What stands behind ``+`` is left out:
    to most servers it is the same mailbox, and who is not to be written to has one mailbox.
    """
    local, _, domain = recipient.lower().rpartition("@")
    mailbox = f"{local.partition('+')[0]}@{domain}"
    return salted_hmac("marinemap.mail.recipient", mailbox, algorithm="sha256").hexdigest()


def note(recipient: str) -> str:
    """Keep that somebody may be written to, so that they can stop it; return their key."""
    key = key_of(recipient)
    Recipient.objects.update_or_create(key=key, defaults={"asked_at": timezone.now()})
    return key


def find(key: str) -> Recipient | None:
    """Return whom a key is of; None if nobody."""
    return Recipient.objects.filter(key=key).first()


def is_stopped(recipient: str) -> bool:
    """Tell whether whoever reads the letters of a mailbox wants no more."""
    return Recipient.objects.filter(key=key_of(recipient), stopped_at__isnull=False).exists()


def stop(found: Recipient) -> None:
    """Write no more letters to somebody; those that wait are not sent."""
    Recipient.objects.filter(pk=found.pk, stopped_at=None).update(stopped_at=timezone.now())
    Letter.objects.filter(recipient_key=found.pk).delete()


def resume(found: Recipient) -> None:
    """Write letters to somebody again."""
    Recipient.objects.filter(pk=found.pk).update(stopped_at=None)


def forget_old() -> None:
    """Remove who was not asked for in more than a year; who wants no letters stays known."""
    Recipient.objects.filter(stopped_at=None, asked_at__lt=timezone.now() - _KEPT_FOR).delete()
