"""The tables of this room: letters that are still to be sent, and who may be written to."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Letter(models.Model):
    """An e-mail to one address; the row goes when the mail server has taken it.

    ``due_at`` is when to send it, or to try again.
    """

    recipient = models.CharField(max_length=254)
    subject = models.CharField(max_length=200)
    body = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now, db_index=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    trouble = models.CharField(max_length=500, blank=True, help_text="Why it was not sent yet.")
    recipient_key = models.CharField(
        max_length=64, blank=True, help_text="Of a person who may stop letters; see Recipient."
    )
    stop_uri = models.CharField(max_length=700, blank=True, help_text="Where they do so.")

    def __str__(self) -> str:
        return f"{self.recipient}: {self.subject}"


class Recipient(models.Model):
    """A mailbox that a request asked to write to, known by a digest of its address.

    ``stopped_at`` is when whoever reads its letters asked for no more.
    """

    key = models.CharField(max_length=64, primary_key=True)
    asked_at = models.DateTimeField(db_index=True)
    stopped_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.key[:8]}... {'wants no letters' if self.stopped_at else ''}".rstrip()
