"""The table of this room: letters that are still to be sent."""

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

    def __str__(self) -> str:
        return f"{self.recipient}: {self.subject}"
