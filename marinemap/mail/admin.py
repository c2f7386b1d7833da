"""Letters that wait, in Django's admin site: to look at, or to delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from marinemap.mail.models import Letter

# Django's own class takes a type parameter in its stubs only.
if TYPE_CHECKING:
    _LetterAdmin = admin.ModelAdmin[Letter]
else:
    _LetterAdmin = admin.ModelAdmin


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
