"""Deleting what is chosen in a list, as much of it as one answer may take."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin, action
from django.contrib.admin.actions import delete_selected as delete_all_selected
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy

# Each is named on the page that asks, and noted in the log of the admin site when it is gone:
# of 100,000 the page had 22 MB, and to delete them took longer than a proxy waits.
_MOST = 5_000


@action(
    permissions=["delete"],
    description=gettext_lazy("Delete selected %(verbose_name_plural)s"),
)
def delete_selected(
    modeladmin: ModelAdmin[Any], request: HttpRequest, queryset: QuerySet[Any]
) -> HttpResponse | None:
    """Ask, then delete, as Django does; refuse more than an answer can hold."""
    chosen = queryset.count()
    if chosen <= _MOST:
        return delete_all_selected(modeladmin, request, queryset)
    told = (
        f"{_MOST:,} are deleted at once at most, and {chosen:,} are chosen. None was deleted: "
        "choose fewer, by a search or a filter, or a page of the list at a time."
    )
    modeladmin.message_user(request, told, messages.ERROR)
    return None
