"""Letters that wait, and who wants none, in Django's admin site: to look at, or to delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from marinemap.mail.models import Letter, Recipient

# Django's own class takes a type parameter in its stubs only.
if TYPE_CHECKING:
    _LetterAdmin = admin.ModelAdmin[Letter]
    _RecipientAdmin = admin.ModelAdmin[Recipient]
else:
    _LetterAdmin = _RecipientAdmin = admin.ModelAdmin


@admin.register(Letter)
class LetterAdmin(_LetterAdmin):
    """List letters that the mail server has not taken yet, and why."""

    list_display = ("recipient", "subject", "created_at", "due_at", "attempts", "trouble")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: the site writes them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Letter | None = None) -> bool:
        """Refuse: they are sent as written."""
        return False


@admin.register(Recipient)
class RecipientAdmin(_RecipientAdmin):
    """List who may be written to, by digests of their addresses, and who wants no letters."""

    list_display = ("key", "asked_at", "stopped_at")
    list_filter = (("stopped_at", admin.EmptyFieldListFilter),)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: requests make them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Recipient | None = None) -> bool:
        """Refuse: it is theirs to stop letters, or to have them again."""
        return False
